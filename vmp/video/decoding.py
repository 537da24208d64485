"""Decoding a whole file once: frame i is the i-th frame that the decoder puts out, and nothing else counts.

Containers lie: AVI time stamps jump back and forth, headers overstate the number of frames, transcoded clips give every
frame the time 0. So frames are counted by decoding, in decoder output order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vmp.core.errors import InputError
from vmp.video.containers import frame_rate, frames_of, open_video, tag_of, video_streams
from vmp.video.frame_folders import frames_of_folder, image_files
from vmp.video.geometry import Converter, Geometry, Pixels, oriented_size

NATIVE = Geometry()


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a file turned out to hold.

    Attributes:
        frames: Frames that decode.
        fps: Frames a second, nan where the container does not say anything believable.
        height: Pixels, after rotation metadata is applied.
        width: Pixels, after rotation metadata is applied.
        codec: Name of the codec, e.g. ``"h264"``.
        container: Name of the container, e.g. ``"avi"``.
        concealed: Frames that the decoder itself marks as damaged and patched up.
        key_frames: Frames that the codec stores whole.
        streams: Video streams in the file, of which the first is read.
    """

    frames: int
    fps: float
    height: int
    width: int
    codec: str
    container: str
    concealed: int = 0
    key_frames: tuple[int, ...] = ()
    streams: int = 1


def decode(path: str | Path, geometry: Geometry = NATIVE) -> tuple[Pixels, VideoInfo]:
    """All frames of a file, ``(n, h, w, 3)`` RGB uint8 at working size, and what the file holds.

    Raises:
        InputError: As `decode_to`.
    """
    frames = _Growing()
    info = decode_to(path, geometry, frames.append, expect=frames.expect)
    return frames.array(), info


def decode_to(
    path: str | Path,
    geometry: Geometry,
    emit: Callable[[Pixels], object],
    *,
    expect: Callable[[int], object] = lambda count: None,
) -> VideoInfo:
    """Decode a file, or read a folder of frames, and hand every frame in order to `emit`.

    Frames are ``(h, w, 3)`` RGB uint8 at working size. `expect` receives how many frames the header claims (0: none),
    before the first one comes: a hint, often wrong.

    Raises:
        InputError: The file is missing, is no video, is damaged, or changes its working size on the way.
    """
    if Path(path).is_dir():
        return _folder_to(path, geometry, emit)
    stamps: list[int | None] = []
    keys: list[int] = []
    size, shape, concealed = (0, 0), (0, 0, 3), 0
    with open_video(path) as stream:
        convert = Converter(geometry, str(path))
        expect(stream.frames)
        for count, frame in enumerate(frames_of(stream, path)):
            array = convert(frame)
            if not count:
                size, shape = oriented_size(frame), array.shape
            elif array.shape != shape:
                raise InputError(
                    f"{path}: the picture changes from {shape[1]} x {shape[0]} to {array.shape[1]} x {array.shape[0]} "
                    f"at frame {count}; set a square working size (fit: crop or stretch)"
                )
            emit(array)
            stamps.append(frame.pts)
            tag = tag_of(frame)
            if tag is not None and tag.key:
                keys.append(count)
            concealed += frame.is_corrupt
        if not stamps:
            raise InputError(f"{path}: holds a video stream but not one frame that decodes; exclude the file")
        return VideoInfo(
            frames=len(stamps),
            fps=frame_rate(stream, stamps),
            height=size[0],
            width=size[1],
            codec=stream.codec_context.name,
            container=stream.container.format.name,
            concealed=concealed,
            key_frames=tuple(keys),
            streams=len(video_streams(stream.container)),  # type: ignore[arg-type]
        )


def _folder_to(path: str | Path, geometry: Geometry, emit: Callable[[Pixels], object]) -> VideoInfo:
    """As `decode_to`, for a folder with an image for each frame."""
    convert, files = Converter(geometry, str(path)), image_files(path)
    size, shape = (0, 0), (0, 0, 3)
    for count, frame in enumerate(frames_of_folder(files)):
        array = convert(frame)
        if not count:
            size, shape = (frame.height, frame.width), array.shape
        elif array.shape != shape:
            raise InputError(
                f"{files[count]}: the picture changes from {shape[1]} x {shape[0]} to {array.shape[1]} x "
                f"{array.shape[0]}; set a square working size (fit: crop or stretch)"
            )
        emit(array)
    return VideoInfo(
        frames=len(files),
        fps=math.nan,
        height=size[0],
        width=size[1],
        codec="images",
        container="folder",
        key_frames=tuple(range(len(files))),
    )


class _Growing:
    """An array that grows by frames, without the second copy that stacking a list makes."""

    def __init__(self) -> None:
        self._array: Pixels | None = None
        self._count = 0
        self._expected = 0

    def expect(self, count: int) -> None:
        self._expected = count

    def append(self, frame: Pixels) -> None:
        if self._array is None:
            # A header may claim anything: trust it up to a quarter of a gigabyte (untouched memory costs nothing).
            count = min(max(self._expected, 16), max(2**28 // frame.nbytes, 16))
            self._array = np.empty((count, *frame.shape), np.uint8)
        if self._count == len(self._array):
            self._array = np.concatenate([self._array, np.empty_like(self._array)])
        self._array[self._count] = frame
        self._count += 1

    def array(self) -> Pixels:
        assert self._array is not None
        return self._array[: self._count]
