"""What training asks of any data set: a list of labelled videos in three splits, and their frames on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vmp.data.interval import Interval
from vmp.data.sampling import Timeline

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Video:
    """One labelled video (or one labelled interval of a longer video).

    Attributes:
        id: Unique and stable within the data set: sampling and augmentation are functions of (seed, epoch, id).
        label: Index into the data set's `classes`.
        split: Where it is used.
        num_frames: Frames that can be read, counted from 0.
        fps: Frames a second, by which frame gaps are reported in seconds; nan where the container does not say.
        group: Source that must not straddle a split (clips cut from one recording), or None.
        tags: Strata that reports may split by, e.g. ``{"camera": "moving"}``.
        interval: The part of a longer file that is meant; None for a whole file.
    """

    id: str
    label: int
    split: SplitName
    num_frames: int
    fps: float
    group: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    interval: Interval | None = None


class VideoSet(Protocol):
    """The interface of every data set (tests/vmp/data/test_sets.py is its contract).

    Attributes:
        name: Short name for tables.
        classes: Label names, sorted by index.
        videos: All usable videos.
        excluded: ``(id, reason)`` of every video that is listed but not used; never replaced by another one.
        fingerprint: 16 hex digits over everything that decides which pixels belong to which label and split.
        decoded_bytes: What all frames take at working size, in the cache or in memory.
        notes: Sentences that everybody who uses the data should read: what was ignored or is not known.
    """

    name: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    excluded: tuple[tuple[str, str], ...]
    fingerprint: str
    notes: tuple[str, ...]
    decoded_bytes: int

    def read(self, index: int, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames of ``videos[index]`` at working size, RGB, ``(t, h, w, 3)``. `frames` may repeat; order is kept."""
        ...

    def timeline(self, index: int, what: Literal["key_frames", "motion"]) -> Timeline:
        """What content-aware samplers must know of ``videos[index]``. Raises InputError where there is nothing."""
        ...
