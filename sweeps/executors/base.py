"""What every engine that runs cells keeps to. tests/sweeps/test_executors.py is the suite of this contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sweeps.cell_needs import CellNeeds
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord, Provenance
from vmp.core.outcome import Figures, Predictions
from vmp.core.text import duration
from vmp.experiment import Runtime


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an executor may use.

    Attributes:
        workers: Cells that run at the same time.
        runtime: Device, threads and reading processes of each worker.
        checkpoints: Folder for the state of unfinished cells.
        logs: Folder for what workers print.
        tries: How often a cell is tried whose worker dies under it.
        cell_timeout: Seconds after which a cell is killed and recorded as failed; None for no limit.
        models: Folder for the models that cells have trained; None keeps none.
        devices: Given out among the workers of this machine, evenly; empty for the runtime's.
        needs: What a cell takes of a machine.
    """

    workers: int
    runtime: Runtime
    checkpoints: Path
    logs: Path
    tries: int = 2
    cell_timeout: float | None = None
    models: Path | None = None
    devices: tuple[str, ...] = ()
    needs: CellNeeds = field(default_factory=CellNeeds)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A running cell has done `epoch` of its epochs; `figures` are those of the last one, as in the record's curves."""

    hash: str
    epoch: int
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A cell has come to its end, and its model says this of each validation and test video; its record follows."""

    hash: str
    predictions: Predictions


Event = Progress | Predicted | CellRecord
OnEvent = Callable[[Event], str | None]
"""Answers a `Progress` with the reason why its cell is to stop, or with None; other answers are ignored."""

More = Callable[[], Sequence[Task]]
"""Asked after each record for tasks that can be run now."""


MAX_FALSE_STARTS = 10
"""So many workers may die in turn before they could begin with a cell; then trying again mends nothing."""


def no_more() -> Sequence[Task]:
    """The answer of a caller that has given all its tasks."""
    return ()


class Executor(Protocol):
    """Runs tasks, each exactly once as long as its process lives, and reports them in the order in which they finish.

    `run` calls `on_event` in the caller's thread: `Progress` after each epoch, `Predicted` once a cell is complete,
    then exactly one `CellRecord` for each task, whatever happened to it. A cell waits for the answer to its `Progress`:
    with a reason it ends as ``stopped`` after that very epoch, so what a rule decides on does not depend on timing. A
    task whose worker died is tried again, `Resources.tries` times in all, then recorded as failed; epochs and
    predictions may then be reported twice. A worker that was killed before it could begin is no try of its task. A
    record says how often its task was tried. When `on_event` raises, or the caller is interrupted, `run` stops all work
    and lets the exception pass. Workers outlive `run`: leaving the context ends them. An executor that can take tasks
    while it runs asks `more` after each record; with another one the caller calls `run` again.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, tasks: Sequence[Task], on_event: OnEvent, more: More = no_more) -> None: ...


def failed_record(task: Task, reason: str, *, engine: str, tries: int) -> CellRecord:
    """The record of a cell that no worker could bring to an end."""
    return CellRecord(
        hash=task.hash,
        science=task.science,
        factors=task.factors,
        seed=task.seed,
        status="failed",
        reason=reason,
        settings=task.settings,
        provenance=Provenance(engine=engine, tries=tries),
    )


def overdue_record(task: Task, limit: float, *, engine: str, tries: int) -> CellRecord:
    """The record of a cell that was killed for taking longer than `limit` seconds."""
    reason = f"the cell ran longer than --cell-timeout {duration(limit)} and was killed; it goes on if it is run again"
    return failed_record(task, reason, engine=engine, tries=tries)
