"""The hero: test accuracy against an ordered factor, every seed, its references, healthy and collapsed runs apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    BASELINE,
    CONTROL,
    GRID,
    INK,
    MUTED,
    PAPER,
    VMP,
    name_ends,
    new_figure,
    one_panel,
    tidy,
    wrapped,
)
from analysis.figures.value_axis import ValueAxis, value_axis
from analysis.study.cells import Study
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.phrases import capital, percent

MANY_SEEDS = 12  # beyond, the lines that tie one seed's points together would be a web
DENSE = 24  # values
MAX_PANELS = 12
MAX_POINTS = 400  # beyond, an image is smaller than its points
POINTS = {False: "cells", True: "collapsed-cells"}
BESIDE = 0.09
STRIP = 0.72  # width of a reference's place in steps of the axis, and at least so wide that names fit
MIN_STRIP = 0.11
ALONE, SHARED = 0.05, 0.075  # what the name of a line takes of the height of a panel that stands alone, or of several


@dataclass(frozen=True, kw_only=True)
class Level:
    """A reference arm: its name, mean and seeds, in percent."""

    name: str
    color: str
    mean: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ResponseCurve:
    """What `draw_response_curve` draws; accuracies in percent.

    Attributes:
        axis: Where each value stands.
        mean: Mean of the runs at each value that did not collapse, NaN where there is none.
        collapsed_mean: The same of those that did.
        low, high: The interval of the paired difference, laid around the mean over all runs; of the family.
        seeds: (seed, x, accuracy, collapsed, what the cell is in words) of each complete cell.
        levels: Baseline and control, those there are, or the arm that the others are compared with.
        reference: What the intervals compare with, in words; empty when they are the arms' own.
        best: The chosen value.
        chance: Accuracy of guessing, in percent, or ``None`` when the classes are unknown.
        y_label: Axis text.
        curve: What the curve is of; empty where that is not known.
    """

    axis: ValueAxis
    mean: tuple[float, ...]
    collapsed_mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: tuple[tuple[int, float, float, bool, str], ...]
    levels: tuple[Level, ...]
    reference: str
    best: float | None
    chance: float | None
    y_label: str
    curve: str


def prepare_response_curve(study: Study, verdict: BlockVerdict) -> ResponseCurve:
    """Collect the curve of a block with an axis. Intervals are those of the differences that answer the question."""
    assert verdict.axis is not None
    axis = value_axis([value for value, _, _ in verdict.points], verdict.axis.title)
    columns: dict[str, list[float]] = {name: [] for name in ("mean", "collapsed_mean", "low", "high")}
    seeds = []
    for value, summary, contrast in verdict.points:
        of_all = 100 * summary.test_mean
        columns["mean"].append(100 * summary.endings.healthy_mean if summary.endings else of_all)
        columns["collapsed_mean"].append(100 * summary.endings.collapsed_mean if summary.endings else math.nan)
        interval, center = (
            (contrast.interval, contrast.mean) if contrast else (summary.test_interval, summary.test_mean)
        )
        if contrast is None and summary.has_collapse:  # an interval of a mean that lies where no run does
            interval = None
        columns["low"].append(of_all + 100 * (interval.low - center) if interval else math.nan)
        columns["high"].append(of_all + 100 * (interval.high - center) if interval else math.nan)
        for (seed, accuracy, collapsed), cell in zip(study.seed_values(summary.arm), summary.hashes, strict=True):
            state = ", collapsed" if collapsed else ""
            title = f"{summary.arm.label}, seed {seed}: {percent(accuracy)}{state} (cell {cell})"
            seeds.append((seed, axis.place(value), 100 * accuracy, collapsed, title))
    references = {contrast.reference.label for _, _, contrast in verdict.points if contrast}
    levels = [
        Level(name=name, color=color, mean=100 * summary.test_mean,
              seeds=tuple(100 * value for _, value, _ in study.seed_values(summary.arm)))
        for name, color, summary in (
            ("backbone alone", BASELINE, verdict.baseline),
            ("control", CONTROL, verdict.control),
        )
        if summary is not None and summary.seeds
    ]  # fmt: skip
    return ResponseCurve(
        axis=axis,
        **{name: tuple(values) for name, values in columns.items()},
        seeds=tuple(seeds),
        levels=tuple(levels),
        reference=references.pop() if len(references) == 1 else "its reference" if references else "",
        best=next((v for v, s, _ in verdict.points if verdict.best and s.arm == verdict.best.arm), None),
        chance=None if study.chance is None else 100 * study.chance,
        y_label=f"{study.measured} (%)",
        curve="VMP" if study.origin is None else "",
    )


def draw_response_curve(
    data: ResponseCurve, *, ax: Axes, part: str = "", height: tuple[float, float] | None = None
) -> Axes:
    """Large dots: means of the runs that did not collapse; triangles: of those that did; bars: family's intervals.

    Args:
        data: What is drawn.
        ax: Where.
        part: Tells the ids of this panel from those of others.
        height: Limits of the y axis that several panels share; the curve's own without.
    """
    x, step = np.array(data.axis.positions), data.axis.step
    mean = np.array(data.mean)
    _draw_seeds(data, ax, part)
    dense = len(x) > DENSE
    ax.vlines(x, data.low, data.high, color=VMP, linewidth=0.8 if dense else 1.8, alpha=0.75, zorder=4,
              rasterized=len(x) > MAX_POINTS)  # fmt: skip
    ax.plot(x, mean, color=VMP, linewidth=0.8, alpha=0.55, zorder=4)
    ax.plot(x, mean, color=VMP, linewidth=0, marker="o", markersize=3 if dense else 7,
            markeredgecolor=PAPER, markeredgewidth=0.4 if dense else 1.2, zorder=5,
            rasterized=len(x) > MAX_POINTS)  # fmt: skip
    ax.plot(x, data.collapsed_mean, color=VMP, linewidth=0, marker="v", markersize=4 if dense else 8,
            markerfacecolor=PAPER, markeredgecolor=VMP, markeredgewidth=1.4, zorder=5,
            rasterized=len(x) > MAX_POINTS)  # fmt: skip
    strip = max(STRIP * step, MIN_STRIP * (x[-1] - x[0] + step))
    left = x[0] - step * 0.6 - strip * len(data.levels)
    right = x[-1] + step * 0.6
    ax.set_xlim(left, right)
    data.axis.apply(ax)
    _draw_levels(data, ax, left, strip)
    ax.set_ylim(*(height or own_height(data)))
    if data.chance is not None and ax.get_ylim()[0] <= data.chance:
        ax.axhline(data.chance, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    _label_ends(data, ax, right, ALONE if height is None else SHARED)
    _ring_best(data, ax, named=height is None)
    ax.set_ylabel(data.y_label)
    tidy(ax)
    return ax


def _ring_best(data: ResponseCurve, ax: Axes, *, named: bool) -> None:
    """A ring around the mean of the chosen value, of its collapsed runs where all did; named where there is room."""
    if data.best is None:
        return
    index, at = data.axis.values.index(data.best), data.axis.place(data.best)
    y = data.mean[index] if math.isfinite(data.mean[index]) else data.collapsed_mean[index]
    if not math.isfinite(y):
        return
    ax.plot([at], [y], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.2,
            zorder=6)  # fmt: skip
    of_value = [y, data.high[index], *(v for _, x_seed, v, _, _ in data.seeds if x_seed == at)]
    top = max(v for v in of_value if math.isfinite(v))
    floor, ceiling = ax.get_ylim()
    if named and ceiling - top > 0.08 * (ceiling - floor):
        ax.annotate("chosen on validation", (at, top), xytext=(0, 8), textcoords="offset points", ha="center",
                    va="bottom", fontsize=9, color=INK, zorder=7, annotation_clip=False,
                    bbox={"facecolor": PAPER, "alpha": 0.75, "linewidth": 0, "pad": 1.5})  # fmt: skip


def _draw_seeds(data: ResponseCurve, ax: Axes, part: str) -> None:
    """Seeds as faint points; the lines between them show pairing, which a mean hides."""
    by_seed: dict[int, list[tuple[float, float]]] = {}
    beside = BESIDE * data.axis.step  # left of the bars, which would cover them
    for seed, x, y, _, _ in data.seeds:
        by_seed.setdefault(seed, []).append((x - beside, y))
    many = len(by_seed) > MANY_SEEDS
    if not many:
        for points in by_seed.values():
            line = np.array(sorted(points))
            ax.plot(
                line[:, 0],
                line[:, 1],
                color=VMP,
                linewidth=0.7,
                alpha=0.28,
                zorder=2,
                rasterized=len(line) > MAX_POINTS,
            )
    for collapsed, marker, face in ((False, "o", VMP), (True, "v", PAPER)):
        chosen = np.array([(x - beside, y) for _, x, y, flag, _ in data.seeds if flag is collapsed])
        if chosen.size:
            ax.scatter(chosen[:, 0], chosen[:, 1], s=22 if collapsed else 13, marker=marker, facecolor=face,
                       edgecolor=VMP, linewidth=1.1 if collapsed else 0, alpha=0.9 if collapsed else 0.45, zorder=3,
                       rasterized=len(chosen) > MAX_POINTS, gid=f"{POINTS[collapsed]}{part}")  # fmt: skip


def _draw_levels(data: ResponseCurve, ax: Axes, left: float, strip: float) -> None:
    """References in a strip left of the curve, their means as lines across it."""
    if not data.levels:
        return
    step = data.axis.step
    edge = data.axis.positions[0] - step * 0.6
    ax.axvline(edge, color=GRID, linewidth=1.2, zorder=0)
    ticks = list(data.axis.ticks)
    for i, level in enumerate(data.levels):
        x = left + strip * (0.5 + i)
        ax.axhline(level.mean, color=level.color, linewidth=1.4, linestyle=(0, (5, 2)), zorder=2)
        ax.scatter([x] * len(level.seeds), level.seeds, s=13, color=level.color, alpha=0.45, linewidth=0, zorder=3)
        ax.plot([x], [level.mean], marker="s", markersize=7, color=level.color, markeredgecolor=PAPER, zorder=5)
        ticks.append((x, level.name.replace(" ", "\n")))
    ax.set_xticks([t for t, _ in ticks], [text for _, text in ticks])


def own_height(data: ResponseCurve) -> tuple[float, float]:
    """Room for seeds, bars and lines; intervals may run off, or few seeds would flatten everything."""
    values = [y for _, _, y, _, _ in data.seeds] + [v for level in data.levels for v in (level.mean, *level.seeds)]
    low, high = min(values, default=0.0), max(values, default=100.0)
    height = max(high - low, 2.0)
    bars = [v for v in (*data.low, *data.high) if math.isfinite(v)]
    low = max(min([low, *bars]), low - 0.6 * height, 0.0) if bars else low
    high = min(max([high, *bars]), high + 0.6 * height, 100.0) if bars else high
    pad = 0.08 * max(high - low, 2.0)
    if data.chance is not None and 0 <= low - data.chance < 0.35 * (high - low):
        low = data.chance
    return max(low - pad, -2.0), min(high + 1.6 * pad, 103.0)


def _runs_off(data: ResponseCurve) -> bool:
    """Whether a bar is cut off by the curve's own height, beyond 0 or 100%, where no accuracy is, aside."""
    low, high = own_height(data)
    return any(max(v, 0.0) < low for v in data.low) or any(min(v, 100.0) > high for v in data.high)


