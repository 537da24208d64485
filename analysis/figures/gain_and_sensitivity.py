"""Gain against sensitivity, one point a method; and the expected best validation accuracy against settings tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    GRID,
    INK,
    MUTED,
    OF_KIND,
    PAPER,
    new_figure,
    place_apart,
    ramp,
    tidy,
    wrapped,
)
from analysis.study.arms import Kind
from analysis.verdict.over_settings import Method
from analysis.words.phrases import limits, percent, points

MAX_METHODS = 5  # drawn, of those with a sensitivity
MAX_REFERENCES = 3  # drawn beside them, of the others
MARKERS = "osD^vP*X"  # one for each of these
MAX_END = 26  # letters of a name at the end of a curve; where one is longer, a list below names them


def colors(methods: Sequence[Method]) -> list[str]:
    """By kind, and in order where several prompted methods are compared."""
    prompted = [m for m in methods if m.kind is Kind.VMP]
    in_order = dict(zip(map(id, prompted), ramp(len(prompted)), strict=True)) if len(prompted) > 1 else {}
    return [in_order.get(id(m), OF_KIND[m.kind]) for m in methods]


def point_title(method: Method) -> str:
    """One method in words and numbers."""
    gain = f"gain {points(method.gain.mean)}" if method.gain else "no reference"
    if method.gain and method.gain.interval:
        gain += f" ({limits(method.gain.interval)})"
    return f"{method.name}: {gain}, SD {100 * method.std:.1f} points over {len(method.settings)} settings"


def _gid(index: int) -> str:
    return f"sensitivity-method-{index}"


def draw_gains(methods: Sequence[Method], *, ax: Axes) -> Axes:
    """Marks with the interval of the gain, named by `draw_budget`; a tick where seeds alone would put the method."""
    styles = zip(methods, colors(methods), MARKERS, strict=False)
    shown = [one for one in styles if one[0].gain and math.isfinite(one[0].std)]
    for method, color, _ in shown:
        assert method.gain is not None
        x, interval = 100 * method.std, method.gain.interval
        if interval:
            ax.plot([x, x], [100 * interval.low, 100 * interval.high], color=color, alpha=0.5, linewidth=1.8, zorder=2)
        if math.isfinite(method.std_of_seeds):
            ax.plot([100 * method.std_of_seeds, x], [100 * method.gain.mean] * 2, color=color, alpha=0.6, linewidth=1.2,
                    marker="|", markevery=[0], markersize=9, linestyle=(0, (2, 2)), zorder=2)  # fmt: skip
    for i, (method, color, marker) in enumerate(shown):
        assert method.gain is not None
        ax.plot([100 * method.std], [100 * method.gain.mean], linestyle="none", marker=marker, markersize=8.5,
                color=color, markeredgecolor=PAPER, zorder=3, gid=_gid(i))  # fmt: skip
    ax.axhline(0, color=MUTED, linewidth=1, zorder=1)
    ends = [100 * end for m, _, _ in shown for end in (m.std, m.std_of_seeds) if math.isfinite(end)]
    ax.set_xlim(0, 1.15 * max(ends, default=0.0) or 1.0)
    ax.set_xlabel("sensitivity: SD over settings (points)")
    ax.set_ylabel("gain of the best setting (points)")
    tidy(ax, grid="both")
    return ax


def _is_listed(methods: Sequence[Method]) -> bool:
    return any(len(method.name) > MAX_END for method in methods)


def draw_budget(methods: Sequence[Method], *, ax: Axes) -> Axes:
    """A curve for each method, named at its end if names are short; a guide goes on from where its settings end."""
    longest = max(len(method.expected) for method in methods)
    ends = []
    for method, color, marker in zip(methods, colors(methods), MARKERS, strict=False):
        tried = list(range(1, len(method.expected) + 1))
        values = [100 * value for value in method.expected]
        ax.plot(tried, values, color=color, linewidth=1.8, marker=marker,
                markersize=5 if longest <= 30 else 2, markeredgewidth=0, zorder=3)  # fmt: skip
        if tried[-1] < longest:
            ax.plot([tried[-1], longest], [values[-1]] * 2, color=color, linewidth=1, linestyle=(0, (2, 3)), zorder=2)
        ends.append(values[-1])
    low, high = ax.get_ylim()
    named = [] if _is_listed(methods) else list(zip(methods, ends, strict=True))
    places = place_apart([end for _, end in named], (high - low) / 13, low, high)
    for (method, end), place in zip(named, places, strict=True):
        ax.annotate(method.name, (longest, end), xytext=(1.03, place), annotation_clip=False,
                    textcoords=("axes fraction", "data"), va="center", fontsize=9, color=INK,
                    arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.8})  # fmt: skip
    ax.set_xlabel("settings tried, each with all of its seeds")
    ax.set_ylabel("expected best validation (%)")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    tidy(ax)
    return ax


def draw_sensitivity(methods: Sequence[Method]) -> Figure:
    """Both, side by side."""
    listed = _is_listed(methods)
    figure, axes = new_figure(3.7 + (0.32 * math.ceil(len(methods) / 2) if listed else 0.0), columns=2)
    draw_gains(methods, ax=axes[0, 0])
    draw_budget(methods, ax=axes[0, 1])
    if listed:
        styles = zip(methods, colors(methods), MARKERS, strict=False)
        lines = [Line2D([], [], color=c, marker=m, linewidth=1.8, label=wrapped(one.name, 54)) for one, c, m in styles]
        figure.legend(handles=lines, loc="outside lower left", ncols=2, frameon=False, fontsize=8.5, labelcolor=INK)
    return figure


def sensitivity_figure(methods: Sequence[Method], split: str) -> ReportFigure:
    """The first methods with a sensitivity, and the others if they are few; see `draw_gains` and `draw_budget`.

    Args:
        methods: All of them.
        split: What gains were measured on, see `Study.split`.
    """
    able = [m for m in methods if math.isfinite(m.std)][:MAX_METHODS]
    others = [m for m in methods if not math.isfinite(m.std)]
    shown = able + (others if len(others) <= MAX_REFERENCES else [])
    titles = [point_title(m) for m in shown if m.gain and math.isfinite(m.std)]
    caption = (
        f"Left, the {f'{split} gain'.strip()} of each method's best setting (chosen on validation) over its reference, "
        "with the interval of its family, against the standard deviation of its settings' means; the dashed line goes "
        "back to what seeds alone would give. Upper left is best. Right, in the same marks, the validation accuracy "
        "that the best of so many "
        "settings, taken at random from those of the study, is expected to have."
    )
    hidden = len(methods) - len(shown)
    caption += f" {hidden} more methods are in the table." if hidden > 0 else ""
    ends = [
        f"{m.name} {percent(m.expected[0])} with 1, {percent(m.expected[-1])} with {len(m.expected)}" for m in shown
    ]
    alt = f"Gain and sensitivity: {'; '.join(titles)}. Expected best validation by settings tried: {'; '.join(ends)}."
    return ReportFigure(
        name="sensitivity",
        caption=caption,
        alt=alt,
        draw=partial(draw_sensitivity, shown),
        titles={_gid(i): [title] for i, title in enumerate(titles)},
    )
