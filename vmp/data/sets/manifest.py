"""Generic data sets: a manifest CSV with optional groups and splits, and a folder with one subfolder a class."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal, cast

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.data.base import SPLITS, SplitName
from vmp.data.sets.rows import VIDEO_SUFFIXES, Row, build, group_of
from vmp.data.sets.video_files import FileDataConfig, Listing


@config
class ManifestData(FileDataConfig):
    """Videos listed in a CSV file with a header: path, label, and optionally a group and a split for each.

    Videos of one group (clips cut from one recording) never straddle a split; with a group column, a video whose group
    is empty is of unknown source and goes to train. Without one, every video is its own group. A split column holds
    train, val or test in every row and is honoured; if no row says val, the validation split is carved from train.

    Attributes:
        kind: ``"manifest"``.
        path: The CSV file, UTF-8.
        root: Folder that relative video paths start from; None for the folder of the CSV file.
        path_column: Column with the video's path.
        label_column: Column with the class name.
        group_column: Column with the source; the default name may be absent from the file.
        split_column: Column with train, val or test; the default name may be absent from the file.
        test_fraction: Share of the videos carved out for testing when there is no split column, in [0, 1).
    """

    kind: Literal["manifest"] = "manifest"
    path: str = Field(min_length=1)
    root: str | None = None
    path_column: str = "path"
    label_column: str = "label"
    group_column: str = "group"
    split_column: str = "split"
    test_fraction: float = Field(default=0.2, ge=0, lt=1)

    def listing(self) -> Listing:
        """Read the list and carve the splits.

        Raises:
            InputError: Unreadable list (names row and column), or splits that cannot be.
        """
        rows = read_rows(self)
        root = Path(self.root) if self.root is not None else Path(self.path).parent
        return build(self, rows, root, name=Path(self.path).stem, where=self.path, test_fraction=self.test_fraction)


@config
class FolderData(FileDataConfig):
    """Videos in one folder for each class: ``<path>/<class>/.../<video>``.

    With the folders train, val and test (at least train and test) on top, ``<path>/<split>/<class>/<video>``, these
    splits are honoured and a missing val is carved from train.

    Attributes:
        kind: ``"folder"``.
        path: The folder.
        group_pattern: Regular expression with one group that finds a video's source in its path below `path`; None
            takes every video for a source of its own.
        test_fraction: Share of the videos carved out for testing when the folders do not say, in [0, 1).
    """

    kind: Literal["folder"] = "folder"
    path: str = Field(min_length=1)
    group_pattern: str | None = None
    test_fraction: float = Field(default=0.2, ge=0, lt=1)

    def listing(self) -> Listing:
        """List the folders and carve the splits.

        Raises:
            InputError: No such folder, no class folders, no videos, or splits that cannot be.
        """
        root = Path(self.path)
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; `path` names a folder with one subfolder for each class")
        tops = {p.name for p in root.iterdir() if p.is_dir()}
        given = {"train", "test"} <= tops and tops <= {*SPLITS}
        files = sorted(
            (p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()),
            key=lambda p: p.relative_to(root).as_posix(),
        )
        files = [p for p in files if len(p.relative_to(root).parts) > 1 + given]
        if not files:
            raise InputError(
                f"{root}: holds no videos in class folders (<class>/<video>{', '.join(sorted(VIDEO_SUFFIXES))})"
            )
        rows = []
        for file in files:
            parts = file.relative_to(root).parts
            rows.append(
                Row(
                    path=Path(*parts).as_posix(),
                    label=parts[1] if given else parts[0],
                    split=cast("SplitName", parts[0]) if given else None,
                    group=group_of(self.group_pattern, Path(*parts).as_posix(), self.path),
                    has_group=self.group_pattern is not None,
                    origin=str(root),
                )
            )
        return build(self, rows, root, name=root.name, where=self.path, test_fraction=self.test_fraction)


def read_rows(cfg: ManifestData) -> list[Row]:
    """The rows of the CSV file.

    Raises:
        InputError: Missing or no UTF-8, a named column that is not there, or an empty or wrong field (names the line).
    """
    path = Path(cfg.path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; `path` names a CSV file with the columns path and label")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    reader = csv.DictReader(text.splitlines())
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    columns = {field: _column(cfg, field, header) for field in ("path", "label", "group", "split")}
    rows = []
    for raw in reader:
        origin = f"{path}, line {reader.line_num}"
        if None in raw or None in raw.values():
            raise InputError(f"{origin}: has more or fewer fields than the header ({len(header)})")
        value = {field: raw[name].strip() if name else "" for field, name in columns.items()}
        for field in ("path", "label"):
            if not value[field]:
                raise InputError(f"{origin}: the column {columns[field]!r} is empty")
        if columns["split"] and value["split"] not in SPLITS:
            raise InputError(f"{origin}: split {value['split']!r} is none of {', '.join(SPLITS)}")
        rows.append(
            Row(
                path=Path(value["path"]).as_posix(),
                label=value["label"],
                split=cast("SplitName", value["split"]) if columns["split"] else None,
                group=value["group"] or None,
                has_group=columns["group"] is not None,
                origin=origin,
            )
        )
    if not rows:
        raise InputError(f"{path}: lists no videos")
    return rows


def _column(cfg: ManifestData, field: str, header: list[str]) -> str | None:
    """The header's name of a field, or None if the file need not have it (default group and split columns)."""
    name: str = getattr(cfg, f"{field}_column")
    if name in header:
        return name
    if name == field and field in ("group", "split"):
        return None
    raise InputError(f"{cfg.path}: has no column {name!r} ({field}_column); it has: {', '.join(header) or 'nothing'}")