def _label_ends(data: ResponseCurve, ax: Axes, right: float, gap: float) -> None:
    low, high = ax.get_ylim()
    labels = [(level.mean, level.name, level.color) for level in data.levels]
    finite = [m for m in data.mean if math.isfinite(m)]
    if finite and data.curve:
        labels.append((finite[-1], data.curve, VMP))
    if data.chance is not None and low <= data.chance <= high:
        labels.append((data.chance, "chance", MUTED))
    name_ends(ax, right, labels, gap=gap, size=9.5, indent=5)


def response_figure(study: Study, verdicts: Sequence[BlockVerdict]) -> ReportFigure | None:
    """The curve of each block, side by side on one scale; ``None`` without an ordered factor or a complete cell."""
    panels = [(v, prepare_response_curve(study, v)) for v in verdicts if v.axis is not None]
    panels = [(verdict, data) for verdict, data in panels if data.seeds]
    if not panels:
        return None
    shown = panels[:MAX_PANELS]
    titles = {
        f"{gid}{_part(i)}": [text for *_, flag, text in data.seeds if flag is state]
        for i, (_, data) in enumerate(shown)
        for state, gid in POINTS.items()
    }
    draw = partial(one_panel, 4.5, draw_response_curve, shown[0][1]) if len(shown) == 1 else partial(_panels, shown)
    return ReportFigure(
        name="response",
        caption=_caption(study, panels, len(shown)),
        alt=" ".join(_alt(study, verdict, data) for verdict, data in shown),
        draw=draw,
        titles=titles,
    )


