"""Recomputes every number of a report that was written from the study's cells, and names each disagreement."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import Any

from analysis.report.write import INDEX, VERDICT, write_conclusions
from analysis.verdict.conclusions import Conclusions
from vmp.core.errors import InputError

_RELATIVE = 1e-9
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ABSENT = "nothing"
_LONGEST = 160


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What came out.

    Attributes:
        numbers: How many were recomputed.
        disagreements: A sentence on each thing that is written otherwise than the cells give it.
        pictures: Files of pixels, which hold no number to compare.
    """

    numbers: int
    disagreements: tuple[str, ...]
    pictures: int


def verify(conclusions: Conclusions, report: Path) -> Verified:
    """Compare the report in the folder `report` with one made anew from the cells.

    Every value of ``verdict.json`` and of the tables is compared, and every text of the page and of the figures.

    Raises:
        InputError: There is no report in that folder, or a file of it cannot be read.
    """
    if not (report / VERDICT).is_file() and not (report / INDEX).is_file():
        raise InputError(
            f"'{report}' holds no report to verify; write one by `vmp report`, or name another by --out DIR2"
        )
    with tempfile.TemporaryDirectory() as scratch:
        anew = Path(scratch) / "report"
        write_conclusions(conclusions, anew)
        files = sorted(
            {path.relative_to(root) for root in (report, anew) for path in root.rglob("*") if path.is_file()}
        )
        numbers, pictures = 0, 0
        disagreements: list[str] = []
        for file in files:
            name = file.as_posix()
            if not (report / file).is_file():
                disagreements.append(f"{name}: missing from the report")
            elif not (anew / file).is_file():
                disagreements.append(f"{name}: the study's cells give no such file")
            elif file.suffix == ".png":
                pictures += 1
            else:
                written, recomputed = (dict(_values(root / file)) for root in (report, anew))
                numbers += sum(_count(value) for value in recomputed.values())
                wrong = [f"{name}, {one}" for one in _disagreements(written, recomputed)]
                is_running = file.suffix not in (".json", ".csv") and len(written) != len(recomputed)
                disagreements += wrong[:1] if is_running else wrong  # behind the first one, places are shifted
    return Verified(numbers=numbers, disagreements=tuple(disagreements), pictures=pictures)


def _disagreements(written: Mapping[str, object], recomputed: Mapping[str, object]) -> Iterator[str]:
    """A clause on each place of a file at which it says one thing and the cells another."""
    for place in dict.fromkeys([*recomputed, *written]):
        a, b = written.get(place, _ABSENT), recomputed.get(place, _ABSENT)
        if not _agree(a, b):
            yield f"{place}: written {_shown(a, b)}, recomputed {_shown(b, a)}"


def _values(path: Path) -> Iterator[tuple[str, object]]:
    """Every value of a file with its place in words, each place once."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            yield from _of_json(json.loads(text), "")
        elif path.suffix == ".csv":
            yield from _of_csv(text)
        elif path.suffix in (".html", ".svg"):
            yield from _of_markup(text)
        else:
            yield from ((f"line {number}", line) for number, line in enumerate(text.splitlines(), 1))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{path}' of the report: {error}; write the report again") from error


def _of_json(value: Any, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _of_json(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _of_json(item, f"{place}[{number}]")
    else:
        yield place, value if isinstance(value, int | float | str) else json.dumps(value)


def _of_csv(text: str) -> Iterator[tuple[str, object]]:
    header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    for number, row in enumerate(rows, 1):
        for column, value in zip_longest(header, row, fillvalue=""):
            yield f"row {number} ({row[0] if row else ''}), column {column}", value


def _of_markup(text: str) -> Iterator[tuple[str, object]]:
    parser = _Texts()
    parser.feed(text)
    yield from ((f"text {number}", one) for number, one in enumerate(parser.texts, 1))


class _Texts(HTMLParser):
    """What a page says: its texts and the titles that it shows on pointing."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        self.texts += [value for name, value in attrs if name in ("title", "aria-label", "alt") and value]

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if not self._is_style and data.strip():
            self.texts.append(" ".join(data.split()))


def _agree(a: object, b: object) -> bool:
    if a == b:
        return True
    try:
        first, second = float(str(a)), float(str(b))
    except ValueError:
        return False
    return math.isclose(first, second, rel_tol=_RELATIVE, abs_tol=1e-12)


def _count(value: object) -> int:
    """The numbers in a value."""
    if isinstance(value, bool):
        return 0
    return 1 if isinstance(value, int | float) else len(_NUMBER.findall(str(value)))


def _shown(value: object, other: object) -> str:
    """A value, and of a long text the part in which it differs from the other one."""
    text, against = str(value), str(other)
    if len(text) <= _LONGEST:
        return text or _ABSENT
    start = next((i for i, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), len(against))
    start = max(0, start - 40)
    return f"'...{text[start : start + _LONGEST]}...'"
