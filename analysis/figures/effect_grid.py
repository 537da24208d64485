"""Two factors crossed (initial slope by initial shift): the test effect of each combination, and its collapse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from analysis.arms import LAMBDA, PROMPT, Kind, factor_name, value_text
from analysis.figures.style import GRID, INK, MUTED, tidy
from analysis.phrases import points
from analysis.summary import ArmSummary
from analysis.table import ARM, COMPLETE, STATUS, Study
from analysis.verdict_arms import ArmVerdict
from sweeps.record import Scalar, canonical_json

LARGEST = 12
MOST_PANELS = 3
EFFECT, SHIFT = "test difference (points)", "learnt shift b"


@dataclass(frozen=True, kw_only=True)
class EffectGrid:
    """One heat map.

    Attributes:
        title: What is shown.
        rows, columns: (factor name, its values in words), rows bottom to top.
        values: Shape (len(rows), len(columns)), NaN where nothing is complete.
        texts: What stands in each field, same shape.
        reach: Largest absolute value over all panels of the quantity, so that they share one colour scale around 0.
    """

    title: str
    rows: tuple[str, tuple[str, ...]]
    columns: tuple[str, tuple[str, ...]]
    values: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    reach: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The factors of a full grid of VMP arms: two that are crossed, and the one that tells panels apart, if any."""

    rows: str
    columns: str
    panels: str | None


def crossed_factors(study: Study) -> Crossing | None:
    """How the study crosses two factors, or three with few values of the third; ``None`` when it is no full grid."""
    vmp = [arm for arm in study.arms if arm.kind is Kind.VMP]
    names = [n for n in study.plan.factors if n != PROMPT]
    varied = [n for n in names if len({canonical_json(arm.factors.get(n)) for arm in vmp}) > 1]
    sizes = {n: len({canonical_json(arm.factors.get(n)) for arm in vmp}) for n in varied}
    if len(varied) not in (2, 3) or math.prod(sizes.values()) != len(vmp) or max(sizes.values()) > LARGEST:
        return None
    panels = None
    if len(varied) == 3:
        panels = LAMBDA if LAMBDA in varied else min(varied, key=lambda n: sizes[n])
        if sizes[panels] > MOST_PANELS:
            return None
    crossed = sorted((n for n in varied if n != panels), key=lambda n: sizes[n])
    if LAMBDA in crossed:
        return None
    return Crossing(rows=crossed[0], columns=crossed[1], panels=panels)


def prepare_grids(study: Study, verdict: ArmVerdict, crossing: Crossing) -> tuple[EffectGrid, ...]:
    """For each panel value the test effect (difference to the reference in points), and the learnt shift if recorded.

    Side by side they answer how far the start decides the end.
    """
    vmp = [s for s in verdict.summaries if s.arm.kind is Kind.VMP]
    panels = _ordered([s.arm.factors.get(crossing.panels) for s in vmp]) if crossing.panels else [None]
    grids = []
    for panel in panels:
        chosen = [s for s in vmp if crossing.panels is None or s.arm.factors.get(crossing.panels) == panel]
        where = f"{factor_name(crossing.panels)} = {value_text(panel)}: " if crossing.panels else ""
        grids += _panel(study, verdict, crossing, chosen, where)
    reaches = {
        kind: max(
            [float(np.nanmax(np.abs(g.values))) for g in grids if kind in g.title and np.isfinite(g.values).any()]
            + [1e-9]
        )
        for kind in (EFFECT, SHIFT)
    }
    return tuple(replace(g, reach=reaches[EFFECT if EFFECT in g.title else SHIFT]) for g in grids)


def _panel(
    study: Study, verdict: ArmVerdict, crossing: Crossing, summaries: Sequence[ArmSummary], where: str
) -> list[EffectGrid]:
    rows = _ordered([s.arm.factors.get(crossing.rows) for s in summaries])
    columns = _ordered([s.arm.factors.get(crossing.columns) for s in summaries])
    by_arm = {c.arm.label: c for c in verdict.contrasts}
    complete = study.cells[study.cells[STATUS] == COMPLETE]
    effect, shift = np.full((len(rows), len(columns)), np.nan), np.full((len(rows), len(columns)), np.nan)
    effects = [["" for _ in columns] for _ in rows]
    shifts = [["" for _ in columns] for _ in rows]
    for summary in summaries:
        i = rows.index(summary.arm.factors.get(crossing.rows))
        j = columns.index(summary.arm.factors.get(crossing.columns))
        contrast = by_arm.get(summary.arm.label)
        effect[i, j] = 100 * contrast.mean if contrast else 0.0
        effects[i][j] = points(contrast.mean) if contrast else "reference"
        if summary.collapse and summary.collapse.seeds:
            effects[i][j] += f"\n▽ {len(summary.collapse.seeds)}/{summary.collapse.judged}"
        learnt = complete.loc[complete[ARM] == summary.arm.label, "shift"].dropna()
        if len(learnt):
            shift[i, j] = float(learnt.mean())
            spread = f"\n± {learnt.std(ddof=1):.2f}" if len(learnt) > 1 else ""
            shifts[i][j] = f"{shift[i, j]:+.2f}{spread}".replace("-", "−")
    down = (factor_name(crossing.rows), tuple(value_text(v) for v in rows))
    across = (factor_name(crossing.columns), tuple(value_text(v) for v in columns))
    grids = [
        EffectGrid(title=where + EFFECT, values=effect, texts=tuple(map(tuple, effects)), rows=down, columns=across)
    ]
    if np.isfinite(shift).any():
        title = where + SHIFT
        grids.append(EffectGrid(title=title, values=shift, texts=tuple(map(tuple, shifts)), rows=down, columns=across))
    return grids


def draw_grid(data: EffectGrid, *, ax: Axes) -> Axes:
    """Fields coloured by value, with the number in each; ``▽ k/n`` counts collapsed seeds."""
    values = np.ma.masked_invalid(data.values)
    norm = TwoSlopeNorm(0.0, -data.reach, data.reach)
    colours = mpl.colormaps["RdBu"]
    ax.set_facecolor(GRID)
    ax.pcolormesh(values, cmap=colours, norm=norm, edgecolor="#fefefe", linewidth=1.5)
    rows, columns = data.values.shape
    size = 9 if columns <= 6 else 7
    for i in range(rows):
        for j in range(columns):
            if data.texts[i][j]:
                strong = np.isfinite(data.values[i, j]) and abs(data.values[i, j]) > 0.6 * data.reach
                ax.text(j + 0.5, i + 0.5, data.texts[i][j], ha="center", va="center", fontsize=size,
                        color="#fefefe" if strong else "#1b1b1b")  # fmt: skip
    ax.set_xticks(np.arange(columns) + 0.5, data.columns[1])
    ax.set_yticks(np.arange(rows) + 0.5, data.rows[1])
    ax.set_xlabel(data.columns[0])
    ax.set_ylabel(data.rows[0])
    ax.set_title(data.title, loc="left", fontsize=10, color=INK)
    tidy(ax, grid="none")
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelcolor=MUTED)
    return ax


def _ordered(values: list[Scalar]) -> list[Scalar]:
    """Distinct values, numbers by size and anything else in the order planned."""
    distinct = list(dict.fromkeys(values))
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in distinct)
    return sorted(distinct, key=lambda v: float(v)) if numeric else distinct  # type: ignore[arg-type]
