"""The learnt power normalisation: attention A against the frame difference D, a panel per arm, a line per seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from analysis.figures.attention_by_value import ANCHOR_SOURCE
from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, MUTED, PUBLISHED, VMP, fill, new_figure, tidy, wrapped
from analysis.figures.training_curves import shown_arms
from analysis.study.arms import Arm, Kind
from analysis.study.cells import Study
from vmp.core.presets import finegym_lambda_table

MAX_PANELS = 12
LETTERS = {5: 22, 4: 27, 3: 39}  # of a line of a title, by panels in a row
MAX_LINES = 30


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
    """The VMP arms among `arms` that recorded slope and shift, at most `MAX_PANELS`."""
    published = {anchor.lambda_: (anchor.slope, anchor.shift) for anchor in finegym_lambda_table()}
    curves = []
    for arm in arms:
        if arm.kind is not Kind.VMP or not (cells := study.rows(arm, "slope", "shift")).size:
            continue
        cells = cells[:MAX_LINES]
        columns = (study.numbers("slope"), study.numbers("shift"), study.is_collapsed)
        curves.append(
            PowerCurve(
                title=arm.label,
                learnt=tuple(zip(*(column[cells].tolist() for column in columns), strict=True)),
                published=None if arm.lambda_ is None else published.get(arm.lambda_),
            )
        )
    return tuple(curves[:MAX_PANELS])


def draw_power_curve(data: PowerCurve, *, ax: Axes, columns: int = 5) -> Axes:
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
    ax.set_title(wrapped(data.title, LETTERS[columns]), loc="left", fontsize=9 if columns > 3 else 8, color=INK)
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


def _columns(titles: Sequence[str]) -> int:
    """As many panels in a row as their titles leave room for: 5 for titles of one line, else 4, else 3."""
    if all(len(title) <= LETTERS[5] for title in titles):
        return 5
    lines = [line for title in titles for line in wrapped(title, LETTERS[4]).split("\n")]
    return 4 if max(map(len, lines)) <= LETTERS[4] else 3


def power_figure(study: Study, preferred: Sequence[Arm]) -> ReportFigure | None:
    """The learnt curves of the VMP arms, of many the `preferred` and some more; ``None`` where no cell has them."""
    vmp = [arm for arm in study.arms if arm.kind is Kind.VMP]
    curves = prepare_power_curves(study, vmp if len(vmp) <= MAX_PANELS else shown_arms(vmp, preferred))
    if not curves:
        return None
    caption = (
        "The power normalisation that was learnt: attention as a function of the frame difference, one line per seed"
    )
    caption += ", dotted where attention collapsed" if any(flag for c in curves for _, _, flag in c.learnt) else ""
    caption += f"; green: published for the same λ on {ANCHOR_SOURCE}" if any(c.published for c in curves) else ""

    def draw() -> Figure:
        fit = _columns([curve.title for curve in curves])
        columns = min(fit, len(curves))
        rows = math.ceil(len(curves) / columns)
        figure, axes = new_figure(0.5 + (1.95 if fit < 5 else 1.75) * rows, rows, columns, sharex=True, sharey=True)
        fill(axes, curves, partial(draw_power_curve, columns=fit))
        figure.supxlabel("frame difference D", fontsize=10)
        figure.supylabel("attention A", fontsize=10)
        return figure

    alt = "Learnt attention curves for " + ", ".join(curve.title for curve in curves) + "."
    return ReportFigure(name="power", caption=caption + ".", alt=alt, draw=draw, panels=len(curves))
