"""Check a printed table against itself: what its own counts, seeds and columns give for the numbers that it claims.

Recognized by the headers: counts (TP, TN, FN, FP or FP1, FP2, ...; correct, total), what follows from them (precision,
recall, F1, accuracy, specificity), columns ``seed 0, seed 1, ...`` with their mean and std (or both in one, as
``71.2 ± 1.3``), columns named ``A - B`` after two others, and a last row called total, sum, mean or average. A number
agrees when some value that rounds to what the inputs say also rounds to what is printed, to the nearest with either
rule for ties.
"""

from __future__ import annotations

import csv
import itertools
import math
import os
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from vmp.core.errors import InputError
from vmp.core.text import listing

_NAMES = {
    "tp": ("tp", "truepositives"),
    "tn": ("tn", "truenegatives"),
    "fn": ("fn", "falsenegatives"),
    "correct": ("correct", "hits"),
    "total": ("total", "totaltestimages", "totalimages", "totalframes", "totalvideos", "totalclips", "totalsamples"),
    "precision": ("precision", "prec", "ppv"),
    "recall": ("recall", "rec", "sensitivity", "tpr"),
    "f1": ("f1", "f1score"),
    "accuracy": ("accuracy", "acc"),
    "specificity": ("specificity", "tnr"),
    "mean": ("mean", "average", "avg", "meanstd", "meansd"),
    "std": ("std", "sd", "stddev", "standarddeviation"),
}
_ROLE = {name: role for role, names in _NAMES.items() for name in names}
_RATIOS = ("precision", "recall", "f1", "accuracy", "specificity")
_NUMBER = re.compile(r"([-−+]?)((?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)((?:[eE][-+−]?\d+)?)\s*(%?)")
_SPREAD = re.compile(r"±|\+/-|\\pm\b")
_MARKUP = re.compile(r"<[^<>]*>|\\(?:textbf|textit|mathbf|underline|emph)\b|[{}$*†‡]")
_DECIMAL_COMMA = re.compile(r"[-−+]?(?:\d+,(?:\d{1,2}|\d{4,})|0,\d+)\s*%?")
_EMPTY = {"", "-", "–", "—", "n/a", "n.a.", "na", "nan"}
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A number as printed. low, high: What it may have been before it was rounded; both are `value` for a count."""

    text: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A printed number that the table itself contradicts.

    Attributes:
        row: Name of the row, column: its header.
        printed: As printed.
        recomputed: The value, in as many decimals as are printed.
        source: What it was recomputed from.
        is_rounding: Whether it is right but for its last digit.
    """

    row: str
    column: str
    printed: str
    recomputed: str
    source: str
    is_rounding: bool

    def __str__(self) -> str:
        last = " (only the last digit: not rounded to the nearest)" if self.is_rounding else ""
        return (
            f"{self.row}, {self.column}: printed {self.printed}, recomputed {self.recomputed} from {self.source}{last}"
        )


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was checked in a table.

    Attributes:
        checked: Numbers that were recomputed.
        disagreements: Those that do not agree, row by row.
        reversals: Sentences on neighboring rows whose order is another one once recomputed.
        unchecked: Headers of columns with numbers of which none could be recomputed, or used to recompute another.
        unread: Cells of the columns in use that are no number, as sentences.
    """

    checked: int
    disagreements: tuple[Disagreement, ...]
    reversals: tuple[str, ...]
    unchecked: tuple[str, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """A printed number with what it should be, from the lowest to the highest value that its inputs allow.

    `is_spread`: It is about what stands after the ± of the cell.
    """

    row: int
    column: int
    low: float
    high: float
    source: str
    is_spread: bool = False


def audit_table(path: str | os.PathLike[str]) -> Audit:
    """Recompute what a table claims.

    Args:
        path: A CSV file, UTF-8, its first row the headers; separated by commas, semicolons or tabs.

    Raises:
        InputError: The file cannot be read, has no rows, rows of another length, or nothing that can be recomputed.
    """
    headers, rows = _read(Path(path))
    table = _Table(headers, rows)
    claims = [*_ratio_claims(table), *_seed_claims(table), *_difference_claims(table), *_summary_claims(table)]
    if not claims:
        raise InputError(
            f"'{path}' has nothing to recompute: it takes counts (TP, FP, FN, TN, correct, total) beside precision, "
            "recall, F1 or accuracy, columns 'seed 0', 'seed 1', ... beside their mean, or a column 'A - B'; "
            f"its columns are {listing(list(headers))}"
        )
    claims.sort(key=lambda claim: (claim.row, claim.column))
    wrong = [made for claim in claims if (made := table.disagreement(claim))]
    used = table.used | {claim.column for claim in claims}
    return Audit(
        checked=len(claims),
        disagreements=tuple(wrong),
        reversals=tuple(_reversals(table, claims)),
        unchecked=tuple(h for j, h in enumerate(headers) if j not in used and any(r[j] for r in table.numbers)),
        unread=tuple(
            f"{table.name(i)}, {headers[j]}: '{rows[i][j]}' is no number"
            for i, row in enumerate(table.numbers)
            for j in sorted(used)
            if table.is_unread(i, j)
        ),
    )


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read as UTF-8 text ({error}); give a CSV file") from error
    lines = text.splitlines()
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise InputError(f"'{path}' has no row below its headers; give a table with a header row and rows of numbers")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise InputError(
                f"'{path}': row {number} has {len(row)} cells, the header row has {len(rows[0])}; "
                "quote cells that hold the separator"
            )
    cells = rows[1:]
    if separator != "," and any(_DECIMAL_COMMA.fullmatch(cell.strip()) for row in cells for cell in row):
        cells = [[re.sub(r"(?<=\d),(?=\d)", ".", cell) for cell in row] for row in cells]
    return [header.strip() for header in rows[0]], cells


def _printed(text: str) -> Printed | None:
    """A cell's number; of ``71.2 ± 1.3`` the first one. None for what is no number."""
    plain = _MARKUP.sub("", text.replace(r"\pm", "±")).strip("_ ")
    found = _NUMBER.match(plain)
    if not found or not re.match(r"$|±|\+/-|\(", plain[found.end() :].strip()):
        return None
    try:
        number = Decimal((found[1] + found[2].replace(",", "") + found[3]).replace("−", "-"))
    except InvalidOperation:
        return None
    half = 0.5 * 10.0 ** int(number.as_tuple().exponent)
    value = float(number)
    return Printed(text=text.strip(), value=value, low=value - half, high=value + half)


