"""What each component brings in the bare arm, in the full arm and over all orders, as bars on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    BASELINE,
    PAPER,
    PUBLISHED,
    VMP,
    difference_limits,
    note_row,
    one_panel,
    shade_margin,
    tidy,
    wrapped,
)
from analysis.verdict.components import Component
from analysis.verdict.contrasts import Contrast
from analysis.words.ablation_sentences import is_interaction
from analysis.words.phrases import limits, points
from sweeps.stats.decisions import Verdict
from sweeps.stats.intervals import in_points
from vmp.core.text import listing

MAX_ROWS = 12
_KINDS = (("in the bare arm", BASELINE, "o"), ("in the full arm", VMP, "s"), ("Shapley value", PUBLISHED, "D"))
_APART, _SEEDS_BELOW = 0.34, 0.12


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One effect in percentage points; NaN ends without an interval. kind: Index into the kinds of the legend."""

    kind: int
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class ComponentRows:
    """What `draw_components` draws.

    Attributes:
        rows: (component, its bars, whether its effects disagree), from top to bottom.
        margin: Practical-equality margin in points.
        split: What was measured on, see `Contrast.split`.
        hidden: Components beyond `MAX_ROWS`.
    """

    rows: tuple[tuple[str, tuple[Bar, ...], bool], ...]
    margin: float
    split: str
    hidden: int

    @property
    def height(self) -> float:
        """A fitting figure height in inches."""
        return 1.2 + 0.27 * sum(len(bars) + 0.6 for _, bars, _ in self.rows)

    @property
    def kinds(self) -> list[int]:
        """Those that occur."""
        return sorted({bar.kind for _, bars, _ in self.rows for bar in bars})


def prepare_components(components: Sequence[Component]) -> ComponentRows:
    """A row for each component with a comparison that has a verdict."""
    rows, margin, split = [], 0.0, ""
    for component in components:
        effects = (component.added, component.left_out, component.shapley)
        known = [(kind, one) for kind, one in enumerate(effects) if one and one.verdict is not Verdict.NONE]
        if known:
            margin, split = 100 * known[0][1].margin, known[0][1].split
            label = f"{component.title}: {component.off} → {component.on}"
            bars = tuple(_bar(kind, one) for kind, one in known)
            rows.append((label, bars, is_interaction(component.disagreement)))
    hidden = max(0, len(rows) - MAX_ROWS)
    return ComponentRows(rows=tuple(rows[:MAX_ROWS]), margin=margin, split=split, hidden=hidden)


def _bar(kind: int, contrast: Contrast) -> Bar:
    interval = contrast.interval
    return Bar(
        kind=kind,
        mean=100 * contrast.mean,
        low=100 * interval.low if interval else math.nan,
        high=100 * interval.high if interval else math.nan,
        seeds=tuple(100 * difference for difference in contrast.differences),
        note=f"{points(contrast.mean)}  [{limits(interval) if interval else 'equal in all seeds'}]",
    )


def draw_components(data: ComponentRows, *, ax: Axes) -> Axes:
    """A group of bars for each component; a mark where its effects disagree."""
    shade_margin(ax, data.margin)
    at, ticks = 0.0, []
    for label, bars, disagrees in data.rows:
        top = at
        for bar in bars:
            _, color, marker = _KINDS[bar.kind]
            ax.plot([bar.low, bar.high], [at, at], color=color, linewidth=2.2, solid_capstyle="butt", zorder=3)
            below = [at - _SEEDS_BELOW] * len(bar.seeds)
            ax.scatter(bar.seeds, below, s=9, color=color, alpha=0.5, linewidth=0, zorder=2)
            ax.plot([bar.mean], [at], marker=marker, markersize=7, color=color, markeredgecolor=PAPER, zorder=4)
            note_row(ax, at, bar.note)
            at -= _APART
        ticks.append(((top + at + _APART) / 2, wrapped(label, 40) + ("\ninteracts" if disagrees else "")))
        at -= 0.6 * _APART
    for kind in data.kinds:
        name, color, marker = _KINDS[kind]
        ax.plot([], [], color=color, marker=marker, markeredgecolor=PAPER, linewidth=2.2, label=name)
    ax.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.set_ylim(at + 0.9 * _APART, 0.9 * _APART)
    shown = [bar for _, bars, _ in data.rows for bar in bars]
    differences = [*(bar.mean for bar in shown), *(v for bar in shown for v in bar.seeds)]
    ax.set_xlim(*difference_limits(differences, [v for bar in shown for v in (bar.low, bar.high)], data.margin))
    ax.set_xlabel(f"{data.split} difference that the component makes within a seed (percentage points)".strip())
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9, borderaxespad=0.2)
    tidy(ax, grid="x", without=("left",))
    return ax


def component_figure(components: Sequence[Component], name: str) -> ReportFigure | None:
    """The figure of one block; None where no comparison has a verdict."""
    data = prepare_components(components)
    if not data.rows:
        return None
    names = [_KINDS[kind][0] for kind in data.kinds]
    effects = [effect for one in components for effect in (one.added, one.left_out, one.shapley) if effect]
    families = listing([f"{name}: {size}" for name, size in {c.family_name: c.family for c in effects}.items()])
    over = " The Shapley value is the mean over all orders of switching on." if "Shapley value" in names else ""
    caption = (
        f"What each component brings: {', '.join(names)}.{over} Bars: 95% intervals that hold for all comparisons of a "
        f"family together ({families}; in numbers at the right); small dots: single seeds; grey zone: "
        f"±{in_points(data.margin / 100)}. “interacts”: the interval of the difference between the full and the bare "
        "arm excludes 0."
    )
    caption += f" {data.hidden} more components are in the table." if data.hidden else ""
    texts = [
        f"{label}: " + ", ".join(f"{_KINDS[bar.kind][0]} {bar.note}" for bar in bars) for label, bars, _ in data.rows
    ]
    alt = f"What each component brings. {'; '.join(texts)}."
    return ReportFigure(
        name=name, caption=caption, alt=alt, draw=partial(one_panel, data.height, draw_components, data)
    )
