"""What the chosen arm gains on each part of the test videos: its classes, or the videos that carry a tag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from analysis.figures.figure import ReportFigure
from analysis.figures.forest import MAX_ROWS, Forest, ForestRow, draw_forest
from analysis.figures.style import one_panel
from analysis.study.cells import SEED, Study
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import limits, points
from sweeps.stats.intervals import in_points


def prepare_gains(parts: Sequence[tuple[str, Contrast]], study: Study) -> Forest:
    """A row for each part, by falling difference; of very many those with the largest differences either way."""
    known = [(label, contrast) for label, contrast in parts if contrast.n]
    largest = sorted(known, key=lambda part: -abs(part[1].mean))[:MAX_ROWS]
    rows = [
        ForestRow(
            label=label,
            mean=100 * c.mean,
            low=100 * c.interval.low if c.interval else math.nan,
            high=100 * c.interval.high if c.interval else math.nan,
            seeds=tuple(100 * d for d in c.differences),
            note=f"{points(c.mean)}" + (f"  [{limits(c.interval)}]" if c.interval else ""),
            collapsed=_collapsed(study, c),
        )
        for label, c in sorted(largest, key=lambda part: -part[1].mean)
    ]
    return Forest(
        rows=tuple(rows),
        margin=100 * known[0][1].margin if known else 0.0,
        x_label="test difference to the reference within a seed (percentage points)",
        hidden=len(known) - len(rows),
    )


def _collapsed(study: Study, contrast: Contrast) -> tuple[bool, ...]:
    """For each seed of a comparison whether a run of either side collapsed."""
    cells = np.concatenate([study.rows(arm) for arm in (*contrast.sides.arms, *contrast.sides.references)])
    ill = set(study.numbers(SEED)[cells[study.is_collapsed[cells]]].tolist())
    return tuple(seed in ill for seed in contrast.seeds)


def gains_figure(
    parts: Sequence[tuple[str, Contrast]], name: str, what: str, family: str, study: Study
) -> ReportFigure | None:
    """The chosen arm against its reference on each part.

    Args:
        parts: (label, comparison).
        name: Of the figure.
        what: What the parts are, for the caption: ``in each class``.
        family: What the intervals hold for together.
        study: Of the comparisons.

    Returns:
        None where no part has a number.
    """
    data = prepare_gains(parts, study)
    if not data.rows:
        return None
    caption = (
        f"What the chosen arm gains {what}, by falling difference. Bars: 95% intervals that hold for {family} together "
        f"(in numbers at the right); small dots: single seeds; grey zone: ±{in_points(data.margin / 100)}."
    )
    if any(flag for row in data.rows for flag in row.collapsed):
        caption += " Open triangles are seeds in which the attention of a run collapsed."
    caption += f" {data.hidden} more, with smaller differences, are in the table." if data.hidden else ""
    alt = f"Forest plot of the differences {what}. " + "; ".join(f"{row.label}: {row.note}" for row in data.rows[:16])
    return ReportFigure(
        name=name, caption=caption, alt=alt + ".", draw=partial(one_panel, data.height, draw_forest, data)
    )
