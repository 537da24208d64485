"""What each component brings in the bare arm, in the full arm and over all orders, as bars on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import BASELINE, GRID, INK, MUTED, PAPER, PUBLISHED, VMP, one_panel, tidy, wrapped
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
    ax.axvspan(-data.margin, data.margin, color=GRID, alpha=0.7, linewidth=0, zorder=0)
    ax.axvline(0, color=MUTED, linewidth=1, zorder=1)
    at, ticks = 0.0, []
    for label, bars, disagrees in data.rows:
        top = at
        for bar in bars:
            _, color, marker = _KINDS[bar.kind]
            ax.plot([bar.low, bar.high], [at, at], color=color, linewidth=2.2, solid_capstyle="butt", zorder=3)
            below = [at - _SEEDS_BELOW] * len(bar.seeds)
            ax.scatter(bar.seeds, below, s=9, color=color, alpha=0.5, linewidth=0, zorder=2)
            ax.plot([bar.mean], [at], marker=marker, markersize=7, color=color, markeredgecolor=PAPER, zorder=4)
            ax.annotate(bar.note, (1, at), xycoords=("axes fraction", "data"), xytext=(8, 0),
                        textcoords="offset points", va="center", fontsize=9, color=INK,
                        annotation_clip=False)  # fmt: skip
            at -= _APART
        ticks.append(((top + at + _APART) / 2, wrapped(label, 40) + ("\ninteracts" if disagrees else "")))
        at -= 0.6 * _APART
    for kind in data.kinds:
        name, color, marker = _KINDS[kind]
        ax.plot([], [], color=color, marker=marker, markeredgecolor=PAPER, linewidth=2.2, label=name)
    ax.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.set_ylim(at + 0.9 * _APART, 0.9 * _APART)
    ax.set_xlim(*_limits(data))
    ax.set_xlabel(f"{data.split} difference that the component makes within a seed (percentage points)".strip())
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9, borderaxespad=0.2)
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    return ax


def _limits(data: ComponentRows) -> tuple[float, float]:
    """Wide enough for means and seeds; a bar from very few seeds may run off the axis."""
    bars = [bar for _, of_row, _ in data.rows for bar in of_row]
    inner = [*(bar.mean for bar in bars), *(v for bar in bars for v in bar.seeds), -data.margin, data.margin]
    ends = [v for bar in bars for v in (bar.low, bar.high) if math.isfinite(v)]
    size = max(inner) - min(inner)
    low, high = max(min([*inner, *ends]), min(inner) - size), min(max([*inner, *ends]), max(inner) + size)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


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
