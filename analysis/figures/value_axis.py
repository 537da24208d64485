"""Where a value stands on the x axis: log scale where it fits, with exact 0 set apart, linear or evenly spaced else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.axes import Axes

from analysis.figures.style import GRID
from analysis.words.phrases import number

CROWDED = 0.05  # two labels closer than this share of the axis would touch
FEW = 14
DECADE = 10  # a log scale fits from this ratio of the largest to the smallest positive value on


@dataclass(frozen=True, kw_only=True)
class ValueAxis:
    """Positions of the values of an ordered factor.

    Attributes:
        values: Distinct, rising.
        positions: Their x positions, same length.
        label: What the axis says about its spacing.
        ticks: (position, text) of the labelled ticks.
        zero_apart: Whether 0 stands apart from a log scale.
    """

    values: tuple[float, ...]
    positions: tuple[float, ...]
    label: str
    ticks: tuple[tuple[float, str], ...]
    zero_apart: bool = False

    def place(self, value: float) -> float:
        """Where one of the values stands."""
        return self._places[value]

    @cached_property
    def _places(self) -> dict[float, float]:
        return dict(zip(self.values, self.positions, strict=True))

    @property
    def step(self) -> float:
        """A comfortable distance beside the axis' ends."""
        low, high = self.positions[0], self.positions[-1]
        return max((high - low) / max(1, min(len(self.positions), FEW) - 1), 1e-6) if high > low else 1.0

    def apply(self, ax: Axes) -> None:
        """Give a panel the ticks and the label of this axis."""
        ax.set_xticks([x for x, _ in self.ticks], [text for _, text in self.ticks])
        ax.set_xlabel(self.label)
        if self.zero_apart:
            gap = (self.positions[0] + self.positions[1]) / 2
            ax.axvline(gap, color=GRID, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)


def value_axis(values: Sequence[float], title: str = "λ") -> ValueAxis:
    """The axis for these values, repeats allowed.

    Args:
        values: Finite numbers.
        title: Of the factor.
    """
    distinct = tuple(sorted(set(values)))
    positive = [v for v in distinct if v > 0]
    if distinct[0] < 0 or len(positive) < 2 or positive[-1] < DECADE * positive[0]:
        return _linear(distinct, title)
    logs = {v: math.log10(v) for v in positive}
    length = max(logs.values()) - min(logs.values())
    apart = len(distinct) > len(positive)
    gaps = [logs[b] - logs[a] for a, b in itertools.pairwise(positive)]
    zero_gap = max(min(max(gaps), 1.0), 0.12 * length)
    crowded = min(gaps) < CROWDED * (length + (zero_gap if apart else 0.0))
    if crowded and len(distinct) <= FEW:
        return _even(distinct, title)
    zero_at = min(logs.values()) - zero_gap
    positions = tuple(logs.get(v, zero_at) for v in distinct)
    if crowded:
        decades = range(math.ceil(min(logs.values())), math.floor(max(logs.values())) + 1)
        ticks = tuple([(zero_at, "0")] if apart else []) + tuple((float(d), number(10.0**d)) for d in decades)
    else:
        ticks = _each(positions, distinct)
    label = f"{title} (log scale, 0 set apart)" if apart else f"{title} (log scale)"
    return ValueAxis(values=distinct, positions=positions, label=label, ticks=ticks, zero_apart=apart)


def _linear(values: tuple[float, ...], title: str) -> ValueAxis:
    """In proportion, unless that would crowd."""
    length = values[-1] - values[0]
    if len(values) < 3 or any(b - a < CROWDED * length for a, b in itertools.pairwise(values)):
        return _even(values, title)
    return ValueAxis(values=values, positions=values, label=title, ticks=_each(values, values))


def _even(values: tuple[float, ...], title: str) -> ValueAxis:
    positions = tuple(float(i) for i in range(len(values)))
    label = f"{title} (values tried, evenly spaced)"
    return ValueAxis(values=values, positions=positions, label=label, ticks=_each(positions, values))


def _each(positions: Sequence[float], values: Sequence[float]) -> tuple[tuple[float, str], ...]:
    return tuple((x, number(v)) for x, v in zip(positions, values, strict=True))
