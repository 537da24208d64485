"""The lists of PySlowFast and of the released VMP code: ``train.csv``, ``val.csv``, ``test.csv``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText, looked_for
from vmp.data.base import SPLITS, SplitName
from vmp.data.sets.rows import Row, build, group_of, read_text, slashes
from vmp.data.sets.video_files import FileDataConfig, Listing


class ListSettings(Protocol):
    """What the lists of several toolboxes have in common."""

    @property
    def separator(self) -> str: ...

    @property
    def classes(self) -> str | None: ...

    @property
    def group_pattern(self) -> str | None: ...


@config
class SlowFastData(FileDataConfig):
    """Lists without a header: ``<path><separator><label>`` or ``<path><separator><frames><separator><label>``.

    Lines are split from the right, since folders may hold spaces (``train/take outV/x.mp4 12``). ``train.csv`` is
    needed; if ``val.csv`` is not there, validation is carved from train by group; if ``test.csv`` is not, ``val.csv``
    serves as test.

    Attributes:
        kind: ``"slowfast"``.
        path: Folder with the lists.
        root: Folder that relative video paths start from; None for `path`.
        separator: Between the fields.
        classes: File with one class name a line, by label; None names a class by its videos' folder where all share
            one, else by its number.
        group_pattern: Regular expression with one group that finds a video's source in its path, e.g. ``([^/]+)_\\d+``
            for clips named by their recording and a number; None takes every video for a source of its own.
    """

    kind: Literal["slowfast"] = "slowfast"
    path: PathText = Field(min_length=1)
    root: PathText | None = None
    separator: str = Field(default=" ", min_length=1)
    classes: PathText | None = None
    group_pattern: str | None = None

    def listing(self) -> Listing:
        """Read the lists.

        Raises:
            InputError: A list is missing, or a line has no label.
        """
        folder = Path(self.path)
        root = Path(self.root) if self.root is not None else folder
        labelled: list[tuple[int, Row]] = []
        files = {split: folder / f"{split}.csv" for split in SPLITS}
        there = [split for split, file in files.items() if file.is_file()]
        for split in ("train", "test"):
            if split not in there and (split == "train" or "val" not in there):
                raise InputError(
                    f"{looked_for(files[split])}: no such file; `path` names the folder with train.csv and test.csv"
                )
        for split in there:
            labelled += read_list(self, files[split], split, root)
        names = names_of(self, labelled, self.path)
        rows = [dataclasses.replace(row, label=names[label]) for label, row in labelled]
        return build(self, rows, root, name=folder.name, where=self.path, test_fraction=0, classes=names)


def read_list(cfg: ListSettings, file: Path, split: SplitName, root: Path) -> list[tuple[int, Row]]:
    """``(label, row)`` of every line of a list. Raises InputError where it is missing or a line has no label."""
    rows = []
    for number, line in enumerate(read_text(file, "a list of videos").splitlines(), start=1):
        if not line.strip():
            continue
        origin = f"{file}, line {number}"
        path, found, label = line.strip().rpartition(cfg.separator)
        if not found or not path.strip() or not label.strip().isdecimal():
            raise InputError(f"{origin}: {line.strip()!r} is not '<path>{cfg.separator}<label>' with a number as label")
        # Three fields: the middle one counts frames, unless the path itself ends in a number after a separator.
        head, middle, count = path.rpartition(cfg.separator)
        if middle and count.strip().isdecimal() and not (root / path).exists():
            path = head
        name = slashes(path.strip(), root)
        group = group_of(cfg.group_pattern, name, str(file))
        has_group = cfg.group_pattern is not None
        rows.append(
            (int(label), Row(path=name, label="", split=split, group=group, has_group=has_group, origin=origin))
        )
    return rows


def names_of(cfg: ListSettings, labelled: list[tuple[int, Row]], where: str) -> list[str]:
    """Class names by label: from the file that the settings name, else from the folders of the videos.

    Raises:
        InputError: Empty lists, or too few or doubled names.
    """
    count = max((label for label, _ in labelled), default=-1) + 1
    if not labelled:
        raise InputError(f"{where}: the lists hold no videos")
    if cfg.classes is not None:
        text = read_text(Path(cfg.classes), "`classes` names a file with one class name a line")
        names = [line.strip() for line in text.splitlines() if line.strip()]
        if len(names) < count or len(set(names)) < len(names):
            raise InputError(
                f"{cfg.classes}: needs {count} different class names, one a line; it has {len(set(names))}"
            )
        return names
    folders: dict[int, set[str]] = {}
    for label, row in labelled:
        folders.setdefault(label, set()).add(Path(row.path).parent.name)
    single = [next(iter(folders.get(i, {""}))) if len(folders.get(i, ())) == 1 else "" for i in range(count)]
    return single if all(single) and len(set(single)) == count else [str(i) for i in range(count)]
