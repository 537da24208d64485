"""The specification curve: every arm by rising effect, what chance gives, and the choices that make each arm."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import CONTROL, GRID, INK, MUTED, PAPER, VMP, new_figure, tidy, wrapped
from analysis.study.arms import value_text
from analysis.study.factors import Factor
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import limits, points
from sweeps.stats.specification import Specification

MAX_ARMS = 240
MAX_LEVELS = 8
MAX_NAMES = 24  # of a factor whose values have no order, and so no strip
_STRIP = 3.0  # rows that a factor of many values takes


@dataclass(frozen=True, kw_only=True)
class ChoiceRows:
    """The rows of one factor.

    Attributes:
        labels: (place, text): from 0, downwards.
        height: Rows that it takes.
        places: For each arm where its value stands; NaN where the factor does not apply to it.
    """

    labels: tuple[tuple[float, str], ...]
    height: float
    places: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SpecificationCurve:
    """What `draw_specification` draws; effects in percentage points, arms by rising effect.

    Attributes:
        effects, low, high: Means and the ends of their intervals; NaN without one.
        chance_low, chance_high: The limits of what chance gives at each place.
        is_collapsing: Whether some runs of the arm collapsed or diverged.
        titles: What is shown when an arm is pointed at.
        choices: The matrix, factor by factor.
        margin: Practical-equality margin.
        y_label: Axis text, names the reference.
        hidden: Arms beyond `MAX_ARMS`.
    """

    effects: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    chance_low: tuple[float, ...]
    chance_high: tuple[float, ...]
    is_collapsing: tuple[bool, ...]
    titles: tuple[str, ...]
    choices: tuple[ChoiceRows, ...]
    margin: float
    y_label: str
    hidden: int

    @property
    def rows(self) -> float:
        """Height of the matrix in rows, with half a row between factors."""
        return sum(one.height for one in self.choices) + 0.5 * max(0, len(self.choices) - 1)


def prepare_specification(
    contrasts: Sequence[Contrast], curve: Specification, factors: Sequence[Factor]
) -> SpecificationCurve:
    """The curve's arms, evenly over the curve when they are many.

    Args:
        contrasts: One for each arm, in the order that `curve` was made from.
        curve: Their specification curve.
        factors: What the arms vary.
    """
    k = len(contrasts)
    step = max(1.0, (k - 1) / (MAX_ARMS - 1))
    shown = [round(i * step) for i in range(min(k, MAX_ARMS))]
    arms = [contrasts[int(curve.order[i])] for i in shown]
    references = {contrast.sides.against for contrast in arms}
    split = f"{contrasts[0].split} " if contrasts[0].split else ""
    ends = [(100 * c.interval.low, 100 * c.interval.high) if c.interval else (math.nan, math.nan) for c in arms]
    return SpecificationCurve(
        effects=tuple(100 * float(curve.effects[i]) for i in shown),
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
        chance_low=tuple(100 * float(curve.low[i]) for i in shown),
        chance_high=tuple(100 * float(curve.high[i]) for i in shown),
        is_collapsing=tuple(bool(c.collapse and c.collapse.rate.count) for c in arms),
        titles=tuple(
            f"{c.sides.subject} against {c.sides.against}: {points(c.mean)}"
            + (f" [{limits(c.interval)}]" if c.interval else "")
            for c in arms
        ),
        choices=tuple(_rows(factor, arms) for factor in factors),
        margin=100 * contrasts[0].margin,
        y_label=f"{split}difference to {_in_short(references)}",
        hidden=k - len(shown),
    )


def _in_short(references: Collection[str]) -> str:
    """The one reference, where its name fits beside the axis."""
    name = wrapped(next(iter(references)), 24) if len(references) == 1 else ""
    return name if name and max(map(len, name.split("\n"))) <= 30 else "its reference"


def _rows(factor: Factor, arms: Sequence[Contrast]) -> ChoiceRows:
    """A row for each value, ordered values rising upwards; a strip from lowest to highest where there are many."""
    levels, last = [factor.index(c.arm) for c in arms], len(factor.levels) - 1
    if len(factor.levels) <= (MAX_LEVELS if factor.is_ordered else MAX_NAMES):
        up = factor.is_ordered
        places = tuple(math.nan if i is None else float(last - i if up else i) for i in levels)
        labels = tuple((float(last - i if up else i), factor.text([i])) for i in range(last + 1))
        return ChoiceRows(labels=labels, height=last + 1.0, places=places)
    places = tuple(math.nan if i is None else (_STRIP - 1) * (1 - i / last) for i in levels)
    ends = ((0.0, last), (_STRIP - 1, 0))
    labels = tuple((place, f"{factor.title} = {value_text(factor.levels[i])}") for place, i in ends)
    return ChoiceRows(labels=labels, height=_STRIP, places=places)


def draw_specification(data: SpecificationCurve) -> Figure:
    """Above the effects with intervals over the zone of chance, below the matrix of choices."""
    matrix = 0.55 + 0.2 * data.rows
    figure, axes = new_figure(3.1 + matrix, rows=2, sharex=True, gridspec_kw={"height_ratios": [3.1, matrix]})
    _draw_effects(data, axes[0, 0])
    _draw_choices(data, axes[1, 0])
    return figure


def _draw_effects(data: SpecificationCurve, ax: Axes) -> None:
    x, effects = np.arange(len(data.effects)), np.array(data.effects)
    size = float(np.clip(4200 / len(x) / 10, 8, 46))
    edges = np.append(x, len(x)) - 0.5
    ax.stairs(data.chance_high, edges, baseline=np.array(data.chance_low), fill=True, color=GRID, linewidth=0, zorder=0)
    ax.axhline(0, color=MUTED, linewidth=1, zorder=1)
    ax.vlines(x, data.low, data.high, color=VMP, alpha=0.45, linewidth=1.6 if len(x) <= 60 else 0.8, zorder=2)
    healthy = [PAPER if is_collapsing else VMP for is_collapsing in data.is_collapsing]
    edge = [CONTROL if is_collapsing else VMP for is_collapsing in data.is_collapsing]
    ax.scatter(x, effects, s=size, color=healthy, edgecolor=edge, linewidth=1.4, zorder=3, gid="specification-arms")
    ax.set_ylabel(f"{data.y_label}\n(percentage points)")
    ax.set_xlim(-0.6, len(x) - 0.4)
    ax.set_ylim(*_limits(data))
    tidy(ax, without=("bottom",))


def _limits(data: SpecificationCurve) -> tuple[float, float]:
    """Wide enough for the effects and the zone; an interval from very few seeds may run off the axis."""
    inner = [*data.effects, *data.chance_low, *data.chance_high, 0.0]
    ends = [end for end in (*data.low, *data.high) if math.isfinite(end)]
    size = max(inner) - min(inner)
    low, high = max(min([*inner, *ends]), min(inner) - size / 2), min(max([*inner, *ends]), max(inner) + size / 2)
    pad = 0.05 * (high - low) or 1.0  # all arms may be equal
    return low - pad, high + pad


def _draw_choices(data: SpecificationCurve, ax: Axes) -> None:
    x, top, ticks = np.arange(len(data.effects)), 0.0, []
    for index, choice in enumerate(data.choices):
        if index % 2 == 0:
            ax.axhspan(top - 0.5, top + choice.height - 0.5, color=GRID, alpha=0.45, linewidth=0, zorder=0)
        ax.scatter(x, top + np.array(choice.places), s=float(np.clip(260 / len(x) * 4, 5, 30)), color=INK,
                   marker="s", linewidth=0, zorder=2)  # fmt: skip
        ticks += [(top + place, wrapped(text, 44)) for place, text in choice.labels]
        top += choice.height + 0.5
    ax.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.set_ylim(data.rows - 0.3, -0.7)
    ax.set_xticks([])
    ax.set_xlabel(f"{len(x)} arms by rising effect")
    tidy(ax, grid="none", without=("left", "bottom"))


def specification_figure(
    contrasts: Sequence[Contrast], curve: Specification, factors: Sequence[Factor]
) -> ReportFigure:
    """The curve of `contrasts`; see `prepare_specification`."""
    data = prepare_specification(contrasts, curve, factors)
    caption = (
        "Above, every arm's difference to its reference, by rising effect, with the interval that holds for all of the "
        "family together; the grey zone is where chance alone leaves each place in 95% of the sign patterns. Below, "
        "the choices that make the arm in that column: a pattern from left to right is a choice that matters."
    )
    if any(data.is_collapsing):
        caption += " Open circles: arms of which some runs collapsed or diverged."
    low, high = _limits(data)
    if any(end < low for end in data.low) or any(end > high for end in data.high):
        caption += " Intervals that run off the figure end outside it; the table has them."
    caption += f" {data.hidden} more arms are in the table." if data.hidden else ""
    ends = [data.titles[0], data.titles[len(data.titles) // 2], data.titles[-1]]
    alt = f"Specification curve of {len(contrasts)} arms. Lowest, middle and highest: {'; '.join(ends)}. "
    alt += f"{curve.is_outside.sum()} of {len(contrasts)} places lie outside what chance gives."
    return ReportFigure(
        name="specification",
        caption=caption,
        alt=alt,
        draw=partial(draw_specification, data),
        titles={"specification-arms": data.titles},
    )
