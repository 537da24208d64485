"""Where cells run: one contract, one visible table. tests/sweeps/test_executors.py is the contract's suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from sweeps.plan import Task
from sweeps.record import CellRecord
from vmp.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an executor may use.

    Attributes:
        workers: Cells that run at the same time.
        device: Device of each worker, see `vmp.experiment.Runtime`.
        checkpoints: Folder for the state of unfinished cells.
        logs: Folder for what workers print.
    """

    workers: int
    device: str
    checkpoints: Path
    logs: Path


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A running cell has done `epochs` of its epochs."""

    hash: str
    epochs: int


Event = Progress | CellRecord


class Executor(Protocol):
    """Runs tasks, each exactly once as long as its process lives, and reports them in the order in which they finish.

    `run` calls `on_event` in the caller's thread: any number of `Progress`, then exactly one `CellRecord` for each
    task, whatever happened to it. A task whose worker died is tried once more, then recorded as failed. When `on_event`
    raises, or the caller is interrupted, `run` stops all work and lets the exception pass. Workers outlive `run`:
    leaving the context ends them.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, tasks: Sequence[Task], on_event: Callable[[Event], None]) -> None: ...


def failed_record(task: Task, reason: str, *, engine: str) -> CellRecord:
    """The record of a cell that no worker could bring to an end."""
    return CellRecord(
        hash=task.hash,
        factors=task.factors,
        seed=task.seed,
        status="failed",
        reason=reason,
        settings=task.settings,
        provenance={"engine": engine},
    )


def make_executor(engine: str, resources: Resources) -> Any:
    """The executor that `engine` names. Raises InputError for an unknown one."""
    if engine not in EXECUTORS:
        raise InputError(f"unknown engine '{engine}'; valid: {', '.join(EXECUTORS)}")
    return EXECUTORS[engine](resources)


def _local(resources: Resources) -> Any:
    from sweeps.executors.local import LocalExecutor

    return LocalExecutor(resources)


def _ray(resources: Resources) -> Any:
    from sweeps.executors.ray_tune import RayTuneExecutor  # Ray takes seconds to import and may be left out

    return RayTuneExecutor(resources)


EXECUTORS: dict[str, Callable[[Resources], Any]] = {"local": _local, "ray": _ray}
"""Name -> constructor of every engine that `vmp sweep run --engine` takes."""
