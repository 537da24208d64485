"""Data sets of video files: what an annotation reader hands over, and the `VideoSet` that it becomes."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vmp.config import config
from vmp.data.base import SplitName, Video
from vmp.errors import InputError
from vmp.video import Geometry, decode

_MEMORY_LIMIT = 2 << 30


@config
class FileDataConfig:
    """What every data set of video files can be told.

    Attributes:
        size: Short side of the working frame in pixels, >= 8.
        fit: ``"crop"`` cuts the central square, ``"short"`` keeps the aspect ratio, ``"stretch"`` distorts.
        val_fraction: Share of the videos outside test that becomes the validation split, in [0, 1); by group.
        split_seed: Draws the carved splits; belongs to the study, not to a cell.
    """

    size: int = Field(default=64, ge=8, le=2048)
    fit: Literal["crop", "short", "stretch"] = "crop"
    val_fraction: float = Field(default=0.15, ge=0, lt=1)
    split_seed: int = Field(default=0, ge=0)

    @property
    def geometry(self) -> Geometry:
        """The working frame."""
        return Geometry(size=self.size, fit=self.fit)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One labelled video as an annotation file lists it.

    Attributes:
        id: Unique within the data set.
        path: The file.
        label: Index of the class.
        split: Where it is used.
        group: Source, or None when unknown.
        tags: Strata.
        origin: File and row that list it, for messages.
    """

    id: str
    path: Path
    label: int
    split: SplitName
    group: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    origin: str = ""


class FileVideos:
    """`vmp.data.base.VideoSet` over video files, decoded once at working size and kept in memory up to a bound."""

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        items: Sequence[Item],
        geometry: Geometry,
        *,
        excluded: Sequence[tuple[str, str]] = (),
    ) -> None:
        check_items(name, items)
        self.name = name
        self.classes: tuple[str, ...] = tuple(classes)
        self.excluded: tuple[tuple[str, str], ...] = tuple(excluded)
        self._geometry = geometry
        self._paths = [item.path for item in items]
        self._frames: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self.videos: tuple[Video, ...] = tuple(self._video(i, item) for i, item in enumerate(items))
        self.fingerprint = self._fingerprint(items)

    def read(self, index: int, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames of ``videos[index]`` at working size, RGB uint8 ``(t, h, w, 3)``. `frames` may repeat; order is kept.

        Raises:
            InputError: A frame outside the video, or the file has become unreadable or other than it was.
        """
        video = self.videos[index]
        wanted = np.asarray(frames)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < video.num_frames):
            raise InputError(f"{video.id}: has frames 0 to {video.num_frames - 1}, asked for {wanted.tolist()}")
        if index not in self._frames:
            pixels, info = decode(self._paths[index], self._geometry)
            if info.frames != video.num_frames:
                raise InputError(f"{self._paths[index]}: has changed since the data set was loaded; start again")
            self._keep(index, pixels)
        self._frames.move_to_end(index)
        return self._frames[index][wanted]

    def _video(self, index: int, item: Item) -> Video:
        pixels, info = decode(item.path, self._geometry)
        self._keep(index, pixels)
        return Video(
            id=item.id,
            label=item.label,
            split=item.split,
            num_frames=info.frames,
            fps=info.fps,
            group=item.group,
            tags=item.tags,
        )

    def _keep(self, index: int, pixels: NDArray[np.uint8]) -> None:
        self._frames[index] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > _MEMORY_LIMIT and len(self._frames) > 1:
            self._bytes -= self._frames.popitem(last=False)[1].nbytes

    def _fingerprint(self, items: Sequence[Item]) -> str:
        digest = hashlib.sha256(json.dumps([list(self.classes), vars(self._geometry)]).encode())
        for item, video in zip(items, self.videos, strict=True):
            row = [item.id, item.label, item.split, item.group, list(item.tags), video.num_frames]
            digest.update(json.dumps(row).encode())
            digest.update(content_hash(item.path).encode())
        return digest.hexdigest()[:16]


def check_items(where: str, items: Sequence[Item]) -> None:
    """Refuse what no training can use: no videos, the same id twice, files that do not exist.

    Raises:
        InputError: Names the row and the file.
    """
    if not items:
        raise InputError(f"{where}: lists no videos")
    seen: dict[str, Item] = {}
    missing: list[Item] = []
    for item in items:
        first = seen.setdefault(item.id, item)
        if first is not item:
            raise InputError(f"{item.origin}: {item.id!r} is listed a second time (first: {first.origin})")
        if not item.path.is_file():
            missing.append(item)
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"{missing[0].origin}: no such video file: {missing[0].path}{more}")


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
