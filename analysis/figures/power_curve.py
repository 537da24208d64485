"""The learnt power normalisation: attention A against the frame difference D, an arm a panel, a seed a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from scipy.special import expit

from analysis.arms import Arm, Kind
from analysis.figures.style import GRID, INK, MUTED, PUBLISHED, VMP, shortened, tidy
from analysis.published import anchors_for
from analysis.table import ARM, COLLAPSED, COMPLETE, STATUS, Study

MOST_PANELS = 12
MOST_LINES = 30


@dataclass(frozen=True, kw_only=True)
class PowerCurve:
    """One arm.

    Attributes:
        title: The arm.
        learnt: (slope a, shift b, collapsed) of each complete cell.
        published: (slope, shift) the authors report for this lambda on FineGym, or ``None``.
    """

    title: str
    learnt: tuple[tuple[float, float, bool], ...]
    published: tuple[float, float] | None


def prepare_power_curves(study: Study, arms: Sequence[Arm]) -> tuple[PowerCurve, ...]:
    """The VMP arms among `arms` that recorded slope and shift, at most `MOST_PANELS`."""
    complete = study.cells[
        (study.cells[STATUS] == COMPLETE) & study.cells["slope"].notna() & study.cells["shift"].notna()
    ]
    curves = []
    for arm in arms:
        rows = complete[complete[ARM] == arm.label]
        if arm.kind is not Kind.VMP or rows.empty:
            continue
        anchors = anchors_for([arm.lambda_]) if arm.lambda_ is not None else ()
        learnt = zip(rows["slope"], rows["shift"], rows[COLLAPSED], strict=True)
        curves.append(
            PowerCurve(
                title=arm.label,
                learnt=tuple((float(a), float(b), flag is True) for a, b, flag in learnt)[:MOST_LINES],
                published=(anchors[0].slope, anchors[0].shift) if anchors else None,
            )
        )
    return tuple(curves[:MOST_PANELS])


def draw_power_curve(data: PowerCurve, *, ax: Axes) -> Axes:
    """Solid: a seed; dotted: a collapsed seed; green dash-dotted: published."""
    difference = np.linspace(-1, 1, 161)
    ax.axvline(0, color=GRID, linewidth=1)
    if data.published is not None:
        ax.plot(
            difference,
            attention(difference, *data.published),
            color=PUBLISHED,
            linewidth=1.2,
            linestyle=(0, (6, 2, 1, 2)),
        )
    for slope, shift, collapsed in data.learnt:
        ax.plot(difference, attention(difference, slope, shift), color=VMP, linewidth=1.1, alpha=0.75,
                linestyle=(0, (1, 1.2)) if collapsed else "-")  # fmt: skip
    ax.set_title(shortened(data.title, 24), loc="left", fontsize=9.5, color=INK)
    ax.set_xlim(-1, 1)
    ax.set_ylim(-0.03, 1.05)
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([0, 0.5, 1])
    tidy(ax)
    ax.tick_params(labelsize=8, labelcolor=MUTED)
    return ax


def attention(difference: np.ndarray, slope: float, shift: float) -> np.ndarray:
    """A(D) = 1 / (1 + exp(-a (D - b))), in a form that cannot overflow."""
    return np.asarray(expit(slope * (difference - shift)), dtype=float)
