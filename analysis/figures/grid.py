"""Two factors crossed (initial slope by initial shift): the test effect of each combination, and what it collapsed to."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from analysis.verdict_arms import ArmVerdict
from analysis.arms import LAMBDA, PROMPT, Kind, value_text
from analysis.figures.style import GRID, INK, MUTED, tidy
from analysis.phrases import points
from analysis.table import ARM, COMPLETE, STATUS, Study
from sweeps.record import Scalar, canonical_json

LARGEST = 12


@dataclass(frozen=True, kw_only=True)
class EffectGrid:
    """One heat map.

    Attributes:
        title: What is shown.
        rows, columns: (factor name, its values in words), rows bottom to top.
        values: Shape (len(rows), len(columns)), NaN where nothing is complete.
        texts: What stands in each field, same shape.
        diverging: Whether 0 is the middle of the colour scale.
    """

    title: str
    rows: tuple[str, tuple[str, ...]]
    columns: tuple[str, tuple[str, ...]]
    values: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    diverging: bool


def crossed_factors(study: Study) -> tuple[str, str] | None:
    """The two factors of a full grid of VMP arms, rows first; ``None`` when the study is no such grid."""
    vmp = [arm for arm in study.arms if arm.kind is Kind.VMP]
    names = [n for n in study.plan.factors if n != PROMPT]
    varied = [n for n in names if len({canonical_json(arm.factors.get(n)) for arm in vmp}) > 1]
    if len(varied) != 2 or LAMBDA in varied:
        return None
    sizes = [len({canonical_json(arm.factors.get(n)) for arm in vmp}) for n in varied]
    if max(sizes) > LARGEST or sizes[0] * sizes[1] != len(vmp) or min(sizes) < 2:
        return None
    return varied[1], varied[0]


def prepare_grids(study: Study, verdict: ArmVerdict, factors: tuple[str, str]) -> tuple[EffectGrid, ...]:
    """Test effect (difference to the reference in points), and the learnt shift where it was recorded.

    Side by side they answer how far the start decides the end.
    """
    row_name, column_name = factors
    vmp = [s for s in verdict.summaries if s.arm.kind is Kind.VMP]
    rows = _ordered([s.arm.factors.get(row_name) for s in vmp])
    columns = _ordered([s.arm.factors.get(column_name) for s in vmp])
    by_arm = {c.arm.label: c for c in verdict.contrasts}
    complete = study.cells[study.cells[STATUS] == COMPLETE]
    shape = (len(rows), len(columns))
    effect, shift = np.full(shape, np.nan), np.full(shape, np.nan)
    texts = [["" for _ in columns] for _ in rows]
    shifts = [["" for _ in columns] for _ in rows]
    for summary in vmp:
        i, j = rows.index(summary.arm.factors.get(row_name)), columns.index(summary.arm.factors.get(column_name))
        contrast = by_arm.get(summary.arm.label)
        effect[i, j] = 100 * contrast.mean if contrast else 0.0
        texts[i][j] = points(contrast.mean) if contrast else "reference"
        if summary.collapse and summary.collapse.seeds:
            texts[i][j] += f"\n▽ {len(summary.collapse.seeds)}/{summary.collapse.judged}"
        learnt = complete.loc[complete[ARM] == summary.arm.label, "shift"].dropna()
        if len(learnt):
            shift[i, j] = float(learnt.mean())
            texts_range = f"{learnt.min():+.2f} … {learnt.max():+.2f}" if len(learnt) > 1 else ""
            shifts[i][j] = f"{shift[i, j]:+.2f}\n{texts_range}".replace("-", "−").strip()
    told = (row_name, tuple(value_text(v) for v in rows)), (column_name, tuple(value_text(v) for v in columns))
    grids = [EffectGrid(title="test difference to the reference (points)", rows=told[0], columns=told[1], values=effect,
                        texts=tuple(map(tuple, texts)), diverging=True)]  # fmt: skip
    if np.isfinite(shift).any():
        grids.append(EffectGrid(title="learnt shift b (mean; least … greatest)", rows=told[0], columns=told[1],
                                values=shift, texts=tuple(map(tuple, shifts)), diverging=True))  # fmt: skip
    return tuple(grids)


def draw_grid(data: EffectGrid, *, ax: Axes) -> Axes:
    """Fields coloured by value, with the number in each; ``▽ k/n`` counts collapsed seeds."""
    values = np.ma.masked_invalid(data.values)
    reach = float(np.abs(values).max()) if values.count() else 1.0
    norm = TwoSlopeNorm(0.0, -max(reach, 1e-9), max(reach, 1e-9))
    colours = mpl.colormaps["RdBu"]
    ax.set_facecolor(GRID)
    ax.pcolormesh(values, cmap=colours, norm=norm, edgecolor="#fefefe", linewidth=1.5)
    rows, columns = data.values.shape
    size = 9 if columns <= 6 else 7
    for i in range(rows):
        for j in range(columns):
            if data.texts[i][j]:
                strong = np.isfinite(data.values[i, j]) and abs(data.values[i, j]) > 0.6 * reach
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
