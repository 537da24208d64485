"""Decoding a video file: frame i is the i-th frame that the decoder puts out, and nothing else counts.

Containers lie: AVI time stamps jump back and forth, headers overstate the number of frames, transcoded clips give every
frame the time 0. So frames are counted by decoding, in decoder output order. Opening is guarded: only real video
containers are accepted (a text file can be a playlist that shows *another* file), and only from local disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vmp.errors import InputError

# Demuxers of single self-contained video files. Left out on purpose: playlists (concat, hls, dash), image sequences,
# devices, and text renderers (tty), which turn a renamed text file into frames.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg,ivf,m4v,h264,hevc,mjpeg,gif,"
    "nut,mxf,dv,rm,yuv4mpegpipe"
)
# The largest picture taken seriously (8K UHD and a bit): a damaged header must not allocate gigabytes.
MAX_PIXELS = 8192 * 8192 // 2
Pixels = NDArray[np.uint8]
_AREA = Interpolation.AREA


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The working size to which every frame is brought while it is decoded.

    Attributes:
        size: Pixels of the short side, or None for the size of the file.
        fit: ``"crop"`` scales the short side to `size` and cuts the central square; ``"short"`` scales and keeps the
            aspect ratio; ``"stretch"`` scales to a square and distorts.
    """

    size: int | None = None
    fit: Literal["crop", "short", "stretch"] = "crop"

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """``(height, width)`` after scaling and before cropping."""
        if self.size is None:
            return height, width
        if self.fit == "stretch":
            return self.size, self.size
        short = min(height, width)
        return max(round(height * self.size / short), 1), max(round(width * self.size / short), 1)

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """``(height, width)`` of the working frame for a file of that size."""
        return (self.size, self.size) if self.size is not None and self.fit != "short" else self.scaled(height, width)


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
    """

    frames: int
    fps: float
    height: int
    width: int
    codec: str
    container: str


def decode(path: str | Path, geometry: Geometry = Geometry()) -> tuple[Pixels, VideoInfo]:
    """All frames of a file, ``(n, h, w, 3)`` RGB uint8 at working size, and what the file holds.

    Raises:
        InputError: The file is missing, is no video, is damaged, or changes its picture size at native size.
    """
    frames: list[Pixels] = []
    stamps: list[int | None] = []
    with open_video(path) as stream:
        size = (0, 0)
        for frame, array in frames_of(stream, geometry, path):
            size = size if frames else oriented_size(frame)
            if frames and array.shape != frames[0].shape:
                raise InputError(
                    f"{path}: the picture changes from {_by(frames[0])} to {_by(array)} at frame {len(frames)}; "
                    "set a square working size (fit: crop or stretch)"
                )
            frames.append(array)
            stamps.append(frame.pts)
        if not frames:
            raise InputError(f"{path}: holds a video stream but not one frame that decodes; exclude the file")
        info = VideoInfo(
            frames=len(frames),
            fps=frame_rate(stream, stamps),
            height=size[0],
            width=size[1],
            codec=stream.codec_context.name,
            container=stream.container.format.name,
        )
    return np.stack(frames), info


@contextmanager
def open_video(path: str | Path) -> Iterator[VideoStream]:
    """The first video stream of a file, one decoder thread, closed on the way out whatever happens.

    Raises:
        InputError: Missing, not a regular file, empty, no known container, no video stream, or an absurd picture size.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{path}: no such file")
    if not file.is_file():
        raise InputError(f"{path}: is not a regular file; name a video file")
    if file.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); copy or download it again")
    guard = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(file.absolute()), container_options=guard, metadata_errors="replace")
    except PermissionError as error:
        raise InputError(f"{path}: may not be read ({error.strerror}); check its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: is not a readable video file ({_reason(error)}); exclude or replace it") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: has no video stream; exclude it")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise InputError(f"{path}: the video stream uses a codec that this build of FFmpeg does not know")
        if context.width * context.height > MAX_PIXELS:
            raise InputError(f"{path}: claims {context.width} x {context.height} pixels; its header is damaged")
        # One thread a worker: more would fight with the other workers, and frame threads delay errors.
        stream.thread_type = "NONE"
        context.thread_count = 1
        yield stream


def frames_of(stream: VideoStream, geometry: Geometry, path: str | Path) -> Iterator[tuple[VideoFrame, Pixels]]:
    """Each decoded frame in decoder order, with its pixels ``(h, w, 3)`` RGB uint8 at working size.

    Raises:
        InputError: Some packet cannot be decoded (names the frame).
    """
    count = 0
    try:
        for frame in cast("InputContainer", stream.container).decode(stream):
            yield frame, to_rgb(frame, geometry, path)
            count += 1
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be decoded after frame {count} ({_reason(error)}); exclude the file or repair it"
        ) from error


def to_rgb(frame: VideoFrame, geometry: Geometry, path: str | Path) -> Pixels:
    """A decoded frame as ``(h, w, 3)`` RGB uint8 at working size, rotated as its metadata says."""
    if frame.width * frame.height > MAX_PIXELS:
        raise InputError(f"{path}: a frame claims {frame.width} x {frame.height} pixels; the file is damaged")
    turns = round(frame.rotation / 90) % 4
    # threads=1: swscale's default starts threads for every single frame, which costs more than the scaling.
    if geometry.size is None:
        array = cast("Pixels", frame.reformat(format="rgb24", threads=1).to_ndarray())
        return np.ascontiguousarray(np.rot90(array, turns)) if turns else array
    height, width = geometry.scaled(frame.height, frame.width)
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation=_AREA, threads=1)
    array = cast("Pixels", small.to_ndarray())
    if geometry.fit == "crop":
        top, left = (height - geometry.size) // 2, (width - geometry.size) // 2
        array = array[top : top + geometry.size, left : left + geometry.size]
    return np.ascontiguousarray(np.rot90(array, turns))


def oriented_size(frame: VideoFrame) -> tuple[int, int]:
    """``(height, width)`` of the picture as it is shown, i.e. after rotation metadata."""
    turned = round(frame.rotation / 90) % 2 == 1
    return (frame.width, frame.height) if turned else (frame.height, frame.width)


def frame_rate(stream: VideoStream, stamps: list[int | None]) -> float:
    """Frames a second: from the frames' time stamps where they differ, else as the container guesses, else nan.

    The average rate of the container is believed only between 1 and 1000: clips cut by a stream copy state thousands.
    """
    known = [s for s in stamps if s is not None]
    if stream.time_base and len(set(known)) > max(len(stamps) // 2, 1):
        rate = float((len(known) - 1) / ((max(known) - min(known)) * stream.time_base))
        if 0.01 <= rate <= 1000:
            return rate
    for guess in (stream.guessed_rate, stream.average_rate):
        if guess and 1 <= float(guess) <= 1000:
            return float(guess)
    return math.nan


def _by(array: Pixels) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
