"""What a running sweep shows: a bar with an estimate on a terminal, a line per cell in a log, nothing in a test."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from sweeps.describe import describe_factors
from sweeps.executors.base import Event, Progress
from sweeps.plan import Task
from sweeps.record import CellRecord, Plan
from vmp.core.text import duration

_LOG_EVERY = 30.0  # seconds between lines about a running cell where there is no bar


class Reporter(Protocol):
    """Shows what a sweep does, in the thread that drives it."""

    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan, missing: Sequence[Task]) -> None: ...

    def event(self, event: Event) -> None: ...


class _Silent:
    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan, missing: Sequence[Task]) -> None: ...

    def event(self, event: Event) -> None: ...


silent = _Silent()


class ConsoleReporter:
    """Progress on standard error, so that standard output stays clean for results.

    The remaining time is (epochs to go) * (wall time so far) / (epochs done): right for any number of workers, and it
    moves within a cell.

    Args:
        metric: ``top1`` or ``mean_class``; its latest validation value is shown.
    """

    def __init__(self, metric: str) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self.metric = metric
        self._bar: Bar | None = None
        self._started = self._logged = time.monotonic()
        self._tasks: dict[str, Task] = {}  # those to run
        self._done: dict[str, int] = {}  # epochs done, of running and finished cells
        self._total = self._finished = 0
        self._rounds = 0
        self._is_search = False
        self._latest = ""

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[remaining]}"),
                TextColumn("{task.fields[latest]}"),
            )
            self._bar = Bar(*columns, console=self.console)
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar:
            self._bar.stop()

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def planned(self, plan: Plan, missing: Sequence[Task]) -> None:
        self._tasks |= {task.hash: task for task in missing}
        self._total, self._finished = len(plan.cells), len(plan.cells) - len(missing)
        self._is_search = plan.search.arms is not None
        self._rounds += 1
        if self._rounds == 1:
            for text in plan.data.notes:
                self.note(f"Note: {text}")
            self.note(f"{self._total} cells planned, {self._finished} already there, {len(missing)} to run")
        if self._bar and not self._bar.tasks:
            self._bar.add_task("cells", remaining="", latest="")
        self._draw()

    def event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._done[event.hash] = event.epoch
            self._show_epoch(event)
        elif isinstance(event, CellRecord):
            self._done[event.hash] = self._epochs(event.hash)
            self._finished += 1
            self._show_cell(event)
        self._draw()

    def seconds_remaining(self) -> float | None:
        done = sum(self._done.values())
        if not done:
            return None
        return (sum(map(self._epochs, self._tasks)) - done) * (time.monotonic() - self._started) / done

    def _epochs(self, cell: str) -> int:
        epochs: int = self._tasks[cell].settings["train"]["epochs"] if cell in self._tasks else 0
        return epochs

    def _show_epoch(self, progress: Progress) -> None:
        task = self._tasks[progress.hash]
        score = _score(progress.figures.get(f"val_{self.metric}"), self.metric)
        epoch = f"epoch {progress.epoch}/{self._epochs(progress.hash)}"
        self._latest = f"{describe_factors(task.factors)} seed={task.seed}  {epoch}  {score}"
        if self._bar or progress.epoch == self._epochs(progress.hash):
            return
        if time.monotonic() - self._logged >= _LOG_EVERY:
            self._logged = time.monotonic()
            self.note(f"[{self._finished}/{self._total}] {self._latest}  {self._remaining()}".rstrip())

    def _show_cell(self, record: CellRecord) -> None:
        seconds = record.provenance.seconds
        parts = [
            f"[{self._finished}/{self._total}] {describe_factors(record.factors)} seed={record.seed}",
            _score(record.metrics.get(f"val_{self.metric}"), self.metric)
            if record.status == "complete"
            else f"{record.status}: {record.reason}",
            "" if seconds is None else f"({duration(seconds)})",
            "" if self._bar else self._remaining(),
        ]
        self._logged = time.monotonic()
        self.note("  ".join(part for part in parts if part))

    def _remaining(self) -> str:
        seconds = self.seconds_remaining()
        scope = " for this round" if self._is_search else ""
        return "" if seconds is None else f"about {duration(seconds)} remaining{scope}"

    def _draw(self) -> None:
        if self._bar and self._bar.tasks:
            self._bar.update(
                self._bar.tasks[0].id,
                completed=self._finished,
                total=self._total,
                remaining=self._remaining(),
                latest=self._latest,
            )


def _score(value: object, metric: str) -> str:
    return f"val {metric} {value:.3f}" if isinstance(value, float | int) else f"val {metric} none"
