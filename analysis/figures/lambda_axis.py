"""Where a lambda stands on the x axis: log scale with exact 0 set apart, or evenly spaced when that would crowd."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from analysis.figures.style import GRID
from analysis.words.phrases import number

CROWDED = 0.05  # two labels closer than this share of the axis would touch
FEW = 14


@dataclass(frozen=True, kw_only=True)
class LambdaAxis:
    """Positions of lambdas.

    Attributes:
        lambdas: Distinct values >= 0, rising.
        positions: Their x positions, same length.
        label: What the axis says about its spacing.
        ticks: (position, text) of the labelled ticks.
        zero_apart: Whether 0 stands apart from a log scale.
    """

    lambdas: tuple[float, ...]
    positions: tuple[float, ...]
    label: str
    ticks: tuple[tuple[float, str], ...]
    zero_apart: bool = False

    def place(self, value: float) -> float:
        return self.positions[self.lambdas.index(value)]

    @property
    def step(self) -> float:
        """A comfortable distance beside the axis' ends."""
        low, high = self.positions[0], self.positions[-1]
        return max((high - low) / max(1, min(len(self.positions), FEW) - 1), 1e-6) if high > low else 1.0

    def apply(self, ax: Axes) -> None:
        ax.set_xticks([x for x, _ in self.ticks], [text for _, text in self.ticks])
        ax.set_xlabel(self.label)
        if self.zero_apart:
            gap = (self.positions[0] + self.positions[1]) / 2
            ax.axvline(gap, color=GRID, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)


def lambda_axis(values: Sequence[float]) -> LambdaAxis:
    """The axis for these lambdas (>= 0, repeats allowed)."""
    lambdas = tuple(sorted(set(values)))
    positive = [v for v in lambdas if v > 0]
    logs = {v: math.log10(v) for v in positive}
    length = (max(logs.values()) - min(logs.values())) if len(logs) > 1 else 0.0
    apart = len(lambdas) - len(positive) > 0
    gaps = [logs[b] - logs[a] for a, b in itertools.pairwise(positive)]
    zero_gap = max(min(max(gaps, default=1.0), 1.0), 0.12 * length)
    total = length + (zero_gap if apart else 0.0)
    crowded = bool(gaps) and min(gaps) < CROWDED * total
    if not positive or len(positive) < 2 or (crowded and len(lambdas) <= FEW):
        positions = tuple(float(i) for i in range(len(lambdas)))
        ticks = tuple((x, number(v)) for x, v in zip(positions, lambdas, strict=True))
        return LambdaAxis(lambdas=lambdas, positions=positions, label="λ (values tried, evenly spaced)", ticks=ticks)
    zero_at = min(logs.values()) - zero_gap
    positions = tuple(logs.get(v, zero_at) for v in lambdas)
    if crowded:
        decades = range(math.ceil(min(logs.values())), math.floor(max(logs.values())) + 1)
        ticks = tuple([(zero_at, "0")] if apart else []) + tuple((float(d), number(10.0**d)) for d in decades)
    else:
        ticks = tuple((x, number(v)) for x, v in zip(positions, lambdas, strict=True))
    label = "λ (log scale, 0 set apart)" if apart else "λ (log scale)"
    return LambdaAxis(lambdas=lambdas, positions=positions, label=label, ticks=ticks, zero_apart=apart)
