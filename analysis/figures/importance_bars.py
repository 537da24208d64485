"""The importance of each factor with its interval, beside the noise floor of a factor without effect."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import CONTROL, INK, MUTED, PAPER, VMP, one_panel, tidy, wrapped
from analysis.verdict.importances import Importances

MAX_FACTORS = 20


def by_share(made: Importances) -> list[int]:
    """The factors by falling share."""
    return [int(i) for i in np.argsort(-made.result.share, kind="stable")]


def importance_title(made: Importances, index: int) -> str:
    """One factor in words and numbers."""
    result = made.result
    text = f"{made.factors[index].title}: {100 * result.share[index]:.1f}%"
    if math.isfinite(result.low[index]):
        text += f" ({100 * result.low[index]:.1f}% to {100 * result.high[index]:.1f}%)"
    return f"{text}, noise floor {100 * result.floor[index]:.1f}%"


def draw_importances(made: Importances, *, ax: Axes) -> Axes:
    """A dot for each factor with its interval, filled above its floor; a bar up to the floor; a tick for the total."""
    order, result = by_share(made)[:MAX_FACTORS], made.result
    y = np.arange(len(order))
    is_above = [bool(result.is_above[i]) for i in order]
    ax.barh(y, [100 * result.floor[i] for i in order], height=0.62, color=MUTED, alpha=0.25, linewidth=0,
            label="what a factor without effect reaches (noise floor)")  # fmt: skip
    colors = [VMP if above else MUTED for above in is_above]
    ax.hlines(y, [100 * result.low[i] for i in order], [100 * result.high[i] for i in order], color=colors,
              alpha=0.6, linewidth=1.8)  # fmt: skip
    if result.total is not None:
        ax.scatter([100 * result.total[i] for i in order], y, marker="|", s=110, color=CONTROL, linewidth=1.8,
                   label="with all interactions that it takes part in", zorder=3)  # fmt: skip
    faces = [VMP if above else PAPER for above in is_above]
    ax.scatter([100 * result.share[i] for i in order], y, s=52, color=faces, edgecolor=colors, linewidth=1.5, zorder=4,
               gid="importance-factors")  # fmt: skip
    ax.scatter([], [], s=52, color=VMP, edgecolor=VMP, label="by itself, above the floor (95% interval)")
    if not all(is_above):
        ax.scatter([], [], s=52, color=PAPER, edgecolor=MUTED, linewidth=1.5, label="by itself, under the floor")
    ax.set_yticks(y, [wrapped(made.factors[i].title, 28) for i in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ends = [
        100 * end for i in order for end in (result.share[i], result.high[i], result.floor[i]) if math.isfinite(end)
    ]
    ax.set_xlim(-1.5, max([*ends, 20]) + 2)
    measured = "variance between the arms' means" if result.method == "anova" else "divergence of the best arms"
    ax.set_xlabel(f"share of the {measured} (%)")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    tidy(ax, grid="x")
    return ax


def importance_figure(made: Importances) -> ReportFigure:
    """The factors of `made`, by falling importance."""
    titles = [importance_title(made, i) for i in by_share(made)]
    caption = "Importance of each factor by itself, with its 95% interval; the grey bar ends at the noise floor, which "
    caption += "a dummy factor without any effect in its place passes in 5%. "
    caption += (
        "Ticks: with its interactions (no floor is drawn for them; with noise they are never 0)."
        if made.result.total is not None
        else "Shares of the sum over factors."
    )
    hidden = len(titles) - MAX_FACTORS
    return ReportFigure(
        name="importance",
        caption=caption + (f" {hidden} more factors are in the table." if hidden > 0 else ""),
        alt=f"Importance of {len(titles)} factors. {'; '.join(titles[:MAX_FACTORS])}.",
        draw=partial(one_panel, 1.7 + 0.38 * min(len(titles), MAX_FACTORS), draw_importances, made),
        titles={"importance-factors": titles[:MAX_FACTORS]},
    )
