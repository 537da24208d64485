"""Pixels of annotated clips, from the shared cache or straight from the files: same frames, different speed."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.data.cache.folder import CacheError, CacheFolder
from vmp.data.cache.frames import ClipCache, clip_key
from vmp.data.cache.memo import FileMemo, digest, packet_index
from vmp.data.interval import Source
from vmp.video import Geometry, Pixels, VideoInfo, VideoReader, build_index, decode_to
from vmp.video.frame_folders import image_files

_OPEN_CLIPS = 256  # each holds a file descriptor; most systems allow 1024 a process
_OPEN_READERS = 64
_T = TypeVar("_T")


class ClipStore:
    """Frames of many clips at one working size.

    Args:
        sources: The clips, by index.
        geometry: Working size.
        folder: Where decoded clips are kept.

    Attributes:
        infos: For each clip what it holds, or the error that says why it cannot be used. Filled by `prepare`.
    """

    def __init__(self, sources: Sequence[Source], geometry: Geometry, folder: CacheFolder) -> None:
        self.geometry = geometry
        self._sources = list(sources)
        self._folder = folder
        self._cache = ClipCache(folder)
        self._memo = FileMemo(folder)
        self._keys: list[str] = [""] * len(self._sources)
        self._maps: OrderedDict[int, Pixels] = OrderedDict()
        self._readers: OrderedDict[Path, VideoReader] = OrderedDict()
        self.infos: list[VideoInfo | InputError] = [InputError("not prepared")] * len(self._sources)

    def prepare(self) -> None:
        """Bring every clip into the cache that is not there yet, sharing the work with whoever else is filling it.

        A clip that cannot be decoded leaves its error in `infos` and does not stop the others.

        Raises:
            InputError: The cache cannot be written or would outgrow its limit.
        """
        missing: list[int] = []
        for i, source in enumerate(self._sources):
            try:
                self._keys[i] = clip_key(self.content(i), source.interval, self.geometry)
            except InputError as error:
                self.infos[i] = error
                continue
            except OSError as error:
                self.infos[i] = InputError(f"{source.path}: {(error.strerror or str(error)).lower()}")
                continue
            info = self._cache.info(self._keys[i]) if self._folder.limit else None
            if info is None:
                missing.append(i)
            else:
                self.infos[i] = info
        if missing and self._folder.limit:
            _Filling(self, self._folder, missing).run()
        elif missing:
            for i in missing:
                self.infos[i] = _or_error(lambda i=i: self._describe(i))  # type: ignore[misc]

    def content(self, i: int) -> str:
        """SHA-256 of the clip's whole file, or of a folder of frames: of the images in their order."""
        path = self._sources[i].path
        if path.is_dir():
            return digest(*(self._memo.content_hash(file) for file in image_files(path)))
        if not path.is_file():
            raise InputError(f"{path}: no such video file")
        return self._memo.content_hash(path)

    def read(self, i: int, frames: NDArray[np.int64]) -> Pixels:
        """Frames of clip `i`, ``(t, h, w, 3)`` RGB uint8.

        Raises:
            InputError: The file has become unreadable.
        """
        if i in self._maps:
            self._maps.move_to_end(i)
            return self._maps[i][frames]
        pixels = self._cache.pixels(self._keys[i]) if self._folder.limit else None
        if pixels is None and self._folder.limit:
            # Someone cleared the cache meanwhile, or its file is damaged.
            self.fill(i, room=self._folder.limit - self._folder.usage()[1], wait=True)
            pixels = self._cache.pixels(self._keys[i])
        if pixels is None:
            return self._decode(i, frames)
        self._maps[i] = pixels
        if len(self._maps) > _OPEN_CLIPS:
            self._maps.popitem(last=False)
        return pixels[frames]

    def motion(self, i: int, compute: Callable[[Pixels], NDArray[np.float64]]) -> NDArray[np.float64]:
        """A figure a step between frames, computed from all frames of a clip once and kept beside it."""
        info = self.infos[i]
        assert isinstance(info, VideoInfo)
        return self._cache.side(self._keys[i], "motion", lambda: compute(self.read(i, np.arange(info.frames))))

    def fill(self, i: int, *, room: int, wait: bool) -> int | None:
        """Decode clip `i` into the cache: bytes added, or None if another process is at it and we do not wait."""
        return self._cache.fill(self._keys[i], lambda emit: self._produce(i, emit), room=room, wait=wait)

    def cached(self, i: int) -> VideoInfo | None:
        """What the cache says of clip `i`."""
        return self._cache.info(self._keys[i])

    def _produce(self, i: int, emit: Callable[[Pixels], object]) -> VideoInfo:
        source = self._sources[i]
        if source.interval is None:
            return decode_to(source.path, self.geometry, emit)
        info = self._describe(i)
        for frame in self._decode(i, np.arange(info.frames)):
            emit(frame)
        return info

    def _describe(self, i: int) -> VideoInfo:
        """What a clip holds by its packet index, without decoding it."""
        source = self._sources[i]
        index = self._reader(source).index
        first, end = source.interval.frames(index, str(source.path)) if source.interval else (0, index.frames)
        keys = index.key_frames
        keys = keys[(keys >= first) & (keys < end)] - first
        return VideoInfo(
            frames=end - first,
            fps=index.fps,
            height=index.height,
            width=index.width,
            codec=index.codec,
            container=index.container,
            key_frames=tuple(keys.tolist()),
            streams=index.streams,
        )

    def _decode(self, i: int, frames: NDArray[np.int64]) -> Pixels:
        source = self._sources[i]
        reader = self._reader(source)
        first = source.interval.frames(reader.index, str(source.path))[0] if source.interval else 0
        return reader.read(frames + first)

    def _reader(self, source: Source) -> VideoReader:
        path = source.path
        if path not in self._readers:
            # A whole file counts as many frames as decode, as in the cache; in an interval of a long one time counts.
            content = "" if path.is_dir() else self._memo.content_hash(path)
            index = (
                build_index(path)
                if path.is_dir()
                else packet_index(self._folder, path, content, exact=source.interval is None)
            )
            self._readers[path] = VideoReader(path, self.geometry, index)
            if len(self._readers) > _OPEN_READERS:
                self._readers.popitem(last=False)
        return self._readers[path]


