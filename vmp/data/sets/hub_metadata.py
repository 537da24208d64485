"""Metadata beside videos, as folders for Hugging Face's ``datasets`` have it: a file name and a label in each row."""

from __future__ import annotations

import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmp.core.errors import InputError
from vmp.data.notices import shortened_list
from vmp.data.sets.rows import nearest_column, read_text, slashes

METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE, _LABEL, _GROUP = "file_name", "label", "group"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A video as metadata list it: its path below the root, its class, and its source where a row tells it ("" where
    the column is there and empty)."""

    path: Path
    label: str
    group: str | None
    origin: str


def read_metadata(root: Path, files: Sequence[Path], *, ignored: bool = False) -> tuple[list[Labelled], list[str]]:
    """The videos that metadata below `root` label, and sentences on what was not read.

    Metadata without labels say nothing on classes: these are then the folders.

    Args:
        root: The folder of the data set.
        files: Metadata files, relative to it.
        ignored: Read none of them, and say so.

    Raises:
        InputError: Two metadata files in one folder, labels in some files alone, no UTF-8, a row that cannot be read or
            has no label, or a file outside `root` (names file and line).
    """
    if ignored:
        names = shortened_list(map(str, files))
        return [], [f"classes are the folders (layout: classes), and {names} is ignored"] if files else []
    found: list[Labelled] = []
    notes: list[str] = []
    labelled, unlabelled, unused = list[Path](), list[Path](), set[str]()
    for file in files:
        if file.suffix == ".parquet":
            notes.append(f"{file} is not read: write it as metadata.csv")
            continue
        other = file.with_suffix(".csv" if file.suffix == ".jsonl" else ".jsonl")
        if other in files:
            raise InputError(f"{root / file.parent}: holds metadata.csv and metadata.jsonl; leave one of them there")
        rows = list(_rows(root / file))
        columns = list(dict.fromkeys(name for _, row in rows for name in row))
        if _FILE not in columns or _LABEL not in columns:
            if _FILE in columns or _LABEL in columns:
                _refuse_near(root / file, columns)
            unlabelled.append(file)
            continue
        labelled.append(file)
        unused |= {*columns} - {_FILE, _LABEL, _GROUP}
        _refuse_near(root / file, columns)
        found += [_labelled(root, file, origin, row, has_group=_GROUP in columns) for origin, row in rows]
    if labelled and unlabelled:
        raise InputError(
            f"{root / unlabelled[0]}: has no columns {_FILE} and {_LABEL}, and {labelled[0]} has; give all of them "
            "both, or set layout: classes to take the classes from the folders"
        )
    if unlabelled:
        names = shortened_list(map(str, unlabelled))
        notes.append(f"metadata without the columns {_FILE} and {_LABEL} are ignored: {names}")
    if found:
        notes.append(f"classes are the column {_LABEL} of {shortened_list(map(str, labelled))}, and not the folders")
    if unused:
        notes.append(f"unused columns: {shortened_list(sorted(unused), 12)}")
    return found, notes


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """``(file and line, row)`` of a metadata file."""
    text = read_text(path, "metadata of videos")
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            for row in reader:
                if None in row or None in row.values():
                    columns = len(reader.fieldnames or [])
                    raise InputError(f"{path}, line {reader.line_num}: has more or fewer fields than the header "
                                     f"({columns})")  # fmt: skip
                yield f"{path}, line {reader.line_num}", {name.strip(): value for name, value in row.items()}
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: is not a line of CSV ({error})") from error
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: is no JSON object with {_FILE} and {_LABEL}")
        yield f"{path}, line {number}", row


def _refuse_near(path: Path, columns: Sequence[str]) -> None:
    """Refuse a column that a person would take for one that is read and that is not there."""
    for name in (_FILE, _LABEL, _GROUP):
        others = [one for one in columns if one not in (_FILE, _LABEL, _GROUP)]
        if name not in columns and (near := nearest_column(name, others)) is not None:
            raise InputError(f"{path}: has no column {name!r} but a column {near!r}; rename one of them")


def _labelled(root: Path, file: Path, origin: str, row: dict[str, Any], *, has_group: bool) -> Labelled:
    value = {name: _text(row.get(name), name, origin) for name in (_FILE, _LABEL, _GROUP)}
    for name in (_FILE, _LABEL):
        if not value[name]:
            raise InputError(f"{origin}: the column {name!r} is empty")
    path = Path(os.path.normpath(file.parent / slashes(value[_FILE], root / file.parent)))
    if path.is_absolute() or path.parts[0] == "..":
        raise InputError(f"{origin}: {value[_FILE]!r} lies outside {root}; metadata list videos below their own folder")
    label = unicodedata.normalize("NFC", value[_LABEL])
    return Labelled(path=path, label=label, group=value[_GROUP] if has_group else None, origin=origin)


def _text(value: Any, name: str, origin: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip()
    raise InputError(f"{origin}: {name} is {json.dumps(value)[:40]}; it must be a text or a whole number")
