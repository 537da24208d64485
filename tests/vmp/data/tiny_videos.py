"""Tiny real videos for tests: every frame shows its own number and its video's, in squares that survive compression."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SIDE = 48
_CELLS = 4  # a 4 x 4 grid of bits: 10 for the frame's number, 6 for the video's


def picture(number: int, video: int = 0, height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """A grey picture ``(height, width)`` that `numbers` can read."""
    bits = np.array([(number | video << 10) >> i & 1 for i in range(_CELLS**2)], dtype=np.uint8)
    cells = np.where(bits, 215, 40).astype(np.uint8).reshape(_CELLS, _CELLS)
    rows, columns = np.arange(height) * _CELLS // height, np.arange(width) * _CELLS // width
    return cells[rows][:, columns]


def numbers(frames: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """``(video, frame)`` that each frame of ``(t, h, w, 3)`` shows."""
    found = []
    for frame in frames:
        grey = frame.mean(axis=2)
        cells = [
            part[part.shape[0] // 4 : -(part.shape[0] // 4), part.shape[1] // 4 : -(part.shape[1] // 4)].mean() > 128
            for row in np.array_split(grey, _CELLS, axis=0)
            for part in np.array_split(row, _CELLS, axis=1)
        ]
        value = sum(int(bit) << i for i, bit in enumerate(cells))
        found.append((value >> 10, value & 1023))
    return found


def write_video(
    path: Path,
    frames: int = 12,
    *,
    video: int = 0,
    codec: str = "libx264",
    container: str | None = None,
    pix_fmt: str = "yuv420p",
    height: int = SIDE,
    width: int = SIDE,
    fps: int = 25,
    stamps: Sequence[int] | None = None,
    rotation: int = 0,
    audio: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode `frames` numbered pictures. `stamps` are the frames' times in 1 / fps, for variable frame rates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = out.add_stream("aac", rate=8000) if audio else None
        for number in range(frames):
            grey = picture(number, video, height, width)
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
            frame.pts = stamps[number] if stamps is not None else number
            frame.time_base = Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            for block in range(4):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts = 8000, block * 1024
                out.mux(sound.encode(silence))
            out.mux(sound.encode(None))
    return path
