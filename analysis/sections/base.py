"""What a table of the report is: typed columns, rows of values, and the cells that each row comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = str | int | float | bool | None | tuple[float, float]
Format = Literal["text", "count", "percent", "points", "interval", "number", "ratio", "p"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its key in CSV, its header for people, and how its values are written for people.

    ``percent`` and ``points`` values are fractions; an ``interval`` is a pair of fractions.
    """

    key: str
    header: str
    format: Format = "text"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Values in the order of the table's columns, and the cells they come from."""

    values: tuple[Value, ...]
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table. `name` is its file name without ending, `caption` says what the numbers are."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
