"""From a decoded frame to the working frame: orientation, scaling, cropping, RGB."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vmp.core.errors import InputError

Pixels = NDArray[np.uint8]
# The largest picture taken seriously (8K UHD is 33 million): a damaged header must not allocate gigabytes.
MAX_PIXELS = 8192 * 4608


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


class Converter:
    """Brings the frames of one file to working size; keeps swscale's tables from frame to frame.

    Args:
        geometry: Working size.
        source: The file, for messages.
    """

    def __init__(self, geometry: Geometry, source: str) -> None:
        self.geometry, self.source = geometry, source
        self._scaler = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """A decoded frame as ``(h, w, 3)`` RGB uint8 at working size, turned as its rotation metadata says.

        At native size (``geometry.size`` None) the pixels are those of ``frame.to_ndarray(format="rgb24")``; otherwise
        the area filter of swscale averages, which avoids the aliasing that would look like motion.

        Raises:
            InputError: A picture size that only damage explains.
        """
        native = f"{frame.width} x {frame.height}"
        if frame.width * frame.height > MAX_PIXELS:
            raise InputError(f"{self.source}: a frame claims {native} pixels; the file is damaged")
        height, width = self.geometry.scaled(frame.height, frame.width)
        if height * width > MAX_PIXELS:
            raise InputError(f"{self.source}: {native} pixels scale to {width} x {height}; set fit: stretch")
        array = self._scale(frame, height, width)
        size = self.geometry.size
        if size is not None and self.geometry.fit == "crop":
            top, left = (height - size) // 2, (width - size) // 2
            array = array[top : top + size, left : left + size]
        return np.ascontiguousarray(orientation_of(frame).apply(array))

    def _scale(self, frame: VideoFrame, height: int, width: int) -> Pixels:
        # threads=1: swscale's default starts threads for every single frame, which costs more than the scaling.
        interpolation = None if self.geometry.size is None else Interpolation.AREA
        try:
            scaled = self._scaler.reformat(frame, width, height, "rgb24", interpolation=interpolation, threads=1)
        except (av.FFmpegError, OSError, ValueError) as error:
            form = frame.format.name
            raise InputError(
                f"{self.source}: a frame in {form} cannot be turned into RGB; the file is damaged"
            ) from error
        return cast("Pixels", scaled.to_ndarray())


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """How a stored picture is shown: turned by quarter turns against the clock, then perhaps mirrored left and right.

    Attributes:
        turns: Quarter turns, 0 to 3.
        mirrored: Whether left and right change places after the turn.
    """

    turns: int = 0
    mirrored: bool = False

    def apply(self, picture: Pixels) -> Pixels:
        """A picture ``(h, w, 3)`` as it is shown; its sides change places for odd `turns`."""
        turned = np.rot90(picture, self.turns) if self.turns else picture
        return turned[:, ::-1] if self.mirrored else turned


def orientation_of(frame: VideoFrame) -> Orientation:
    """The orientation that a frame's display matrix asks for, to the nearest quarter turn.

    A picture's point (x, y) is shown at (a x + c y, b x + d y) with y down. Cameras that face their user mirror, which
    an angle alone cannot say.
    """
    if Type.DISPLAYMATRIX not in frame.side_data:
        return Orientation()
    matrix = np.frombuffer(bytes(cast("Any", frame.side_data)[Type.DISPLAYMATRIX]), np.int32)
    if matrix.size < 5:
        return Orientation()
    a, b, _, c, d = (float(value) / 2**16 for value in matrix[:5])
    mirrored = a * d - b * c < 0
    if mirrored:  # shown = mirror of a turn: take the mirror away to read the turn
        a, c = -a, -c
    # A turn by t against the clock, with y down, takes (1, 0) to (cos t, -sin t).
    return Orientation(turns=round(math.degrees(math.atan2(-b, a)) / 90) % 4, mirrored=mirrored)


def oriented_size(frame: VideoFrame) -> tuple[int, int]:
    """``(height, width)`` of the picture as it is shown, i.e. after rotation metadata."""
    turned = orientation_of(frame).turns % 2 == 1
    return (frame.width, frame.height) if turned else (frame.height, frame.width)
