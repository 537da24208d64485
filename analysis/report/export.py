"""Tables as text: CSV to compute from, Markdown to read. Equal tables give equal bytes."""

from __future__ import annotations

import csv
import io

from analysis.report.text import LIMIT, cell_text, ends_of, is_absent, is_text, readable
from analysis.sections.base import Row, Table, Value
from sweeps.stats.intervals import Interval

_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>|#"})


def to_csv(table: Table) -> str:
    """RFC 4180 with "\\n" line ends; numbers in full, intervals as two columns, hashes last, separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header: list[str] = []
    for column in table.columns:
        header += [f"{column.key}_low", f"{column.key}_high"] if column.format in LIMIT else [column.key]
    with_hashes = any(row.hashes for row in table.rows)
    writer.writerow([*header, "cells"] if with_hashes else header)
    for row in table.rows:
        line: list[str] = []
        for value, column in zip(row.values, table.columns, strict=True):
            if column.format in LIMIT:
                line += [_exact(end) for end in ends_of(value)] if isinstance(value, tuple | Interval) else ["", ""]
            else:
                line.append(_exact(value))
        writer.writerow([*line, " ".join(row.hashes)] if with_hashes else line)
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table, its caption, and below it the cells behind each row."""
    columns = readable(table)
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


def _exact(value: Value) -> str:
    if is_absent(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # 10 significant digits: more than any accuracy carries, few enough that a platform's last-bit noise cannot show.
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _row_name(row: Row) -> str:
    return next((value for value in row.values if isinstance(value, str)), "row")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    return _one_line(text).translate(_ESCAPED)
