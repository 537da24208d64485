"""How often predictions of a confidence are right: the chosen arm and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import INK, MUTED, OF_KIND, PAPER, PUBLISHED, new_figure, tidy, wrapped
from analysis.study.arms import Arm
from sweeps.stats.calibration import BINS, Reliability

MIN_SHARE = 0.01
Calibrated = tuple[Arm, Reliability]


def draw_reliability(sides: Sequence[Calibrated], *, ax: Axes) -> Axes:
    """Accuracy against confidence, a point for each bin that is drawn; the diagonal is perfect calibration."""
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle="--")
    for (arm, data), color, marker in zip(sides, _colors(sides), "os", strict=True):
        known = _drawn(data)
        ax.plot(data.confidence[known], data.accuracy[known], color=color, linewidth=1.4, marker=marker, markersize=6,
                markeredgecolor=PAPER, label=wrapped(arm.label, 30))  # fmt: skip
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("confidence (probability of the predicted class)")
    ax.set_ylabel("share that is right")
    ax.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")
    tidy(ax, grid="both")
    return ax


def draw_counts(sides: Sequence[Calibrated], *, ax: Axes) -> Axes:
    """Share of the predictions in each bin of confidence."""
    edges = np.arange(BINS) / BINS
    for i, ((_, data), color) in enumerate(zip(sides, _colors(sides), strict=True)):
        ax.bar(edges + (0.25 + 0.5 * i) / BINS, 100 * data.count / data.count.sum(), width=0.42 / BINS, color=color)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("confidence")
    ax.set_ylabel("predictions (%)")
    tidy(ax)
    return ax


def _drawn(data: Reliability) -> np.ndarray:
    """Bins with enough predictions to say something: at least 1% of them."""
    return np.asarray(data.count >= max(1, MIN_SHARE * data.count.sum()))


def _colors(sides: Sequence[Calibrated]) -> list[str]:
    """By kind of arm, with a second colour where both are of one kind."""
    colors = [OF_KIND[arm.kind] for arm, _ in sides]
    return colors if len(set(colors)) == len(colors) else [colors[0], PUBLISHED]


def _draw(sides: Sequence[Calibrated]) -> Figure:
    figure, axes = new_figure(3.6, 1, 2, width_ratios=(3, 2))
    draw_reliability(sides, ax=axes[0, 0])
    draw_counts(sides, ax=axes[0, 1])
    return figure


def reliability_figure(sides: Sequence[Calibrated], suffix: str) -> ReportFigure:
    """The chosen arm and its reference; `suffix` makes the name unique."""
    shown = []
    for arm, data in sides:
        known = _drawn(data)
        parts = zip(data.confidence[known], data.accuracy[known], strict=True)
        shown.append(f"{arm.label}: " + ", ".join(f"{a:.0%} right at {c:.0%}" for c, a in parts))
    return ReportFigure(
        name=f"calibration{suffix}",
        caption=f"Left: how often a prediction is right, by its confidence in {BINS} bins of equal width, all test "
        "videos and seeds together; on the dashed line a model is right as often as it says, below it is too sure of "
        f"itself; bins with less than {MIN_SHARE:.0%} of the predictions are left out. Right: their share in each bin.",
        alt="Reliability diagram. " + "; ".join(shown) + ".",
        draw=partial(_draw, sides),
    )
