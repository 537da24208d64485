"""What a running sweep shows: a live table on a terminal, a line per cell in a log, nothing in a test."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.describe import describe_cell, describe_factors
from sweeps.executors.base import Event, Progress
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from vmp.core.text import count, duration

RUNNING = "running"
_LINES_AROUND = 6  # of a terminal that the table leaves free
_SEEDS_SHOWN = 10
_LOG_EVERY = 30.0  # seconds between lines about a running cell where there is no bar


class Reporter(Protocol):
    """Shows what a sweep does, in the thread that drives it."""

    def note(self, text: str) -> None:
        """A sentence for the user."""
        ...

    def planned(self, plan: Plan, missing: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        """The plan as it is now, the cells that have come to it and are to run, and the records of the others, by hash.

        Called once for each round of a search, once for a grid.
        """
        ...

    def event(self, event: Event) -> None:
        """What a cell has reported."""
        ...


class _Silent:
    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan, missing: Sequence[Task], records: Mapping[str, CellRecord]) -> None: ...

    def event(self, event: Event) -> None: ...


silent = _Silent()


class ConsoleReporter:
    """Progress on standard error, so that standard output stays clean for results.

    On a terminal a table of arms and seeds that changes in place; otherwise plain lines, which is what a log file gets.
    The remaining time is (epochs to go) * (wall time so far) / (epochs done): right for any number of workers, and it
    moves within a cell.

    Args:
        metric: ``top1`` or ``mean_class``; its latest validation value is shown.
        console: Where to; standard error unless given.
    """

    def __init__(self, metric: str, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr, highlight=False)
        self.metric = metric
        self._live: Live | None = None
        self._started = self._logged = time.monotonic()
        self._plan: Plan | None = None
        self._tasks: dict[str, Task] = {}  # those to run
        self._done: dict[str, int] = {}  # epochs done, of running and finished cells
        self._values: dict[str, float] = {}  # latest validation value of a cell
        self._states: dict[str, str] = {}  # of running and ended cells
        self._touched: dict[str, None] = {}  # arms, the one with the latest event at the end
        self._cost = 0.0  # seconds of cells, over all workers
        self._rounds = 0

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._view, console=self.console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def planned(self, plan: Plan, missing: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._tasks |= {task.hash: task for task in missing}
        self._plan = plan
        self._states |= {cell: record.status for cell, record in records.items()}
        for record in records.values():
            self._take(record)
        self._rounds += 1
        if self._rounds == 1:
            for text in plan.data.notes:
                self.note(f"Note: {text}")
            total, there = len(plan.cells), len(records)
            self.note(f"{total} cells planned, {there} already there, {total - there} to run")

    def event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._done[event.hash] = event.epoch
            self._states[event.hash] = RUNNING
            value = event.figures.get(f"val_{self.metric}")
            if value is not None:
                self._values[event.hash] = float(value)
            self._touch(self._tasks[event.hash].factors)
            self._log_epoch(event)
        elif isinstance(event, CellRecord):
            self._done[event.hash] = self._epochs(event.hash)
            self._states[event.hash] = event.status
            self._take(event)
            self._log_cell(event)

    def seconds_remaining(self) -> float | None:
        """Until all cells that are planned so far have ended; None before the first epoch has."""
        done = sum(self._done.values())
        if not done:
            return None
        return (sum(map(self._epochs, self._tasks)) - done) * (time.monotonic() - self._started) / done

    def _take(self, record: CellRecord) -> None:
        value = record.metrics.get(f"val_{self.metric}")
        if value is not None:
            self._values[record.hash] = float(value)
        self._cost += record.provenance.seconds or 0.0
        self._touch(record.factors)

    def _touch(self, factors: Mapping[str, Scalar]) -> None:
        self._touched.pop(key := arm_key(factors), None)
        self._touched[key] = None

    def _epochs(self, cell: str) -> int:
        epochs: int = self._tasks[cell].settings["train"]["epochs"] if cell in self._tasks else 0
        return epochs

    def _counts(self) -> str:
        finished = sum(state != RUNNING for state in self._states.values())
        return f"[{finished}/{len(self._plan.cells) if self._plan else 0}]"

    def _log_epoch(self, progress: Progress) -> None:
        """A line about a running cell now and then, where no table shows it."""
        if self._live or progress.epoch == self._epochs(progress.hash):
            return
        if time.monotonic() - self._logged >= _LOG_EVERY:
            self._logged = time.monotonic()
            task = self._tasks[progress.hash]
            epoch = f"epoch {progress.epoch}/{self._epochs(progress.hash)}"
            score = _score(progress.figures.get(f"val_{self.metric}"), self.metric)
            cell = describe_cell(task.factors, task.seed)
            self.note(f"{self._counts()} {cell}  {epoch}  {score}  {self._remaining()}".rstrip())

    def _log_cell(self, record: CellRecord) -> None:
        if self._live and record.status == "complete":
            return  # it is in the table
        seconds = record.provenance.seconds
        parts = [
            f"{self._counts()} {describe_cell(record.factors, record.seed)}",
            _score(record.metrics.get(f"val_{self.metric}"), self.metric)
            if record.status == "complete"
            else f"{record.status}: {record.reason}",
            "" if seconds is None else f"({duration(seconds)})",
            "" if self._live else self._remaining(),
        ]
        self._logged = time.monotonic()
        self.note("  ".join(part for part in parts if part))

    def _remaining(self) -> str:
        seconds = self.seconds_remaining()
        scope = " for what is planned so far" if self._plan and self._plan.search.arms is not None else ""
        return f"about {duration(seconds)} remaining{scope}" if seconds else ""

    def _view(self) -> RenderableType:
        """Arms and seeds with their latest validation values; best so far, cost and time remaining below."""
        if self._plan is None:
            return Text("planning")
        cells: dict[str, dict[int, str]] = {}
        for cell in self._plan.cells:
            cells.setdefault(arm_key(cell.factors), {})[cell.seed] = cell.hash
        factors, means = self._plan.arms(), self._means(cells)
        best = max(means, key=means.__getitem__, default=None)
        rows = max(self.console.height - _LINES_AROUND, 3)
        latest = [arm for arm in reversed(self._touched) if arm in cells]
        first = dict.fromkeys([*([best] if best else []), *latest, *cells])
        shown = set(itertools.islice(first, rows))
        seeds = self._plan.seeds[:_SEEDS_SHOWN]
        table = Table(box=None, pad_edge=False)
        table.add_column("arm", no_wrap=True)
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right", no_wrap=True)
        table.add_column(f"mean val {self.metric}", justify="right")
        for arm, by_seed in cells.items():
            if arm in shown:
                mean = f"{means[arm]:.3f}" if arm in means else ""
                values = [self._cell(by_seed[seed]) if seed in by_seed else "" for seed in seeds]
                style = "bold" if arm == best else ""
                table.add_row(Text(describe_factors(factors[arm])), *map(Text, values), mean, style=style)
        lines: list[RenderableType] = [table]
        if len(cells) > len(shown):
            lines.append(Text(f"... and {count(len(cells) - len(shown), 'more arm')}"))
        parts = [
            self._counts(),
            "" if best is None else f"best so far {describe_factors(factors[best])} {means[best]:.3f}",
            f"cost {duration(self._cost)} of cells",
            self._remaining(),
        ]
        return Group(*lines, Text("  ".join(part for part in parts if part)))

    def _means(self, cells: Mapping[str, Mapping[int, str]]) -> dict[str, float]:
        """Mean of each arm that has ended on as many seeds as any."""
        ended = {
            arm: [self._values[cell] for cell in by_seed.values() if self._states.get(cell) == "complete"]
            for arm, by_seed in cells.items()
        }
        most = max((len(values) for values in ended.values()), default=0)
        return {arm: fmean(values) for arm, values in ended.items() if values and len(values) == most}

    def _cell(self, cell: str) -> str:
        state = self._states.get(cell)
        value = f"{self._values[cell]:.3f}" if cell in self._values else ""
        if state is None:
            return "."
        if state == RUNNING:
            return f"{self._done.get(cell, 0)}/{self._epochs(cell)} {value}".rstrip()
        return value if state == "complete" else state


def _score(value: object, metric: str) -> str:
    return f"val {metric} {value:.3f}" if isinstance(value, float | int) else f"val {metric} none"
