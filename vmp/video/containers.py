"""Opening a video file and walking through its packets and frames, with every failure as one sentence.

Opening is guarded: only real video containers are accepted (a text file can be a playlist that shows *another* file),
and only from local disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vmp.core.errors import InputError
from vmp.video.geometry import MAX_PIXELS

# Demuxers of single self-contained video files. Left out on purpose: playlists (concat, hls, dash), image sequences,
# devices, and text renderers (tty), which turn a renamed text file into frames.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg,ivf,m4v,h264,hevc,mjpeg,gif,"
    "nut,mxf,dv,rm,yuv4mpegpipe"
)
# PyAV 18 refuses files whose titles are not UTF-8 unless asked not to; PyAV 19 no longer asks.
_OPEN: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


@dataclass(frozen=True, slots=True)
class Tag:
    """Which packet a frame comes from.

    Always a new object: PyAV files tags by their address, so a shared one (a small int, True) is lost for all when its
    first packet goes.
    """

    number: int
    key: bool


def tag_of(frame: VideoFrame) -> Tag | None:
    """The tag of the packet that gave this frame; None if the decoder does not pass tags on."""
    tag = frame.opaque
    return tag if isinstance(tag, Tag) else None


@contextmanager
def open_video(path: str | Path) -> Iterator[VideoStream]:
    """The first video stream of a file, which is not a cover picture; one decoder thread, closed whatever happens.

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
        container = av.open(str(file.absolute()), container_options=guard, **_OPEN)
    except PermissionError as error:
        raise InputError(f"{path}: may not be read ({error.strerror}); check its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: is not a readable video file ({_reason(error)}); exclude or replace it") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: has no video stream; exclude it")
        stream = video_streams(container)[0]
        context = stream.codec_context
        if context is None:
            raise InputError(f"{path}: the video stream uses a codec that this build of FFmpeg does not know")
        if context.width * context.height > MAX_PIXELS:
            raise InputError(f"{path}: claims {context.width} x {context.height} pixels; its header is damaged")
        context.flags |= Flags.copy_opaque  # so that frames carry the tag of their packet
        # One thread a worker: more would fight with the other workers, and frame threads delay errors.
        stream.thread_type = "NONE"
        context.thread_count = 1
        yield stream


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams of a file in stored order, without cover pictures where there is anything else."""
    streams = list(container.streams.video)
    moving = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    return moving or streams


def packets_of(stream: VideoStream, path: str | Path) -> Iterator[Packet[VideoStream]]:
    """The stream's packets from where the file stands, in stored order, at last the empty one that flushes the decoder.

    Raises:
        InputError: The container breaks off, or holds more packets than it has bytes.
    """
    limit = Path(path).stat().st_size
    count = 0
    try:
        for packet in cast("InputContainer", stream.container).demux(stream):
            yield packet
            count += 1
            if count > limit:
                raise InputError(f"{path}: claims more packets than it has bytes ({limit}); its header is damaged")
    except IndexError as error:
        raise InputError(f"{path}: packet {count} belongs to a stream that the header does not announce") from error
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: breaks off after packet {count} ({_reason(error)}); exclude or repair it") from error


def is_flush(packet: Packet[VideoStream]) -> bool:
    """Whether this is the empty packet that ends every walk, not an empty one that the file stores."""
    return packet.size == 0 and packet.pos is None and packet.dts is None


def frames_of(stream: VideoStream, path: str | Path) -> Iterator[VideoFrame]:
    """Each decoded frame in decoder order.

    Raises:
        InputError: Some packet cannot be decoded (names it).
    """
    for number, packet in enumerate(packets_of(stream, path)):
        yield from decode_packet(packet, number, path)


def decode_packet(packet: Packet[VideoStream], number: int, path: str | Path) -> Sequence[VideoFrame]:
    """The frames that the decoder gives out when it is handed this packet, the `number`-th of the stream.

    Raises:
        InputError: The packet cannot be decoded.
    """
    if packet.size == 0 and not is_flush(packet):
        return []  # a stored empty packet (AVI: "repeat the last picture"): the decoder would take it for the end
    packet.opaque = Tag(number=number, key=packet.is_keyframe)
    try:
        return packet.decode()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: packet {number} cannot be decoded ({_reason(error)}); exclude the file or repair it"
        ) from error


def frame_rate(stream: VideoStream, stamps: Sequence[int | None]) -> float:
    """Frames a second: from the frames' time stamps where they differ, else as the container guesses, else nan.

    A rate is believed only up to 1000: clips cut by a stream copy state thousands.
    """
    known = [s for s in stamps if s is not None]
    unit = as_fraction(stream.time_base)
    if unit and len(set(known)) > max(len(stamps) // 2, 1):
        rate = float((len(known) - 1) / ((max(known) - min(known)) * unit))
        if 0.01 <= rate <= 1000:
            return rate
    for guess in map(as_fraction, (stream.guessed_rate, stream.average_rate)):
        if guess and 1 <= guess <= 1000:
            return float(guess)
    return math.nan


def as_fraction(value: Any) -> Fraction | None:
    """A rational of PyAV as a fraction; None if it is unknown (None in PyAV 18, n/0 or 0/n in PyAV 19)."""
    if value is None or not value.numerator or not value.denominator:
        return None
    return Fraction(value.numerator, value.denominator)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
