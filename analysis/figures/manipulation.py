"""Did lambda do anything? V, attention, slope and shift against lambda, every seed, collapsed ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.lambda_axis import LambdaAxis, lambda_axis
from analysis.figures.style import CONTROL, INK, MUTED, PAPER, PUBLISHED, VMP, tidy
from analysis.published import Anchor, anchors_for
from analysis.table import ARM, COLLAPSED, COMPLETE, STATUS, Study
from analysis.verdict import LambdaVerdict

QUANTITIES = {
    "variation": "temporal variation V",
    "mean_attention": "mean attention",
    "attention_at_zero": "attention at D = 0 (no motion)",
    "attention_std": "spread of attention",
    "slope": "slope a",
    "shift": "shift b",
}
"""Panel title of each measured quantity; all are dimensionless."""


@dataclass(frozen=True, kw_only=True)
class ManipulationPanel:
    """One quantity against lambda.

    Attributes:
        title: Panel title.
        axis: Where each lambda stands.
        points: (x, value, collapsed) of each complete cell that has the quantity.
        control: The control's mean value, ``None`` where undefined.
        anchors: (x, value) published for the same lambda on FineGym; empty where nothing was published.
    """

    title: str
    axis: LambdaAxis
    points: tuple[tuple[float, float, bool], ...]
    control: float | None
    anchors: tuple[tuple[float, float], ...]


def prepare_manipulation(study: Study, verdict: LambdaVerdict) -> tuple[ManipulationPanel, ...]:
    """A panel for each quantity that at least one VMP cell recorded."""
    axis = lambda_axis([point.lambda_ for point in verdict.points])
    published = {anchor.lambda_: anchor for anchor in anchors_for(axis.lambdas)}
    complete = study.cells[study.cells[STATUS] == COMPLETE]
    panels = []
    for name, title in QUANTITIES.items():
        found: list[tuple[float, float, bool]] = []
        for point in verdict.points:
            rows = complete[(complete[ARM] == point.summary.arm.label) & complete[name].notna()]
            for value, flag in zip(rows[name], rows[COLLAPSED], strict=True):
                found.append((axis.place(point.lambda_), float(value), flag is True))
        control = None
        if verdict.control is not None:
            values = complete.loc[complete[ARM] == verdict.control.arm.label, name].dropna()
            control = float(values.mean()) if len(values) else None
        if found:
            panels.append(
                ManipulationPanel(
                    title=title,
                    axis=axis,
                    points=tuple(found),
                    control=control,
                    anchors=tuple((axis.place(v), _anchor_value(a, name)) for v, a in published.items()
                                  if name in ("slope", "shift", "attention_at_zero")),
                )
            )  # fmt: skip
    return tuple(panels)


def draw_manipulation(data: ManipulationPanel, *, ax: Axes) -> Axes:
    """Filled points: seeds; open triangles: collapsed seeds; line: mean; diamonds: published anchors."""
    axis = data.axis
    if data.control is not None:
        ax.axhline(data.control, color=CONTROL, linewidth=1.1, linestyle=(0, (5, 2)), zorder=1)
    for collapsed, marker, face in ((False, "o", VMP), (True, "v", PAPER)):
        chosen = np.array([(x, y) for x, y, flag in data.points if flag is collapsed])
        if chosen.size:
            ax.scatter(chosen[:, 0], chosen[:, 1], s=24 if collapsed else 15, marker=marker, facecolor=face,
                       edgecolor=VMP, linewidth=1.1 if collapsed else 0, alpha=0.95 if collapsed else 0.5, zorder=3,
                       rasterized=len(chosen) > 400)  # fmt: skip
    means = [(x, np.mean([y for at, y, _ in data.points if at == x])) for x in sorted({x for x, _, _ in data.points})]
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


def _anchor_value(anchor: Anchor, name: str) -> float:
    return {"slope": anchor.slope, "shift": anchor.shift, "attention_at_zero": anchor.attention_at_zero}[name]


def has_collapse(panels: Sequence[ManipulationPanel]) -> bool:
    return any(flag for panel in panels for _, _, flag in panel.points)
