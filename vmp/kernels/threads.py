"""Helper threads for kernels that release the interpreter lock, woken in microseconds.

A `concurrent.futures` pool costs 0.1 ms a call, as much as a tenth of the work that it is to share here.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue


class Helpers:
    """Daemon threads that call whatever is put before them; as many as were ever asked for at once."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.started = 0
        self.lock = threading.Lock()

    def call(self, job: Callable[[], None], times: int) -> None:
        """Have `job` called by `times` threads, some time soon. It must not raise."""
        with self.lock:
            while self.started < times:
                threading.Thread(target=self._serve, name="vmp-kernel", daemon=True).start()
                self.started += 1
        for _ in range(times):
            self.jobs.put(job)

    def _serve(self) -> None:
        while True:
            job = self.jobs.get()
            job()
            del job  # it holds the arrays that it worked on


_helpers = Helpers()


def _forget() -> None:
    # A forked child (a data loader's worker) inherits the object without its threads and would wait for them for ever.
    global _helpers
    _helpers = Helpers()


os.register_at_fork(after_in_child=_forget)


def share(work: Callable[[int], None], shares: int, threads: int) -> None:
    """Call work(0), ..., work(shares - 1) on up to `threads` threads, this one included; return when all are done.

    The threads draw shares as they become free, so one that the system has not scheduled holds up nobody. The first
    exception is raised here once the others are done.
    """
    waiting = deque(range(shares))
    finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def draw() -> None:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:
                return
            error: BaseException | None = None
            try:
                work(number)
            except BaseException as raised:  # handed on to the caller
                error = raised
            finished.put(error)

    if threads > 1 and shares > 1:
        _helpers.call(draw, min(threads, shares) - 1)
    draw()
    errors = [error for error in (finished.get() for _ in range(shares)) if error is not None]
    if errors:
        raise errors[0]