class _Table:
    """Headers with their roles, and cells as numbers."""

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.headers, self.rows = headers, rows
        self.numbers = [[_printed(cell) for cell in row] for row in rows]
        self.spreads = [[_printed("".join(_SPREAD.split(cell)[1:2])) for cell in row] for row in rows]
        keys = [re.sub(r"[^a-z0-9]", "", header.lower()) for header in headers]
        self.roles = {role: j for j, key in reversed(list(enumerate(keys))) if (role := _ROLE.get(key))}
        self.false_positives = [j for j, key in enumerate(keys) if re.fullmatch(r"fp\d*|falsepositives", key)]
        self.seeds = [j for j, key in enumerate(keys) if re.fullmatch(r"(seed|run)\d+", key)]
        self.used: set[int] = set()

    def name(self, row: int) -> str:
        first = self.rows[row][0].strip()
        return f"row {row + 1}" + (f" ({first})" if first and self.numbers[row][0] is None else "")

    def is_unread(self, row: int, column: int) -> bool:
        """Whether a cell says something that is no number."""
        return self.numbers[row][column] is None and self.rows[row][column].strip().lower() not in _EMPTY

    def counts(self, row: int) -> dict[str, float]:
        """The counts of a row, as whole numbers."""
        known: dict[str, float] = {}
        for role in ("tp", "tn", "fn", "correct", "total"):
            if role in self.roles and (number := self.numbers[row][self.roles[role]]):
                known[role] = number.value
        parts = [self.numbers[row][j] for j in self.false_positives]
        if parts and all(parts):
            known["fp"] = sum(part.value for part in parts if part)
        return {role: value for role, value in known.items() if value.is_integer() and value >= 0}

    def source(self, *roles: str) -> str:
        """Columns in words, which are then in use."""
        columns = [j for role in roles for j in (self.false_positives if role == "fp" else [self.roles[role]])]
        self.used |= set(columns)
        return listing([self.headers[j] for j in columns])

    def scale(self, column: int, ratios: Mapping[int, float] | None = None) -> float:
        """100 for a column in percent, 1 for one of fractions: what most of its cells are, beside `ratios` by row if
        these are known, else beside 1."""
        printed = {i: row[column] for i, row in enumerate(self.numbers)}
        if any(cell and "%" in cell.text for cell in printed.values()):
            return 100.0
        known = ratios or dict.fromkeys(printed, 0.1)
        factors = [abs(cell.value) / known[i] for i in known if (cell := printed[i]) and known[i] > 0]
        return 100.0 if factors and statistics.median(factors) > 10 else 1.0

    def disagreement(self, claim: _Claim) -> Disagreement | None:
        printed = (self.spreads if claim.is_spread else self.numbers)[claim.row][claim.column]
        assert printed is not None
        slack = _TINY * max(1.0, abs(printed.value))
        if claim.low <= printed.high + slack and claim.high >= printed.low - slack:
            return None
        value, digit = (claim.low + claim.high) / 2, printed.high - printed.low
        places = max(0, round(-math.log10(digit)))
        text = f"{value:.{places}f}" if places or claim.low == claim.high else f"{value:.1f}"
        return Disagreement(
            row=self.name(claim.row),
            column=f"{self.headers[claim.column]}{', after ±' if claim.is_spread else ''}",
            printed=printed.text,
            recomputed=text,
            source=claim.source,
            is_rounding=places > 0 and abs(value - printed.value) < digit,
        )


