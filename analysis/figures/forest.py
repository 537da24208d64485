"""Paired differences as a forest: each arm against its reference, every seed's difference, both intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, MUTED, PAPER, VMP, one_panel, shortened, tidy
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import limits, points

MAX_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One arm; differences in percentage points. NaN ends for an arm without an interval."""

    label: str
    mean: float
    low: float
    high: float
    shared_low: float
    shared_high: float
    seeds: tuple[float, ...]
    note: str


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


def prepare_forest(contrasts: Sequence[Contrast], reference: str) -> Forest:
    """Rows for the contrasts with at least 2 seeds, evenly over the plan when they are many."""
    testable = [c for c in contrasts if c.n >= 2]
    step = max(1.0, (len(testable) - 1) / (MAX_ROWS - 1))
    shown = [testable[round(i * step)] for i in range(min(len(testable), MAX_ROWS))]
    rows = []
    for contrast in shown:
        inner, outer = contrast.interval, contrast.simultaneous_interval
        rows.append(
            ForestRow(
                label=contrast.arm.label,
                mean=100 * contrast.mean,
                low=100 * inner.low if inner else math.nan,
                high=100 * inner.high if inner else math.nan,
                shared_low=100 * outer.low if outer else math.nan,
                shared_high=100 * outer.high if outer else math.nan,
                seeds=tuple(100 * d for d in contrast.differences),
                note=f"{points(contrast.mean)}  [{limits(outer) if outer else 'equal in all seeds'}]",
            )
        )
    return Forest(
        rows=tuple(rows),
        margin=100 * testable[0].margin if testable else 0.0,
        x_label=f"test difference to {reference} within a seed (percentage points)",
        hidden=max(0, len(testable) - MAX_ROWS),
    )


def draw_forest(data: Forest, *, ax: Axes) -> Axes:
    """Thick bar: this comparison alone; thin bar: holds for all rows together; grey zone: practically equal."""
    y = np.arange(len(data.rows))[::-1]
    ax.axvspan(-data.margin, data.margin, color=GRID, alpha=0.7, linewidth=0, zorder=0)
    ax.axvline(0, color=MUTED, linewidth=1, zorder=1)
    for row, at in zip(data.rows, y, strict=True):
        ax.plot([row.shared_low, row.shared_high], [at, at], color=VMP, linewidth=1.1, zorder=2)
        ax.plot([row.low, row.high], [at, at], color=VMP, linewidth=3.4, solid_capstyle="butt", zorder=3)
        ax.scatter(row.seeds, [at - 0.26] * len(row.seeds), s=9, color=VMP, alpha=0.55, linewidth=0, zorder=3)
        ax.plot([row.mean], [at], marker="o", markersize=7.5, color=VMP, markeredgecolor=PAPER, zorder=4)
        ax.annotate(row.note, (1, at), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
                    va="center", fontsize=9, color=INK, annotation_clip=False)  # fmt: skip
    ax.set_yticks(y, [shortened(row.label) for row in data.rows])
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    ax.set_xlim(*_limits(data))
    ax.set_xlabel(data.x_label)
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    return ax


def _limits(data: Forest) -> tuple[float, float]:
    """Wide enough for bars and seeds; a simultaneous bar from very few seeds may run off the axis."""
    bars = [v for row in data.rows for v in (row.low, row.high) if math.isfinite(v)]
    inner = [*bars, *(v for row in data.rows for v in row.seeds), -data.margin, data.margin]
    outer = [v for row in data.rows for v in (row.shared_low, row.shared_high) if math.isfinite(v)]
    size = max(inner) - min(inner)
    low = max(min([*inner, *outer]), min(inner) - size)
    high = min(max([*inner, *outer]), max(inner) + size)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def forest_figure(contrasts: Sequence[Contrast]) -> ReportFigure | None:
    """The paired differences; ``None`` where no comparison has 2 seeds."""
    references = {contrast.reference.label for contrast in contrasts}
    reference = references.pop() if len(references) == 1 else "its reference"
    data = prepare_forest(contrasts, reference)
    if not data.rows:
        return None
    caption = (
        f"Paired differences to {reference}. Thick bars: 95% interval of that comparison alone; thin bars: 95% for all "
        f"{contrasts[0].family} of the family together (in numbers at the right); small dots: single seeds; grey zone: "
        f"the margin of ±{data.margin:g} points within which arms count as practically equal."
    )
    caption += f" {data.hidden} more comparisons are in the table." if data.hidden else ""
    alt = "Forest plot of paired differences. " + "; ".join(f"{row.label}: {row.note}" for row in data.rows[:16])
    draw = partial(one_panel, data.height, draw_forest, data)
    return ReportFigure(name="differences", caption=caption, alt=alt + ".", draw=draw)
