"""How much of the study is there: the status of every cell, and why some have no accuracy."""

from __future__ import annotations

from analysis.sections.base import Column, Listing, Row, Section, SectionContent, StatusGrid, Table
from analysis.study.cells import ARM, COLLAPSED, HASH, REASON, SEED, STATUS, STATUSES, Study
from analysis.study.completeness import PLANNED, completeness_by_arm, reasons
from analysis.verdict.conclusions import Conclusions

MAX_GRID_CELLS = 1200
MAX_GRID_SEEDS = 40
MAX_REASONS = 12
_LEGEND = {"complete": "complete", "collapsed": "complete, attention collapsed"} | {s: s for s in STATUSES[1:]}


def _compute(conclusions: Conclusions) -> SectionContent:
    study = conclusions.study
    counts = (PLANNED, *STATUSES)
    columns = [Column(key=ARM, header="arm"), *(Column(key=name, header=name, format="count") for name in counts)]
    frame = completeness_by_arm(study)
    rows = [Row(values=(str(row[ARM]), *(int(row[name]) for name in counts))) for _, row in frame.iterrows()]
    grid = cell_grid(study)
    table = Table(name="completeness", caption="Cells by arm.", columns=columns, rows=rows, max_rows=0 if grid else 400)
    items = [(f"{number} {status}", reason) for status, reason, number in reasons(study)]
    if len(items) > MAX_REASONS:
        items = [*items[:MAX_REASONS], (f"{len(items) - MAX_REASONS} more reasons", "in tables/cells.csv")]
    method = (
        "Diverged, stopped, failed, missing",
        "Diverged cells are results without accuracy, stopped cells were ended early by a rule of the sweep; both stay "
        "out of means and comparisons and are counted. Failed and missing cells are still to be run.",
    )
    return SectionContent(
        intro=conclusions.completeness.sentence,
        listings=[Listing(items=items)] if items else [],
        grid=grid,
        tables=[table],
        method=[method],
    )


def cell_grid(study: Study) -> StatusGrid | None:
    """Arms by seeds with each cell's status; ``None`` when it would be too large."""
    if len(study.cells) > MAX_GRID_CELLS or len(study.plan.seeds) > MAX_GRID_SEEDS:
        return None
    by_arm: dict[str, dict[int, tuple[str, str]]] = {}
    for cell in study.cells.to_dict("records"):
        state = "collapsed" if cell[COLLAPSED] is True else str(cell[STATUS])
        reason = f" ({cell[REASON]})" if cell[REASON] else ""
        description = f"{cell[ARM]}, seed {cell[SEED]}: {state}{reason} · {cell[HASH]}"
        by_arm.setdefault(str(cell[ARM]), {})[int(cell[SEED])] = (state, description)
    seeds = study.plan.seeds
    states = {state for cells in by_arm.values() for state, _ in cells.values()}
    return StatusGrid(
        corner="arm \\ seed",
        columns=[str(seed) for seed in seeds],
        rows=[(arm, [cells.get(seed) for seed in seeds]) for arm, cells in by_arm.items()],
        legend=[(state, text) for state, text in _LEGEND.items() if state in states],
    )


COMPLETENESS = Section(name="completeness", title="Completeness", order=80, compute=_compute)
