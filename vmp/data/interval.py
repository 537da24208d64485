"""Where a clip's frames are: a whole file, or a part of it in frames or seconds."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vmp.core.errors import InputError
from vmp.video import PacketIndex


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A part of a longer video: ``[start, stop)`` in frames or in seconds from the first frame; stop may be inf."""

    start: float
    stop: float
    unit: Literal["frames", "seconds"]

    def frames(self, index: PacketIndex, source: str) -> tuple[int, int]:
        """``(first, end)`` frame numbers. Seconds take the frames *shown* in that time, at least one.

        Raises:
            InputError: The interval is empty or lies outside the video.
        """
        if self.unit == "frames":
            first, end = int(self.start), int(min(self.stop, index.frames))
        elif len(index.times):
            first, end = (bisect.bisect_left(index.times, t - 1e-6) for t in (self.start, self.stop))
        elif np.isfinite(index.fps):
            first, end = (int(np.ceil(min(t * index.fps, index.frames) - 1e-6)) for t in (self.start, self.stop))
        else:
            raise InputError(f"{source}: states no frame rate, so seconds cannot be found in it")
        end = max(end, first + 1) if self.unit == "seconds" else end
        if not 0 <= first < end or first >= index.frames:
            raise InputError(
                f"{source}: {self.unit} {self.start:g} to {self.stop:g} are not in the video ({index.frames} frames)"
            )
        return first, min(end, index.frames)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a clip's frames are: a whole file, or an interval of it."""

    path: Path
    interval: Interval | None = None
