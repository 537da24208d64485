"""What each setting loses to the best of each block, as a grid; and mean ranks with their critical difference."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    CONTROL,
    GRID,
    INK,
    MUTED,
    PAPER,
    VMP,
    WIDTH,
    columns_high,
    inches_high,
    inches_wide,
    label_columns,
    new_figure,
    tidy,
    wrapped,
)
from analysis.verdict.regrets import Regrets, rank_groups

MAX_SETTINGS = 30


def shown_settings(made: Regrets) -> list[int]:
    """The settings in their order, of very many those of the smallest largest regret."""
    if len(made.settings) <= MAX_SETTINGS:
        return list(range(len(made.settings)))
    return sorted(np.argsort(made.test.max_regret, kind="stable")[:MAX_SETTINGS].tolist())


def _names(made: Regrets) -> list[str]:
    return [wrapped(setting, 30) for setting in made.settings]


def _columns(made: Regrets) -> list[str]:
    return [*made.blocks, "largest"]


def _room(made: Regrets) -> float:
    """Inches for the name of a column."""
    return (WIDTH - 0.4 - inches_wide(_names(made))) / (len(made.blocks) + 1.35) - 0.05


def draw_regrets(made: Regrets, *, ax: Axes) -> Axes:
    """Settings by blocks and the largest regret of each setting, in points; a frame around the chosen one."""
    rows, test = shown_settings(made), made.test
    values = 100 * np.column_stack([test.regret.T, test.max_regret])[rows]
    colors = LinearSegmentedColormap.from_list("regret", [PAPER, CONTROL])
    top = max(float(values.max()), 1e-6)
    k, b = len(rows), len(made.blocks)
    x = np.append(np.arange(b), b + 0.25)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            box = {"facecolor": colors(0.85 * value / top), "edgecolor": GRID, "linewidth": 1}
            ax.barh(i, 1, left=x[j] - 0.5, height=1, **box)
            ax.text(x[j], i, f"{value:.1f}", ha="center", va="center", fontsize=9, color=INK)
    if test.best in rows:
        ax.barh(rows.index(test.best), x[-1] + 1, left=-0.5, height=1, facecolor="none", edgecolor=VMP, linewidth=2,
                zorder=4)  # fmt: skip
    names = _names(made)
    ax.set_yticks(np.arange(k), [names[i] for i in rows])
    label_columns(ax, x, _columns(made), _room(made), at_top=True)
    ax.set_xlim(-0.55, x[-1] + 0.55)
    ax.set_ylim(k - 0.45, -0.55)
    ax.xaxis.tick_top()
    tidy(ax, grid="none", without=("left", "bottom"))
    return ax


def draw_ranks(made: Regrets, *, ax: Axes) -> Axes:
    """Mean ranks on a line, named below; bars above join settings that lie within the critical difference."""
    assert made.ranks is not None
    order = np.argsort(made.ranks.mean, kind="stable").tolist()[:MAX_SETTINGS]
    mean = made.ranks.mean
    ax.scatter(mean[order], np.zeros(len(order)), s=50, color=[VMP if i == made.test.best else MUTED for i in order],
               edgecolor=PAPER, zorder=3)  # fmt: skip
    for place, i in enumerate(order):
        ax.plot([mean[i], mean[i]], [0, -place - 1], color=GRID, linewidth=1, zorder=1)  # names left of all later ones
        ax.annotate(f"{_names(made)[i]} ({mean[i]:.2f})", (mean[i], -place - 1), xytext=(-5, 0),
                    textcoords="offset points", ha="right", va="center", fontsize=9, color=INK)  # fmt: skip
    groups = rank_groups(made)
    for place, (first, last) in enumerate(groups):
        ax.plot([first - 0.03, last + 0.03], [0.8 + 0.5 * place] * 2, color=INK, linewidth=3, solid_capstyle="butt")
    top = 0.8 + 0.5 * len(groups) + 0.4
    ax.plot([1, 1 + made.ranks.critical], [top, top], color=CONTROL, linewidth=2, marker="|")
    ax.annotate(f"critical difference {made.ranks.critical:.2f}", (1 + made.ranks.critical, top), xytext=(8, 0),
                textcoords="offset points", va="center", fontsize=9, color=CONTROL)  # fmt: skip
    ax.set_xlim(0.85, max(len(made.settings), 1 + made.ranks.critical) + 0.6)
    ax.set_ylim(-len(order) - 0.7, top + 0.7)
    ax.set_yticks([])
    ax.set_xlabel("mean rank over blocks (1 is best)")
    tidy(ax, grid="none", without=("left",))
    return ax


def draw_over_blocks(made: Regrets) -> Figure:
    """The grid, and below it the ranks where there are any."""
    rows = min(len(made.settings), MAX_SETTINGS)
    high = max(map(inches_high, _names(made)))
    top = 0.4 + columns_high(_columns(made), _room(made))
    heights = [top + max(0.36, high + 0.04) * rows] + ([1.5 + max(0.26, high) * (rows + 2)] if made.ranks else [])
    figure, axes = new_figure(sum(heights), rows=len(heights), gridspec_kw={"height_ratios": heights})
    draw_regrets(made, ax=axes[0, 0])
    if made.ranks:
        draw_ranks(made, ax=axes[1, 0])
    return figure


def regret_figure(made: Regrets, accuracy: str) -> ReportFigure:
    """Regrets, and ranks where there are enough blocks; `accuracy`: see `Study.accuracy`."""
    test = made.test
    caption = (
        f"How many percentage points of {accuracy} each setting loses to the best setting of each block, and at most "
        "over blocks. Framed: the setting whose largest loss is smallest on validation."
    )
    if made.ranks:
        caption += (
            " Below, the mean rank of each setting over blocks; bars join settings that are not distinguished, as "
            "their ranks lie within the critical difference (Nemenyi, 5%)."
        )
    hidden = len(made.settings) - MAX_SETTINGS
    caption += f" {hidden} more settings are in the table." if hidden > 0 else ""
    largest = [f"{s}: {100 * value:.1f}" for s, value in zip(made.settings, test.max_regret, strict=True)]
    alt = f"Largest regret over {len(made.blocks)} blocks in points, by setting: {'; '.join(largest[:MAX_SETTINGS])}."
    if made.ranks:
        alt += f" Mean ranks from {made.ranks.mean.min():.2f} to {made.ranks.mean.max():.2f}."
    return ReportFigure(name="regret", caption=caption, alt=alt, draw=partial(draw_over_blocks, made))
