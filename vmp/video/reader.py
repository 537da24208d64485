"""Frames by number from anywhere in a file: seek to the key frame before, decode forward, check every step.

The index says which packet must come after the seek and which frame each packet gives. A read compares both with what
the demuxer and the decoder really hand out, and an exact index the picture itself. At the first difference, or a frame
that the decoder had to patch up, it gives the index up and decodes from the start, which is always right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.video.containers import decode_packet, frames_of, is_flush, open_video, packets_of, tag_of
from vmp.video.frame_folders import frames_of_folder, image_files
from vmp.video.geometry import Converter, Geometry, Pixels
from vmp.video.index import NO_STAMP, PacketIndex, build_index, checksum


class _IndexMismatch(Exception):
    """The file does not do what its index says."""


class VideoReader:
    """Random access to one file. Holds no open file between reads, so it costs nothing to keep.

    Args:
        path: The file.
        geometry: Working size.
        index: Its packet index; None builds one now.

    Attributes:
        index: The packet index.
        fallbacks: Reads so far that the index did not serve and that decoded from the start.
    """

    def __init__(self, path: str | Path, geometry: Geometry, index: PacketIndex | None = None) -> None:
        self.path = Path(path)
        self.geometry = geometry
        self.index = build_index(path) if index is None else index
        self.fallbacks = 0
        self._rank = self.index.rank if self.index.seekable else np.empty(0, np.int64)
        self._place = {position: number for number, position in enumerate(self.index.position.tolist())}

    @property
    def frames(self) -> int:
        """Frames in the file."""
        return self.index.frames

    def read(self, frames: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """Frames by number, ``(t, h, w, 3)`` RGB uint8 at working size. Any order, repeats allowed.

        Raises:
            InputError: A number outside the file, one that does not decode up to the last frame, or whose picture
                changes its working size between the frames asked for.
        """
        wanted = check_numbers(frames, self.frames, self.path)
        numbers = np.unique(wanted)
        try:
            pixels = self._of_folder(numbers) if self.path.is_dir() else self._by_index(numbers)
        except _IndexMismatch:
            self.fallbacks += 1
            pixels = self._from_start(numbers)
        shapes = {pixels[int(n)].shape[:2]: int(n) for n in reversed(wanted)}
        if len(shapes) > 1:
            (before, _), (after, number) = sorted(shapes.items(), key=lambda one: one[1])[:2]
            raise InputError(
                f"{self.path}: the picture changes from {before[1]} x {before[0]} to {after[1]} x {after[0]} by frame "
                f"{number}; set a square working size (fit: crop or stretch)"
            )
        return np.stack([pixels[int(n)] for n in wanted])

    def _of_folder(self, numbers: NDArray[np.int64]) -> dict[int, Pixels]:
        files, convert = image_files(self.path), Converter(self.geometry, str(self.path))
        frames = frames_of_folder([files[n] for n in numbers])
        return {int(n): convert(frame) for n, frame in zip(numbers, frames, strict=True)}

    def _by_index(self, numbers: NDArray[np.int64]) -> dict[int, Pixels]:
        if not self.index.seekable or not len(self.index.keys):
            raise _IndexMismatch
        keys = self.index.keys[self._rank[self.index.keys] >= 0]
        shown = self._rank[keys]
        by_key: dict[int, list[int]] = {}
        for number in numbers.tolist():
            # Of the key frames shown at or before the frame the last one: what is shown later never refers past it.
            before = keys[shown <= number]
            if not len(before):
                raise _IndexMismatch
            by_key.setdefault(int(before.max()), []).append(number)
        pixels: dict[int, Pixels] = {}
        with open_video(self.path) as stream:
            for key, group in by_key.items():
                try:
                    self._run(stream, key, group, pixels)
                except (InputError, av.FFmpegError, OSError) as error:
                    raise _IndexMismatch from error
        return pixels

    def _run(self, stream: VideoStream, key: int, group: list[int], pixels: dict[int, Pixels]) -> None:
        """Decode forward from packet `key` until the last frame of `group` (ascending) has come."""
        first = expected = int(self._rank[key])
        convert = Converter(self.geometry, str(self.path))
        for number, packet in self._packets_from(stream, key):
            for frame in decode_packet(packet, number, self.path):
                tag = tag_of(frame)
                known = tag is not None and tag.number < len(self._rank)
                shown = int(self._rank[tag.number]) if tag and known else -1
                if known and shown < first:
                    continue  # shown before the key frame: it may refer to packets that were not decoded
                if shown != expected or frame.is_corrupt:
                    raise _IndexMismatch
                if shown in group:
                    if len(self.index.sums) and self.index.sums[shown] != checksum(frame):
                        raise _IndexMismatch
                    pixels[shown] = convert(frame)
                expected += 1
                if shown == group[-1]:
                    return
        raise _IndexMismatch

    def _packets_from(self, stream: VideoStream, key: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Packets from number `key` on, each checked by its place in the file; the flushing one comes last."""
        number = self._seek(stream, key)
        for packet in packets_of(stream, self.path):
            if is_flush(packet):
                yield len(self.index.position), packet
                return
            if number >= len(self.index.position) or self.index.position[number] != packet.pos:
                raise _IndexMismatch
            if number >= key:
                yield number, packet
            number += 1

    def _seek(self, stream: VideoStream, key: int) -> int:
        """Put the demuxer at or before packet `key`; the number of the packet that comes next."""
        container = cast("InputContainer", stream.container)
        # Some demuxers land behind the key frame asked for: then walk there from the start, without decoding.
        for start in (key, 0):
            if self.index.stamp[start] == NO_STAMP:
                continue
            container.seek(int(self.index.stamp[start]), stream=stream)
            packet = next(packets_of(stream, self.path))
            number = self._place.get(packet.pos, len(self._place)) if packet.pos is not None else len(self._place)
            if number <= key:
                container.seek(int(self.index.stamp[start]), stream=stream)
                return number
        raise _IndexMismatch

    def _from_start(self, numbers: NDArray[np.int64]) -> dict[int, Pixels]:
        wanted = set(numbers.tolist())
        convert = Converter(self.geometry, str(self.path))
        pixels: dict[int, Pixels] = {}
        with open_video(self.path) as stream:
            for number, frame in enumerate(frames_of(stream, self.path)):
                if number in wanted:
                    pixels[number] = convert(frame)
                    if len(pixels) == len(wanted):
                        return pixels
        raise InputError(
            f"{self.path}: decodes to fewer frames than its index says ({self.index.frames}); "
            "it is damaged or has changed"
        )


def check_numbers(frames: Sequence[int] | NDArray[np.int64], count: int, path: Path) -> NDArray[np.int64]:
    """Frame numbers as an array.

    Raises:
        InputError: None at all, or one outside a file of `count` frames.
    """
    wanted = np.asarray(frames, dtype=np.int64)
    if not wanted.size:
        raise InputError(f"{path}: no frames asked for")
    if wanted.min() < 0 or wanted.max() >= count:
        raise InputError(f"{path}: has frames 0 to {count - 1}, asked for {wanted.min()} to {wanted.max()}")
    return wanted
