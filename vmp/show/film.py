"""What the layer sees, as a film: frame, difference, attention and prompt side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
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
    """Write a film: frame, difference, attention and prompt side by side. Returns the steps written.

    Args:
        reader: The video.
        path: File to write, H.264 in .mp4, .mov or .mkv, or a looping .gif; it appears only when it is complete.
        layer: The layer.
        first: First frame.
        stride: Frames from one to the next.
        steps: At most so many.

    Raises:
        InputError: Fewer than two frames from `first` on, another ending, or the file cannot be written.
    """
    write = check_ending(path)
    indices = np.arange(first, reader.index.frames, stride, dtype=np.int64)[: steps + 1]
    if len(indices) < 2:
        raise InputError(f"{reader.path}: has no two frames from frame {first} on at stride {stride}")
    rate = Fraction(reader.index.fps if np.isfinite(reader.index.fps) else 25).limit_denominator(1001) / stride
    try:
        with replacing(path) as temporary:
            write(temporary, _strips(reader, indices, layer), rate)
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{path}: the video cannot be written ({error.strerror})") from error
    return len(indices) - 1


Writer = Callable[[Path, Iterator[Pixels], Fraction], None]


def check_ending(path: str | Path) -> Writer:
    """What writes a film under this name. Raises InputError for an ending that names no kind of film."""
    ending = Path(path).suffix.lower()
    if ending == ".gif":
        return _write_gif
    if ending not in _FORMATS:
        raise InputError(f"{path}: films are written as {', '.join(_FORMATS)} or .gif")
    return functools.partial(_write_h264, _FORMATS[ending])


_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


def _write_h264(form: str, path: Path, pictures: Iterator[Pixels], rate: Fraction) -> None:
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _write_gif(path: Path, pictures: Iterator[Pixels], rate: Fraction) -> None:
    """A GIF counts time in hundredths of a second, and viewers slow down what is faster than 50 frames a second."""
    from PIL import Image

    images = (Image.fromarray(picture) for picture in pictures)
    first = next(images)
    pause = max(round(100 / rate), 2) * 10
    first.save(path, format="GIF", save_all=True, append_images=images, duration=pause, loop=0, disposal=1)


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
