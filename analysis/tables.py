"""The report's tables as values: results, comparisons, manipulation check, completeness, cells.

Every row carries the hashes of the cells its numbers come from. `analysis.render` turns a table into text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from analysis.arms import Kind
from analysis.completeness import PLANNED, completeness_by_arm
from analysis.judged import JudgedStudy
from analysis.outcome import Contrast
from analysis.published import NOT_AVAILABLE, SOURCE, anchors_for
from analysis.report_table import Column, ReportTable, Row, Value
from analysis.stats import paired
from analysis.strata import strata_table
from analysis.table import (
    ARM,
    ATTENTION,
    COLLAPSED,
    COMPLETE,
    HASH,
    KIND,
    METRICS,
    REASON,
    SECONDS,
    SEED,
    STATUS,
    STATUSES,
    factor_column,
)  # fmt: skip


def report_tables(judged: JudgedStudy) -> tuple[ReportTable, ...]:
    """All tables of a study, those without rows left out."""
    tables = [
        results_table(judged),
        comparisons_table(_comparable(judged.primary), "comparisons", "with the reference"),
        comparisons_table(_comparable(judged.secondary), "comparisons_baseline", "with the baseline"),
        manipulation_table(judged),
        strata_table(judged),
        completeness_table(judged),
        cells_table(judged),
    ]
    return tuple(table for table in tables if table.rows)


def _comparable(contrasts: tuple[Contrast, ...]) -> tuple[Contrast, ...]:
    """`contrasts`, or none of them while not one can be judged."""
    return contrasts if any(contrast.n >= 2 for contrast in contrasts) else ()


def results_table(judged: JudgedStudy) -> ReportTable:
    """One row an arm: seeds, validation and test mean with spread, difference to the main reference, collapse."""
    by_arm = {contrast.arm.label: contrast for contrast in judged.primary}
    columns = (
        Column(key="arm", header="arm"),
        Column(key="seeds", header="seeds", format="count"),
        Column(key="val_mean", header="validation mean", format="percent"),
        Column(key="test_mean", header="test mean", format="percent"),
        Column(key="test_sd", header="SD over seeds", format="percent"),
        Column(key="test_interval", header="95% interval of the mean", format="interval"),
        Column(key="difference", header="paired difference", format="points"),
        Column(key="difference_interval", header="simultaneous 95% interval", format="interval"),
        Column(key="outcome", header="verdict"),
        Column(key="collapsed", header="collapsed", format="count"),
        Column(key="diverged", header="diverged", format="count"),
        Column(key="seconds", header="seconds a cell", format="number"),
    )
    rows = []
    for summary in judged.summaries:
        contrast = by_arm.get(summary.arm.label)
        interval = summary.test_interval
        band = contrast.band if contrast else None
        rows.append(
            Row(
                values=(
                    summary.arm.label,
                    len(summary.seeds),
                    summary.val_mean,
                    summary.test_mean,
                    summary.test_sd,
                    (interval.low, interval.high) if interval else None,
                    contrast.mean if contrast else None,
                    (band.low, band.high) if band else None,
                    contrast.outcome.value if contrast else _role(judged, summary.arm.label),
                    len(summary.collapse.seeds) if summary.collapse else None,
                    summary.diverged,
                    summary.seconds,
                ),
                hashes=summary.hashes,
            )
        )
    caption = (
        f"{judged.study.metric_name.capitalize()} by arm, in percent. The paired difference is taken within seeds, in "
        "percentage points on test; its interval holds for all arms of the family together."
    )
    return ReportTable(name="results", caption=caption, columns=columns, rows=tuple(rows))


def comparisons_table(contrasts: tuple[Contrast, ...], name: str, against: str) -> ReportTable:
    """One row a comparison: difference, intervals, effect size, p values."""
    columns = (
        Column(key="arm", header="arm"),
        Column(key="reference", header="reference"),
        Column(key="n", header="n", format="count"),
        Column(key="difference", header="difference", format="points"),
        Column(key="interval", header="95% interval, alone", format="interval"),
        Column(key="simultaneous", header="95% interval, family", format="interval"),
        Column(key="d_z", header="d_z", format="ratio"),
        Column(key="p_superior", header="P(A > B)", format="ratio"),
        Column(key="correlation", header="correlation", format="ratio"),
        Column(key="p_t_holm", header="p (t, Holm)", format="p"),
        Column(key="p_sign_flip", header="p (sign flip)", format="p"),
        Column(key="p_sign_flip_holm", header="p (sign flip, Holm)", format="p"),
        Column(key="p_floor", header="least possible p (sign flip)", format="p"),
        Column(key="p_equivalence", header="p (equal)", format="p"),
        Column(key="outcome", header="verdict"),
    )
    rows = []
    for c in contrasts:
        row = c.table_row
        rows.append(
            Row(
                values=(
                    c.arm.label,
                    c.reference.label,
                    c.n,
                    c.mean,
                    (c.interval.low, c.interval.high) if c.interval else None,
                    (c.band.low, c.band.high) if c.band else None,
                    float(row[paired.D_Z]),
                    float(row[paired.P_SUPERIOR]),
                    float(row[paired.CORRELATION]),
                    float(row[paired.P_T_HOLM]),
                    float(row[paired.P_FLIP]),
                    float(row[paired.P_FLIP_HOLM]),
                    float(row[paired.P_FLOOR]),
                    float(row[paired.P_TOST]),
                    c.outcome.value,
                ),
                hashes=c.hashes,
            )
        )
    family = contrasts[0].family if contrasts else 0
    references = {contrast.reference.label for contrast in contrasts}
    against += f" ({references.pop()})" if len(references) == 1 else ""
    caption = (
        f"Paired comparisons {against} on test, in percentage points; families of {family} comparisons. d_z is the "
        "mean difference over its standard deviation, P(A > B) the share of seeds in which the arm is ahead, p (equal) "
        "the test for practical equality."
    )
    return ReportTable(name=name, caption=caption, columns=columns, rows=tuple(rows))


def manipulation_table(judged: JudgedStudy) -> ReportTable:
    """One row a VMP arm: what the layer learnt (means over complete cells), beside what was published for FineGym."""
    cells = judged.study.cells
    anchors = {a.lambda_: a for a in anchors_for([arm.lambda_ for arm in judged.study.arms if arm.lambda_ is not None])}
    learnt = ("variation", "mean_attention", "attention_at_zero", "attention_std", "slope", "shift", "m", "n")
    headers = ("V", "mean A", "A at D = 0", "spread of A", "slope a", "shift b", "m", "n")
    columns = [Column(key="arm", header="arm"), Column(key="cells_complete", header="cells", format="count")]
    columns += [Column(key=k, header=h, format="number") for k, h in zip(learnt, headers, strict=True)]
    columns += [Column(key="shift_sd", header="SD of b", format="number")]
    columns += [Column(key="collapsed", header="collapsed", format="count")]
    if anchors:
        columns += [Column(key="published_slope", header="published a", format="number"),
                    Column(key="published_shift", header="published b", format="number")]  # fmt: skip
    rows = []
    for arm in judged.study.arms:
        chosen = cells[(cells[ARM] == arm.label) & (cells[STATUS] == COMPLETE)]
        if arm.kind is not Kind.VMP or chosen[list(ATTENTION)].notna().sum().sum() == 0:
            continue
        shifts = chosen["shift"].dropna().to_numpy(float)
        values: list[Value] = [arm.label, len(chosen)]
        values += [_mean(chosen[name].dropna().to_numpy(float)) for name in learnt]
        values += [float(np.std(shifts, ddof=1)) if shifts.size > 1 else None]
        values += [int(chosen[COLLAPSED].eq(True).sum()) if chosen[COLLAPSED].notna().any() else None]
        if anchors:
            anchor = anchors.get(arm.lambda_) if arm.lambda_ is not None else None
            values += [anchor.slope, anchor.shift] if anchor else [NOT_AVAILABLE, NOT_AVAILABLE]
        rows.append(Row(values=tuple(values), hashes=tuple(chosen[HASH])))
    caption = "What the layer learnt: means over complete cells, measured on the validation clips."
    caption += f" Published values: {SOURCE}; another data set, an anchor and no target." if anchors else ""
    return ReportTable(name="manipulation", caption=caption, columns=tuple(columns), rows=tuple(rows))


def completeness_table(judged: JudgedStudy) -> ReportTable:
    """One row an arm: planned cells and how they ended."""
    frame = completeness_by_arm(judged.study)
    columns = (
        Column(key="arm", header="arm"),
        *(Column(key=name, header=name, format="count") for name in (PLANNED, *STATUSES)),
    )
    rows = [
        Row(values=(str(row[ARM]), *(int(row[name]) for name in (PLANNED, *STATUSES)))) for _, row in frame.iterrows()
    ]
    return ReportTable(name="completeness", caption="Cells by arm.", columns=columns, rows=tuple(rows))


def cells_table(judged: JudgedStudy) -> ReportTable:
    """One row a planned cell with everything it measured; the appendix and the file to compute from."""
    study = judged.study
    factors = [factor_column(name) for name in study.plan.factors]
    texts = [HASH, ARM, KIND, *factors, SEED, STATUS, REASON]
    columns = [Column(key=name, header=name.removeprefix("factor.")) for name in texts]
    columns += [Column(key=name, header=name.replace("_", " "), format="number") for name in METRICS]
    columns += [Column(key=COLLAPSED, header=COLLAPSED), Column(key=SECONDS, header="seconds", format="number")]
    rows = []
    for record in study.cells.to_dict("records"):
        values = tuple(_plain(record, column.key) for column in columns)
        rows.append(Row(values=values, hashes=(str(record[HASH]),)))
    caption = "Every planned cell, in the plan's order."
    return ReportTable(name="cells", caption=caption, columns=tuple(columns), rows=tuple(rows))


def _plain(record: Mapping[object, object], key: str) -> Value:
    value = record[key]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else str(value)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _role(judged: JudgedStudy, label: str) -> str:
    return "reference" if any(c.reference.label == label for c in judged.primary) else ""
