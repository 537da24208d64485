"""A folder with one subfolder for each class, with or without folders for the splits above them."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText, looked_for
from vmp.core.text import listing as in_words
from vmp.data.base import SplitName
from vmp.data.notices import shortened_list
from vmp.data.sets.hub_metadata import METADATA_FILES, Labelled, read_metadata
from vmp.data.sets.rows import VIDEO_SUFFIXES, CarvedDataConfig, Row, build, group_of
from vmp.data.sets.video_files import Listing
from vmp.data.splits import split_word
from vmp.video.frame_folders import IMAGE_SUFFIXES


@config
class FolderData(CarvedDataConfig):
    """Videos in one folder for each class: ``<path>/<class>/.../<video>``.

    With split folders on top, ``<path>/<split>/<class>/.../<video>``, whatever their case and form (``Train``,
    ``validation``, ``testing``), these splits are honoured and a missing val is carved from train; with train and val
    alone (Kinetics' layout), val serves as test. Hidden files and folders and folders without videos are ignored.
    A video may be a folder of frames, ``<path>/<class>/<video>/<number>.jpg``.

    Classes may stand in metadata instead, as in a folder for Hugging Face's ``datasets``: ``metadata.csv`` or
    ``metadata.jsonl`` with the columns file_name (from its own folder) and label, and perhaps group, on top or in each
    split folder. With a training split alone, test and validation are carved.

    Attributes:
        kind: ``"folder"``.
        path: The folder.
        group_pattern: Regular expression with one group that finds a video's source in its path below `path`; None
            takes every video for a source of its own.
        layout: ``"auto"`` reads split folders where all folders on top are named like splits, and asks where only some
            are; ``"splits"`` and ``"classes"`` say what the folders on top are. ``"classes"`` reads no metadata.
    """

    kind: Literal["folder"] = "folder"
    path: PathText = Field(min_length=1)
    group_pattern: str | None = None
    layout: Literal["auto", "splits", "classes"] = "auto"

    def listing(self) -> Listing:
        """List the folders and carve the splits.

        Raises:
            InputError: No such folder, no class folders, no videos, a single class, folders of which some are named
                like splits, or splits that cannot be.
        """
        root = Path(self.path)
        if not root.is_dir():
            raise InputError(
                f"{looked_for(root)}: no such folder; `path` names a folder with one subfolder for each class"
            )
        found = _walk(root)
        labelled, notes = read_metadata(root, found.metadata, ignored=self.layout == "classes")
        if labelled:
            return self._of_metadata(root, labelled, found, notes)
        tops = sorted({file.parts[0] for file in found.videos if len(file.parts) > 1})
        splits = _split_folders(self, tops)
        files = [file for file in found.videos if len(file.parts) > 1 + bool(splits)]
        if not files:
            raise InputError(
                f"{root}: holds no videos in class folders (<class>/<video>{', '.join(sorted(VIDEO_SUFFIXES))})"
            )
        rows = [
            Row(
                path=file.as_posix(),
                label=unicodedata.normalize("NFC", file.parts[1 if splits else 0]),
                split=splits.get(file.parts[0]),
                group=group_of(self.group_pattern, file.as_posix(), self.path),
                has_group=self.group_pattern is not None,
                origin=str(root),
            )
            for file in files
        ]
        labels = {row.label for row in rows}
        if len(labels) < 2:
            below = f"split folders {in_words(sorted(splits))}" if splits else "folder"
            raise InputError(
                f"{root}: the only class in the {below} is {min(labels)!r} and nothing can be learnt from one; `path` "
                "must name the folder that holds the class folders (or the split folders above them)"
            )
        notes += found.notes()
        if outside := [file for file in found.videos if file not in set(files)]:
            notes.append(
                f"{len(outside)} videos outside class folders are not used: {shortened_list(map(str, outside))}"
            )
        return self._build(rows, root, notes)

    def _of_metadata(self, root: Path, labelled: Sequence[Labelled], found: _Found, notes: list[str]) -> Listing:
        tops = sorted({one.path.parts[0] if len(one.path.parts) > 1 else "" for one in labelled})
        words = [split_word(top) for top in tops]
        splits: dict[str, SplitName] = {}
        if set(words) == {"train"}:
            notes.append("the only split folder is for training: test and validation are carved from it")
        elif any(words) or self.layout == "splits":
            splits = _split_folders(self, [top or "(the folder itself)" for top in tops])
        has_group = any(one.group is not None for one in labelled)
        pattern = self.group_pattern
        rows = [
            Row(
                path=one.path.as_posix(),
                label=one.label,
                split=splits.get(one.path.parts[0]),
                group=group_of(pattern, one.path.as_posix(), self.path) if pattern else one.group or None,
                has_group=pattern is not None or has_group,
                origin=one.origin,
            )
            for one in labelled
        ]
        if len({row.label for row in rows}) < 2:
            raise InputError(
                f"{labelled[0].origin}: the only class in the column label is {labelled[0].label!r} and nothing can be "
                "learnt from one; set layout: classes to take the classes from the folders"
            )
        listed = {one.path for one in labelled}
        if others := [video for video in found.videos if video not in listed]:
            notes.append(
                f"{len(others)} videos that no metadata lists are not used: {shortened_list(map(str, others))}"
            )
        return self._build(rows, root, notes)

    def _build(self, rows: Sequence[Row], root: Path, notes: list[str]) -> Listing:
        return build(
            self,
            rows,
            root,
            name=root.name,
            where=self.path,
            test_fraction=self.test_fraction,
            fold=self.fold,
            notes=notes,
        )


def _split_folders(cfg: FolderData, tops: Sequence[str]) -> dict[str, SplitName]:
    """What each folder on top says of the split; empty where they are classes."""
    words = {top: word for top in tops if (word := split_word(top)) is not None}
    if cfg.layout == "classes" or (cfg.layout == "auto" and not words):
        return {}
    others = [top for top in tops if top not in words]
    if others:
        some = f"{in_words(sorted(words)) or 'none'} of the folders on top"
        raise InputError(
            f"{cfg.path}: {some} would name a split and {shortened_list(others)} would not; set layout: classes if all "
            "are classes, or leave only split folders there"
        )
    for name in ("train", "val", "test"):
        same = [top for top, word in words.items() if word == name]
        if len(same) > 1:
            raise InputError(
                f"{cfg.path}: the folders {in_words(same)} all mean the split {name!r}; merge or rename them"
            )
    if "train" not in words.values() or len(words) < 2:
        raise InputError(
            f"{cfg.path}: the only folders are {in_words(tops)}, named like splits, and splits need a train and a test "
            "(or val) folder; set layout: classes if they are classes, or name the folder that holds the classes"
        )
    return words


@dataclass(frozen=True)
class _Found:
    """Paths below the root: videos sorted, folders on top without any, endings of other files with their number, and
    files with metadata."""

    videos: list[Path]
    empty: list[str]
    others: Counter[str]
    metadata: list[Path]

    def notes(self) -> list[str]:
        notes = []
        if self.empty:
            notes.append(f"folders without videos are ignored: {shortened_list(self.empty)}")
        if self.others:
            counted = [f"{number} x {ending}" for ending, number in self.others.most_common()]
            notes.append(f"files that are not named like videos are ignored: {shortened_list(counted)}")
        return notes


def _walk(root: Path) -> _Found:
    """Everything visible below `root`; links to folders are followed once."""
    videos: list[Path] = []
    others: Counter[str] = Counter()
    metadata: list[Path] = []
    tops: set[str] = set()
    seen: set[str] = set()
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not _is_hidden(name))
        real = os.path.realpath(folder)
        if real in seen:
            below[:] = []
            continue
        seen.add(real)
        here = Path(folder).relative_to(root)
        tops |= set(below) if here == Path() else set()
        images = [name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES and not _is_hidden(name)]
        if len(here.parts) > 1 and images and len(images) == len([name for name in files if not _is_hidden(name)]):
            videos.append(here)  # a video that was taken apart: an image for each frame
            below[:] = []
            continue
        for name in files:
            if _is_hidden(name):
                continue
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                videos.append(here / name)
            elif name in METADATA_FILES:
                metadata.append(here / name)
            elif here != Path():
                others[Path(name).suffix.lower() or name] += 1
    used = {file.parts[0] for file in videos}
    return _Found(sorted(videos, key=lambda file: file.as_posix()), sorted(tops - used), others, sorted(metadata))


def _is_hidden(name: str) -> bool:
    """``.git``, ``.ipynb_checkpoints``, macOS's ``._clip.mp4`` and ``__MACOSX``."""
    return name.startswith(".") or name in ("__MACOSX", "__pycache__")
