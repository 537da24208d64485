"""Any factor: test accuracy of each arm as a dot with its interval and every seed; the reference as a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.arms import Kind
from analysis.figures.lambda_curve import seed_values
from analysis.figures.style import BASELINE, CONTROL, INK, MUTED, PAPER, VMP, shortened, tidy
from analysis.table import Study
from analysis.verdict_arms import ArmVerdict

MOST_ROWS = 36


@dataclass(frozen=True, kw_only=True)
class DotRow:
    """One arm; accuracies in percent, NaN where there is none."""

    label: str
    colour: str
    mean: float
    low: float
    high: float
    seeds: tuple[tuple[float, bool], ...]
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Dots:
    """What `draw_dots` draws: rows from top to bottom, the reference's mean (percent) or ``None``, the axis text."""

    rows: tuple[DotRow, ...]
    reference: float | None
    x_label: str
    left_out: int

    @property
    def height(self) -> float:
        """A fitting figure height in inches."""
        return 1.0 + 0.36 * max(3, len(self.rows))


def prepare_dots(study: Study, verdict: ArmVerdict) -> Dots:
    """Arms in the plan's order; of a large study the `MOST_ROWS` best on validation."""
    summaries = [s for s in verdict.summaries if s.seeds]
    kept = summaries
    if len(summaries) > MOST_ROWS:
        kept = sorted(summaries, key=lambda s: (s.arm.kind is Kind.VMP, -s.val_mean, s.arm.order))[:MOST_ROWS]
    colour = {Kind.BASELINE: BASELINE, Kind.CONTROL: CONTROL, Kind.VMP: VMP}
    references = {c.reference.label for c in verdict.contrasts}
    lone = [s for s in summaries if s.arm.label in references]
    rows = tuple(
        DotRow(
            label=s.arm.label,
            colour=colour[s.arm.kind],
            mean=100 * s.test_mean,
            low=100 * s.test_interval.low if s.test_interval else math.nan,
            high=100 * s.test_interval.high if s.test_interval else math.nan,
            seeds=tuple((100 * value, flag) for _, value, flag in seed_values(study, s.arm.label)),
            chosen=verdict.best is not None and s.arm == verdict.best.arm,
        )
        for s in kept
    )
    return Dots(
        rows=rows,
        reference=100 * lone[0].test_mean if len(lone) == 1 else None,
        x_label=f"test {study.metric_name} (%)",
        left_out=len(summaries) - len(kept),
    )


def draw_dots(data: Dots, *, ax: Axes) -> Axes:
    """Large dot: mean; bar: 95% interval of the arm's own mean; small dots: seeds, open triangles collapsed ones."""
    y = np.arange(len(data.rows))[::-1]
    if data.reference is not None:
        ax.axvline(data.reference, color=MUTED, linewidth=1.2, linestyle=(0, (5, 2)), zorder=1)
    for row, at in zip(data.rows, y, strict=True):
        ax.plot([row.low, row.high], [at, at], color=row.colour, linewidth=1.8, zorder=2)
        for collapsed in (False, True):
            values = [v for v, flag in row.seeds if flag is collapsed]
            ax.scatter(values, [at - 0.25] * len(values), s=22 if collapsed else 12, marker="v" if collapsed else "o",
                       facecolor=PAPER if collapsed else row.colour, edgecolor=row.colour,
                       linewidth=1 if collapsed else 0, alpha=0.9 if collapsed else 0.5, zorder=3)  # fmt: skip
        ax.plot([row.mean], [at], marker="o", markersize=8, color=row.colour, markeredgecolor=PAPER, zorder=4)
        if row.chosen:
            ax.plot([row.mean], [at], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=INK, zorder=5)
        ax.annotate(f"{row.mean:.1f}", (1, at), xycoords=("axes fraction", "data"), xytext=(8, 0),
                    textcoords="offset points", va="center", fontsize=9, annotation_clip=False)  # fmt: skip
    ax.set_yticks(y, [shortened(row.label, 40) for row in data.rows])
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    seen = [v for row in data.rows for v, _ in row.seeds] + [row.mean for row in data.rows]
    bars = [v for row in data.rows for v in (row.low, row.high) if math.isfinite(v)]
    size = max(max(seen) - min(seen), 2.0)
    low, high = max(min([*seen, *bars]), min(seen) - 0.5 * size), min(max([*seen, *bars]), max(seen) + 0.5 * size)
    ax.set_xlim(low - 0.04 * size, high + 0.04 * size)
    ax.set_xlabel(data.x_label)
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    return ax
