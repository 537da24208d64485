"""Training curves: how loss, accuracy and attention developed, a mean line per arm, collapsed seeds on their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.figure import ReportFigure
from analysis.figures.style import INK, MUTED, OF_KIND, fill, name_ends, new_figure, ramp, tidy, wrapped
from analysis.study.arms import Arm, Kind
from analysis.study.cells import ARM, COLLAPSED, SEED, Study
from analysis.study.curves import curve_table
from analysis.words.phrases import metric_title
from vmp.core.metrics import METRICS

MAX_ARMS = 9
MAX_END = 26  # letters of a label at the end of a line
DASHED, DOTTED = (0, (5, 2)), (0, (1, 1))
_COLUMNS = 2


@dataclass(frozen=True, kw_only=True)
class TrainingLine:
    """One arm in one panel: the mean over the seeds that reached each epoch, and each seed's own line if few.

    The seeds of an arm that collapsed have a line of their own: a mean over both would lie where no seed is.
    """

    label: str
    color: str
    style: str | tuple[int, tuple[int, ...]]
    epochs: tuple[float, ...]
    mean: tuple[float, ...]
    seeds: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class TrainingPanel:
    """One quantity over epochs (from 1)."""

    title: str
    lines: tuple[TrainingLine, ...]


def shown_arms(arms: Sequence[Arm], preferred: Sequence[Arm] = ()) -> list[Arm]:
    """At most `MAX_ARMS` arms: references and preferred ones first, then evenly through the others, in plan order."""
    if len(arms) <= MAX_ARMS:
        return list(arms)
    shown = [arm for arm in arms if arm.kind is not Kind.VMP][:3]
    shown += [arm for arm in preferred if arm not in shown]
    others = [arm for arm in arms if arm not in shown]
    room = max(0, MAX_ARMS - len(shown))
    shown += [others[round(i * (len(others) - 1) / max(1, room - 1))] for i in range(room)] if others else []
    return sorted({arm.order: arm for arm in shown}.values(), key=lambda arm: arm.order)


def prepare_training(curves: pd.DataFrame, arms: Sequence[Arm], val: str = "val_top1") -> tuple[TrainingPanel, ...]:
    """Panels for the recorded quantities of `arms` (use `shown_arms` first).

    Args:
        curves: From `analysis.study.curves.curve_table`.
        arms: To show.
        val: The accuracy to show, a key of `METRICS`.
    """
    vmp = [arm for arm in arms if arm.kind is Kind.VMP]
    colors = {arm.label: OF_KIND[arm.kind] for arm in arms}
    colors |= dict(zip([arm.label for arm in vmp], ramp(len(vmp)), strict=True))
    keys = training_keys(arms)
    panels = []
    for name in ("task_loss", val, "variation", "attention_at_zero"):
        if name not in curves.columns:
            continue
        metric = METRICS[name]
        scale = 100.0 if metric.unit == "fraction" else 1.0
        title = f"{metric.title} (%)" if metric.unit == "fraction" else metric_title(metric)
        lines = []
        for arm in arms:
            of_arm = curves.loc[(curves[ARM] == arm.label) & curves[name].notna(), [SEED, COLLAPSED, "epoch", name]]
            for collapsed, rows in of_arm.groupby(COLLAPSED):
                mean = rows.groupby("epoch")[name].mean() * scale
                each = [(tuple(g["epoch"]), tuple(g[name] * scale)) for _, g in rows.groupby(SEED)]
                lines.append(
                    TrainingLine(
                        label=(keys.get(arm.label) or short_label(arm)) + (" (collapsed)" if collapsed else ""),
                        color=colors[arm.label],
                        style=DOTTED if collapsed else "-" if arm.kind is Kind.VMP else DASHED,
                        epochs=tuple(mean.index),
                        mean=tuple(mean),
                        seeds=tuple(each) if len(each) <= 6 else (),
                    )
                )
        if lines:
            panels.append(TrainingPanel(title=title, lines=tuple(lines)))
    return tuple(panels)


def draw_training(data: TrainingPanel, *, ax: Axes) -> Axes:
    """Thick: mean over seeds; thin: single seeds; labels stand at the lines' ends."""
    for line in data.lines:
        for epochs, values in line.seeds:
            ax.plot(epochs, values, color=line.color, linewidth=0.6, alpha=0.3)
        ax.plot(line.epochs, line.mean, color=line.color, linewidth=1.7, linestyle=line.style)
    ax.set_title(data.title, loc="left", fontsize=10, color=INK)
    ax.set_xlabel("epoch", color=MUTED, fontsize=9)
    ax.margins(x=0.02)
    tidy(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    last = max(line.epochs[-1] for line in data.lines)
    ends = [(line.mean[-1], line.label, line.color) for line in data.lines if line.mean]
    name_ends(ax, last, ends, gap=0.065, size=8, indent=8)
    return ax


def short_label(arm: Arm) -> str:
    """The label of an arm at the end of its line, where room is short."""
    return arm.label if arm.kind is Kind.VMP else arm.label.replace(" (A = 1)", "")


def training_keys(arms: Sequence[Arm]) -> dict[str, str]:
    """A number for each arm where their labels are too long for the lines' ends; a list below names them."""
    if all(len(short_label(arm)) <= MAX_END for arm in arms):
        return {}
    return {arm.label: str(number) for number, arm in enumerate(arms, start=1)}


def training_figure(study: Study, preferred: Sequence[Arm]) -> ReportFigure | None:
    """The curves of the study, of many arms the `preferred` and some more; ``None`` where nothing was recorded."""
    arms = shown_arms(study.arms, preferred)
    panels = prepare_training(curve_table(study, arms), arms, study.val)
    if not panels:
        return None
    caption = "Training: one line per arm, the mean over the seeds that reached the epoch; thin lines are single seeds."
    if any("(collapsed)" in line.label for panel in panels for line in panel.lines):
        caption += " Dotted lines are the means of the seeds whose attention collapsed, which are in no other line."
    if len(arms) < len(study.arms):
        caption += f" {len(arms)} of {len(study.arms)} arms are shown, chosen evenly over the plan."

    def draw() -> Figure:
        rows = math.ceil(len(panels) / _COLUMNS)
        keys = training_keys(arms)
        figure, axes = new_figure(0.3 + 2.9 * rows + 0.2 * math.ceil(len(keys) / 2), rows, _COLUMNS)
        fill(axes, panels, draw_training)
        if keys:
            names = [Line2D([], [], linestyle="none", label=f"{key}: {wrapped(arm, 64)}") for arm, key in keys.items()]
            figure.legend(handles=names, loc="outside lower left", ncols=2, frameon=False, fontsize=8.5, handlelength=0,
                          labelcolor=INK)  # fmt: skip
        return figure

    alt = "Curves over epochs of " + ", ".join(panel.title for panel in panels) + "."
    return ReportFigure(name="training", caption=caption, alt=alt, draw=draw, panels=len(panels))
