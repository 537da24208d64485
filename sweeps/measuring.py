"""What is said while something in several parts is measured, by `vmp sweep plan` and of videos by `vmp sweep run`."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.status import Status

from vmp.core.text import duration

_LOG_EVERY = 10.0  # seconds between lines where there is no terminal


class Pace:
    """How far something in several parts is, as a line; the time begins when this is made.

    The remaining time is (parts to go) * (time so far) / (parts done).
    """

    def __init__(self) -> None:
        self._started = self._logged = time.monotonic()

    def line(self, done: int, total: int, what: str) -> str:
        """That `done` of `total` parts are measured, and `what` comes now."""
        now = time.monotonic()
        rest = f"  about {duration((now - self._started) / done * (total - done))} remaining" if done else ""
        return f"[{done}/{total}] {what}{rest}"

    def line_for_log(self, done: int, total: int, what: str) -> str | None:
        """The same, None within 10 seconds of the last one."""
        now = time.monotonic()
        if now - self._logged < _LOG_EVERY:
            return None
        self._logged = now
        return self.line(done, total, what)


class Measuring:
    """One changing line on a terminal, a line now and then in a log; pass `show` to `sweeps.cost.estimate_cost`.

    It is on standard error, so that standard output stays clean.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr, highlight=False)
        self._status: Status | None = None
        self._pace = Pace()

    def __enter__(self) -> Measuring:
        if self.console.is_terminal:
            self._status = self.console.status("measuring")
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, done: int, total: int, what: str) -> None:
        """Show that `done` of `total` kinds of cells are measured, and what comes now."""
        if self._status is not None:
            self._status.update(self._pace.line(done, total, what).replace("[", r"\["))
        elif (line := self._pace.line_for_log(done, total, what)) is not None:
            self.console.print(line, markup=False, soft_wrap=True)
