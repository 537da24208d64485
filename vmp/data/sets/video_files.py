"""Data sets of video files: what an annotation reader hands over, and the `VideoSet` that it becomes."""

from __future__ import annotations

import csv
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.fingerprint import fingerprint
from vmp.core.paths import PathText, looked_for
from vmp.data.base import SplitName, Video
from vmp.data.cache.clips import ClipStore
from vmp.data.cache.folder import CacheFolder
from vmp.data.interval import Interval, Source
from vmp.data.motion_scores import motion_scores
from vmp.data.notices import balance_of, refuse_unlearnable
from vmp.data.sampling import Timeline
from vmp.data.splits import complete_splits
from vmp.video import Geometry, VideoInfo


@dataclass(frozen=True, kw_only=True)
class Item:
    """One labelled video as an annotation file lists it.

    Attributes:
        id: Unique within the data set.
        path: The file.
        label: Index of the class.
        split: Where it is used.
        interval: The part of the file that is meant; None for all of it.
        group: Source, or None when unknown.
        tags: Strata.
        origin: File and row that list it, for messages.
    """

    id: str
    path: Path
    label: int
    split: SplitName
    interval: Interval | None = None
    group: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What an annotation reader found out, before any video is opened.

    Attributes:
        name: Short name for tables.
        classes: Label names by index.
        items: The videos.
        excluded: ``(id, reason)`` of videos that the annotation lists and this data set leaves out.
        notes: Sentences on what was ignored, read in another way than it stands, or is not known.
    """

    name: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    excluded: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@config
class FileDataConfig(ABC):
    """The settings of every data set of video files.

    Attributes:
        size: Side of the square picture that the network sees, in pixels, >= 8.
        working_size: Short side at which frames are stored, >= `size`; None for `size`. More leaves room for cropping.
        fit: ``"crop"`` stores the central square, ``"short"`` keeps the aspect ratio, ``"stretch"`` distorts.
        val_fraction: Share of the videos outside test that becomes the validation split, in [0, 1); by group.
        split_seed: Draws the carved splits; belongs to the study, not to a cell.
        quarantine: CSV file with the column id, written by ``vmp data scan``: these videos are left out.
        frame_rate: Frames a second where a file does not say, as a folder of frames cannot.
        longest: Seconds; of a longer video only the beginning is used. The factor of a study of video length.
    """

    size: int = Field(default=64, ge=8, le=2048)
    working_size: int | None = Field(default=None, ge=8, le=2048)
    fit: Literal["crop", "short", "stretch"] = "crop"
    val_fraction: float = Field(default=0.15, ge=0, lt=1)
    split_seed: int = Field(default=0, ge=0)
    quarantine: PathText | None = None
    frame_rate: float | None = Field(default=None, gt=0, le=1000)
    longest: float | None = Field(default=None, gt=0)

    def __post_init__(self) -> None:
        if self.working_size is not None and self.working_size < self.size:
            raise ValueError(f"working_size ({self.working_size}) must be at least size ({self.size})")

    @property
    def geometry(self) -> Geometry:
        """The working frame."""
        return Geometry(size=self.working_size or self.size, fit=self.fit)

    @property
    def has_room(self) -> bool:
        """Whether a stored frame is larger than what the network sees, so that it matters where it is cropped."""
        return self.fit == "short" or (self.working_size or self.size) > self.size

    @abstractmethod
    def listing(self) -> Listing:
        """Read the annotation; opens no video.

        Raises:
            InputError: The annotation cannot be read (names file and row).
        """

    def official_splits(
        self, given: Sequence[SplitName | None], labels: Sequence[int], groups: Sequence[str | None], *, where: str
    ) -> list[SplitName]:
        """The published split of every video; where it names no validation videos, they are carved from train by group.

        The published split is kept even where it separates a group; `vmp data scan` says where.

        Raises:
            InputError: No training videos, or too few groups to carve from (names `where`).
        """
        return complete_splits(
            given,
            labels,
            groups,
            val_fraction=self.val_fraction,
            test_fraction=0,
            seed=self.split_seed,
            where=where,
            official=True,
        )

    def load(self) -> FileVideos:
        """The data set, every clip decoded into the shared cache.

        Raises:
            InputError: From the annotation, or some listed video cannot be used and is not quarantined.
        """
        listing = self.listing()
        if self.longest is not None:
            items = tuple(shortened(item, self.longest) for item in listing.items)
            listing = dataclasses.replace(listing, items=items)
        quarantined = read_quarantine(self.quarantine, listing)
        return FileVideos(listing, self.geometry, quarantined=quarantined, frame_rate=self.frame_rate)


def shortened(item: Item, longest: float) -> Item:
    """The item with at most its first `longest` seconds; raises `InputError` for an interval in frames."""
    whole = item.interval or Interval(start=0, stop=longest, unit="seconds")
    if whole.unit != "seconds":
        raise InputError(f"{item.origin}: data.longest is in seconds and cannot cut an interval that is in frames")
    stop = min(whole.stop, whole.start + longest)
    return dataclasses.replace(item, interval=dataclasses.replace(whole, stop=stop))


class FileVideos:
    """`vmp.data.base.VideoSet` over video files.

    Args:
        listing: The videos. Listed and neither quarantined nor readable is an error: nothing is left out silently.
        geometry: Working size.
        quarantined: ``{id: reason}`` to leave out.
        frame_rate: Frames a second of videos that do not say.
        folder: Cache; None for the one that the environment names.
    """

    def __init__(
        self,
        listing: Listing,
        geometry: Geometry,
        *,
        quarantined: dict[str, str] | None = None,
        frame_rate: float | None = None,
        folder: CacheFolder | None = None,
    ) -> None:
        left_out = quarantined or {}
        items = [item for item in listing.items if item.id not in left_out]
        self.name = listing.name
        self.classes: tuple[str, ...] = listing.classes
        self.excluded: tuple[tuple[str, str], ...] = (*listing.excluded, *left_out.items())
        self._store = open_store(items, listing.name, geometry, folder or CacheFolder.from_environment())
        refuse_broken(items, self._store.infos)
        usable = [info for info in self._store.infos if isinstance(info, VideoInfo)]
        self.videos: tuple[Video, ...] = tuple(
            Video(
                id=item.id,
                label=item.label,
                split=item.split,
                num_frames=info.frames,
                fps=info.fps if frame_rate is None or np.isfinite(info.fps) else frame_rate,
                group=item.group,
                tags=item.tags,
                interval=item.interval,
            )
            for item, info in zip(items, usable, strict=True)
        )
        refuse_unlearnable(self.name, self.classes, balance_of(self))
        self.notes: tuple[str, ...] = (*listing.notes, *stream_notes(self._store.infos))
        self.decoded_bytes = sum(
            3 * info.frames * math.prod(geometry.shape(info.height, info.width)) for info in usable
        )
        rates = [frame_rate] if frame_rate is not None and any(np.isnan(info.fps) for info in usable) else []
        self.fingerprint = fingerprint([self.classes, dataclasses.asdict(geometry), self._rows(items), *rates])

    def read(self, index: int, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames of ``videos[index]`` at working size, RGB uint8 ``(t, h, w, 3)``. `frames` may repeat; order is kept.

        Raises:
            InputError: A frame outside the video, or the file has become unreadable.
        """
        video = self.videos[index]
        wanted = np.asarray(frames, dtype=np.int64)
        if not wanted.size or wanted.min() < 0 or wanted.max() >= video.num_frames:
            raise InputError(f"{video.id}: has frames 0 to {video.num_frames - 1}, asked for {wanted.tolist()}")
        return self._store.read(index, wanted)

    def timeline(self, index: int, what: Literal["key_frames", "motion"]) -> Timeline:
        """What content-aware samplers must know of ``videos[index]``; motion is computed once and kept in the cache."""
        if what == "motion":
            return Timeline(motion=self._store.motion(index, motion_scores))
        info = self._store.infos[index]
        assert isinstance(info, VideoInfo)
        return Timeline(key_frames=np.array(info.key_frames, dtype=np.int64))

    def _rows(self, items: Sequence[Item]) -> list[object]:
        """Everything but the place of the files: content, first frame, label, split and what was decoded.

        An interval counts by its start alone: where it stops, the number of frames says.
        """
        return [
            [
                item.id,
                item.label,
                item.split,
                item.group,
                item.tags,
                [item.interval.start, item.interval.unit] if item.interval and item.interval.start else None,
                video.num_frames,
                self._store.content(i),
            ]
            for i, (item, video) in enumerate(zip(items, self.videos, strict=True))
        ]


