"""Values of tables as people read them: percent, points, p values and intervals, each in its own form."""

from __future__ import annotations

import math
from collections.abc import Callable

from analysis.sections.base import Column, Table, Value
from analysis.words.phrases import limits, points
from sweeps.stats.intervals import Interval

LIMIT: dict[str, Callable[[float], str]] = {
    "interval": points,
    "percent_interval": lambda limit: f"{100 * limit:.1f}",
    "ratio_interval": lambda limit: f"{limit:.2f}",
}


def cell_text(value: Value, column: Column) -> str:
    """A value for people: percent without sign, points with one, an en dash for what does not exist."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, Interval) and column.format == "interval":
        return limits(value)
    if isinstance(value, (tuple, Interval)):
        return " to ".join(LIMIT[column.format](limit) for limit in ends_of(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.format == "percent":
        return f"{100 * value:.1f}"
    if column.format == "points":
        return points(float(value))
    if column.format == "p":
        return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.3f}"
    if column.format == "ratio":
        return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
    if column.format == "number":
        return _compact(float(value)).replace("-", "−")
    return f"{value:g}" if isinstance(value, float) else str(value)


def ends_of(value: tuple[float, float] | Interval) -> tuple[float, float]:
    """The low and the high end."""
    return (value.low, value.high) if isinstance(value, Interval) else value


def readable(table: Table) -> list[int]:
    """Columns to show people: not those without any value."""
    return [i for i in range(len(table.columns)) if not all(is_absent(row.values[i]) for row in table.rows)]


def is_text(column: Column) -> bool:
    """Whether a column holds words, to be aligned at the left."""
    return column.format in ("text", "code")


def is_absent(value: Value) -> bool:
    """Whether there is no value: None, an empty text or NaN."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _compact(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    if size < 0.0001:
        return f"{value:.1e}"
    if size < 0.001:
        return f"{value:.4f}"
    if size < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:.0f}"


def shown_columns(table: Table) -> list[int]:
    """Columns of the page and of print, by their own rules."""
    return [i for i, column in enumerate(table.columns) if _is_shown(column, [row.values[i] for row in table.rows])]


def _is_shown(column: Column, values: list[Value]) -> bool:
    if column.on_page == "never" or all(is_absent(value) for value in values):
        return False
    if column.on_page == "if any":
        return any(values)
    return column.on_page == "always" or len(set(values)) > 1
