"""Training curves: how loss, accuracy and attention developed, a line an arm (mean over seeds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.arms import Arm, Kind
from analysis.figures.style import BASELINE, CONTROL, INK, MUTED, ramp, shortened, spread, tidy
from analysis.table import ARM, SEED

MOST_ARMS = 9
PANELS = {
    "task_loss": "training loss without the λ V term",
    "val_top1": "validation top-1 accuracy (%)",
    "variation": "temporal variation V",
    "attention_at_zero": "attention at D = 0 (no motion)",
}


@dataclass(frozen=True, kw_only=True)
class TrainingLine:
    """One arm in one panel: the mean over the seeds that reached each epoch, and each seed's own line if few."""

    label: str
    colour: str
    dashed: bool
    epochs: tuple[float, ...]
    mean: tuple[float, ...]
    seeds: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class TrainingPanel:
    """One quantity over epochs (from 1)."""

    title: str
    lines: tuple[TrainingLine, ...]


def shown_arms(arms: Sequence[Arm], preferred: Sequence[Arm] = ()) -> list[Arm]:
    """At most `MOST_ARMS` arms: references and preferred ones first, then evenly through the rest, in plan order."""
    if len(arms) <= MOST_ARMS:
        return list(arms)
    kept = [arm for arm in arms if arm.kind is not Kind.VMP][:3]
    kept += [arm for arm in preferred if arm not in kept]
    rest = [arm for arm in arms if arm not in kept]
    room = max(0, MOST_ARMS - len(kept))
    kept += [rest[round(i * (len(rest) - 1) / max(1, room - 1))] for i in range(room)] if rest else []
    return sorted({arm.order: arm for arm in kept}.values(), key=lambda arm: arm.order)


def prepare_training(curves: pd.DataFrame, arms: Sequence[Arm], metric: str = "top1") -> tuple[TrainingPanel, ...]:
    """Panels for the recorded quantities of `arms` (use `shown_arms` first); `curves` from `table.curve_table`."""
    vmp = [arm for arm in arms if arm.kind is Kind.VMP]
    colours = dict(zip([arm.label for arm in vmp], ramp(len(vmp)), strict=True))
    panels = []
    for name, title in {
        **PANELS,
        **({"val_mean_class": "validation mean-class accuracy (%)"} if metric != "top1" else {}),
    }.items():
        if name not in curves.columns or (name == "val_top1" and metric != "top1"):
            continue
        scale = 100.0 if name.startswith("val_") else 1.0
        lines = []
        for arm in arms:
            rows = curves.loc[(curves[ARM] == arm.label) & curves[name].notna(), [SEED, "epoch", name]]
            if rows.empty:
                continue
            mean = rows.groupby("epoch")[name].mean() * scale
            each = [(tuple(g["epoch"]), tuple(g[name] * scale)) for _, g in rows.groupby(SEED)]
            colour = colours.get(arm.label, CONTROL if arm.kind is Kind.CONTROL else BASELINE)
            lines.append(
                TrainingLine(
                    label=short_label(arm), colour=colour, dashed=arm.kind is not Kind.VMP,
                    epochs=tuple(mean.index), mean=tuple(mean), seeds=tuple(each) if len(each) <= 6 else (),
                )
            )  # fmt: skip
        if lines:
            panels.append(TrainingPanel(title=title, lines=tuple(lines)))
    return tuple(panels)


def draw_training(data: TrainingPanel, *, ax: Axes) -> Axes:
    """Thick: mean over seeds; thin: single seeds; labels stand at the lines' ends."""
    for line in data.lines:
        style = (0, (5, 2)) if line.dashed else "-"
        for epochs, values in line.seeds:
            ax.plot(epochs, values, color=line.colour, linewidth=0.6, alpha=0.3)
        ax.plot(line.epochs, line.mean, color=line.colour, linewidth=1.7, linestyle=style)
    ax.set_title(data.title, loc="left", fontsize=10, color=INK)
    ax.set_xlabel("epoch", color=MUTED, fontsize=9)
    ax.margins(x=0.02)
    tidy(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    low, high = ax.get_ylim()
    last = max(line.epochs[-1] for line in data.lines)
    ends = [line for line in data.lines if line.mean]
    for line, y in zip(ends, spread([line.mean[-1] for line in ends], (high - low) * 0.065, low, high), strict=True):
        ax.annotate(line.label, (last, y), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8,
                    color=line.colour, annotation_clip=False)  # fmt: skip
    return ax


def short_label(arm: Arm) -> str:
    if arm.kind is Kind.VMP:
        return shortened(arm.label, 22)
    return shortened(arm.label.replace(" (A = 1)", ""), 22)
