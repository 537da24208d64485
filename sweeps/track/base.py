"""Where a running sweep is shown to other tools: one small protocol, and the thread that keeps it out of the way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan
from vmp.core.text import duration

_CLOSE_SECONDS = 60.0  # how long the end of a sweep waits for a tracker that is behind


class Tracker(Protocol):
    """Shows a sweep to another tool. It sees every event and answers nothing.

    All methods are called in one thread, in the order of the events. What they raise ends the tracker, with one
    sentence to the user, and nothing else. A sweep that goes on calls `planned` with the records that are there, so a
    tracker can make up for what it has missed, see `make_up`.
    """

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        """The plan as it is now, the tasks that have come to it, and their records as far as there are any."""
        ...

    def progress(self, progress: Progress) -> None:
        """A running cell has done an epoch."""
        ...

    def ended(self, record: CellRecord) -> None:
        """A cell has ended."""
        ...

    def close(self, is_over: bool) -> None:
        """The sweep ends; `is_over` if the plan holds all that was to be run."""
        ...


class Trackers:
    """Feeds trackers from a thread of their own: a slow or broken one neither fails a cell nor holds one up.

    Args:
        trackers: By their names.
        note: Shows a sentence; called from the caller's thread.
    """

    def __init__(self, trackers: Mapping[str, Tracker], note: Callable[[str], None]) -> None:
        self._trackers, self._note = dict(trackers), note
        self._calls: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._sentences: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        if trackers:
            self._thread.start()

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._give(lambda tracker: tracker.planned(plan, tasks, records))

    def progress(self, progress: Progress) -> None:
        self._give(lambda tracker: tracker.progress(progress))

    def ended(self, record: CellRecord) -> None:
        self._give(lambda tracker: tracker.ended(record))

    def close(self, *, is_over: bool) -> None:
        """Wait until everything is written, within reason."""
        if not self._thread.is_alive():
            return
        self._give(lambda tracker: tracker.close(is_over))
        self._calls.put(None)
        self._thread.join(_CLOSE_SECONDS)
        self._say()
        if self._thread.is_alive():
            names = ", ".join(self._trackers)
            self._note(
                f"Warning: {names} did not take everything within {duration(_CLOSE_SECONDS)}; the records have it"
            )

    def _give(self, call: Callable[[Tracker], None]) -> None:
        if self._trackers:
            self._calls.put(call)
            self._say()

    def _say(self) -> None:
        while not self._sentences.empty():
            self._note(self._sentences.get())

    def _work(self) -> None:
        working = dict(self._trackers)
        while (call := self._calls.get()) is not None:
            for name, tracker in list(working.items()):
                try:
                    call(tracker)
                except Exception as error:
                    del working[name]
                    text = " ".join(f"{type(error).__name__}: {error}".split())
                    self._sentences.put(
                        f"Warning: {name} is given up until the next run ({text[:300]}); the cells and their records "
                        "go on"
                    )


def make_up(tracker: Tracker, records: Iterable[CellRecord]) -> None:
    """Show a tracker cells that ended before anybody asked for it."""
    for record in records:
        curves = {name: values for name, values in record.curves.items() if name != "epoch"}
        for i, epoch in enumerate(record.curves.get("epoch", [])):
            figures = {name: values[i] for name, values in curves.items()}
            tracker.progress(Progress(hash=record.hash, epoch=int(epoch or 0), figures=figures))
        tracker.ended(record)


def numbers(figures: Mapping[str, object]) -> dict[str, float]:
    """The figures that are there, as floats."""
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
