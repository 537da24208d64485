"""What generic lists have in common: a path, a class name, perhaps a split and a source for each video."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import expand, looked_for
from vmp.data.base import SplitName
from vmp.data.interval import Interval
from vmp.data.sets.video_files import FileDataConfig, Item, Listing
from vmp.data.splits import complete_splits, fold_number, fold_splits, without_test

VIDEO_SUFFIXES = frozenset(
    (
        *(".avi", ".divx", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v", ".vob"),
        *(".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".mxf", ".dv", ".gif"),
    )
)
NO_GROUPS = (
    "no groups are known: each video counts as a source of its own, and clips of one recording may feed two splits"
)


OWN_SPLITS = "name a list without a split column (split_column: null ignores it) or a folder without split folders"


@config
class CarvedDataConfig(FileDataConfig):
    """The settings of data sets whose splits are carved where the annotation gives none.

    Attributes:
        test_fraction: Share of the videos carved out for testing where no split is given, in [0, 1).
        fold: ``2/5`` tests the second of five folds instead: every group is tested in one of them, and validation is
            carved from the others. As many folds as groups leave out one group each. `split_seed` draws the folds.
    """

    test_fraction: float = Field(default=0.2, ge=0, lt=1)
    fold: str | None = Field(default=None, pattern=r"^[0-9]{1,4}/[0-9]{1,4}$")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold is not None:
            fold_number(self.fold)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One video as listed: `path` relative to a root, its class, and what is known of its source and split.

    key: what it is called where the path is none of its own, as in an archive.
    """

    path: str
    label: str
    split: SplitName | None = None
    group: str | None = None
    has_group: bool = False
    origin: str = ""
    interval: Interval | None = None
    key: str | None = None

    @property
    def id(self) -> str:
        """Unique within a list that cuts several clips from one file."""
        cut, name = self.interval, self.path if self.key is None else self.key
        return name if cut is None else f"{name}/{cut.start:g}-{cut.stop:g}"


def build(
    cfg: FileDataConfig,
    rows: Sequence[Row],
    root: Path,
    *,
    name: str,
    where: str,
    test_fraction: float,
    fold: str | None = None,
    classes: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    groups_from: str = "group_pattern",
) -> Listing:
    """The data set of these rows; splits that the rows leave open are carved by group.

    Args:
        cfg: Sizes and fractions.
        rows: The videos.
        root: Folder that their paths start from.
        name: Of the data set.
        where: File or folder, for messages.
        test_fraction: Share of test if the rows have no splits.
        fold: The fold that is tested instead, as ``2/5``.
        classes: Names by index; None sorts the names that occur.
        notes: What the reader has to say.
        groups_from: The setting that would tell the sources.

    Raises:
        InputError: Splits that cannot be.
    """
    names = sorted({row.label for row in rows}) if classes is None else list(classes)
    labels = [names.index(row.label) for row in rows]
    groups = [row.group if row.has_group else row.key or row.path for row in rows]
    given, sentence = without_test([row.split for row in rows])
    notes = [*notes, *([sentence] if sentence else [])]
    if not any(row.group for row in rows):
        notes.append(f"{NO_GROUPS} ({groups_from} names them)")
    if fold is not None:
        if any(given):
            raise InputError(f"{where}: gives its own splits, and fold {fold} asks for others; {OWN_SPLITS}")
        carved = fold_splits(labels, groups, fold, val_fraction=cfg.val_fraction, seed=cfg.split_seed, where=where)
        splits: Sequence[SplitName] = carved
    else:
        splits = complete_splits(
            given,
            labels,
            groups,
            val_fraction=cfg.val_fraction,
            test_fraction=test_fraction,
            seed=cfg.split_seed,
            where=where,
        )
    find = FileFinder(root)
    items = [
        Item(
            id=row.id,
            path=find(row.path),
            label=label,
            split=split,
            interval=row.interval,
            group=row.group,
            origin=row.origin,
        )
        for row, label, split in zip(rows, labels, splits, strict=True)
    ]
    return Listing(name=name, classes=tuple(names), items=tuple(items), notes=tuple(notes))


class FileFinder:
    """Finds files whose names a list spells in another Unicode form than the disk (macOS takes accents apart).

    Args:
        root: Folder that relative paths start from.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, dict[str, str]] = {}

    def __call__(self, path: str) -> Path:
        """The file that `path` means; where there is none, `path` below the root as it stands."""
        listed = self._root / expand(path)
        if path.isascii() or listed.exists():
            return listed
        found = Path(listed.anchor)
        for part in listed.parts[bool(listed.anchor) :]:
            if found not in self._names:
                there = found.iterdir() if found.is_dir() else ()
                self._names[found] = {unicodedata.normalize("NFC", one.name): one.name for one in there}
            name = self._names[found].get(unicodedata.normalize("NFC", part))
            if name is None:
                return listed
            found /= name
        return found


def read_text(path: Path, what: str) -> str:
    """The text of a list. Raises InputError, which says `what` the setting names, where there is none to read."""
    if not path.is_file():
        raise InputError(f"{looked_for(path)}: no such file; {what}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: may not be read ({error.strerror}); check its permissions") from error


def slashes(path: str, root: Path) -> str:
    """A listed path in POSIX form; backslashes (of a list from Windows) separate folders unless such a file exists."""
    if "\\" in path and not (root / path).exists():
        path = path.replace("\\", "/")
    return Path(path).as_posix()


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


def nearest_column(name: str, header: Sequence[str]) -> str | None:
    """The column that a person would take for `name`: another case or form of it, a longer name, a slip of the keys."""
    plain = {plain_name(one): one for one in reversed(header)}
    wanted = plain_name(name)
    for one, original in plain.items():
        if one == wanted or (wanted and one.startswith(wanted) and len(one) <= len(wanted) + 4):
            return original
    close = get_close_matches(wanted, plain, n=1, cutoff=0.8)
    return plain[close[0]] if close else None


def plain_name(name: str) -> str:
    """A column's name without case, spaces and signs."""
    return re.sub(r"[\W_]", "", name.casefold())
