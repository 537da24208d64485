"""Drives a study to its end: plan, lock, execute what is missing, record. The same call again repeats nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock

from sweeps.executors.base import Event, Executor, Progress, Resources
from sweeps.executors.registry import make_executor
from sweeps.plan import Task, explain_changes, make_plan
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.record import CellRecord, SearchHeader, StudyFolder
from sweeps.status import StudyStatus, lock_of, read_status
from sweeps.study import Study
from sweeps.track.console import Reporter, silent
from sweeps.weights import MODELS_FOLDER, Keep, KeptWeights
from vmp.core.errors import InputError
from vmp.experiment import Runtime

Listener = Callable[[Progress], str | None]
"""Hears of every epoch of every running cell; returns why that cell is to stop, or None to let it go on."""


def go_on(progress: Progress) -> str | None:
    """The listener that never stops a cell."""
    del progress
    return None


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    runtime: Runtime | None = None,
    search: SearchSettings | None = None,
    reporter: Reporter = silent,
    listener: Listener = go_on,
    keep_weights: Keep = "chosen",
) -> StudyStatus:
    """Run the missing cells of `study`.

    Args:
        study: The definition.
        out: The study's folder; made if need be.
        workers: Cells at a time.
        engine: A key of `sweeps.executors.base.EXECUTORS`.
        runtime: Device, threads and reading processes of each worker; no part of a cell's identity.
        search: How arms are proposed; None for what the study says.
        reporter: Shown the plan and every event.
        keep_weights: Which trained models stay in ``out/models``: those of the ``chosen`` arm, ``all`` or ``none``.
        listener: Asked after every epoch of a cell whether it is to go on. A stopped cell is final.

    Raises:
        InputError: The study cannot be planned, another run is at work in `out`, `out` cannot be written, or a record
            in it is damaged.
    """
    runtime = runtime or Runtime()
    for name, value, minimum in (
        ("workers", workers, 1),
        ("threads", runtime.threads, 1),
        ("loader-workers", runtime.loader_workers, 0),
    ):
        if value < minimum:
            raise InputError(f"--{name} must be at least {minimum}, got {value}")
    if engine == "local":
        runtime.torch_device()  # on a cluster the devices are elsewhere
    folder = StudyFolder(out)
    # Before the folder is made: a study that cannot be planned leaves nothing behind.
    proposer = make_proposer(study, search or study.search, folder, workers=workers)
    models = folder.path / MODELS_FOLDER
    weights = KeptWeights(models, keep_weights, study.metric)
    resources = Resources(
        workers=workers,
        runtime=runtime,
        checkpoints=folder.path / "checkpoints",
        logs=folder.path / "logs",
        models=models if keep_weights != "none" else None,
    )
    executor = make_executor(engine, resources)
    folder.create()
    with _only_run(folder), executor:
        session = _Session(study, folder, executor, reporter, listener, weights)
        while tasks := proposer.ask():
            proposer.tell(session.run(tasks, proposer.header))
        session.end(proposer.header)
        for line in weights.end():
            reporter.note(line)
    return read_status(folder, computed=session.computed)


class _Session:
    """Plans and runs one round of tasks after the other into one folder."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        executor: Executor,
        reporter: Reporter,
        listener: Listener,
        weights: KeptWeights,
    ) -> None:
        self.study, self.folder, self.executor, self.weights = study, folder, executor, weights
        self.reporter, self.listener = reporter, listener
        self.tasks: dict[str, Task] = {}
        self.computed = 0

    def run(self, tasks: Sequence[Task], search: SearchHeader) -> list[CellRecord]:
        """Add `tasks` to the plan, run those without a final record, return the records of all of them."""
        first = not self.tasks
        round_ = {task.hash: task for task in tasks}
        self.tasks |= round_
        plan = make_plan(self.study, self.tasks.values(), search=search)
        if first and search.method == GRID and self.folder.has_plan():
            for line in explain_changes(self.folder, plan, self.tasks.values()):
                self.reporter.note(line)
        self.folder.write_plan(plan)
        missing = [task for task in round_.values() if not self._is_final(task)]
        finished = round_.keys() - {task.hash for task in missing}
        self.weights.plan(round_.values(), {cell: self.folder.read_cell(cell) for cell in finished})
        self.reporter.planned(plan, missing)
        self.executor.run(missing, self._on_event)
        return [self.folder.read_cell(task.hash) for task in tasks]

    def end(self, search: SearchHeader) -> None:
        """Note in the plan that no more arms will come, however many were proposed."""
        if search.method != GRID:
            ended = search.model_copy(update={"proposed": search.arms})
            self.folder.write_plan(make_plan(self.study, self.tasks.values(), search=ended))

    def _is_final(self, task: Task) -> bool:
        """Complete, diverged and stopped cells are results and never repeated; a failed one gets another chance."""
        return self.folder.has_cell(task.hash) and self.folder.read_cell(task.hash).status != "failed"

    def _on_event(self, event: Event) -> str | None:
        reason = None
        if isinstance(event, CellRecord):
            self.folder.write_cell(event)
            self.weights.add(event)
            self.computed += 1
            (self.folder.path / "checkpoints" / f"{event.hash}.pt").unlink(missing_ok=True)
        else:
            reason = self.listener(event)
        self.reporter.event(event)
        return reason


@contextlib.contextmanager
def _only_run(folder: StudyFolder) -> Iterator[None]:
    """Hold the folder for one run. The kernel frees the lock with the process, however it dies."""
    lock = lock_of(folder.path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InputError(
            f"another `vmp sweep run` is at work in '{folder.path}'; wait for it to end or give another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
