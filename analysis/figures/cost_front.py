"""Accuracy against the seconds that a cell takes: each arm, and the arms that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, OF_KIND, PAPER, inches_high, one_panel, place_apart, tidy, wrapped
from analysis.study.arms import Arm
from analysis.words.phrases import capital, number

MAX_LABELS = 8
MAX_POINTS = 400  # beyond, an image is smaller than its points
LOG_FROM = 30  # a log scale from this ratio of the slowest cell to the fastest on: one cell may wait for the machine
_HEIGHT, _EDGES = 3.8, 0.75  # inches of the figure, and of what is above and below its axes


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

    That is the Pareto front of seconds and value, with room for what a busy machine does to seconds: cells of one
    arm take different times, so two arms whose ranges overlap cost alike.
    """
    return [all(fast > slowest for fast, _, v in points if v > value) for _, slowest, value in points]


def members(costs: Sequence[ArmCost]) -> list[ArmCost]:
    """Those on the front, by rising seconds."""
    return sorted((cost for cost in costs if cost.is_front), key=lambda cost: cost.seconds)


def _named(costs: Sequence[ArmCost]) -> list[tuple[ArmCost, str]]:
    """The members of the front that are named, and how."""
    return [(cost, wrapped(cost.arm.label, 34)) for cost in members(costs)[-MAX_LABELS:]]


def _height(costs: Sequence[ArmCost]) -> float:
    return max(_HEIGHT, _EDGES + sum(inches_high(name) for _, name in _named(costs)))


def draw_costs(costs: Sequence[ArmCost], *, ax: Axes, accuracy: str) -> Axes:
    """Points at the medians, lines from fastest to slowest cell, by kind of arm; rings and names: the front."""
    on_front = members(costs)
    for cost in costs:
        ax.plot([cost.fastest, cost.slowest], [100 * cost.accuracy] * 2, color=OF_KIND[cost.arm.kind], alpha=0.4,
                linewidth=1.6, zorder=2, rasterized=len(costs) > MAX_POINTS)  # fmt: skip
    ax.scatter([c.seconds for c in costs], [100 * c.accuracy for c in costs], s=46, zorder=3, edgecolor=PAPER,
               color=[OF_KIND[c.arm.kind] for c in costs], gid="cost-arms",
               rasterized=len(costs) > MAX_POINTS)  # fmt: skip
    ax.scatter([c.seconds for c in on_front], [100 * c.accuracy for c in on_front], s=120, zorder=2, facecolor="none",
               edgecolor=INK, linewidth=1.2)  # fmt: skip
    low, high = ax.get_ylim()
    named = _named(costs)
    inch = (high - low) / (_height(costs) - _EDGES)
    places = place_apart([100 * c.accuracy for c, _ in named], [inch * inches_high(n) for _, n in named], low, high)
    for (cost, name), place in zip(named, places, strict=True):
        ax.annotate(name, (cost.seconds, 100 * cost.accuracy), xytext=(1.02, place),
                    textcoords=("axes fraction", "data"), va="center", fontsize=9, color=INK, annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.8, "shrinkB": 9})  # fmt: skip
    ax.margins(x=0.06)
    is_log = max(c.slowest for c in costs) > LOG_FROM * min(c.fastest for c in costs) > 0
    if is_log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", length=0)
    ax.set_xlabel(f"seconds a cell (training and evaluation, median over seeds{'; log scale' if is_log else ''})")
    ax.set_ylabel(f"{accuracy} (%)")
    tidy(ax, grid="both")
    return ax


def cost_figure(costs: Sequence[ArmCost], accuracy: str) -> ReportFigure:
    """The arms of `costs`, at least one; `accuracy` says what their means are, see `Study.accuracy`."""
    titles = [f"{c.arm.label}: {c.seconds:.3g} s a cell, {100 * c.accuracy:.1f}%" for c in costs]
    listed = "; ".join(title for title, c in zip(titles, costs, strict=True) if c.is_front)
    return ReportFigure(
        name="cost",
        caption=f"{capital(accuracy)} against the seconds that a cell takes: the mean over seeds, at the median "
        "of the seconds, with a line from the fastest to the slowest cell. Rings, with names: the front, where every "
        "arm of a higher mean is slower in all of its cells.",
        alt=f"Accuracy against seconds for {len(costs)} arms. On the front: {listed}.",
        draw=partial(one_panel, _height(costs), partial(draw_costs, accuracy=accuracy), list(costs)),
        titles={"cost-arms": titles},
    )
