"""A manifest: a CSV file with a header that lists videos with their labels, optional groups and optional splits."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText
from vmp.data.base import SPLITS
from vmp.data.interval import Interval
from vmp.data.notices import shortened_list
from vmp.data.sets.rows import CarvedDataConfig, Row, build, nearest_column, plain_name, read_text, slashes
from vmp.data.sets.video_files import Listing
from vmp.data.splits import split_word

_FIELDS = ("path", "label", "group", "split", "start", "end")


@config
class ManifestData(CarvedDataConfig):
    """Videos listed in a CSV file with a header: path, label, and optionally a group and a split for each.

    Videos of one group (clips cut from one recording) never straddle a split; with a group column, a video whose group
    is empty is of unknown source and goes to train. Without one, every video is its own group. A split column names
    train, val or test in every row (``Training`` and ``valid`` are read, too) and is honoured; if no row says val, the
    validation split is carved from train; if none says test, val serves as test. Fields are separated by commas,
    semicolons or tabs.

    Attributes:
        kind: ``"manifest"``.
        path: The CSV file, UTF-8.
        root: Folder that relative video paths start from; None for the folder of the CSV file.
        path_column: Column with the video's path.
        label_column: Column with the class name.
        group_column: Column with the source; the default name may be absent from the file. None reads no groups.
        split_column: Column with train, val or test; the default name may be absent from the file. None carves splits.
        start_column: Column with the start of the clip in its file, for lists that cut clips from longer videos; read
            only where it is named. Clips of one file are of one group unless a group column says otherwise.
        end_column: Column with its end, the first frame or second that is no longer in it. Of start and end, one alone
            will do: a clip then starts or ends with the file.
        interval: Whether start and end are in ``"seconds"`` from the first frame, or ``"frames"`` counted from 0.
    """

    kind: Literal["manifest"] = "manifest"
    path: PathText = Field(min_length=1)
    root: PathText | None = None
    path_column: str = "path"
    label_column: str = "label"
    group_column: str | None = "group"
    split_column: str | None = "split"
    start_column: str | None = None
    end_column: str | None = None
    interval: Literal["seconds", "frames"] = "seconds"

    def listing(self) -> Listing:
        """Read the list and carve the splits.

        Raises:
            InputError: Unreadable list (names row and column), or splits that cannot be.
        """
        rows, unused = read_rows(self)
        notes = [f"unused columns: {shortened_list(unused, 12)}"] if unused else []
        return build(
            self,
            rows,
            _root(self),
            name=Path(self.path).stem,
            where=self.path,
            test_fraction=self.test_fraction,
            fold=self.fold,
            notes=notes,
            groups_from="group_column",
        )


def _root(cfg: ManifestData) -> Path:
    return Path(cfg.root) if cfg.root is not None else Path(cfg.path).parent


def read_rows(cfg: ManifestData) -> tuple[list[Row], list[str]]:
    """The rows of the CSV file, and the names of the columns that nothing reads.

    Raises:
        InputError: Missing or no UTF-8, a named column that is not there, a column nearly named like one that is read,
            or an empty or wrong field (names the line).
    """
    path = Path(cfg.path)
    text = read_text(path, "`path` names a CSV file with the columns path and label")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(cfg, text))
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    if twice := [name for name, number in Counter(header).items() if number > 1]:
        raise InputError(f"{path}: has several columns {twice[0]!r}; give each a name of its own")
    columns = {field: _column(cfg, field, header) for field in _FIELDS}
    rows = []
    for raw in reader:
        origin = f"{path}, line {reader.line_num}"
        if None in raw or None in raw.values():
            raise InputError(f"{origin}: has more or fewer fields than the header ({len(header)})")
        value = {field: raw[name].strip() if name else "" for field, name in columns.items()}
        for field in ("path", "label"):
            if not value[field]:
                raise InputError(f"{origin}: the column {columns[field]!r} is empty")
        split = split_word(value["split"])
        if columns["split"] and split is None:
            raise InputError(f"{origin}: split {value['split']!r} is none of {', '.join(SPLITS)}")
        path_in_list = slashes(value["path"], _root(cfg))
        interval = _interval(cfg, value, origin) if columns["start"] or columns["end"] else None
        rows.append(
            Row(
                path=path_in_list,
                label=unicodedata.normalize("NFC", value["label"]),
                split=split,
                group=value["group"] or (path_in_list if interval and not columns["group"] else None),
                has_group=columns["group"] is not None or interval is not None,
                origin=origin,
                interval=interval,
            )
        )
    if not rows:
        raise InputError(f"{path}: lists no videos")
    return rows, [name for name in header if name not in columns.values()]


def _interval(cfg: ManifestData, value: dict[str, str], origin: str) -> Interval:
    try:
        start = float(value["start"]) if cfg.start_column else 0.0
        stop = float(value["end"]) if cfg.end_column else math.inf
    except ValueError:
        start = stop = math.nan
    whole = cfg.interval == "seconds" or all(one.is_integer() or one == math.inf for one in (start, stop))
    if not (0 <= start < stop and whole and (stop < math.inf or cfg.end_column is None)):
        named = " and ".join(
            f"{field} {value[field]!r}"
            for field, column in (("start", cfg.start_column), ("end", cfg.end_column))
            if column
        )
        rule = "a number of seconds" if cfg.interval == "seconds" else "a whole number of frames"
        raise InputError(f"{origin}: {named} must be {rule} each, 0 or more, and the end after the start")
    return Interval(start=start, stop=stop, unit=cfg.interval)


def _delimiter(cfg: ManifestData, text: str) -> str:
    """What separates the fields: the sign by which most of the columns that are read stand in the header."""
    first = text.partition("\n")[0]
    named = {plain_name(getattr(cfg, f"{field}_column") or "") for field in _FIELDS}

    def known(sign: str) -> int:
        return sum(plain_name(name) in named for name in next(csv.reader([first], delimiter=sign), []))

    return max((",", ";", "\t"), key=known)


def _column(cfg: ManifestData, field: str, header: Sequence[str]) -> str | None:
    """The header's name of a field, or None if the file need not have it (default group and split columns)."""
    name: str | None = getattr(cfg, f"{field}_column")
    if name is None or name in header:
        return name
    used = {getattr(cfg, f"{other}_column") for other in _FIELDS if other != field}
    near = nearest_column(name, [one for one in header if one not in used])
    optional = field in ("group", "split")
    if near is not None:
        ignored = f", or {field}_column: null if it means something else" if optional else ""
        raise InputError(
            f"{cfg.path}: has no column {name!r} but a column {near!r}; set {field}_column: {near}{ignored}"
        )
    if name == field and optional:
        return None
    raise InputError(f"{cfg.path}: has no column {name!r} ({field}_column); it has: {', '.join(header) or 'nothing'}")
