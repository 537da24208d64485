"""The clip cache: every clip is decoded once, at working size, into a file that all processes map into memory.

A clip's name is a hash of the file's *content*, the interval, the geometry and the decoder's version, so a moved or
copied video is found again and a changed one is not. The operating system's page cache is the shared memory: a second
worker maps the same pages. A clip appears by renaming a finished file, under a lock that dies with its process; whoever
is killed while filling leaves nothing that anyone would take for a clip.

Layout: ``clips/<1 hex>/<key>.npy`` (uint8 ``(n, h, w, 3)``, followed by a footer that says what was decoded, which
numpy ignores and without which a clip is not whole) and ``<key>.motion.npy``; see `vmp.data.cache.memo` for the rest.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from vmp.core.files import replacing
from vmp.data.cache.folder import WRITING, CacheFolder
from vmp.data.cache.memo import decoder_version, digest
from vmp.video import Pixels, VideoInfo

Producer = Callable[[Callable[[Pixels], object]], VideoInfo]
# A clip that is being written under its lock.
_FILLING = f".clip{WRITING}"
_MAGIC = b"VMPCLIP1"


class ClipCache:
    """Decoded clips in a cache folder."""

    def __init__(self, folder: CacheFolder) -> None:
        self.folder = folder

    def info(self, key: str) -> VideoInfo | None:
        """What a stored clip holds, or None if it is not stored."""
        try:
            with self._clip(key).open("rb") as stream:
                raw = _read_footer(stream)
            raw["fps"] = float("nan") if raw["fps"] is None else raw["fps"]
            return VideoInfo(**{**raw, "key_frames": tuple(raw["key_frames"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def pixels(self, key: str) -> Pixels | None:
        """A stored clip, ``(n, h, w, 3)``, mapped read-only, or None if it is not stored (or its file is damaged)."""
        try:
            return np.asarray(np.load(self._clip(key), mmap_mode="r"))
        except (OSError, ValueError, EOFError):
            return None

    def fill(self, key: str, produce: Producer, *, room: int, wait: bool) -> int | None:
        """Store a clip unless it is there: `produce` gets a function that takes frames in order, and returns the info.

        Args:
            key: From `clip_key`.
            produce: Decodes the clip.
            room: Bytes that it may take.
            wait: For a process that fills nearby.

        Returns:
            Bytes added (0: it was there), or None: another process is filling nearby, come back.

        Raises:
            InputError: From `produce`.
            CacheError: The cache cannot be written, or is full.
        """
        try:
            with self._lock(key, wait):
                if self.info(key) is not None and self.pixels(key) is not None:
                    return 0
                for stale in self._clip(key).parent.glob(f".*{_FILLING}"):
                    stale.unlink(missing_ok=True)  # its writer was killed: the lock is ours
                return self._write(key, produce, room)
        except Timeout:
            return None
        except OSError as error:
            raise self.folder.cannot_write(error) from error

    def side(self, key: str, name: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """A small array that belongs to a clip, computed once and stored beside it."""
        path = self._clip(key, f".{name}.npy")
        try:
            return np.asarray(np.load(path))
        except (OSError, ValueError, EOFError):
            value = compute()
        if self._clip(key).is_file():
            self.folder.store(path, lambda stream: np.save(stream, value))
        return value

    def _write(self, key: str, produce: Producer, room: int) -> int:
        with replacing(self._clip(key), _FILLING) as temporary, temporary.open("wb", buffering=0) as stream:
            sink = _NpySink(stream)

            def take(frame: Pixels) -> None:
                if sink.size + frame.nbytes > room:
                    self.folder.check_room(self.folder.limit, sink.size + frame.nbytes)
                sink.append(frame)

            info = produce(take)
            sink.finish()
            plain = dataclasses.asdict(info)
            plain["fps"] = info.fps if np.isfinite(info.fps) else None
            stream.seek(0, os.SEEK_END)
            _write_footer(stream, plain)
            return stream.tell()

    @contextmanager
    def _lock(self, key: str, wait: bool) -> Iterator[None]:
        shard = self._clip(key).parent
        if not shard.is_dir():
            self.folder.make()
            shard.mkdir(parents=True, exist_ok=True)
        with FileLock(shard / ".lock", timeout=-1 if wait else 0):
            yield

    def _clip(self, key: str, suffix: str = ".npy") -> Path:
        return self.folder.path / "clips" / key[:1] / f"{key}{suffix}"


class _NpySink:
    """An .npy file that grows frame by frame: its header is written last, in the room that numpy leaves for it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._count = 0
        self._shape: tuple[int, ...] = ()
        self._start = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._start + self._count * math.prod(self._shape)

    def append(self, frame: Pixels) -> None:
        if not self._count:
            self._shape = frame.shape
            self._header()
            self._start = self._stream.tell()
        if self._stream.write(np.ascontiguousarray(frame).data) != frame.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._count += 1

    def finish(self) -> None:
        self._stream.seek(0)
        self._header()
        if self._stream.tell() != self._start:
            raise RuntimeError("numpy no longer leaves room for a growing first axis in its header")

    def _header(self) -> None:
        head = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._stream, head)


def _write_footer(stream: IO[bytes], plain: dict[str, Any]) -> None:
    text = json.dumps(plain).encode()
    stream.write(text + len(text).to_bytes(8, "little") + _MAGIC)


def _read_footer(stream: IO[bytes]) -> dict[str, Any]:
    """Raises OSError or ValueError if there is none."""
    tail = 8 + len(_MAGIC)
    end = stream.seek(-tail, os.SEEK_END)
    length = int.from_bytes(stream.read(8), "little")
    if stream.read() != _MAGIC or length > end:
        raise ValueError("no footer")
    stream.seek(end - length)
    return dict(json.loads(stream.read(length)))


def clip_key(content: str, interval: object, geometry: object) -> str:
    """The name of a clip: 40 hex digits over file content, interval, geometry and decoder version."""
    return digest(content, repr(interval), repr(geometry), *decoder_version())[:40]