_FORMULAS: Mapping[str, Sequence[tuple[tuple[str, ...], Callable[..., tuple[float, float]]]]] = {
    "precision": [(("tp", "fp"), lambda tp, fp: (tp, tp + fp))],
    "recall": [(("tp", "fn"), lambda tp, fn: (tp, tp + fn))],
    "f1": [(("tp", "fp", "fn"), lambda tp, fp, fn: (2 * tp, 2 * tp + fp + fn))],
    "specificity": [(("tn", "fp"), lambda tn, fp: (tn, tn + fp))],
    "accuracy": [
        (("tp", "tn", "fp", "fn"), lambda tp, tn, fp, fn: (tp + tn, tp + tn + fp + fn)),
        (("correct", "total"), lambda correct, total: (correct, total)),
    ],
}


def _ratio_claims(table: _Table) -> list[_Claim]:
    """What follows from the counts of a row; F1 from precision and recall where it has none."""
    claims = []
    counts = [table.counts(row) for row in range(len(table.rows))]
    for role in (role for role in _RATIOS if role in table.roles):
        column, ratios, sources = table.roles[role], {}, {}
        for row in (i for i, numbers in enumerate(table.numbers) if numbers[column]):
            for names, formula in _FORMULAS[role]:
                if set(names) <= set(counts[row]) and (parts := formula(*(counts[row][name] for name in names)))[1]:
                    ratios[row], sources[row] = parts[0] / parts[1], table.source(*names)
                    break
            else:
                claims += _f1_of_printed(table, row, column) if role == "f1" else []
        scale = table.scale(column, ratios)
        claims += [
            _Claim(row=row, column=column, low=scale * ratio, high=scale * ratio, source=sources[row])
            for row, ratio in ratios.items()
        ]
    for row, known in enumerate(counts):
        if {"tp", "tn", "fp", "fn", "total"} <= set(known):
            value = sum(known[name] for name in ("tp", "tn", "fp", "fn"))
            source = table.source("tp", "tn", "fp", "fn")
            claims.append(_Claim(row=row, column=table.roles["total"], low=value, high=value, source=source))
    return claims


def _f1_of_printed(table: _Table, row: int, column: int) -> list[_Claim]:
    """F1 as the harmonic mean of precision and recall, from the lowest to the highest that they may have been."""
    if not {"precision", "recall"} <= set(table.roles):
        return []
    columns = [table.roles["precision"], table.roles["recall"]]
    ends = [(number, table.scale(j)) for j in columns if (number := table.numbers[row][j])]
    if len(ends) < 2 or len({table.scale(j) for j in (*columns, column)}) > 1:
        return []
    low, high = (
        2 * p * r / (p + r) if p > 0 and r > 0 else 0.0
        for p, r in ([end.low for end, _ in ends], [end.high for end, _ in ends])
    )
    return [_Claim(row=row, column=column, low=low, high=high, source=table.source("precision", "recall"))]


def _seed_claims(table: _Table) -> list[_Claim]:
    """Mean and standard deviation (by n - 1 or by n) of the seeds of each row."""
    claims = []
    for row, numbers in enumerate(table.numbers):
        seeds = [number for j in table.seeds if (number := numbers[j])]
        if any(table.is_unread(row, j) for j in table.seeds):
            table.used |= set(table.seeds)
            continue
        if len(seeds) < 2:
            continue
        table.used |= set(table.seeds)
        n, half = len(seeds), max(seed.high - seed.value for seed in seeds)
        values = [seed.value for seed in seeds]
        mean = sum(values) / n
        squares = sum((value - mean) ** 2 for value in values)
        # Rounding moves each seed by at most `half`, so the mean by as much, and the deviations' norm by sqrt(n) half.
        slack = half * math.sqrt(n)
        stds = [((math.sqrt(squares) - slack) / math.sqrt(d), (math.sqrt(squares) + slack) / math.sqrt(d))
                for d in (n - 1, n)]  # fmt: skip
        source = f"{n} seeds"
        if (column := table.roles.get("mean")) is not None and numbers[column]:
            claims.append(_Claim(row=row, column=column, low=mean - half, high=mean + half, source=source))
            if spread := table.spreads[row][column]:
                claims.append(_std_claim(row, column, spread, stds, source, is_spread=True))
        if (column := table.roles.get("std")) is not None and (printed := numbers[column]):
            claims.append(_std_claim(row, column, printed, stds, source))
    return claims


