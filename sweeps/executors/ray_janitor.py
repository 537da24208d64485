"""Ends what a Ray of ours leaves behind, and removes its folder, also when the sweep was killed: see `ray_tune`.

A process of its own that waits for the end of its input, which comes however the sweep ends. Ray's own processes end
with their parent, but for the agents of its node. Whoever holds a file below the folder open belongs to this Ray, but
for the sweep itself, which may still have Ray's log open when it goes on without Ray.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

_SECONDS = 20.0


def main() -> None:
    """Argument: the folder, with everything of this Ray below it."""
    folder = Path(sys.argv[1]).resolve()
    spared = {os.getpid(), os.getppid()}
    sys.stdin.buffer.read()
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        others = [process for process in _users(folder) if process.pid not in spared]
        for process in others:
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        if not others and not folder.exists():
            return
        time.sleep(0.1)


def _users(folder: Path) -> Iterator[psutil.Process]:
    """Processes that hold a file below `folder` open, or were started with a path below it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            paths = [*process.cmdline(), *(file.path for file in process.open_files())]
            if any(f"{folder}/" in path for path in paths):
                yield process


if __name__ == "__main__":
    main()