class _Filling:
    """One pass of filling: bounded, shown on a terminal, and shared with other processes that fill at the same time."""

    def __init__(self, store: ClipStore, folder: CacheFolder, missing: list[int]) -> None:
        self.store, self.folder, self.missing = store, folder, missing
        self.used = folder.usage()[1]
        self.added = 0

    def run(self) -> None:
        from rich.console import Console
        from rich.progress import track

        self.folder.check_room(self.used, 0)
        busy: list[int] = []
        console = Console(stderr=True)
        show = track(
            self.missing,
            description="Decoding videos (once)",
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        for done, i in enumerate(show):
            if not self._fill(i, wait=False):
                busy.append(i)
            if done in (16, 64, 256) or done % 1024 == 0:
                # Long before the disk is full: what is missing, at the mean size so far.
                self.folder.check_room(
                    self.used + self.added, self.added * (len(self.missing) - done - 1) // (done + 1)
                )
        for i in busy:
            self._fill(i, wait=True)

    def _fill(self, i: int, *, wait: bool) -> bool:
        room = self.folder.limit - self.used - self.added
        result = _or_error(lambda: self.store.fill(i, room=room, wait=wait))
        if result is None:
            return False
        if isinstance(result, InputError):
            self.store.infos[i] = result
            return True
        self.added += result
        self.store.infos[i] = self.store.cached(i) or InputError("was cleared from the cache while it was filled")
        return True


def _or_error(make: Callable[[], _T]) -> _T | InputError:
    """What `make` gives, or the reason why this video cannot be used; what is wrong with the cache ends everything."""
    try:
        return make()
    except CacheError:
        raise
    except InputError as error:
        return error
