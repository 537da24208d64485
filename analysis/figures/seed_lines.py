"""Seed by seed: a line a seed from the backbone alone over the control to the chosen arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.arms import Arm, Kind
from analysis.figures.lambda_curve import seed_values
from analysis.figures.style import BASELINE, CONTROL, INK, MUTED, PAPER, VMP, shortened, spread, tidy
from analysis.table import Study

MOST_ARMS = 8
MOST_NAMED = 12


@dataclass(frozen=True, kw_only=True)
class SeedSlopes:
    """What `draw_seed_slopes` draws; accuracies in percent.

    Attributes:
        labels, colours: Of the arms, left to right.
        lines: (seed, values by arm with NaN for a missing cell, collapsed by arm) for each seed.
        y_label: Axis text.
    """

    labels: tuple[str, ...]
    colours: tuple[str, ...]
    lines: tuple[tuple[int, tuple[float, ...], tuple[bool, ...]], ...]
    y_label: str


def prepare_seed_slopes(study: Study, arms: Sequence[Arm]) -> SeedSlopes:
    """Test accuracies of the first `MOST_ARMS` of `arms`, seed by seed."""
    arms = list(arms)[:MOST_ARMS]
    values = [{seed: (100 * value, flag) for seed, value, flag in seed_values(study, arm.label)} for arm in arms]
    lines = []
    for seed in study.plan.seeds:
        found = [by_seed.get(seed, (np.nan, False)) for by_seed in values]
        lines.append((seed, tuple(v for v, _ in found), tuple(flag for _, flag in found)))
    colour = {Kind.BASELINE: BASELINE, Kind.CONTROL: CONTROL, Kind.VMP: VMP}
    return SeedSlopes(
        labels=tuple(arm.label for arm in arms),
        colours=tuple(colour[arm.kind] for arm in arms),
        lines=tuple(lines),
        y_label=f"test {study.metric_name} (%)",
    )


def draw_seed_slopes(data: SeedSlopes, *, ax: Axes) -> Axes:
    """A line a seed; open triangles are collapsed cells; a gap is a cell that is not complete."""
    x = np.arange(len(data.labels))
    named = []
    for seed, values, collapsed in data.lines:
        ax.plot(x, values, color=MUTED, linewidth=1, alpha=0.6, zorder=1)
        for at, value, flag, colour in zip(x, values, collapsed, data.colours, strict=True):
            ax.plot([at], [value], marker="v" if flag else "o", markersize=7 if flag else 6,
                    markerfacecolor=PAPER if flag else colour, markeredgecolor=colour if flag else PAPER,
                    zorder=2)  # fmt: skip
        if np.isfinite(values[-1]):
            named.append((values[-1], f"seed {seed}"))
    ax.set_xticks(x, [shortened(label.replace(" (", "\n("), 30) for label in data.labels])
    ax.set_xlim(-0.35, len(data.labels) - 0.75)
    ax.set_ylabel(data.y_label)
    tidy(ax)
    low, high = ax.get_ylim()
    if len(named) <= MOST_NAMED:
        for (_, text), y in zip(named, spread([v for v, _ in named], (high - low) * 0.055, low, high), strict=True):
            ax.annotate(text, (x[-1], y), xytext=(9, 0), textcoords="offset points", va="center", fontsize=8.5,
                        color=INK, annotation_clip=False)  # fmt: skip
    return ax
