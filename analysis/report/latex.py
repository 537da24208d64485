"""Tables as LaTeX that fits: booktabs alone, a column where it can be, else the page, in as many parts as it takes.

No rotating, no scaling, no long tables: those need packages that a venue's class may refuse. What is too wide for the
page continues in a further part that repeats the first column, and what is too long in a further float. Widths are
sums over the letters of Computer Modern at 8 points, rounded up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from analysis.report.text import cell_text, shown_columns
from analysis.sections.base import Column, Table

COLUMN = 229.0  # points: one of the two columns of LaTeX's article; CVPR, ACM and IEEE have more
PAGE = 345.0  # points: the text of LaTeX's article
MAX_ROWS = 48  # of 8 points that a page has room for, with its caption
MAX_TEXT = 110.0  # points: a column of words is wrapped to it where the page is too narrow
_GAP = 6.0  # points between columns, \tabcolsep = 3pt on both sides
_EM = 8.7  # points of one em at \footnotesize, which is 8 points, with 2% of room
_LETTERS = {
    **dict.fromkeys("ijl.,:;'!|()[]", 0.31),
    **dict.fromkeys(" frst-/I", 0.4),
    **dict.fromkeys("cez", 0.45),
    **dict.fromkeys("ago0123456789–?", 0.5),
    **dict.fromkeys("kvxy*", 0.53),
    **dict.fromkeys("w", 0.73),
    **dict.fromkeys("m−+=<>±×%&", 0.84),
    **dict.fromkeys("MW@…", 1.03),
}
_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "−": "$-$", "–": "--", "—": "---",
    "<": r"\textless{}", ">": r"\textgreater{}", "…": r"\dots{}", "±": r"$\pm$", "×": r"$\times$", "|": r"\textbar{}",
    "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "α": r"$\alpha$", "σ": r"$\sigma$",
    "Δ": r"$\Delta$", "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~", "▽": r"$\bigtriangledown$",
    "²": r"$^2$", '"': "''",
}  # fmt: skip
_TRANSLATION = str.maketrans(_SIGNS)
_UNKNOWN = re.compile(r"[^ -~\u00c0-\u00ff]")  # inputenc and OT1 have no letter for them


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """One column as it is set: points of its width, and whether its text is broken into lines."""

    column: Column
    width: float
    is_wrapped: bool


def to_latex(table: Table, *, with_cells: bool = True) -> str:
    """Booktabs tables, a float each, of the columns that the page shows; the CSV file has all of them.

    The cells behind each row stand beside it as a comment, if `with_cells`.
    """
    shown = shown_columns(table)
    rows = [[cell_text(row.values[i], table.columns[i]) for i in shown] for row in table.rows]
    comments = [f" % cells {' '.join(row.hashes)}" if with_cells and row.hashes else "" for row in table.rows]
    layout = _layout([table.columns[i] for i in shown], rows)
    is_narrow = _total(layout) <= COLUMN
    environment = "table" if is_narrow else "table*"
    floats = [(block, group) for block in _blocks(rows, layout) for group in _groups(layout)]
    lines = ["% needs \\usepackage{booktabs}; " + ("fits a column" if is_narrow else "made for the whole page")]
    for number, (block, group) in enumerate(floats, start=1):
        part = f" (part {number} of {len(floats)})" if len(floats) > 1 else ""
        end = r" \tabularnewline" if any(layout[i].is_wrapped for i in group) else r" \\"
        lines += [f"\\begin{{{environment}}}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}"]
        lines += [f"\\caption{{{escape(table.caption + part)}}}"]
        lines += [f"\\begin{{tabular}}{{@{{}}{''.join(_alignment(layout[i]) for i in group)}@{{}}}}", "\\toprule"]
        lines += [" & ".join(_header(layout[i]) for i in group) + end, "\\midrule"]
        for row, comment in zip(rows[block], comments[block], strict=True):
            lines.append(" & ".join(_entry(row[i], layout[i]) for i in group) + end + comment)
        lines += ["\\bottomrule", "\\end{tabular}", f"\\end{{{environment}}}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX prints it; a sign that pdfLaTeX has no letter for stands as its code point."""
    text = " ".join(text.split()).translate(_TRANSLATION)
    return _UNKNOWN.sub(lambda sign: f"[U+{ord(sign[0]):04X}]", text)


@lru_cache(maxsize=100_000)
def text_width(text: str) -> float:
    """Points that a line of text takes at \\footnotesize, at most."""
    return _EM * sum(_LETTERS.get(letter, 0.79 if letter.isupper() else 0.58) for letter in text)


def _layout(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[_Layout]:
    """Columns as wide as their entries; where the page is narrower than that, words are broken into lines."""
    entries = [{row[i] for row in rows} for i in range(len(columns))]
    longest = [max(map(text_width, texts), default=0.0) for texts in entries]
    headers = [max(map(text_width, column.header.split()), default=0.0) for column in columns]
    full = [
        _Layout(column=column, width=max(width, header), is_wrapped=False)
        for column, width, header in zip(columns, longest, headers, strict=True)
    ]
    if _total(full) <= PAGE:
        return full
    layout = []
    for one, texts, header in zip(full, entries, headers, strict=True):
        word = max((text_width(word) for text in texts for word in text.split()), default=0.0)
        width = max(MAX_TEXT, min(word, PAGE / 2), header)
        if one.column.format == "text" and width < one.width:
            one = _Layout(column=one.column, width=width, is_wrapped=True)
        layout.append(one)
    return layout


def _total(layout: Sequence[_Layout]) -> float:
    return sum(one.width for one in layout) + _GAP * (len(layout) - 1)


def _groups(layout: Sequence[_Layout]) -> list[list[int]]:
    """Columns in parts that fit the page, the first column in each."""
    groups = [[0]]
    for i in range(1, len(layout)):
        if len(groups[-1]) > 1 and _total([layout[j] for j in (*groups[-1], i)]) > PAGE:
            groups.append([0])
        groups[-1].append(i)
    return groups


def _blocks(rows: Sequence[Sequence[str]], layout: Sequence[_Layout]) -> list[slice]:
    """Rows in parts that a page has room for."""
    blocks, first, lines = [], 0, 0
    for number, row in enumerate(rows):
        cells = zip(row, layout, strict=True)
        height = max(
            (math.ceil(1.2 * text_width(text) / one.width) for text, one in cells if one.is_wrapped), default=1
        )
        if lines + height > MAX_ROWS and number > first:
            blocks.append(slice(first, number))
            first, lines = number, 0
        lines += height
    return [*blocks, slice(first, len(rows))]


def _alignment(one: _Layout) -> str:
    if one.is_wrapped:
        return f"p{{{one.width:.0f}pt}}"
    return "l" if one.column.format in ("text", "code") else "r"


def _entry(text: str, one: _Layout) -> str:
    return r"\raggedright " + escape(text) if one.is_wrapped else escape(text)


def _header(one: _Layout) -> str:
    """A header, over several lines where it is wider than its column."""
    if one.is_wrapped:
        return _entry(one.column.header, one)
    lines: list[str] = []
    for word in one.column.header.split():
        if lines and text_width(f"{lines[-1]} {word}") <= one.width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) < 2:
        return escape(one.column.header)
    stacked = r"\\".join(escape(line) for line in lines)
    return rf"\begin{{tabular}}[b]{{@{{}}{_alignment(one)}@{{}}}}{stacked}\end{{tabular}}"
