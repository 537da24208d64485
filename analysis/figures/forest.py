"""Paired differences as a forest: each comparison, its interval, and every seed's difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    PAPER,
    VMP,
    difference_limits,
    label_rows,
    note_row,
    one_panel,
    row_gid,
    shade_margin,
    tidy,
    wrapped,
)
from analysis.study.arms import Kind
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import limits, points
from sweeps.stats.decisions import Verdict
from sweeps.stats.intervals import in_points
from vmp.core.text import listing

MAX_ROWS = 30
LETTERS = 90  # of a line of the axis' label


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One arm; differences in percentage points. NaN ends for an arm without an interval.

    `arm` is the label of the arm whose row it is, "" where it is not an arm's; `collapsed` says of each seed whether a
    run of it collapsed, and is empty where that is not asked.
    """

    label: str
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]
    note: str
    arm: str = ""
    collapsed: tuple[bool, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Forest:
    """What `draw_forest` draws.

    Attributes:
        rows: From top to bottom.
        margin: Practical-equality margin in percentage points.
        x_label: Axis text, names the reference.
        hidden: Comparisons beyond `MAX_ROWS`.
    """

    rows: tuple[ForestRow, ...]
    margin: float
    x_label: str
    hidden: int

    @property
    def height(self) -> float:
        """A fitting figure height in inches."""
        return 1.1 + 0.36 * max(2, len(self.rows))


def _split(contrasts: Sequence[Contrast]) -> str:
    return f"{contrasts[0].split} " if contrasts and contrasts[0].split else ""


def prepare_forest(contrasts: Sequence[Contrast], reference: str, *, is_one: bool = True) -> Forest:
    """Rows for the contrasts with a verdict, evenly over the plan when they are many.

    Args:
        contrasts: Of one family or several.
        reference: What they are compared with, in words.
        is_one: Whether that is one and the same.
    """
    testable = [c for c in contrasts if c.verdict is not Verdict.NONE]
    step = max(1.0, (len(testable) - 1) / (MAX_ROWS - 1))
    shown = [testable[round(i * step)] for i in range(min(len(testable), MAX_ROWS))]
    rows = []
    for contrast in shown:
        interval = contrast.interval
        rows.append(
            ForestRow(
                label=label(contrast, is_one=is_one),
                mean=100 * contrast.mean,
                low=100 * interval.low if interval else math.nan,
                high=100 * interval.high if interval else math.nan,
                seeds=tuple(100 * d for d in contrast.differences),
                note=f"{points(contrast.mean)}  [{limits(interval) if interval else 'equal in all seeds'}]",
                arm=contrast.arm.label if contrast.is_pair else "",
            )
        )
    units = listing(list(dict.fromkeys(contrast.unit for contrast in testable))) or "seed"
    return Forest(
        rows=tuple(rows),
        margin=100 * testable[0].margin if testable else 0.0,
        x_label=f"{_split(testable)}difference to {reference} within a {units} (percentage points)",
        hidden=max(0, len(testable) - MAX_ROWS),
    )


def draw_forest(data: Forest, *, ax: Axes) -> Axes:
    """Bar: the interval, which holds for the family together; small dots: seeds; grey zone: practically equal."""
    y = np.arange(len(data.rows))[::-1]
    shade_margin(ax, data.margin)
    for i, (row, at) in enumerate(zip(data.rows, y, strict=True)):
        ax.plot([row.low, row.high], [at, at], color=VMP, linewidth=2.2, solid_capstyle="butt", zorder=3,
                gid=row_gid(i, "bar"))  # fmt: skip
        flags = row.collapsed or (False,) * len(row.seeds)
        for is_ill in (False, True):
            values = [seed for seed, flag in zip(row.seeds, flags, strict=True) if flag is is_ill]
            ax.scatter(values, [at - 0.26] * len(values), s=20 if is_ill else 9, marker="v" if is_ill else "o",
                       facecolor=PAPER if is_ill else VMP, edgecolor=VMP, linewidth=1 if is_ill else 0,
                       alpha=0.9 if is_ill else 0.55, zorder=3,
                       gid=row_gid(i, "collapsed-seeds" if is_ill else "seeds"))  # fmt: skip
        ax.plot([row.mean], [at], marker="o", markersize=7.5, color=VMP, markeredgecolor=PAPER, zorder=4,
                gid=row_gid(i, "mean"))  # fmt: skip
        note_row(ax, at, row.note)
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    differences = [*(row.mean for row in data.rows), *(v for row in data.rows for v in row.seeds)]
    ax.set_xlim(*difference_limits(differences, [v for row in data.rows for v in (row.low, row.high)], data.margin))
    ax.set_xlabel(wrapped(data.x_label, LETTERS))
    tidy(ax, grid="x", without=("left",))
    label_rows(ax, y, [row.label for row in data.rows], 46)
    return ax


def label(contrast: Contrast, *, is_one: bool) -> str:
    """Both sides of a comparison of several arms; of one arm its name, as its reference stands elsewhere."""
    sides = contrast.sides
    is_named = contrast.is_pair or (is_one and _is_plain(contrast))
    return sides.subject if is_named else f"{sides.subject} | {sides.against}"


def _is_plain(contrast: Contrast) -> bool:
    """Whether one arm is compared with one other: a single pair, or a pair in each division of the data."""
    references = contrast.sides.references
    return contrast.is_pair or (
        contrast.sides.divisions is not None and all(arm.kind in (Kind.CONTROL, Kind.BASELINE) for arm in references)
    )


def forest_figure(contrasts: Sequence[Contrast], name: str = "differences") -> ReportFigure | None:
    """The paired differences of one family; ``None`` where no comparison has a verdict."""
    references = {contrast.sides.against for contrast in contrasts}
    is_one = len(references) == 1 and all(_is_plain(contrast) for contrast in contrasts)
    reference = references.pop() if is_one else "what each is compared with"
    data = prepare_forest(contrasts, reference, is_one=is_one)
    if not data.rows:
        return None
    families = listing([f"{name}: {size}" for name, size in {c.family_name: c.family for c in contrasts}.items()])
    dots = listing(list(dict.fromkeys(f"{contrast.unit}s" for contrast in contrasts)))
    caption = (
        f"Paired differences to {reference}. Bars: 95% intervals that hold for all comparisons of a family together "
        f"({families}; in numbers at the right); small dots: single {dots}; grey zone: the margin of "
        f"±{in_points(data.margin / 100)} within which arms count as practically equal."
    )
    caption += f" {data.hidden} more comparisons are in the table." if data.hidden else ""
    alt = "Forest plot of paired differences. " + "; ".join(f"{row.label}: {row.note}" for row in data.rows[:16])
    draw = partial(one_panel, data.height, draw_forest, data)
    rows = [row.arm for row in data.rows]
    return ReportFigure(name=name, caption=caption, alt=alt + ".", draw=draw, rows=rows)