def _std_claim(
    row: int,
    column: int,
    printed: Printed,
    stds: Sequence[tuple[float, float]],
    source: str,
    *,
    is_spread: bool = False,
) -> _Claim:
    """The standard deviation, of those by n - 1 and by n, that is nearest to what is printed."""
    low, high = min(stds, key=lambda ends: max(ends[0] - printed.value, printed.value - ends[1], 0.0))
    return _Claim(row=row, column=column, low=low, high=high, source=source, is_spread=is_spread)


def _difference_claims(table: _Table) -> list[_Claim]:
    """Columns called ``A - B`` after two other columns."""
    claims = []
    columns = {header: j for j, header in enumerate(table.headers)}
    for header, j in columns.items():
        for separator in (" - ", " − ", " – "):
            first, found, second = header.partition(separator)
            if not found or first.strip() not in columns or second.strip() not in columns:
                continue
            sides = columns[first.strip()], columns[second.strip()]
            for row, numbers in enumerate(table.numbers):
                a, b = numbers[sides[0]], numbers[sides[1]]
                if a and b and numbers[j]:
                    table.used |= set(sides)
                    source = f"{first.strip()} and {second.strip()}"
                    claims.append(_Claim(row=row, column=j, low=a.low - b.high, high=a.high - b.low, source=source))
    return claims


def _summary_claims(table: _Table) -> list[_Claim]:
    """A last row with the sum of the counts above, or with the mean of the numbers above where it has no counts."""
    last = len(table.rows) - 1
    name = table.rows[last][0].strip().lower()
    if last < 2 or name not in ("total", "sum", "mean", "average"):
        return []
    is_sum, claims = name in ("total", "sum"), []
    counted = [*(table.roles[r] for r in ("tp", "tn", "fn", "correct", "total") if r in table.roles)]
    ratios = [table.roles[role] for role in _RATIOS if role in table.roles]
    if not is_sum and any(table.numbers[last][j] for j in (*counted, *table.false_positives)):
        return []
    for j in (*counted, *table.false_positives) if is_sum else (*ratios, *table.seeds):
        above = [row[j] for row in table.numbers[:last]]
        if table.numbers[last][j] is None or not all(above):
            continue
        known = [number for number in above if number]
        if is_sum:
            value = sum(number.value for number in known)
            low = high = value
        else:
            low, high = (sum(getattr(number, end) for number in known) / last for end in ("low", "high"))
        claims.append(_Claim(row=last, column=j, low=low, high=high, source=f"the {last} rows above"))
    return claims


def _reversals(table: _Table, claims: Sequence[_Claim]) -> list[str]:
    """Where of two rows one below the other the better one is another one once both are recomputed."""
    by_place = {(claim.column, claim.row): claim for claim in claims if table.headers[claim.column]}
    texts = []
    for column in sorted({table.roles[role] for role in _RATIOS if role in table.roles}):
        for one, two in itertools.pairwise(range(len(table.rows))):
            a, b = by_place.get((column, one)), by_place.get((column, two))
            printed = table.numbers[one][column], table.numbers[two][column]
            if a is None or b is None or printed[0] is None or printed[1] is None:
                continue
            rise = printed[1].value - printed[0].value
            is_reversed = (rise > 0 and b.high < a.low) or (rise < 0 and b.low > a.high)
            wrong = [made for claim in (a, b) if (made := table.disagreement(claim))]
            if is_reversed and wrong:
                now = [made.recomputed if (made := table.disagreement(c)) else p.text
                       for c, p in zip((a, b), printed, strict=True) if p]  # fmt: skip
                texts.append(
                    f"{table.headers[column]} from {table.name(one)} to {table.name(two)}: printed {printed[0].text} "
                    f"to {printed[1].text}, recomputed {now[0]} to {now[1]}: the order is reversed"
                )
    return texts
