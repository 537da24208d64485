"""The hero: test accuracy against lambda, with paired intervals, every seed, the control and the backbone alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.lambda_axis import LambdaAxis, lambda_axis
from analysis.figures.style import BASELINE, CONTROL, GRID, INK, MUTED, PAPER, VMP, one_panel, place_apart, tidy
from analysis.study.cells import Study
from analysis.verdict.lambda_verdict import LambdaVerdict
from analysis.words.phrases import percent

MANY_SEEDS = 12  # beyond, the lines that tie one seed's points together would be a web
DENSE = 24  # values of lambda
MAX_POINTS = 400  # beyond, an image is smaller than its points
POINTS = {False: "cells", True: "collapsed-cells"}
BESIDE = 0.09
STRIP = 0.72  # width of a reference's place in steps of the lambda axis, and at least so wide that names fit
MIN_STRIP = 0.11


@dataclass(frozen=True, kw_only=True)
class Level:
    """A reference arm: its name, mean and seeds, in percent."""

    name: str
    color: str
    mean: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LambdaCurve:
    """What `draw_lambda_curve` draws; accuracies in percent.

    Attributes:
        axis: Where each lambda stands.
        mean: Test mean of each lambda of the axis, NaN where nothing is complete.
        low, high: Pointwise 95% interval of the paired difference, laid around the mean.
        shared_low, shared_high: The same, holding for all lambdas together.
        seeds: (seed, x, accuracy, collapsed, what the cell is in words) of each complete cell.
        levels: Baseline and control, those there are.
        reference: What the intervals compare with, in words; empty when they are the arms' own.
        best: The chosen lambda.
        chance: Accuracy of guessing, in percent, or ``None`` when the classes are unknown.
        y_label: Axis text.
    """

    axis: LambdaAxis
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    shared_low: tuple[float, ...]
    shared_high: tuple[float, ...]
    seeds: tuple[tuple[int, float, float, bool, str], ...]
    levels: tuple[Level, ...]
    reference: str
    best: float | None
    chance: float | None
    y_label: str


def prepare_lambda_curve(study: Study, verdict: LambdaVerdict) -> LambdaCurve:
    """Collect the curve of one block. Intervals are those of the differences to the control (else the backbone)."""
    axis = lambda_axis([value for value, _, _ in verdict.points])
    columns: dict[str, list[float]] = {name: [] for name in ("mean", "low", "high", "shared_low", "shared_high")}
    seeds = []
    for value, summary, contrast in verdict.points:
        mean = summary.test_mean
        columns["mean"].append(100 * mean)
        inner, outer, center = summary.test_interval, None, mean
        if contrast is not None:
            inner, outer, center = contrast.interval, contrast.simultaneous_interval, contrast.mean
        for name, interval in (("", inner), ("shared_", outer)):
            columns[f"{name}low"].append(100 * (mean + interval.low - center) if interval else math.nan)
            columns[f"{name}high"].append(100 * (mean + interval.high - center) if interval else math.nan)
        for (seed, accuracy, collapsed), cell in zip(study.seed_values(summary.arm), summary.hashes, strict=True):
            state = ", collapsed" if collapsed else ""
            title = f"{summary.arm.label}, seed {seed}: {percent(accuracy)}{state} (cell {cell})"
            seeds.append((seed, axis.place(value), 100 * accuracy, collapsed, title))
    levels = [
        Level(name=name, color=color, mean=100 * summary.test_mean,
              seeds=tuple(100 * value for _, value, _ in study.seed_values(summary.arm)))
        for name, color, summary in (
            ("backbone alone", BASELINE, verdict.baseline),
            ("control", CONTROL, verdict.control),
        )
        if summary is not None and summary.seeds
    ]  # fmt: skip
    return LambdaCurve(
        axis=axis,
        **{name: tuple(values) for name, values in columns.items()},
        seeds=tuple(seeds),
        levels=tuple(levels),
        reference="the control" if verdict.control else "the backbone alone" if verdict.baseline else "",
        best=verdict.best_lambda,
        chance=None if study.chance is None else 100 * study.chance,
        y_label=f"test {study.metric_name} (%)",
    )


def draw_lambda_curve(data: LambdaCurve, *, ax: Axes) -> Axes:
    """Light area: simultaneous intervals; bars: pointwise; faint points and lines: seeds, open ones collapsed."""
    x, step = np.array(data.axis.positions), data.axis.step
    mean = np.array(data.mean)
    ax.fill_between(x, data.shared_low, data.shared_high, color=VMP, alpha=0.13, linewidth=0, zorder=1)
    _draw_seeds(data, ax)
    dense = len(x) > DENSE
    ax.errorbar(x, mean, yerr=np.abs(np.array([mean - data.low, np.array(data.high) - mean])), fmt="none",
                ecolor=VMP, elinewidth=0.8 if dense else 1.8, capsize=0, zorder=4)  # fmt: skip
    ax.plot(x, mean, color=VMP, linewidth=1.2 if dense else 2, marker="o", markersize=3 if dense else 7,
            markeredgecolor=PAPER, markeredgewidth=0.4 if dense else 1.2, zorder=5)  # fmt: skip
    strip = max(STRIP * step, MIN_STRIP * (x[-1] - x[0] + step))
    left = x[0] - step * 0.6 - strip * len(data.levels)
    right = x[-1] + step * 0.6
    ax.set_xlim(left, right)
    data.axis.apply(ax)
    _draw_levels(data, ax, left, strip)
    _set_height(data, ax)
    _label_ends(data, ax, right)
    if data.best is not None:
        at = data.axis.place(data.best)
        y = mean[data.axis.lambdas.index(data.best)]
        ax.plot(
            [at],
            [y],
            marker="o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.2,
            zorder=6,
        )
        tops = [
            data.high[data.axis.lambdas.index(data.best)],
            *(v for _, x_seed, v, _, _ in data.seeds if x_seed == at),
        ]
        top = max([y, *(v for v in tops if math.isfinite(v))])
        ax.annotate("chosen on validation", (at, min(top, ax.get_ylim()[1])), xytext=(0, 8), textcoords="offset points",
                    ha="center", fontsize=9, color=INK, zorder=7, annotation_clip=False,
                    bbox={"facecolor": PAPER, "alpha": 0.75, "linewidth": 0, "pad": 1.5})  # fmt: skip
    ax.set_ylabel(data.y_label)
    tidy(ax)
    return ax


def _draw_seeds(data: LambdaCurve, ax: Axes) -> None:
    """Seeds as faint points; the lines between them show pairing, which a mean hides."""
    by_seed: dict[int, list[tuple[float, float]]] = {}
    beside = BESIDE * data.axis.step  # left of the bars, which would cover them
    for seed, x, y, _, _ in data.seeds:
        by_seed.setdefault(seed, []).append((x - beside, y))
    many = len(by_seed) > MANY_SEEDS
    if not many:
        for points in by_seed.values():
            line = np.array(sorted(points))
            ax.plot(line[:, 0], line[:, 1], color=VMP, linewidth=0.7, alpha=0.28, zorder=2)
    for collapsed, marker, face in ((False, "o", VMP), (True, "v", PAPER)):
        chosen = np.array([(x - beside, y) for _, x, y, flag, _ in data.seeds if flag is collapsed])
        if chosen.size:
            ax.scatter(chosen[:, 0], chosen[:, 1], s=22 if collapsed else 13, marker=marker, facecolor=face,
                       edgecolor=VMP, linewidth=1.1 if collapsed else 0, alpha=0.9 if collapsed else 0.45, zorder=3,
                       rasterized=len(chosen) > MAX_POINTS, gid=POINTS[collapsed])  # fmt: skip


def _draw_levels(data: LambdaCurve, ax: Axes, left: float, strip: float) -> None:
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


def _set_height(data: LambdaCurve, ax: Axes) -> None:
    """Room for seeds, bars and lines; simultaneous intervals may run off, or few seeds would flatten everything."""
    values = [y for _, _, y, _, _ in data.seeds] + [v for level in data.levels for v in (level.mean, *level.seeds)]
    low, high = min(values, default=0.0), max(values, default=100.0)
    height = max(high - low, 2.0)
    bars = [v for v in (*data.low, *data.high) if math.isfinite(v)]
    low = max(min([low, *bars]), low - 0.6 * height, 0.0) if bars else low
    high = min(max([high, *bars]), high + 0.6 * height, 100.0) if bars else high
    pad = 0.08 * max(high - low, 2.0)
    if data.chance is not None and 0 <= low - data.chance < 0.35 * (high - low):
        low = data.chance
    ax.set_ylim(max(low - pad, -2.0), min(high + 1.6 * pad, 103.0))
    if data.chance is not None and ax.get_ylim()[0] <= data.chance:
        ax.axhline(data.chance, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)


def _label_ends(data: LambdaCurve, ax: Axes, right: float) -> None:
    low, high = ax.get_ylim()
    labels = [(level.mean, level.name, level.color) for level in data.levels]
    finite = [m for m in data.mean if math.isfinite(m)]
    if finite:
        labels.append((finite[-1], "VMP", VMP))
    if data.chance is not None and low <= data.chance <= high:
        labels.append((data.chance, "chance", MUTED))
    for (_, name, color), y in zip(
        labels, place_apart([y for y, _, _ in labels], (high - low) * 0.05, low, high), strict=True
    ):
        ax.annotate(name, (right, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9.5,
                    color=color, annotation_clip=False)  # fmt: skip


def lambda_figure(study: Study, verdict: LambdaVerdict, suffix: str = "") -> ReportFigure | None:
    """The curve of one block; ``None`` where no cell is complete. `suffix` goes to the figure's name."""
    data = prepare_lambda_curve(study, verdict)
    if not any(math.isfinite(value) for value in data.mean):
        return None
    block = f" for {verdict.block}" if verdict.block else ""
    caption = f"Test accuracy against λ{block}. Large dots are means, small dots single seeds"
    caption += ", thin lines join the cells of one seed" if len(study.plan.seeds) <= MANY_SEEDS else ""
    has_collapse = any(summary.has_collapse for summary in verdict.candidates)
    caption += "; open triangles are seeds whose attention collapsed. " if has_collapse else ". "
    if data.reference:
        caption += (
            f"Bars are 95% intervals of the paired difference to {data.reference}, drawn around the mean: a bar clear "
            "of that line is a difference shown by this λ alone, a light area clear of it one that also allows for the "
            f"{len(verdict.candidates)} values compared. The area may run off the axis when seeds are few."
        )
    else:
        caption += "Bars are 95% intervals of each arm's own mean; the study has no reference arm to pair with."
    levels = [f"{summary.arm.label}: {percent(summary.test_mean)}" for summary in verdict.candidates[:16]]
    levels += [f"{level.name}: {level.mean:.1f}%" for level in data.levels]
    draw = partial(one_panel, 4.5, draw_lambda_curve, data)
    return ReportFigure(
        name=f"lambda{suffix}",
        caption=caption,
        alt=f"Line chart of test accuracy by λ{block}. {'; '.join(levels)}.",
        draw=draw,
        titles={gid: [text for *_, flag, text in data.seeds if flag is state] for state, gid in POINTS.items()},
    )