def open_store(items: Sequence[Item], name: str, geometry: Geometry, folder: CacheFolder) -> ClipStore:
    """The clips of these items, prepared: each decodes, or its error stands in ``infos``.

    Raises:
        InputError: No items, an id that occurs twice, or an unusable cache.
    """
    if not items:
        raise InputError(f"{name}: lists no videos (or all are quarantined)")
    seen: dict[str, Item] = {}
    for item in items:
        first = seen.setdefault(item.id, item)
        if first is not item:
            raise InputError(f"{item.origin}: {item.id!r} is listed a second time (first: {first.origin})")
    store = ClipStore([Source(path=item.path, interval=item.interval) for item in items], geometry, folder)
    store.prepare()
    return store


def stream_notes(infos: Sequence[VideoInfo | InputError]) -> list[str]:
    """A sentence where files hold more than one video stream."""
    number = sum(isinstance(info, VideoInfo) and info.streams > 1 for info in infos)
    return [f"{number} files hold several video streams: the first of each is read"] if number else []


def refuse_broken(items: Sequence[Item], infos: Sequence[VideoInfo | InputError]) -> None:
    """Refuse to go on without a listed video.

    Raises:
        InputError: Names the first unusable video, its row, and how many there are.
    """
    broken = [(item, info) for item, info in zip(items, infos, strict=True) if isinstance(info, InputError)]
    if not broken:
        return
    item, reason = broken[0]
    rest = f" and {len(broken) - 1} more of {len(items)} videos cannot be used" if len(broken) > 1 else ""
    where = f"{item.origin}: " if item.origin else ""
    raise InputError(
        f"{where}{reason}{rest}; `vmp data scan` lists all and writes a quarantine file for `data.quarantine`"
    )


def read_quarantine(path: str | None, listing: Listing) -> dict[str, str]:
    """``{id: reason}`` of the videos that a quarantine file leaves out of this data set.

    Raises:
        InputError: Missing file, no column id, or an id that the data set does not list.
    """
    if path is None:
        return {}
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if "id" not in (reader.fieldnames or []):
                raise InputError(f"{path}: has no column id; a quarantine file has the columns id and reason")
            rows = {row["id"]: row.get("reason") or "quarantined" for row in reader}
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(
            f"{looked_for(path)}: the quarantine file cannot be read ({reason}); `vmp data scan` writes one"
        ) from error
    unknown = rows.keys() - {item.id for item in listing.items}
    if unknown:
        raise InputError(f"{path}: quarantines {min(unknown)!r}, which {listing.name} does not list; scan again")
    return rows
