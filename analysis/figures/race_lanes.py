"""A race as lanes: how many seeds each arm ran, and where and why it was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import CONTROL, GRID, MUTED, VMP, label_rows, note_row, one_panel, row_gid, tidy
from analysis.words.phrases import points
from sweeps.race_state import Named, RaceArm, RaceState

MAX_LANES = 36


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """What `draw_lanes` draws.

    Attributes:
        rows: (label, seeds run, whether it was dropped, note) from top to bottom.
        looks: Seeds after which the race looked.
        hidden: Arms that are not shown.
    """

    rows: tuple[tuple[str, int, bool, str], ...]
    looks: tuple[int, ...]
    hidden: int


def longest_first(race: RaceState) -> list[RaceArm]:
    """The arms in the order of figure and table: those in the race, then those that stayed longest."""
    return sorted(race.arms, key=lambda arm: (arm.dropped_at is not None, -arm.seeds))


def prepare_lanes(race: RaceState, named: Named) -> Lanes:
    """Arms that stayed longest first."""
    ordered = longest_first(race)
    rows = []
    for arm in ordered[:MAX_LANES]:
        note = "" if arm.difference is None else f"{points(-arm.difference)} against the leader"
        note += f", dropped for its {arm.way}" if arm.dropped_at else ""
        rows.append((named(arm.factors), arm.seeds, arm.dropped_at is not None, note))
    looks = tuple(look for look in race.looks if look <= race.seeds)
    return Lanes(rows=tuple(rows), looks=looks, hidden=max(0, len(ordered) - MAX_LANES))


def draw_lanes(data: Lanes, *, ax: Axes) -> Axes:
    """A line for each arm over the seeds that it ran; a cross where it was dropped; vertical lines: looks."""
    y = np.arange(len(data.rows))[::-1]
    for look in data.looks:
        ax.axvline(look, color=GRID, linewidth=1, zorder=0)
    for i, ((_, seeds, is_dropped, note), at) in enumerate(zip(data.rows, y, strict=True)):
        color = MUTED if is_dropped else VMP
        ax.plot([0, seeds], [at, at], color=color, linewidth=3 if not is_dropped else 1.8, zorder=2,
                gid=row_gid(i, "lane"))  # fmt: skip
        if is_dropped:
            ax.plot([seeds], [at], marker="x", markersize=8, color=CONTROL, markeredgewidth=2, zorder=3)
        note_row(ax, at, note, 8.5)
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    ax.set_xlim(0, max(seeds for _, seeds, _, _ in data.rows) + 0.5)
    ax.set_xlabel("seeds run")
    tidy(ax, grid="none", without=("left",))
    label_rows(ax, y, [label for label, *_ in data.rows])
    return ax


def race_figure(race: RaceState, named: Named, *, name: str, block: str) -> ReportFigure | None:
    """The lanes; ``None`` before the first look.

    Args:
        race: What is drawn.
        named: The label of an arm by its factors.
        name: Of the figure's file.
        block: In words; empty where all arms race each other.
    """
    if not race.seeds:
        return None
    data = prepare_lanes(race, named)
    caption = f"{block}. " if block else ""
    caption += "How many seeds each arm ran; vertical lines are the looks of the race, crosses the arms dropped there."
    caption += f" {data.hidden} more arms are in the table." if data.hidden else ""
    lanes = "; ".join(f"{label}: {seeds} seeds, {note or 'leader'}" for label, seeds, _, note in data.rows[:16])
    draw = partial(one_panel, 1.0 + 0.36 * max(3, len(data.rows)), draw_lanes, data)
    rows = [label for label, *_ in data.rows]
    of = f" for {block}" if block else ""
    return ReportFigure(name=name, caption=caption, alt=f"Lanes of a race{of}. {lanes}.", draw=draw, rows=rows)
