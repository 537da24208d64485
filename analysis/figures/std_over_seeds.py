"""How much each arm varies over seeds: its standard deviation beside that of its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import MUTED, OF_KIND, PAPER, label_rows, note_row, one_panel, row_gid, tidy
from analysis.verdict.summaries import ArmSummary

MAX_ROWS = 36


@dataclass(frozen=True, kw_only=True)
class SeedStds:
    """What `draw_seed_stds` draws.

    Attributes:
        rows: (label, color, standard deviation in percentage points) from top to bottom.
        references: Standard deviations of the reference arms, in percentage points, with their colours.
        hidden: Arms that are not shown.
    """

    rows: tuple[tuple[str, str, float], ...]
    references: tuple[tuple[float, str], ...]
    hidden: int


def prepare_seed_stds(summaries: Sequence[ArmSummary], references: Sequence[ArmSummary]) -> SeedStds:
    """Arms with a standard deviation, in the order of `summaries`, at most `MAX_ROWS`."""
    known = [summary for summary in summaries if not np.isnan(summary.test_std)]
    return SeedStds(
        rows=tuple((s.arm.label, OF_KIND[s.arm.kind], 100 * s.test_std) for s in known[:MAX_ROWS]),
        references=tuple((100 * s.test_std, OF_KIND[s.arm.kind]) for s in references if s in known),
        hidden=max(0, len(known) - MAX_ROWS),
    )


def draw_seed_stds(data: SeedStds, *, ax: Axes, accuracy: str) -> Axes:
    """A line from 0 to each arm's standard deviation; dashed: the references'."""
    y = np.arange(len(data.rows))[::-1]
    for value, color in data.references:
        ax.axvline(value, color=color, linewidth=1.2, linestyle=(0, (5, 2)), zorder=1)
    for i, ((_, color, value), at) in enumerate(zip(data.rows, y, strict=True)):
        ax.plot([0, value], [at, at], color=color, linewidth=1.8, zorder=2, gid=row_gid(i, "line"))
        ax.plot([value], [at], marker="o", markersize=8, color=color, markeredgecolor=PAPER, zorder=3,
                gid=row_gid(i, "dot"))  # fmt: skip
        note_row(ax, at, f"{value:.1f}")
    ax.set_ylim(-0.7, len(data.rows) - 0.3)
    ax.set_xlim(0, 1.06 * max(1.0, *(value for _, _, value in data.rows)))
    ax.set_xlabel(f"standard deviation over seeds of the {accuracy} (percentage points)")
    tidy(ax, grid="x", without=("left",))
    label_rows(ax, y, [label for label, _, _ in data.rows])
    ax.tick_params(axis="x", labelcolor=MUTED)
    return ax


def seed_std_figure(
    summaries: Sequence[ArmSummary], references: Sequence[ArmSummary], accuracy: str
) -> ReportFigure | None:
    """The standard deviations of `summaries`; ``None`` where no arm has 2 seeds. `accuracy`: see `Study.accuracy`."""
    data = prepare_seed_stds(summaries, references)
    if not data.rows:
        return None
    caption = f"Standard deviation over seeds of each arm's {accuracy}; dashed lines: the reference arms."
    caption += f" {data.hidden} more arms are in the table." if data.hidden else ""
    levels = "; ".join(f"{label}: {value:.1f}" for label, _, value in data.rows[:16])
    draw = partial(one_panel, 1.0 + 0.3 * max(3, len(data.rows)), partial(draw_seed_stds, accuracy=accuracy), data)
    return ReportFigure(
        name="seed_std",
        caption=caption,
        alt=f"Standard deviation over seeds in points. {levels}.",
        draw=draw,
        rows=[label for label, _, _ in data.rows],
    )
