"""What generic lists have in common: a path, a class name, perhaps a split and a source for each video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmp.core.errors import InputError
from vmp.data.base import SplitName
from vmp.data.sets.video_files import FileDataConfig, Item, Listing
from vmp.data.splits import complete_splits

VIDEO_SUFFIXES = frozenset(
    (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".3gp", ".gif")
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One video as listed: `path` relative to a root, its class, and what is known of its source and split."""

    path: str
    label: str
    split: SplitName | None = None
    group: str | None = None
    has_group: bool = False
    origin: str = ""


def build(
    cfg: FileDataConfig,
    rows: Sequence[Row],
    root: Path,
    *,
    name: str,
    where: str,
    test_fraction: float,
    classes: Sequence[str] | None = None,
) -> Listing:
    """The data set of these rows; splits that the rows leave open are carved by group.

    Args:
        cfg: Sizes and fractions.
        rows: The videos.
        root: Folder that their paths start from.
        name: Of the data set.
        where: File or folder, for messages.
        test_fraction: Share of test if the rows have no splits.
        classes: Names by index; None sorts the names that occur.

    Raises:
        InputError: Splits that cannot be.
    """
    names = sorted({row.label for row in rows}) if classes is None else list(classes)
    labels = [names.index(row.label) for row in rows]
    groups = [row.group if row.has_group else row.path for row in rows]
    splits = complete_splits(
        [row.split for row in rows],
        labels,
        groups,
        val_fraction=cfg.val_fraction,
        test_fraction=test_fraction,
        seed=cfg.split_seed,
        where=where,
    )
    items = [
        Item(id=row.path, path=root / row.path, label=label, split=split, group=row.group, origin=row.origin)
        for row, label, split in zip(rows, labels, splits, strict=True)
    ]
    return Listing(name=name, classes=tuple(names), items=tuple(items))


def group_of(pattern: str | None, path: str, where: str) -> str | None:
    """The source of a video as its path tells it; None without a pattern.

    Raises:
        InputError: No regular expression with one group, or one that does not occur in `path`.
    """
    if pattern is None:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{where}: group_pattern {pattern!r} is no regular expression ({error})") from error
    if expression.groups != 1:
        raise InputError(f"{where}: group_pattern {pattern!r} must have exactly one group (...) for the source")
    match = expression.search(path)
    if match is None or match[1] is None:
        raise InputError(f"{where}: group_pattern {pattern!r} does not occur in {path!r}")
    return match[1]
