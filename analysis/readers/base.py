"""What a reader of another tool's results gives: its runs as plain values, and how those are named."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sweeps.records.factors import Scalar
from vmp.core.choices import unknown_key
from vmp.core.errors import InputError
from vmp.core.text import count

RunStatus = Literal["complete", "stopped", "failed", "missing"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of another tool.

    Attributes:
        settings: What was set, by name: candidates for factors and the seed.
        measured: What was measured or noted, by name: candidates for values, and for the seed.
        status: ``missing`` for a run that has not ended.
        reason: One sentence unless complete.
        started: ISO 8601, or None. seconds: From start to end, or None.
    """

    settings: Mapping[str, Scalar]
    measured: Mapping[str, Scalar]
    status: RunStatus = "complete"
    reason: str | None = None
    started: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of one study of another tool.

    Attributes:
        tool: Its name, for people.
        path: Where they were read from.
        name: Of the study there.
        runs: In the order in which the tool numbers them; every run has the same names in `settings` or fewer.
        value: The measured name that the tool itself tells to be the result; None where it tells none.
        minimized: Measured names of which the tool tells that lower is better.
        factors: Settings that are factors unless others are named; None for all.
        version: Of the tool that wrote the store; "" where it does not say.
        notes: Sentences on what was left out.
    """

    tool: str
    path: Path
    name: str
    runs: Sequence[Run]
    value: str | None = None
    minimized: frozenset[str] = frozenset()
    factors: tuple[str, ...] | None = None
    version: str = ""
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """Every setting that some run has, in order of appearance."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.settings))

    @property
    def measured(self) -> tuple[str, ...]:
        """Every measured name that some run has, in order of appearance."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.measured))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How one kind of store is read.

    Attributes:
        title: The kind, for people: ``"an Optuna storage in SQLite"``.
        recognizes: Whether a path holds such a store. Looks at names and first bytes only, and raises nothing.
        read: From the path and the name of a study in it (None where it holds one) to its runs. Raises InputError.
    """

    title: str
    recognizes: Callable[[Path], bool]
    read: Callable[[Path, str | None], Runs]


def one_study(path: Path, what: str, names: Sequence[str], asked: str | None) -> str:
    """The study to read among `names`: the one that is asked for, else the only one.

    Args:
        path: Of the store. what: What it calls a study: ``"study"``, ``"experiment"``.
        names: Those there are. asked: By ``--columns study=NAME``.

    Raises:
        InputError: No study of that name, none at all, or several of which none is named.
    """
    if asked is not None:
        if asked not in names:
            raise InputError(f"'{path}' has no {what} {asked!r}: {asked} {unknown_key(asked, list(names))}")
        return asked
    if not names:
        raise InputError(f"'{path}' holds no {what} with a run, so there is nothing to report")
    if len(names) > 1:
        shown = ", ".join(repr(name) for name in names[:6])
        plural = "studies" if what == "study" else f"{what}s"
        raise InputError(
            f"'{path}' holds {count(len(names), what, plural)} ({shown}); name one: --columns study={names[0]}"
        )
    return names[0]


def folders_with(path: Path, name: str) -> list[Path]:
    """The folders in `path` that hold a file called `name`, in no order."""
    return [entry for entry in path.iterdir() if entry.is_dir() and (entry / name).is_file()]


def tables_of(path: Path) -> set[str]:
    """The tables of an SQLite file; empty for any other file."""
    try:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                return set()
        return {str(name) for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    except (OSError, InputError):
        return set()


def query(path: Path, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """The rows of a query of an SQLite file, which is opened for reading only. Raises InputError for another file."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"cannot read '{path}' as an SQLite store: {error}; copy it while nothing writes to it"
        ) from error


def scalar(value: object) -> Scalar:
    """A setting as a plain value; lists and mappings as their JSON text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return json.dumps(value, sort_keys=True, default=str)


def number(value: object) -> float | None:
    """A measured value as a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def spelt(text: str) -> Scalar:
    """A setting that a store keeps as text: whole number, number, true or false, none, else the text."""
    known: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None, "": None}
    if text.strip().lower() in known:
        return known[text.strip().lower()]
    for kind in (int, float):
        try:
            return scalar(kind(text))
        except ValueError:
            continue
    return text


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Nested settings by names joined with "/"."""
    made: dict[str, Scalar] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            made |= flat(value, f"{prefix}{name}/")
        else:
            made[f"{prefix}{name}"] = scalar(value)
    return made


def utc(seconds: float) -> str:
    """A time in seconds since 1970 in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
