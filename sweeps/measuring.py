"""What `vmp sweep plan` says while it measures: one changing line on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.status import Status

from vmp.core.text import duration

_LOG_EVERY = 10.0  # seconds between lines where there is no terminal


class Measuring:
    """Progress on standard error, so that standard output stays clean; pass `show` to `sweeps.cost.estimate_cost`.

    The remaining time is (steps to go) * (time so far) / (steps done).
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr, highlight=False)
        self._status: Status | None = None
        self._started = self._logged = time.monotonic()

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
        now = time.monotonic()
        rest = f"  about {duration((now - self._started) / done * (total - done))} remaining" if done else ""
        line = f"[{done}/{total}] {what}{rest}"
        if self._status is not None:
            self._status.update(line.replace("[", r"\["))
        elif now - self._logged >= _LOG_EVERY:
            self._logged = now
            self.console.print(line, markup=False, soft_wrap=True)
