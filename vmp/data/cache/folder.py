"""The folder that all caches share: where it is, how files come into it, how large it is, how it is emptied."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

import platformdirs
from filelock import FileLock, Timeout

from vmp.core.errors import InputError
from vmp.core.files import replacing
from vmp.core.paths import expand

FOLDER_VARIABLE = "VMP_CACHE_DIR"
LIMIT_VARIABLE = "VMP_CACHE_LIMIT_GB"
DEFAULT_LIMIT_GB = 50.0
# What a writer has not finished ends in this.
WRITING = ".writing"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Decoded clips of video-motion-prompts; safe to delete.\n"


class CacheError(InputError):
    """The cache itself cannot be used: full, not writable, or no cache at all."""


class CacheFolder:
    """A folder of recomputable files.

    Args:
        path: Where; made when something is first stored.
        limit: Bytes that it may take; 0 stores no clips (packet indices and hashes are kept all the same).
    """

    def __init__(self, path: str | Path, limit: int) -> None:
        self.path = Path(path)
        self.limit = limit

    @classmethod
    def from_environment(cls) -> CacheFolder:
        """The cache that ``VMP_CACHE_DIR`` and ``VMP_CACHE_LIMIT_GB`` name; else the user's cache folder and 50 GB.

        Raises:
            CacheError: The limit is no number >= 0.
        """
        text = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_GB))
        try:
            limit = float(text)
        except ValueError:
            limit = -1.0
        if not 0 <= limit < float("inf"):
            raise CacheError(f"{LIMIT_VARIABLE} is {text!r}: give a number of gigabytes, 0 for no clip cache")
        return cls(expand(os.environ.get(FOLDER_VARIABLE, "")) or platformdirs.user_cache_dir("vmp"), int(limit * 1e9))

    def store(self, path: Path, write: Callable[[IO[bytes]], object]) -> None:
        """Write a small file atomically."""
        try:
            if not path.parent.is_dir():
                self.make()
                path.parent.mkdir(exist_ok=True)
            with replacing(path, WRITING) as temporary, temporary.open("wb") as stream:
                write(stream)
        except OSError as error:
            raise self.cannot_write(error) from error

    def append(self, path: Path, line: str) -> None:
        """Append a line to a file in one write."""
        try:
            if not path.exists():
                self.make()
            with path.open("ab", buffering=0) as stream:
                stream.write(f"{line}\n".encode())
        except OSError as error:
            raise self.cannot_write(error) from error

    def make(self) -> None:
        """Make the folder and mark it as a cache.

        Raises:
            CacheError: It cannot be made, or holds something else (which `clear` must never touch).
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self._tag.exists():
                if any(self.path.iterdir()):
                    raise CacheError(
                        f"{self.path}: holds other files; {FOLDER_VARIABLE} must name a new or empty folder"
                    )
                self._tag.write_text(_TAG, encoding="utf-8")
        except OSError as error:
            raise self.cannot_write(error) from error

    @property
    def _tag(self) -> Path:
        return self.path / "CACHEDIR.TAG"

    def usage(self) -> tuple[int, int]:
        """``(clips, bytes)`` stored, everything counted."""
        sizes = []
        for file in self.path.rglob("*"):
            with contextlib.suppress(OSError):  # another process may be at work
                sizes.append((file.name, file.stat().st_size if file.is_file() else 0))
        clips = sum(name.endswith(".npy") and not name.endswith(".motion.npy") for name, _ in sizes)
        return clips, sum(size for _, size in sizes)

    def clear(self) -> tuple[int, int]:
        """Delete everything stored; returns `usage` before. Processes that hold clips keep them until they let go.

        Raises:
            CacheError: The folder is not a clip cache, or a process is filling it right now.
        """
        if not self.path.exists():
            return 0, 0
        self.make()
        before = self.usage()
        for shard in sorted(self.path.glob("clips/*/")):
            try:
                with FileLock(shard / ".lock", timeout=0):
                    for file in [*shard.glob("*.npy"), *shard.glob(f".*{WRITING}")]:
                        file.unlink(missing_ok=True)
            except Timeout as error:
                raise CacheError(f"{self.path}: another process is filling the cache; wait or stop it") from error
        for name in ("index", "shards"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / "files.jsonl").unlink(missing_ok=True)
        return before

    def check_room(self, used: int, more: int) -> None:
        """Refuse to outgrow the limit or the disk.

        Raises:
            CacheError: Says how much is needed, and what to do.
        """
        way_out = (
            f"choose a smaller working size, raise {LIMIT_VARIABLE}, run `vmp data cache --clear`, "
            f"or set {LIMIT_VARIABLE}=0 to decode clips anew each time"
        )
        if used + more > self.limit:
            raise CacheError(
                f"{self.path}: {_gb(more)} of clips would take the cache from {_gb(used)} past its limit of "
                f"{_gb(self.limit)}; {way_out}"
            )
        self.make()
        free = shutil.disk_usage(self.path).free
        if more > free - (1 << 28):
            raise CacheError(f"{self.path}: {_gb(more)} of clips do not fit the {_gb(free)} free on disk; {way_out}")

    def cannot_write(self, error: OSError) -> CacheError:
        """The sentence for a failed write."""
        if error.errno == errno.ENOSPC:
            return CacheError(f"{self.path}: the disk is full; free some space or set {FOLDER_VARIABLE}")
        return CacheError(
            f"{self.path}: the clip cache cannot be written ({error.strerror}); "
            f"set {FOLDER_VARIABLE} to a writable folder"
        )


def _gb(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
