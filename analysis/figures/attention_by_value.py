"""Did a factor do anything to the layer? V, attention, slope and shift against its values, every seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import CONTROL, INK, MUTED, PAPER, PUBLISHED, VMP, fill, new_figure, tidy
from analysis.figures.value_axis import ValueAxis, value_axis
from analysis.study.arms import LAMBDA
from analysis.study.cells import Study
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.phrases import metric_title
from vmp.core.metrics import METRICS
from vmp.core.presets import finegym_lambda_table

ANCHOR_SOURCE = "FineGym, Chen et al. 2024 (arXiv 2407.03179)"
QUANTITIES = ("variation", "mean_attention", "attention_at_zero", "attention_std", "slope", "shift")
_PUBLISHED = ("slope", "shift", "attention_at_zero")
_COLUMNS = 3
MAX_POINTS = 120  # in a panel; beyond, an image is smaller than its points


@dataclass(frozen=True, kw_only=True)
class ManipulationPanel:
    """One quantity against the values of a factor.

    Attributes:
        title: Panel title.
        axis: Where each value stands.
        points: (x, value, collapsed) of each complete cell that has the quantity.
        control: The control's mean value, ``None`` where undefined.
        anchors: (x, value) published for the same lambda on FineGym; empty where nothing was published.
    """

    title: str
    axis: ValueAxis
    points: tuple[tuple[float, float, bool], ...]
    control: float | None
    anchors: tuple[tuple[float, float], ...]


def prepare_manipulation(study: Study, verdict: BlockVerdict) -> tuple[ManipulationPanel, ...]:
    """A panel for each quantity that at least one VMP cell recorded; none where no single ordered factor varies."""
    if verdict.axis is None:
        return ()
    axis = value_axis([value for value, _, _ in verdict.points], verdict.axis.title)
    is_lambda = verdict.axis.name == LAMBDA
    published = [anchor for anchor in finegym_lambda_table() if is_lambda and anchor.lambda_ in axis.values]
    is_ill = study.is_collapsed
    panels = []
    for name in QUANTITIES:
        points, figures = [], study.numbers(name)
        for value, summary, _ in verdict.points:
            rows, place = study.rows(summary.arm, name), axis.place(value)
            points += [(place, *one) for one in zip(figures[rows].tolist(), is_ill[rows].tolist(), strict=True)]
        of_control = figures[study.rows(verdict.control.arm, name)] if verdict.control else ()
        anchors = [(axis.place(a.lambda_), getattr(a, name)) for a in published] if name in _PUBLISHED else []
        if points:
            panels.append(
                ManipulationPanel(
                    title=metric_title(METRICS[name]),
                    axis=axis,
                    points=tuple(points),
                    control=float(np.mean(of_control)) if len(of_control) else None,
                    anchors=tuple(anchors),
                )
            )
    return tuple(panels)


def draw_manipulation(data: ManipulationPanel, *, ax: Axes) -> Axes:
    """Filled points: seeds; open triangles: collapsed seeds; line: mean of the others; diamonds: published anchors."""
    axis = data.axis
    if data.control is not None:
        ax.axhline(data.control, color=CONTROL, linewidth=1.1, linestyle=(0, (5, 2)), zorder=1)
    for collapsed, marker, face in ((False, "o", VMP), (True, "v", PAPER)):
        chosen = np.array([(x, y) for x, y, flag in data.points if flag is collapsed])
        if chosen.size:
            ax.scatter(chosen[:, 0], chosen[:, 1], s=24 if collapsed else 15, marker=marker, facecolor=face,
                       edgecolor=VMP, linewidth=1.1 if collapsed else 0, alpha=0.95 if collapsed else 0.5, zorder=3,
                       rasterized=len(chosen) > MAX_POINTS)  # fmt: skip
    healthy = [(x, y) for x, y, flag in data.points if not flag]  # a mean of both would lie where no run is
    by_value: dict[float, list[float]] = {}
    for x, y in healthy:
        by_value.setdefault(x, []).append(y)
    means = [(x, np.mean(by_value[x])) for x in sorted(by_value)]
    if means:
        ax.plot(*np.array(means).T, color=VMP, linewidth=1.5, zorder=2)
    if data.anchors:
        at, value = np.array(data.anchors).T
        ax.scatter(at, value, s=34, marker="D", facecolor="none", edgecolor=PUBLISHED, linewidth=1.2, zorder=4)
    axis.apply(ax)
    ax.set_xlabel("")
    ax.set_xlim(axis.positions[0] - 0.4 * axis.step, axis.positions[-1] + 0.4 * axis.step)
    ax.set_title(data.title, loc="left", fontsize=10, color=INK)
    ax.margins(y=0.12)
    tidy(ax)
    ax.tick_params(axis="x", labelsize=8, labelcolor=MUTED)
    if len(axis.ticks) > 7:
        ax.tick_params(axis="x", labelrotation=45)
    return ax


def manipulation_figure(study: Study, verdict: BlockVerdict, suffix: str = "") -> ReportFigure | None:
    """What the layer did in one block; ``None`` where no cell recorded it. `suffix` goes to the figure's name."""
    panels = prepare_manipulation(study, verdict)
    if not panels:
        return None
    block = f" ({verdict.block})" if verdict.block else ""
    title = verdict.axis.title if verdict.axis else ""
    caption = f"Did {title} do anything{block}? One dot per seed, the line the mean of those that did not collapse"
    caption += ", open triangles collapsed seeds" if any(flag for p in panels for _, _, flag in p.points) else ""
    caption += "; the dashed line is the control" if any(panel.control is not None for panel in panels) else ""
    if any(panel.anchors for panel in panels):
        caption += f"; green diamonds are the published values for the same {title} on {ANCHOR_SOURCE}"

    def draw() -> Figure:
        rows = math.ceil(len(panels) / _COLUMNS)
        figure, axes = new_figure(0.4 + 2.3 * rows, rows, _COLUMNS)
        fill(axes, panels, draw_manipulation)
        figure.supxlabel(panels[0].axis.label, fontsize=10)
        return figure

    alt = f"Small multiples against {title} of " + ", ".join(panel.title for panel in panels) + "."
    name = f"manipulation{suffix}"
    return ReportFigure(name=name, caption=caption + ".", alt=alt, draw=draw, panels=len(panels))