def _panels(shown: Sequence[tuple[BlockVerdict, ResponseCurve]]) -> Figure:
    """Two panels in a row, all of one height."""
    rows = math.ceil(len(shown) / 2)
    figure, axes = new_figure(0.2 + 3.1 * rows, rows, 2)
    places = axes.ravel().tolist()
    own = [own_height(data) for _, data in shown]
    height = min(low for low, _ in own), max(high for _, high in own)
    for i, (ax, (verdict, data)) in enumerate(zip(places, shown, strict=False)):
        draw_response_curve(data, ax=ax, part=_part(i), height=height)
        ax.set_title(wrapped(verdict.block, 48), loc="left", fontsize=10, color=INK)
        # Without the names of the references, which stand at the right.
        ax.set_xticks([at for at, _ in data.axis.ticks], [text for _, text in data.axis.ticks])
    for ax in places[len(shown) :]:
        ax.set_visible(False)
    return figure


def _part(panel: int) -> str:
    """What tells the points of one panel from those of another."""
    return f"-{panel}" if panel else ""


def _caption(study: Study, panels: Sequence[tuple[BlockVerdict, ResponseCurve]], shown: int) -> str:
    verdict, data = panels[0]
    title = verdict.axis.title if verdict.axis else ""
    caption = f"{capital(study.accuracy)} against {title}"
    if len(panels) > 1:
        caption += f", a panel for each of {len(panels)} blocks, all on one scale"
    elif verdict.block:
        caption += f" for {verdict.block}"
    caption += ". Large dots are means, small dots single seeds"
    caption += ", thin lines join the cells of one seed" if len(study.plan.seeds) <= MANY_SEEDS else ""
    if any(summary.has_collapse for verdict, _ in panels for summary in verdict.candidates):
        caption += (
            "; open triangles are seeds whose attention collapsed, with a mean of their own: the means and the line "
            "between them are of the runs that did not collapse"
        )
    if any(data.best is not None for _, data in panels):
        caption += "; a ring marks the value chosen on validation"
    references = {data.reference for _, data in panels}
    if data.reference:
        family = max((c.family for verdict, _ in panels for _, _, c in verdict.points if c), default=1)
        reference = data.reference if len(references) == 1 else "its reference"
        caption += (
            f". Bars are 95% intervals of the paired difference to {reference}, over all runs and drawn around "
            f"their mean, which hold for all {family} comparisons of the family together: a bar clear of that line is "
            "a difference that is shown."
        )
        if any(_runs_off(data) for _, data in panels):
            caption += " Bars that are cut off at the edge go on beyond it."
    else:
        caption += ". Bars are 95% intervals of each arm's own mean; no arm is compared with another here."
    return caption + (f" The first {shown} blocks are shown." if shown < len(panels) else "")


def _alt(study: Study, verdict: BlockVerdict, data: ResponseCurve) -> str:
    block, title = f" for {verdict.block}" if verdict.block else "", verdict.axis.title if verdict.axis else ""
    levels = [f"{summary.arm.label}: {percent(summary.test_mean)}" for summary in verdict.candidates[:16]]
    levels += [f"{level.name}: {level.mean:.1f}%" for level in data.levels]
    return f"Chart of {study.accuracy} by {title}{block}. {'; '.join(levels)}."
