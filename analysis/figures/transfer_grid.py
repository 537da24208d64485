"""Slope and shift learnt on one set of videos and used on another: a matrix of differences to those learnt there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.effect_grid import EffectGrid, draw_grid, grid_height
from analysis.figures.figure import ReportFigure
from analysis.figures.style import WIDTH, fill, new_figure, wrapped
from analysis.verdict.transfers import Transferred
from analysis.words.phrases import limits, points
from vmp.core.text import listing

COLUMNS = 2
_WIDE = 24


def prepare_transfers(transfers: Sequence[Transferred], split: str) -> tuple[EffectGrid, ...]:
    """A grid for each way of using what was learnt: learnt on (rows), used on (columns), difference in points."""
    known = [one for one in transfers if not math.isnan(one.contrast.mean)]
    sources = list(dict.fromkeys(one.source for one in transfers))
    targets = list(dict.fromkeys(one.target for one in transfers))
    ways = list(dict.fromkeys(one.way for one in transfers))
    limit = max([1e-9, *(100 * abs(one.contrast.mean) for one in known)])
    grids = []
    for way in ways:
        values = np.full((len(sources), len(targets)), np.nan)
        texts = [["" for _ in targets] for _ in sources]
        for one in known:
            if one.way == way:
                i, j = sources.index(one.source), targets.index(one.target)
                values[i, j] = 100 * one.contrast.mean
                interval = f"\n{limits(one.contrast.interval)}" if one.contrast.interval else ""
                texts[i][j] = points(one.contrast.mean) + interval
        title = f"{split} difference (points)".strip()
        grid = EffectGrid(
            quantity="effect",
            title=f"{way}: {title}" if way else title,
            rows=("learnt on", tuple(wrapped(source, _WIDE) for source in sources)),
            columns=("used on", tuple(targets)),
            values=values,
            texts=tuple(map(tuple, texts)),
            limit=limit,
            top_down=True,
        )
        grids.append(grid)
    return tuple(grids)


def transfer_figure(transfers: Sequence[Transferred], split: str) -> ReportFigure:
    """One panel for each way of using what was learnt, on one scale of colours."""
    panels = prepare_transfers(transfers, split)

    def draw() -> Figure:
        columns = min(COLUMNS, len(panels))
        rows = math.ceil(len(panels) / columns)
        figure, axes = new_figure(rows * (0.2 + grid_height(panels[0], WIDTH / columns, 0.6)), rows, columns)
        fill(axes, panels, partial(draw_grid, inches=WIDTH / columns))
        return figure

    shown = [
        f"learnt on {one.source}, used on {one.target}{f', {one.way}' if one.way else ''} {points(one.contrast.mean)}"
        for one in transfers
        if not math.isnan(one.contrast.mean)
    ]
    return ReportFigure(
        name="transfer",
        caption="What slope and shift that were learnt on other videos (rows) gain over those learnt on the videos "
        "where they are used (columns), in points, with the 95% interval of the study's family of comparisons.",
        alt=f"Matrix of differences in points: {listing(shown)}." if shown else "Matrix without any difference.",
        draw=draw,
        panels=len(panels),
    )
