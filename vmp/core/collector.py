"""Python's cyclic garbage collector, kept from work that can find nothing."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No collection while many objects are made of which all stay, as arms of a plan, records or a report.

    The collector looks through all objects whenever their number has grown by a quarter, which was a third of the time
    of planning 100,000 cells. Also a decorator. Reference counting, which frees almost everything, goes on.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
