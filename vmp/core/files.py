"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path, ending: str = ".writing", *, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`, hidden and unique to the thread; it becomes `path` if the block ends well.

    Args:
        path: The file.
        ending: Of the temporary name, by which some writers choose their format.
        durable: Wait until the content is on the disk, so that not even a power failure leaves half a file.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}{ending}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text so that `path` holds either its old content or all of `text`, whatever dies in between."""
    with replacing(path, durable=True) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
