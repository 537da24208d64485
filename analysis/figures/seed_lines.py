"""Seed by seed: a line per seed from the backbone alone over the control to the chosen arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import INK, MUTED, OF_KIND, PAPER, name_ends, one_panel, tidy, wrapped
from analysis.study.arms import Arm
from analysis.study.cells import Study
from analysis.verdict.conclusions import Conclusions

MAX_ARMS = 8
MAX_NAMED = 12
MAX_SEEDS = 60


@dataclass(frozen=True, kw_only=True)
class SeedLines:
    """What `draw_seed_lines` draws; accuracies in percent.

    Attributes:
        labels, colors: Of the arms, left to right.
        lines: (seed, values by arm with NaN for a missing cell, collapsed by arm) for each seed.
        y_label: Axis text.
    """

    labels: tuple[str, ...]
    colors: tuple[str, ...]
    lines: tuple[tuple[int, tuple[float, ...], tuple[bool, ...]], ...]
    y_label: str


def prepare_seed_lines(study: Study, arms: Sequence[Arm]) -> SeedLines:
    """Test accuracies of the first `MAX_ARMS` of `arms`, seed by seed."""
    arms = list(arms)[:MAX_ARMS]
    values = [{seed: (100 * value, flag) for seed, value, flag in study.seed_values(arm)} for arm in arms]
    lines = []
    for seed in study.plan.seeds:
        cells = [by_seed.get(seed, (np.nan, False)) for by_seed in values]
        lines.append((seed, tuple(v for v, _ in cells), tuple(flag for _, flag in cells)))
    return SeedLines(
        labels=tuple(arm.label for arm in arms),
        colors=tuple(OF_KIND[arm.kind] for arm in arms),
        lines=tuple(lines),
        y_label=f"{study.measured} (%)",
    )


def draw_seed_lines(data: SeedLines, *, ax: Axes) -> Axes:
    """One line per seed; open triangles are collapsed cells; a gap is a cell that is not complete."""
    x = np.arange(len(data.labels))
    named = []
    for seed, values, collapsed in data.lines:
        ax.plot(x, values, color=MUTED, linewidth=1, alpha=0.6, zorder=1)
        for at, value, flag, color in zip(x, values, collapsed, data.colors, strict=True):
            ax.plot([at], [value], marker="v" if flag else "o", markersize=7 if flag else 6,
                    markerfacecolor=PAPER if flag else color, markeredgecolor=color if flag else PAPER,
                    zorder=2)  # fmt: skip
        if np.isfinite(values[-1]):
            named.append((values[-1], f"seed {seed}", INK))
    ax.set_xticks(
        x,
        [
            wrapped(label.replace(" (", "\n("), 14) if len(data.labels) > 3 else wrapped(label, 30)
            for label in data.labels
        ],
    )
    ax.set_xlim(-0.35, len(data.labels) - 0.75)
    ax.set_ylabel(data.y_label)
    tidy(ax)
    if len(named) <= MAX_NAMED:
        name_ends(ax, x[-1], named, gap=0.055, size=8.5, indent=9)
    return ax


def seed_figure(conclusions: Conclusions) -> ReportFigure | str:
    """The lines of `arms_to_join`, or the reason why they are not drawn."""
    study, arms = conclusions.study, arms_to_join(conclusions)
    if len(arms) < 2:
        return f"a line joins 2 to {MAX_ARMS} arms, and the study has {len(study.arms)}"
    if len(study.plan.seeds) > MAX_SEEDS:
        return f"more than {MAX_SEEDS} lines would be a web"
    data = prepare_seed_lines(study, arms)
    if not any(np.isfinite(values).any() for _, values, _ in data.lines):
        return "no cell is complete"
    caption = (
        "The same seed means the same initial weights, split and order of clips in every arm, so each line is one fair "
        "comparison."
    )
    if study.origin is not None:
        caption = f"One line for each seed. What runs of equal seed share, {study.origin.tool} does not record."
    if any(flag for _, _, flags in data.lines for flag in flags):
        caption += " Open triangles are collapsed seeds, which a mean over seeds hides."
    draw = partial(one_panel, 3.9, draw_seed_lines, data)
    return ReportFigure(
        name="seeds",
        caption=caption,
        alt="Line for each seed over " + ", ".join(data.labels) + ".",
        draw=draw,
    )


def arms_to_join(conclusions: Conclusions) -> list[Arm]:
    """All arms of a small study; of a large one the references and the values of an ordered factor in the first block.

    Of many values the ends and the chosen one.
    """
    verdict, arms = conclusions.verdicts[0], conclusions.study.arms
    if len(arms) <= MAX_ARMS:
        return list(arms)
    if verdict.axis is None:
        return []
    references = [summary.arm for summary in (verdict.baseline, verdict.control) if summary]
    curve = [summary.arm for summary in verdict.candidates]
    if len(references) + len(curve) > MAX_ARMS:
        ends = [curve[0], curve[-1], *([verdict.best.arm] if verdict.best else [])]
        curve = [arm for arm in curve if arm in ends]
    return references + curve
