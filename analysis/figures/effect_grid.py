"""Two factors crossed (initial slope by initial shift): the test effect of each combination, and its collapse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import (
    GRID,
    INK,
    LETTER,
    MUTED,
    WIDTH,
    columns_high,
    fill,
    inches_wide,
    label_columns,
    new_figure,
    tidy,
    wrapped,
)
from analysis.study.arms import LAMBDA, PROMPT, Kind, factor_name, value_text
from analysis.study.cells import Study
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.summaries import ArmSummary
from analysis.words.phrases import points
from sweeps.records.factors import Scalar
from vmp.core.fingerprint import canonical_json
from vmp.core.text import listing

MAX_VALUES = 12
MAX_PANELS = 3
Quantity = Literal["effect", "shift"]
TITLES: dict[Quantity, str] = {"effect": "test difference (points)", "shift": "learnt shift b"}


@dataclass(frozen=True, kw_only=True)
class EffectGrid:
    """One heat map.

    Attributes:
        quantity: What is shown.
        title: The same in words, with the panel's factor.
        rows, columns: (factor name, its values in words), rows from bottom to top.
        values: Shape (len(rows), len(columns)), NaN where nothing is complete.
        texts: What stands in each field, same shape.
        limit: Largest absolute value over all panels of the quantity, so that they share one colour scale around 0.
        top_down: Whether the rows go from top to bottom instead, as names do that have no size.
    """

    quantity: Quantity
    title: str
    rows: tuple[str, tuple[str, ...]]
    columns: tuple[str, tuple[str, ...]]
    values: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    limit: float = 1.0
    top_down: bool = False


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The factors of a full grid of VMP arms: two that are crossed, and the one with a value per panel, if any."""

    rows: str
    columns: str
    panels: str | None


def crossed_factors(study: Study) -> Crossing | None:
    """How the study crosses two factors, or three with few values of the third; ``None`` when it is no full grid."""
    vmp = [arm for arm in study.arms if arm.kind in (Kind.VMP, Kind.OTHER)]
    names = [n for n in study.plan.factors if n != PROMPT]
    varied = [n for n in names if len({canonical_json(arm.factors.get(n)) for arm in vmp}) > 1]
    sizes = {n: len({canonical_json(arm.factors.get(n)) for arm in vmp}) for n in varied}
    if len(varied) not in (2, 3) or math.prod(sizes.values()) != len(vmp) or max(sizes.values()) > MAX_VALUES:
        return None
    panels = None
    if len(varied) == 3:
        panels = LAMBDA if LAMBDA in varied else min(varied, key=lambda n: sizes[n])
        if sizes[panels] > MAX_PANELS:
            return None
    crossed = sorted((n for n in varied if n != panels), key=lambda n: sizes[n])
    return Crossing(rows=crossed[0], columns=crossed[1], panels=panels)


def prepare_grids(conclusions: Conclusions, crossing: Crossing) -> tuple[EffectGrid, ...]:
    """For each panel value the test effect (difference to the reference in points), and the learnt shift if recorded.

    Side by side they answer how far the start decides the end.
    """
    vmp = [s for s in conclusions.summaries if s.arm.kind in (Kind.VMP, Kind.OTHER)]
    panels = _ordered([s.arm.factors.get(crossing.panels) for s in vmp]) if crossing.panels else [None]
    grids = []
    for panel in panels:
        of_panel = [s for s in vmp if crossing.panels is None or s.arm.factors.get(crossing.panels) == panel]
        where = f"{factor_name(crossing.panels)} = {value_text(panel)}: " if crossing.panels else ""
        grids += _panel(conclusions, crossing, of_panel, where)
    limits = {q: max([1e-9, *(np.nanmax(np.abs(g.values)) for g in grids if g.quantity == q)]) for q in TITLES}
    return tuple(replace(grid, limit=float(limits[grid.quantity])) for grid in grids)


def _panel(
    conclusions: Conclusions, crossing: Crossing, summaries: Sequence[ArmSummary], where: str
) -> list[EffectGrid]:
    study = conclusions.study
    rows = _ordered([s.arm.factors.get(crossing.rows) for s in summaries])
    columns = _ordered([s.arm.factors.get(crossing.columns) for s in summaries])
    by_arm = {c.arm.label: c for c in conclusions.differences}
    values = {quantity: np.full((len(rows), len(columns)), np.nan) for quantity in TITLES}
    texts = {quantity: [["" for _ in columns] for _ in rows] for quantity in TITLES}
    for summary in summaries:
        i = rows.index(summary.arm.factors.get(crossing.rows))
        j = columns.index(summary.arm.factors.get(crossing.columns))
        contrast = by_arm.get(summary.arm.label)
        values["effect"][i, j] = 100 * contrast.mean if contrast else 0.0
        texts["effect"][i][j] = points(contrast.mean) if contrast else "reference"
        if summary.endings and summary.endings.rate.count:
            texts["effect"][i][j] += f"\n▽ {summary.endings.rate.count}/{summary.endings.rate.n}"
        cells = study.rows(summary.arm, "shift")
        is_ill, shifts = study.is_collapsed[cells], study.numbers("shift")[cells]
        healthy, ill = shifts[~is_ill], shifts[is_ill]
        if len(cells):  # a mean over healthy and collapsed seeds would be where no seed ends
            values["shift"][i, j] = float((healthy if len(healthy) else ill).mean())
            std = f"\n± {healthy.std(ddof=1):.2f}" if len(healthy) > 1 else ""
            parts = [f"{healthy.mean():+.2f}{std}"] if len(healthy) else []
            parts += [f"▽ {ill.mean():+.2f}"] if len(ill) else []
            texts["shift"][i][j] = "\n".join(parts).replace("-", "−")
    return [
        EffectGrid(
            quantity=quantity,
            title=where + (title if conclusions.study.split else title.removeprefix("test ")),
            values=values[quantity],
            texts=tuple(map(tuple, texts[quantity])),
            rows=(factor_name(crossing.rows), tuple(value_text(v) for v in rows)),
            columns=(factor_name(crossing.columns), tuple(value_text(v) for v in columns)),
            top_down=not _is_numeric(rows),
        )
        for quantity, title in TITLES.items()
        if np.isfinite(values[quantity]).any()
    ]


