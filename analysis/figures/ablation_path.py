"""The path from the bare arm to the best one: the test accuracy after each switch, every seed a dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, MUTED, PAPER, VMP, label_rows, note_row, one_panel, row_gid, tidy
from analysis.study.cells import Study
from analysis.verdict.components import ComponentVerdict
from analysis.words.phrases import limits, on_split, percent, points
from sweeps.stats.decisions import Verdict


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """One arm of the path.

    Attributes:
        label: What was switched.
        arm: Label of the arm, by which the page links the row.
        mean: Test accuracy in percent.
        seeds: (accuracy in percent, whether the run collapsed).
        note: The gain of the step; empty for the start.
    """

    label: str
    arm: str
    mean: float
    seeds: tuple[tuple[float, bool], ...]
    note: str


def prepare_path(verdict: ComponentVerdict, study: Study) -> tuple[PathRow, ...]:
    """The bare arm and the arm after each step; empty without a path."""
    if not verdict.path or verdict.bare is None:
        return ()
    arms = [(verdict.bare, "bare arm", "")]
    for step in verdict.path:
        c = step.contrast
        note = f"{points(c.mean)}  [{limits(c.interval)}]" if c.interval else points(c.mean)
        label = f"{step.title}: {step.off} → {step.on}"
        arms.append((step.after, label, "" if c.verdict is Verdict.NONE else note))
    rows = []
    for arm, label, note in arms:
        values = [(100 * value, collapsed) for _, value, collapsed in study.seed_values(arm)]
        if not values:
            return ()
        mean = float(np.mean([value for value, _ in values]))
        rows.append(PathRow(label=label, arm=arm.label, mean=mean, seeds=tuple(values), note=note))
    return tuple(rows)


def draw_path(rows: Sequence[PathRow], accuracy: str = "accuracy", *, ax: Axes) -> Axes:
    """From top to bottom; a thin guide joins the means, hollow triangles are collapsed runs."""
    y = np.arange(len(rows))[::-1]
    ax.plot([row.mean for row in rows], y, color=GRID, linewidth=1.6, drawstyle="steps-pre", zorder=1)
    for i, (row, at) in enumerate(zip(rows, y, strict=True)):
        healthy = [value for value, collapsed in row.seeds if not collapsed]
        ill = [value for value, collapsed in row.seeds if collapsed]
        ax.scatter(healthy, [at - 0.2] * len(healthy), s=11, color=VMP, alpha=0.55, linewidth=0, zorder=2,
                   gid=row_gid(i, "seeds"))  # fmt: skip
        ax.scatter(ill, [at - 0.2] * len(ill), s=20, marker="v", facecolor="none", edgecolor=MUTED, zorder=2,
                   gid=row_gid(i, "collapsed-seeds"))  # fmt: skip
        ax.plot([row.mean], [at], marker="o", markersize=8, color=VMP, markeredgecolor=PAPER, zorder=4,
                gid=row_gid(i, "mean"))  # fmt: skip
        ax.annotate(f"{row.mean:.1f}", (row.mean, at), xytext=(0, 7), textcoords="offset points", ha="center",
                    fontsize=9, color=INK)  # fmt: skip
        note_row(ax, at, row.note)
    label_rows(ax, y, [row.label for row in rows])
    ax.set_ylim(-0.6, len(rows) - 0.35)
    ax.margins(x=0.06)
    ax.set_xlabel(f"{accuracy} (%)")
    tidy(ax, grid="x", without=("left",))
    return ax


def path_figure(verdict: ComponentVerdict, study: Study, name: str) -> ReportFigure | None:
    """The figure of one block; None without a path."""
    rows = prepare_path(verdict, study)
    if not rows:
        return None
    ill = any(collapsed for row in rows for _, collapsed in row.seeds)
    caption = (
        "From the bare arm to the best one on validation, each step the switch that gains most on validation; means"
        + on_split(study)
        + ", single seeds below them"
        + (" (hollow triangles collapsed)" if ill else "")
        + ", and at the right the gain of the step with its 95% interval within its family."
    )
    texts = [f"{row.label}: {percent(row.mean / 100)}" + (f", step {row.note}" if row.note else "") for row in rows]
    alt = f"Ablation path. {'; '.join(texts)}."
    height = 1.1 + 0.5 * len(rows)
    draw = partial(one_panel, height, partial(draw_path, accuracy=study.accuracy), rows)
    return ReportFigure(name=name, caption=caption, alt=alt, draw=draw, rows=[row.arm for row in rows])
