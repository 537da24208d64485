"""HMDB-51 (Kuehne et al., ICCV 2011) in its official form: split files beside class folders of AVI files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText, looked_for
from vmp.data.base import SplitName
from vmp.data.sets.rows import read_text
from vmp.data.sets.video_files import FileDataConfig, Item, Listing

# <source>_<class>_<visible body>_<camera>_np<persons>_<viewpoint>_<quality>_<clip>; class names hold "_" themselves.
_TAGS = re.compile(
    r"_(?P<body>[fhlu])_(?P<camera>cm|nm)_np(?P<persons>\d+)_(?P<view>ba|fr|le|ri)_(?P<quality>bad|goo|med)_\d+$"
)
_MEANING = {"cm": "moving", "nm": "static", "goo": "good", "med": "medium"}
_CODES: dict[str, SplitName | None] = {"0": None, "1": "train", "2": "test"}


@config
class Hmdb51Data(FileDataConfig):
    """HMDB-51: 51 classes, three official splits of 3570 training and 1530 test clips (the other 1666 are unused).

    Validation is carved from train by source video, which the file name tells (the part before the class). Each video
    carries its name tags, by which reports can stratify: camera (``moving``, ``static``), body, view, quality, persons.

    Attributes:
        kind: ``"hmdb51"``.
        path: Folder with one folder of AVI files for each class.
        annotations: Folder with the 153 files ``<class>_test_split<N>.txt``.
        split: Official split, 1 to 3.
    """

    kind: Literal["hmdb51"] = "hmdb51"
    path: PathText = Field(min_length=1)
    annotations: PathText = Field(min_length=1)
    split: Literal[1, 2, 3] = 1

    def listing(self) -> Listing:
        """Read the split files.

        Raises:
            InputError: No split files, or a line that is not ``<name>.avi <0, 1 or 2>``.
        """
        rows = read_split(self.annotations, self.split)
        classes = tuple(sorted({name for name, _, _, _ in rows}))
        used = [(name, file, split, origin) for name, file, split, origin in rows if split is not None]
        groups = [_source(name, file) for name, file, _, _ in used]
        labels = [classes.index(name) for name, _, _, _ in used]
        splits = self.official_splits([split for _, _, split, _ in used], labels, groups, where=self.annotations)
        items = tuple(
            Item(
                id=f"{name}/{file}",
                path=Path(self.path) / name / file,
                label=label,
                split=split,
                group=group,
                tags=name_tags(file),
                origin=origin,
            )
            for (name, file, _, origin), label, split, group in zip(used, labels, splits, groups, strict=True)
        )
        return Listing(name=f"hmdb51-{self.split}", classes=classes, items=items)


def read_split(folder: str | Path, number: int) -> list[tuple[str, str, SplitName | None, str]]:
    """``(class, file name, split or None for unused, file and line)`` of every line of one official split.

    Raises:
        InputError: No split files in `folder`, or a malformed line.
    """
    files = sorted(Path(folder).glob(f"*_test_split{number}.txt"))
    if not files:
        raise InputError(
            f"{looked_for(folder)}: holds no files <class>_test_split{number}.txt; `annotations` names their folder"
        )
    rows = []
    for file in files:
        name = file.name.removesuffix(f"_test_split{number}.txt")
        for line_number, line in enumerate(read_text(file, "a split file").splitlines(), start=1):
            if not line.strip():
                continue
            video, _, code = line.strip().rpartition(" ")
            origin = f"{file}, line {line_number}"
            if not video.strip() or code not in _CODES:
                raise InputError(f"{origin}: {line.strip()!r} is not '<name>.avi <code>' with code 0, 1 or 2")
            rows.append((name, video.strip(), _CODES[code], origin))
    return rows


def name_tags(file: str) -> tuple[tuple[str, str], ...]:
    """The tags in a file name, ``(("body", "f"), ("camera", "moving"), ...)``; none if it does not follow the form."""
    match = _TAGS.search(Path(file).stem)
    if match is None:
        return ()
    return tuple((key, _MEANING.get(value, value)) for key, value in match.groupdict().items())


def _source(name: str, file: str) -> str:
    """The video that a clip was cut from: the file name up to its class."""
    stem = _TAGS.sub("", Path(file).stem)
    return stem.removesuffix(f"_{name}")
