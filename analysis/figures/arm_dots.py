"""Any factor: test accuracy of each arm as a dot with its interval and every seed; the reference as a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import INK, MUTED, OF_KIND, PAPER, label_rows, note_row, one_panel, row_gid, tidy
from analysis.study.arms import Kind
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.summaries import ArmSummary
from analysis.words.phrases import capital

MAX_ROWS = 36


@dataclass(frozen=True, kw_only=True)
class DotRow:
    """One arm; accuracies in percent, NaN where there is none.

    `mean` is of the runs that did not collapse, `collapsed` of the others; an interval stands where none did.
    """

    label: str
    color: str
    mean: float
    collapsed: float
    low: float
    high: float
    seeds: tuple[tuple[float, bool], ...]
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Dots:
    """What `draw_dots` draws.

    Attributes:
        rows: From top to bottom.
        reference: Mean of the one reference arm, in percent, or ``None``.
        x_label: Axis text.
        hidden: Arms that are not shown.
    """

    rows: tuple[DotRow, ...]
    reference: float | None
    x_label: str
    hidden: int

    @property
    def height(self) -> float:
        """A fitting figure height in inches."""
        return 1.0 + 0.36 * max(3, len(self.rows))


def prepare_dots(conclusions: Conclusions) -> Dots:
    """Arms in the plan's order; of a large study the `MAX_ROWS` best on validation."""
    study = conclusions.study
    summaries = [s for s in conclusions.summaries if s.seeds]
    shown = summaries
    if len(summaries) > MAX_ROWS:
        candidates = (Kind.VMP, Kind.OTHER)
        shown = sorted(summaries, key=lambda s: (s.arm.kind in candidates, -_level(s), s.arm.order))[:MAX_ROWS]
    labels = {contrast.reference.label for contrast in conclusions.primary}
    references = [s for s in summaries if s.arm.label in labels]
    rows = tuple(
        DotRow(
            label=s.arm.label,
            color=OF_KIND[s.arm.kind],
            mean=100 * (s.endings.healthy_mean if s.endings else s.test_mean),
            collapsed=100 * s.endings.collapsed_mean if s.endings else math.nan,
            low=100 * s.test_interval.low if s.test_interval and not s.has_collapse else math.nan,
            high=100 * s.test_interval.high if s.test_interval and not s.has_collapse else math.nan,
            seeds=tuple((100 * value, flag) for _, value, flag in study.seed_values(s.arm)),
            chosen=s.arm in conclusions.chosen,
        )
        for s in shown
    )
    return Dots(
        rows=rows,
        reference=100 * references[0].test_mean if len(references) == 1 else None,
        x_label=f"{study.measured} (%)",
        hidden=len(summaries) - len(shown),
    )


def _level(summary: ArmSummary) -> float:
    """What the best arms are best by: validation, or the reported accuracy where there is none."""
    return summary.test_mean if math.isnan(summary.val_mean) else summary.val_mean


def draw_dots(data: Dots, *, ax: Axes) -> Axes:
    """Large dot: mean; bar: 95% interval of the arm's own mean; small dots: seeds, open triangles collapsed ones."""
    y = np.arange(len(data.rows))[::-1]
    if data.reference is not None:
        ax.axvline(data.reference, color=MUTED, linewidth=1.2, linestyle=(0, (5, 2)), zorder=1)
    for i, (row, at) in enumerate(zip(data.rows, y, strict=True)):
        ax.plot([row.low, row.high], [at, at], color=row.color, linewidth=1.8, zorder=2, gid=row_gid(i, "bar"))
        for collapsed in (False, True):
            values = [v for v, flag in row.seeds if flag is collapsed]
            ax.scatter(values, [at - 0.25] * len(values), s=22 if collapsed else 12, marker="v" if collapsed else "o",
                       facecolor=PAPER if collapsed else row.color, edgecolor=row.color,
                       linewidth=1 if collapsed else 0, alpha=0.9 if collapsed else 0.5, zorder=3,
                       gid=row_gid(i, "collapsed-seeds" if collapsed else "seeds"))  # fmt: skip
        ax.plot([row.mean], [at], marker="o", markersize=8, color=row.color, markeredgecolor=PAPER, zorder=4,
                gid=row_gid(i, "mean"))  # fmt: skip
        ax.plot([row.collapsed], [at], marker="v", markersize=9, markerfacecolor=PAPER, markeredgecolor=row.color,
                markeredgewidth=1.4, zorder=4, gid=row_gid(i, "collapsed"))  # fmt: skip
        if row.chosen:
            ax.plot(
                [row.mean if math.isfinite(row.mean) else row.collapsed],
                [at],
                marker="o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor=INK,
                zorder=5,
            )
        means = [f"{value:.1f}" for value in (row.mean, row.collapsed) if math.isfinite(value)]
        note_row(ax, at, " | ".join(means))
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    seen = [v for row in data.rows for v, _ in row.seeds] + [row.mean for row in data.rows if math.isfinite(row.mean)]
    bars = [v for row in data.rows for v in (row.low, row.high) if math.isfinite(v)]
    size = max(max(seen) - min(seen), 2.0)
    low, high = max(min([*seen, *bars]), min(seen) - 0.5 * size), min(max([*seen, *bars]), max(seen) + 0.5 * size)
    ax.set_xlim(low - 0.04 * size, high + 0.04 * size)
    ax.set_xlabel(data.x_label)
    tidy(ax, grid="x", without=("left",))
    label_rows(ax, y, [row.label for row in data.rows])
    return ax


def dots_figure(conclusions: Conclusions) -> ReportFigure | None:
    """Every arm as a dot; ``None`` where no cell is complete."""
    data = prepare_dots(conclusions)
    if not data.rows:
        return None
    accuracy = conclusions.study.accuracy
    caption = (
        f"{capital(accuracy)} by arm: large dots are means with the 95% interval of the arm's own mean, small dots "
        "single seeds. "
    )
    if any(math.isfinite(row.collapsed) for row in data.rows):
        caption += (
            "Where seeds collapsed (open triangles) the means of healthy and collapsed seeds stand apart, without "
            "interval. "
        )
    caption += "A ring marks what was chosen on validation. " if any(row.chosen for row in data.rows) else ""
    caption += "Compare arms by the paired comparisons, not by these intervals."
    caption += f" The {data.hidden} arms with lower validation means are in the table." if data.hidden else ""
    alt = f"Dot plot of {accuracy} by arm. " + "; ".join(
        f"{row.label}: {row.mean:.1f}%" for row in data.rows[:16] if math.isfinite(row.mean)
    )
    draw = partial(one_panel, data.height, draw_dots, data)
    rows = [row.label for row in data.rows]
    return ReportFigure(name="arms", caption=caption, alt=alt + ".", draw=draw, rows=rows)
