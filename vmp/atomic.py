"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path, ending: str = ".writing") -> Iterator[Path]:
    """A temporary path beside `path`, hidden and unique to the thread; it becomes `path` if the block ends well.

    Its name ends in `ending`, by which some writers choose their format.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}{ending}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
