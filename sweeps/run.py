"""Drives a study to its end: plan, lock, execute what is missing, record. The same call again repeats nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock

from sweeps.executors.base import Event, Resources, make_executor
from sweeps.plan import Task, explain_changes, grid_tasks, make_plan
from sweeps.propose.optuna_search import Search, SearchSettings
from sweeps.record import CellRecord, StudyFolder
from sweeps.status import Standing, lock_of, read_standing
from sweeps.study import Study
from sweeps.track.console import Reporter, silent
from vmp.core.errors import InputError
from vmp.experiment import Runtime


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    device: str = "auto",
    search: SearchSettings | None = None,
    reporter: Reporter = silent,
) -> Standing:
    """Run every cell of `study` that `out` does not hold yet.

    Args:
        study: The definition.
        out: The study's folder; made if need be.
        workers: Cells at a time.
        engine: A key of `sweeps.executors.base.EXECUTORS`.
        device: Device of each worker.
        search: Propose arms within the factors' ranges instead of enumerating the grid.
        reporter: Told of the plan and of every event.

    Raises:
        InputError: The study cannot be planned, or another run is at work in `out`.
        RecordError: `out` cannot be written, or a record in it is damaged.
    """
    if workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}")
    if engine == "local":
        Runtime(device=device).torch_device()  # on a cluster the devices are elsewhere
    folder = StudyFolder(out)
    tasks = grid_tasks(study) if search is None else []  # before the folder: a bad study leaves nothing behind
    proposer = Search(study, search, folder) if search is not None else None
    folder.create()
    resources = Resources(
        workers=workers, device=device, checkpoints=folder.path / "checkpoints", logs=folder.path / "logs"
    )
    with _only_run(folder), make_executor(engine, resources) as executor:
        session = _Session(study, folder, executor.run, reporter, search)
        if proposer is None:
            session.run(tasks)
        else:
            proposer.drive(session.run)
            session.end_search()
    return read_standing(folder, ran=session.ran)


class _Session:
    """Plans and runs batches of tasks into one folder; a grid is one batch, a search adds one after the other."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        execute: Callable[[Sequence[Task], Callable[[Event], None]], None],
        reporter: Reporter,
        search: SearchSettings | None,
    ) -> None:
        self.study, self.folder, self.execute, self.reporter = study, folder, execute, reporter
        self.method = search.to_plain() if search else {"method": "grid"}
        self.tasks: list[Task] = []
        self.ran = 0

    def run(self, tasks: Sequence[Task]) -> list[CellRecord]:
        """Add `tasks` to the plan, run those without a final record, return the records of all of them."""
        first = not self.tasks
        known = {task.hash for task in self.tasks}
        self.tasks += [task for task in tasks if task.hash not in known]
        plan = make_plan(self.study, self.tasks, search=self.method)
        if first and self.folder.has_plan() and self.method["method"] == "grid":
            for line in explain_changes(self.folder, plan, self.tasks):
                self.reporter.note(line)
        self.folder.write_plan(plan)
        missing = [task for task in tasks if not self._is_final(task)]
        self.reporter.planned(plan, missing)
        self.execute(missing, self._on_event)
        return [self.folder.read_cell(task.hash) for task in tasks]

    def end_search(self) -> None:
        """Note in the plan that no more arms will come, however many were proposed."""
        self.method["proposed"] = self.method["arms"]
        self.folder.write_plan(make_plan(self.study, self.tasks, search=self.method))

    def _is_final(self, task: Task) -> bool:
        """Complete and diverged cells are results and never repeated; a failed one gets another chance."""
        return self.folder.has_cell(task.hash) and self.folder.read_cell(task.hash).status != "failed"

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CellRecord):
            self.folder.write_cell(event)
            self.ran += 1
            (self.folder.path / "checkpoints" / f"{event.hash}.pt").unlink(missing_ok=True)
        self.reporter.event(event)


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
