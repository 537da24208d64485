"""Tables as text: CSV to compute from, Markdown to read, LaTeX (booktabs) to print. Equal tables give equal bytes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable

from analysis.sections.base import Column, Row, Table, Value
from analysis.words.phrases import limits, points
from sweeps.stats.intervals import Interval

_LIMIT: dict[str, Callable[[float], str]] = {
    "interval": points,
    "percent_interval": lambda limit: f"{100 * limit:.1f}",
    "ratio_interval": lambda limit: f"{limit:.2f}",
}
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "−": "$-$", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "…": r"\dots{}", "±": r"$\pm$",
}  # fmt: skip


def cell_text(value: Value, column: Column) -> str:
    """A value for people: percent without sign, points with one, an en dash for what does not exist."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, Interval) and column.format == "interval":
        return limits(value)
    if isinstance(value, tuple | Interval):
        value = ends_of(value)
        return " to ".join(_LIMIT[column.format](limit) for limit in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
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


def to_csv(table: Table) -> str:
    """RFC 4180 with "\\n" line ends; numbers in full, intervals as two columns, hashes last, separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header: list[str] = []
    for column in table.columns:
        header += [f"{column.key}_low", f"{column.key}_high"] if column.format in _LIMIT else [column.key]
    with_hashes = any(row.hashes for row in table.rows)
    writer.writerow([*header, "cells"] if with_hashes else header)
    for row in table.rows:
        line: list[str] = []
        for value, column in zip(row.values, table.columns, strict=True):
            if column.format in _LIMIT:
                line += [_exact(end) for end in ends_of(value)] if isinstance(value, tuple | Interval) else ["", ""]
            else:
                line.append(_exact(value))
        writer.writerow([*line, " ".join(row.hashes)] if with_hashes else line)
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table, its caption, and below it the cells behind each row."""
    columns = _readable(table)
    lines = [f"{_one_line(table.caption)}", ""]
    lines.append("| " + " | ".join(_markdown(table.columns[i].header) for i in columns) + " |")
    lines.append("|" + "|".join("---" if is_text(table.columns[i]) else "---:" for i in columns) + "|")
    for row in table.rows:
        texts = [_markdown(cell_text(row.values[i], table.columns[i])) for i in columns]
        lines.append("| " + " | ".join(texts) + " |")
    if any(row.hashes for row in table.rows):
        lines += ["", "Cells behind each row:", ""]
        lines += [f"- {_markdown(_row_name(row))}: {' '.join(row.hashes) or 'none'}" for row in table.rows]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A booktabs table; the cells behind each row stand beside it as a comment."""
    columns = _readable(table)
    alignment = "".join("l" if is_text(table.columns[i]) else "r" for i in columns)
    lines = ["% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering", f"\\caption{{{_latex(table.caption)}}}"]
    lines += [f"\\begin{{tabular}}{{{alignment}}}", "\\toprule"]
    lines.append(" & ".join(_latex(table.columns[i].header) for i in columns) + r" \\")
    lines.append("\\midrule")
    for row in table.rows:
        text = " & ".join(_latex(cell_text(row.values[i], table.columns[i])) for i in columns) + r" \\"
        if row.hashes:
            text += f" % cells {' '.join(row.hashes)}"
        lines.append(text)
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    return "\n".join(lines) + "\n"


def _readable(table: Table) -> list[int]:
    """Columns to show people: not those without any value."""
    return [i for i in range(len(table.columns)) if not all(is_absent(row.values[i]) for row in table.rows)]


def is_text(column: Column) -> bool:
    """Whether a column holds words, to be aligned at the left."""
    return column.format in ("text", "code")


def is_absent(value: Value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _exact(value: Value) -> str:
    if is_absent(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # 10 significant digits: more than any accuracy carries, few enough that a platform's last-bit noise cannot show.
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _compact(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 0.001:
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
    return f"{value:.1e}"


def _row_name(row: Row) -> str:
    return next((value for value in row.values if isinstance(value, str)), "row")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", _one_line(text))
    return escaped


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))
