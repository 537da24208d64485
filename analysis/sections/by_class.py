"""Where the gain lies: the chosen arm against its reference within each class of the test videos."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from analysis.figures.gains_by_part import gains_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.cells import class_column
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.findings import Finding
from analysis.words.phrases import limits, points, reference_name, subject_name
from sweeps.stats.means import MIN_SEEDS
from vmp.core.text import count, listing

CLASS_FAMILY = "the chosen arm within each class"
MAX_NAMED = 4
_COLUMNS = (
    Column(key="arm", header="arm", on_page="if varied"),
    Column(key="reference", header="against", on_page="if varied"),
    Column(key="class", header="class"),
    Column(key="n", header="n", format="count", on_page="if varied"),
    Column(key="accuracy", header="test mean", format="percent"),
    Column(key="reference_accuracy", header="of the reference", format="percent"),
    Column(key="difference", header="difference", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="p", header="p (adjusted)", format="p"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    mains, evidence = _mains(conclusions), conclusions.evidence
    classes = [name for name in conclusions.study.plan.data.classes if class_column(name) in _known(conclusions)]
    pairs = [(main, name) for main in mains for name in classes]
    made = evidence.compare([main.sides for main, _ in pairs], CLASS_FAMILY, [class_column(name) for _, name in pairs])
    rows, parts = [], []
    order = sorted(range(len(made)), key=lambda i: -made[i].mean if made[i].n else math.inf)  # as in the figure
    for (main, name), contrast in ((pairs[i], made[i]) for i in order):
        used = np.isin(evidence.seeds, contrast.seeds)
        table = evidence.values(class_column(name))
        means = [float(table[arm.order][used].mean()) if contrast.n else None for arm in (main.arm, main.reference)]
        values = (main.arm.label, main.reference.label, name, contrast.n, *means)
        rows.append(Row(values=(*values, contrast.mean, contrast.interval, contrast.p), hashes=contrast.hashes))
        parts.append((name, main.arm.label, contrast))
    caption = (
        "Accuracy within each class of the test videos, in percent, of the arm chosen on validation and of its "
        f"reference, and their difference within seeds, in points: one family of {count(len(made), 'comparison')}."
    )
    labelled = [(name if len(mains) == 1 else f"{name}, {arm}", contrast) for name, arm, contrast in parts]
    figure = gains_figure(labelled, "by_class", "in each class", f"all {len(made)}", conclusions.study)
    return SectionContent(
        findings=[("", [_finding(main, [(name, contrast) for name, _, contrast in parts
                                        if contrast.sides.subject == main.sides.subject]) for main in mains])],
        figures=[figure] if figure else [],
        tables=[Table(name="by_class", caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)],
    )  # fmt: skip


def _finding(main: Contrast, parts: list[tuple[str, Contrast]]) -> Finding:
    """The classes in which a difference is shown, or that it is in none, with the largest."""
    shown = sorted(
        ((name, c) for name, c in parts if c.interval and c.interval.excludes_zero), key=lambda part: -part[1].mean
    )
    family = parts[0][1].family
    of_whom = (
        f"{subject_name(main)} against {reference_name(main)}, within classes (allowing for {family} comparisons): "
    )
    if shown:
        named = [
            f"{name} {points(c.mean)} points (95% interval {limits(c.interval)})" for name, c in shown if c.interval
        ]
        rest = f", and {len(shown) - MAX_NAMED} more" if len(shown) > MAX_NAMED else ""
        text = f"{of_whom}a difference is shown in {len(shown)} of {count(len(parts), 'class', 'classes')}: "
        return Finding(
            topic="Classes",
            text=f"{text}{listing(named[:MAX_NAMED])}{rest}.",
            contrasts=tuple(c for _, c in shown),
        )
    name, largest = max(parts, key=lambda part: abs(part[1].mean) if part[1].n else -1.0)
    interval = f" (95% interval {limits(largest.interval)})" if largest.interval else ""
    text = f"{of_whom}a difference is shown in none of {len(parts)}; the largest is {points(largest.mean)} points in "
    return Finding(topic="Classes", text=f"{text}{name}{interval}.", contrasts=tuple(c for _, c in parts))


def _mains(conclusions: Conclusions) -> list[Contrast]:
    """The chosen arm's comparison in each block."""
    mains = [verdict.main for verdict in conclusions.verdicts]
    return [main for main in mains if main is not None and main.is_pair and main.n >= MIN_SEEDS]


def _known(conclusions: Conclusions) -> list[str]:
    return list(conclusions.study.class_cells.columns)


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if not _mains(conclusions):
        return f"no arm was chosen that shares {MIN_SEEDS} seeds with its reference"
    return bool(_known(conclusions)) or "no record counts hits by class"


BY_CLASS = Section(name="by-class", title="Where the gain lies: classes", order=58, compute=_compute, applies=_applies)
