"""What the layer sees, as a film: frame, difference, attention and prompt side by side."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import matplotlib
import numpy as np
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.core.files import replacing
from vmp.layer.published import VideoMotionPrompt
from vmp.show.clip import maps_of
from vmp.video import Pixels, VideoReader

_CHUNK = 32  # frames a step when rendering: bounds the memory


def render_video(
    reader: VideoReader,
    path: str | Path,
    layer: VideoMotionPrompt,
    *,
    first: int = 0,
    stride: int = 1,
    steps: int = 300,
) -> int:
    """Write an H.264 video: frame, difference, attention and prompt side by side. Returns the steps written.

    Args:
        reader: The video.
        path: File to write; it appears only when it is complete.
        layer: The layer.
        first: First frame.
        stride: Frames from one to the next.
        steps: At most so many.

    Raises:
        InputError: Fewer than two frames from `first` on, or the file cannot be written.
    """
    indices = np.arange(first, reader.index.frames, stride, dtype=np.int64)[: steps + 1]
    if len(indices) < 2:
        raise InputError(f"{reader.path}: has no two frames from frame {first} on at stride {stride}")
    rate = Fraction(reader.index.fps if np.isfinite(reader.index.fps) else 25).limit_denominator(1001) / stride
    try:
        with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
            stream.pix_fmt = "yuv420p"
            for number, picture in enumerate(_strips(reader, indices, layer)):
                if not number:
                    stream.height, stream.width = picture.shape[:2]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{path}: the video cannot be written ({error.strerror})") from error
    return len(indices) - 1


def _strips(reader: VideoReader, indices: NDArray[np.int64], layer: VideoMotionPrompt) -> Iterator[Pixels]:
    """One picture a step, even sides; chunks share a frame so that no difference is lost."""
    red_blue, heat = matplotlib.colormaps["RdBu_r"], matplotlib.colormaps["viridis"]
    for start in range(0, len(indices) - 1, _CHUNK):
        frames = reader.read(indices[start : start + _CHUNK + 1])
        difference, attention, prompt, _ = maps_of(frames, layer)
        for t in range(len(attention)):
            panels = (
                frames[t + 1],
                red_blue(difference[t] / 2 + 0.5, bytes=True)[..., :3],
                heat(attention[t], bytes=True)[..., :3],
                (prompt[t] * 255).round().astype(np.uint8),
            )
            strip = np.concatenate(panels, axis=1)
            yield cast("Pixels", np.ascontiguousarray(strip[: strip.shape[0] // 2 * 2, : strip.shape[1] // 2 * 2]))
