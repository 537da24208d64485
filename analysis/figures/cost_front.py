"""Accuracy against the seconds that a cell takes: each arm, and the arms that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, OF_KIND, PAPER, one_panel, place_apart, tidy, wrapped
from analysis.study.arms import Arm
from analysis.words.phrases import capital

MAX_LABELS = 8


@dataclass(frozen=True, kw_only=True)
class ArmCost:
    """One arm. seconds: median of a cell; fastest, slowest: its ends; accuracy: test mean, a fraction."""

    arm: Arm
    n: int
    seconds: float
    fastest: float
    slowest: float
    accuracy: float
    is_front: bool


def front(points: Sequence[tuple[float, float, float]]) -> list[bool]:
    """For each (fastest, slowest, value) whether every point of a higher value is slower in all of its cells.

    Cells of one arm take different times on a busy machine, so two arms whose ranges overlap cost alike.
    """
    return [all(fast > slowest for fast, _, v in points if v > value) for _, slowest, value in points]


def draw_costs(costs: Sequence[ArmCost], *, ax: Axes, accuracy: str) -> Axes:
    """Points at the medians, lines from fastest to slowest cell, by kind of arm; rings and names: the front."""
    members = sorted((c for c in costs if c.is_front), key=lambda c: c.seconds)
    for cost in costs:
        ax.plot([cost.fastest, cost.slowest], [100 * cost.accuracy] * 2, color=OF_KIND[cost.arm.kind], alpha=0.4,
                linewidth=1.6, zorder=2)  # fmt: skip
    ax.scatter([c.seconds for c in costs], [100 * c.accuracy for c in costs], s=46, zorder=3, edgecolor=PAPER,
               color=[OF_KIND[c.arm.kind] for c in costs], gid="cost-arms")  # fmt: skip
    ax.scatter([c.seconds for c in members], [100 * c.accuracy for c in members], s=120, zorder=2, facecolor="none",
               edgecolor=INK, linewidth=1.2)  # fmt: skip
    low, high = ax.get_ylim()
    named = members[-MAX_LABELS:]
    places = place_apart([100 * c.accuracy for c in named], (high - low) / 18, low, high)
    for cost, place in zip(named, places, strict=True):
        ax.annotate(wrapped(cost.arm.label, 30), (cost.seconds, 100 * cost.accuracy), xytext=(1.02, place),
                    textcoords=("axes fraction", "data"), va="center", fontsize=9, color=INK, annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.8, "shrinkB": 9})  # fmt: skip
    ax.margins(x=0.06)
    ax.set_xlabel("seconds a cell (training and evaluation, median over seeds)")
    ax.set_ylabel(f"{accuracy} (%)")
    tidy(ax, grid="both")
    return ax


def cost_figure(costs: Sequence[ArmCost], accuracy: str) -> ReportFigure:
    """The arms of `costs`, at least one; `accuracy` says what their means are, see `Study.accuracy`."""
    titles = [f"{c.arm.label}: {c.seconds:.3g} s a cell, {100 * c.accuracy:.1f}%" for c in costs]
    members = "; ".join(title for title, c in zip(titles, costs, strict=True) if c.is_front)
    return ReportFigure(
        name="cost",
        caption=f"{capital(accuracy)} against the seconds that a cell takes: the mean over seeds, at the median "
        "of the seconds, with a line from the fastest to the slowest cell. Rings, with names: the front, where every "
        "arm of a higher mean is slower in all of its cells.",
        alt=f"Accuracy against seconds for {len(costs)} arms. On the front: {members}.",
        draw=partial(one_panel, 3.8, partial(draw_costs, accuracy=accuracy), list(costs)),
        titles={"cost-arms": titles},
    )
