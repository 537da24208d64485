"""The annotation lists of MMAction2: a text file for each split, of videos or of folders of frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText
from vmp.data.base import SPLITS
from vmp.data.sets.rows import build
from vmp.data.sets.slowfast import names_of, read_list
from vmp.data.sets.video_files import FileDataConfig, Listing


@config
class MMActionData(FileDataConfig):
    """Lists of ``<path> <label>`` (videos) or ``<path> <frames> <label>`` (folders of frames), a file for each split.

    Without a list for testing, the one for validation serves as test; without one for validation, it is carved from
    train by group.

    Attributes:
        kind: ``"mmaction"``.
        train, val, test: The lists (MMAction2's ``ann_file``).
        root: Folder that their paths start from (``data_prefix``); None for the folder of the training list.
        separator: Between the fields.
        classes: File with one class name a line, by label; None names a class by its videos' folder where all share
            one, else by its number.
        group_pattern: Regular expression with one group that finds a video's source in its path; None takes every
            video for a source of its own.
    """

    kind: Literal["mmaction"] = "mmaction"
    train: PathText = Field(min_length=1)
    val: PathText | None = None
    test: PathText | None = None
    root: PathText | None = None
    separator: str = Field(default=" ", min_length=1)
    classes: PathText | None = None
    group_pattern: str | None = None

    def listing(self) -> Listing:
        """Read the lists.

        Raises:
            InputError: A list is missing, or a line has no label.
        """
        if self.val is None and self.test is None:
            raise InputError(f"{self.train}: name a list in `val` or `test` beside it, else nothing can be measured")
        root = Path(self.root) if self.root is not None else Path(self.train).parent
        lists = {split: path for split in SPLITS if (path := getattr(self, split)) is not None}
        labelled = [one for split, path in lists.items() for one in read_list(self, Path(path), split, root)]
        names = names_of(self, labelled, self.train)
        rows = [dataclasses.replace(row, label=names[label]) for label, row in labelled]
        return build(self, rows, root, name=Path(self.train).stem, where=self.train, test_fraction=0, classes=names)
