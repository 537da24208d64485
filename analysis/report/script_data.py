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
from analysis.study.cells import ARM, HASH, REASON, SECONDS, SEED, STATUS, STATUSES, Study
from analysis.verdict.conclusions import Conclusions
from analysis.words.phrases import metric_title, runs_of
from vmp.core.metrics import METRICS

MAX_LATEX_ROWS = 60
MAX_FULL = 2000  # cells with all of their figures; beyond, what they are compared by
MAX_CURVE_CHARACTERS = 250_000
_CURVES = ("train_loss", "variation", "slope", "shift")
_FIGURES = ("train_top1", "train_loss", "variation", "mean_attention", "attention_std", "attention_at_zero")


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
        runs = runs_of(sorted(self.numbers[cell] for cell in hashes if cell in self.numbers))
        return " ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def script_data(composition: Composition, cells: CellIndex) -> Markup:
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
    """Every cell in columns, which take half the room of rows."""
    first = index.studies[0]
    tables = [study.cells[~study.cells[HASH].isin(first.cells[HASH])] for study in index.studies[1:]]
    tables.insert(0, first.cells)

    def column(name: str) -> list[Any]:
        return [value for cells in tables for value in (cells[name] if name in cells else [None] * len(cells))]

    hashes, labels = column(HASH), column(ARM)
    names = [first.val, first.test, "slope", "shift", *(_FIGURES if len(hashes) <= MAX_FULL else ())]
    arms = {label: i for i, label in enumerate(dict.fromkeys(a.label for study in index.studies for a in study.arms))}
    studies = {cell: study for study in reversed(index.studies) for cell in study.records}
    of_arms: dict[str, Mapping[str, Any]] = {}
    for cell, label in zip(hashes, labels, strict=True):
        if cell in studies:
            of_arms.setdefault(label, studies[cell].records[cell].settings)
    return {
        "names": [first.titles.get(name) or _title(name) for name in names],
        "arms": list(arms),
        "settings": _settings([_flat(of_arms.get(label, {})) for label in arms]),
        "hashes": " ".join(hashes),
        "arm": [arms[label] for label in labels],
        "seed": column(SEED),
        "status": [STATUSES.index(status) for status in column(STATUS)],
        "statuses": list(STATUSES),
        "reasons": {i: reason for i, reason in enumerate(column(REASON)) if isinstance(reason, str)},
        "seconds": [_digits(value, 3) for value in column(SECONDS)],
        "figures": [[_digits(value) for value in column(name)] for name in names],
        "curves": _curves(first.val, hashes, studies),
    }


def _settings(of_arms: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """By path the values there are, and which of them each arm has; -1 where it has none."""
    paths = dict.fromkeys(path for settings in of_arms for path in settings)
    columns: dict[str, Any] = {}
    for path in paths:
        values = {value: i for i, value in enumerate(dict.fromkeys(s[path] for s in of_arms if path in s))}
        places = [values[settings[path]] if path in settings else -1 for settings in of_arms]
        columns[path] = [list(values), places if len(set(places)) > 1 else []]
    return columns


def _curves(val: str, cells: Sequence[str], studies: Mapping[str, Study]) -> dict[str, Any]:
    """Training curves by their name, one list for each cell; as many quantities as there is room for."""
    records = {cell: studies[cell].records[cell] for cell in cells if cell in studies}
    shown: list[str] = []
    room = MAX_CURVE_CHARACTERS
    for name in (val, *_CURVES):
        numbers = [record.epochs.get(name, 0) for record in records.values()]
        if any(numbers):
            room -= 6 * sum(numbers) + 3 * len(cells)
            if room < 0:
                break
            shown.append(name)
    curves: dict[str, Any] = {_title(name): [] for name in shown}
    for cell in cells if shown else ():
        epochs = records[cell].epochs if cell in records else {}
        read = studies[cell].read(cell).curves if any(epochs.get(name) for name in shown) else {}
        for name in shown:
            of_cell = [_digits(value, 3) for value in read[name]] if epochs.get(name) else []
            curves[_title(name)].append(of_cell)
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
    return name.replace("_", " ") if metric is None else metric_title(metric)


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