def grid_height(data: EffectGrid, inches: float, per_row: float) -> float:
    """A fitting height in inches of a panel `inches` wide."""
    of_columns = columns_high(data.columns[1], _room(data, inches) / len(data.columns[1]) - 0.05)
    return 0.95 + of_columns + per_row * len(data.rows[1])


def _room(data: EffectGrid, inches: float) -> float:
    """Inches that all fields of a panel have beside each other."""
    return inches - inches_wide(data.rows[1]) - 0.5


def draw_grid(data: EffectGrid, *, ax: Axes, inches: float = WIDTH) -> Axes:
    """Fields coloured by value, with the number in each; ``▽ k/n`` counts collapsed seeds. `inches`: of the panel."""
    values = np.ma.masked_invalid(data.values)
    norm = TwoSlopeNorm(0.0, -data.limit, data.limit)
    colors = mpl.colormaps["RdBu"]
    ax.set_facecolor(GRID)
    ax.pcolormesh(values, cmap=colors, norm=norm, edgecolor="#fefefe", linewidth=1.5)
    rows, columns = data.values.shape
    size = 9 if columns <= 6 else 7
    for i in range(rows):
        for j in range(columns):
            if data.texts[i][j]:
                strong = np.isfinite(data.values[i, j]) and abs(data.values[i, j]) > 0.6 * data.limit
                ax.text(j + 0.5, i + 0.5, data.texts[i][j], ha="center", va="center", fontsize=size,
                        color="#fefefe" if strong else "#1b1b1b")  # fmt: skip
    room = _room(data, inches)
    label_columns(ax, np.arange(columns) + 0.5, data.columns[1], room / columns - 0.05)
    ax.set_yticks(np.arange(rows) + 0.5, data.rows[1])
    if data.top_down:
        ax.invert_yaxis()
    ax.set_xlabel(data.columns[0])
    ax.set_ylabel(data.rows[0])
    ax.set_title(wrapped(data.title, int(room / LETTER * 0.9)), loc="left", fontsize=10, color=INK)
    tidy(ax, grid="none", without=("left", "bottom"))
    ax.tick_params(labelcolor=MUTED)
    return ax


def _ordered(values: list[Scalar]) -> list[Scalar]:
    """Distinct values, numbers by size and anything else in the order planned."""
    distinct = list(dict.fromkeys(values))
    return sorted(distinct, key=lambda v: float(v)) if _is_numeric(distinct) else distinct  # type: ignore[arg-type]


def _is_numeric(values: Sequence[Scalar]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def grid_figure(conclusions: Conclusions) -> ReportFigure | None:
    """The effect of each combination of two crossed factors; ``None`` where the study crosses none."""
    crossing = crossed_factors(conclusions.study)
    panels = prepare_grids(conclusions, crossing) if crossing else ()
    if crossing is None or not panels:
        return None
    quantities = {panel.quantity for panel in panels}
    columns = len(quantities)
    split = f"{conclusions.study.split} " if conclusions.study.split else ""
    crossed = f"{factor_name(crossing.columns)} by {factor_name(crossing.rows)}"
    references = {contrast.reference.label for contrast in conclusions.differences}
    reference = references.pop() if len(references) == 1 else "its reference"
    caption = crossed
    if "effect" in quantities:
        caption += f": the {split}difference of each combination to {reference}, in points"
        caption += (
            " (▽ k/n: k of n runs collapsed or diverged)" if any(s.has_collapse for s in conclusions.summaries) else ""
        )
    if "shift" in quantities:
        caption += "; on the right" if columns > 1 else ":"
        caption += " the shift b that training ended with, its mean and standard deviation over seeds"
        texts = [text for panel in panels if panel.quantity == "shift" for row in panel.texts for text in row]
        caption += "; ▽: the mean of collapsed seeds, apart" if any("▽" in text for text in texts) else ""

    def draw() -> Figure:
        rows = math.ceil(len(panels) / columns)
        figure, axes = new_figure(rows * grid_height(panels[0], WIDTH / columns, 0.5), rows, columns)
        fill(axes, panels, partial(draw_grid, inches=WIDTH / columns))
        return figure

    shown = listing([title for quantity, title in TITLES.items() if quantity in quantities])
    alt = f"Heat map of {shown}: {crossed}."
    return ReportFigure(name="grid", caption=caption + ".", alt=alt, draw=draw, panels=len(panels))
