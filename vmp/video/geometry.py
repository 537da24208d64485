"""From a decoded frame to the working frame: orientation, scaling, cropping, RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from vmp.errors import InputError

Pixels = NDArray[np.uint8]
# The largest picture taken seriously (8K UHD is 33 million): a damaged header must not allocate gigabytes.
MAX_PIXELS = 8192 * 4608
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
        """``(height, width)`` of the working frame for a picture of that size."""
        return (self.size, self.size) if self.size is not None and self.fit != "short" else self.scaled(height, width)


def to_rgb(frame: VideoFrame, geometry: Geometry, source: str) -> Pixels:
    """A decoded frame as ``(h, w, 3)`` RGB uint8 at working size, turned as its rotation metadata says.

    At native size (``geometry.size`` None) the pixels are those of ``frame.to_ndarray(format="rgb24")``; otherwise the
    area filter of swscale averages, which avoids the aliasing that would look like motion.

    Raises:
        InputError: A picture size that only damage explains (names `source`).
    """
    if frame.width * frame.height > MAX_PIXELS:
        raise InputError(f"{source}: a frame claims {frame.width} x {frame.height} pixels; the file is damaged")
    turns = round(frame.rotation / 90) % 4
    # threads=1: swscale's default starts threads for every single frame, which costs more than the scaling.
    if geometry.size is None:
        array = cast("Pixels", frame.reformat(format="rgb24", threads=1).to_ndarray())
        return np.ascontiguousarray(np.rot90(array, turns)) if turns else array
    height, width = geometry.scaled(frame.height, frame.width)
    if height * width > MAX_PIXELS:
        native = f"{frame.width} x {frame.height}"
        raise InputError(f"{source}: {native} pixels scale to {width} x {height}; set fit: stretch")
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
