"""What a running sweep shows: a bar with an estimate on a terminal, a line a cell in a log file, nothing in a test."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from sweeps.executors.base import Event, Progress
from sweeps.plan import Task
from sweeps.record import CellRecord, Plan
from sweeps.status import describe_factors, describe_seconds


class Reporter(Protocol):
    """Is told what a sweep does, in the thread that drives it."""

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

    The time left is (epochs to go) * (wall time so far) / (epochs done): right for any number of workers, and it moves
    within a cell.
    """

    def __init__(self, metric: str, search_arms: int | None = None) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self.metric, self.search_arms = metric, search_arms
        self._bar: Bar | None = None
        self._started = time.monotonic()
        self._epochs: dict[str, int] = {}  # epochs of each missing cell
        self._done: dict[str, int] = {}  # epochs done, of running and finished cells
        self._total = self._finished = 0

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
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
        fresh = [task for task in missing if task.hash not in self._epochs]
        self._epochs |= {task.hash: task.settings["train"]["epochs"] for task in fresh}
        self._total, self._finished = len(plan.cells), len(plan.cells) - len(missing)
        if self._total == len(missing) or not missing or self.search_arms is None:
            self.note(f"{self._total} cells planned, {self._finished} already there, {len(missing)} to run")
        if self._bar and not self._bar.tasks:
            self._bar.add_task("cells", left="")
        self._draw()

    def event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._done[event.hash] = event.epochs
        else:
            self._done[event.hash] = self._epochs.get(event.hash, 0)
            self._finished += 1
            self._tell(event)
        self._draw()

    def seconds_left(self) -> float | None:
        done = sum(self._done.values())
        if not done:
            return None
        return (sum(self._epochs.values()) - done) * (time.monotonic() - self._started) / done

    def _tell(self, record: CellRecord) -> None:
        score = record.metrics.get(f"val_{self.metric}")
        outcome = f"val {self.metric} {score:.3f}" if isinstance(score, float) else f"{record.status}: {record.reason}"
        seconds = record.provenance.get("seconds")
        took = f" ({seconds:.1f} s)" if isinstance(seconds, float) else ""
        left = "" if self._bar else f"  {self._left()}"
        count = f"[{self._finished}/{self._total}]"
        self.note(f"{count} {describe_factors(record.factors)} seed={record.seed}  {outcome}{took}{left}")

    def _left(self) -> str:
        seconds = self.seconds_left()
        more = "" if self.search_arms is None else " for this arm"
        return "" if seconds is None else f"about {describe_seconds(seconds)} left{more}"

    def _draw(self) -> None:
        if self._bar:
            self._bar.update(self._bar.tasks[0].id, completed=self._finished, total=self._total, left=self._left())
