"""What the page's script is given: the cells behind the rows, tables as LaTeX to copy, and the explorer's starts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from analysis.report.compose import Composition
from analysis.report.latex import to_latex
from analysis.sections.base import Explorer
from analysis.study.cells import ARM, HASH, REASON, SECONDS, SEED, STATUS, Study
from analysis.verdict.conclusions import Conclusions
from vmp.core.metrics import METRICS

MAX_LATEX_ROWS = 60
MAX_CURVE_CHARACTERS = 250_000
_CURVES = ("train_loss", "variation", "slope", "shift")
_FIGURES = (
    "train_top1",
    "train_loss",
    "variation",
    "mean_attention",
    "attention_std",
    "attention_at_zero",
    "slope",
    "shift",
)


class CellIndex:
    """The cells of a study and of its confirmation by number, in the plan's order.

    Attributes:
        numbers: By hash.
    """

    def __init__(self, conclusions: Conclusions) -> None:
        fresh = conclusions.confirmed
        self.studies: tuple[Study, ...] = (conclusions.study, *([fresh.evidence.study] if fresh else []))
        hashes = [cell for study in self.studies for cell in study.cells[HASH]]
        self.numbers = {cell: number for number, cell in enumerate(dict.fromkeys(hashes))}

    def ranges(self, hashes: Sequence[str]) -> str:
        """The numbers of cells, runs of them written short: ``0-5 12``."""
        numbers = sorted(self.numbers[cell] for cell in hashes if cell in self.numbers)
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        return " ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def script_data(conclusions: Conclusions, composition: Composition, cells: CellIndex) -> Markup:
    """One JSON object, safe inside a script element."""
    tables = [table for _, content in composition.sections for table in content.tables]
    explorers = [content.explorer for _, content in composition.sections if content.explorer]
    data = {
        "cells": _cells(cells),
        "latex": {t.name: to_latex(t, with_cells=False) for t in tables if 0 < len(t.rows) <= MAX_LATEX_ROWS},
        "explorer": _explorer(explorers[0]) if explorers else None,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Every sign that could end the element or begin a comment in it; inside JSON's strings the escape means the same.
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _cells(index: CellIndex) -> dict[str, Any]:
    first = index.studies[0]
    names = [first.val, first.test, *_FIGURES]
    arms = {label: i for i, label in enumerate(dict.fromkeys(a.label for study in index.studies for a in study.arms))}
    rows: dict[str, tuple[Study, Mapping[Any, Any]]] = {}
    for study in index.studies:
        for row in study.cells.to_dict("records"):
            rows.setdefault(str(row[HASH]), (study, row))
    records = {cell: study.records.get(cell) for cell, (study, _) in rows.items()}
    settings = {cell: _flat(record.settings) for cell, record in records.items() if record}
    shared = _shared(list(settings.values()))
    own: dict[str, dict[str, str]] = {}
    for cell, (_, row) in rows.items():
        if cell in settings and row[ARM] not in own:
            own[str(row[ARM])] = {path: text for path, text in settings[cell].items() if path not in shared}
    values = [[_digits(row.get(name)) for name in names] for _, row in rows.values()]
    return {
        "names": [_title(name) for name in names],
        "arms": list(arms),
        "shared": shared,
        "own": [own.get(label, {}) for label in arms],
        "rows": [
            [cell, arms[str(row[ARM])], row[SEED], row[STATUS], _text(row[REASON]), _digits(row[SECONDS]), *figures]
            for (cell, (_, row)), figures in zip(rows.items(), values, strict=True)
        ],
        "curves": _curves(first, records),
    }


def _curves(study: Study, records: Mapping[str, Any]) -> dict[str, Any]:
    """Training curves by their name, one list for each cell; as many quantities as there is room for."""
    curves: dict[str, Any] = {}
    room = MAX_CURVE_CHARACTERS
    for name in (study.val, *_CURVES):
        lists = [[_digits(v, 3) for v in record.curves.get(name, ())] if record else [] for record in records.values()]
        lists = [values if any(value is not None for value in values) else [] for values in lists]
        if not any(lists):
            continue
        room -= sum(6 * len(values) + 3 for values in lists)
        if room < 0:
            break
        curves[_title(name)] = lists
    return curves


def _explorer(explorer: Explorer) -> dict[str, Any]:
    clips = explorer.clips
    return {
        "side": clips.side,
        "mean": list(clips.mean),
        "std": list(clips.std),
        "clips": [{"label": clip.label, "frames": clip.frames} for clip in clips.clips],
        "starts": [[start.group, start.label, start.slope, start.shift] for start in explorer.starts],
    }


def _title(name: str) -> str:
    metric = METRICS.get(name)
    if metric is None:
        return name.replace("_", " ")
    return metric.title + (f" {metric.symbol}" if metric.symbol else "")


def _text(value: Any) -> str | None:
    """A text, ``None`` for what pandas has for none."""
    return value if isinstance(value, str) else None


def _digits(value: Any, digits: int = 4) -> float | None:
    """A number in few digits, ``None`` for what is none."""
    if value is None or isinstance(value, str) or not math.isfinite(float(value)):
        return None
    return float(f"{float(value):.{digits}g}")


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Settings by dotted path, their values as JSON."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{path}{key}.")
        else:
            flat[f"{path}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def _shared(all_settings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all of them have in common."""
    if not all_settings:
        return {}
    items = set(all_settings[0].items()).intersection(*(set(one.items()) for one in all_settings[1:]))
    return {path: text for path, text in all_settings[0].items() if (path, text) in items}
