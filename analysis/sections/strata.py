"""Accuracy by stratum: the test videos that carry a tag, such as HMDB-51's moving or static camera."""

from __future__ import annotations

from analysis.judged import JudgedStudy
from analysis.outcome import compare
from analysis.report_table import Column, ReportTable, Row
from analysis.table import ARM, COMPLETE, HASH, STATUS, STRATUM


def strata_table(judged: JudgedStudy) -> ReportTable:
    """One row for each stratum and arm: mean test top-1 and the paired difference to the arm's reference.

    No rows where the data set has no tags. The intervals hold for the arms of one stratum together, not for all strata:
    a stratum that was looked up because it stands out is a question for a new study.
    """
    study = judged.study
    pairs = [(contrast.arm, contrast.reference) for contrast in judged.primary]
    rows = []
    for column in (name for name in study.cells.columns if STRATUM.match(name)):
        match = STRATUM.match(column)
        tag = match["tag"] if match else column
        by_arm = {contrast.arm.label: contrast for contrast in compare(study, pairs, column)} if pairs else {}
        for arm in study.arms:
            cells = study.cells[(study.cells[ARM] == arm.label) & (study.cells[STATUS] == COMPLETE)]
            cells = cells[cells[column].notna()]
            contrast = by_arm.get(arm.label)
            band = contrast.band if contrast else None
            rows.append(
                Row(
                    values=(
                        tag,
                        arm.label,
                        len(cells),
                        float(cells[column].mean()),
                        contrast.mean if contrast else None,
                        (band.low, band.high) if band else None,
                    ),
                    hashes=tuple(cells[HASH]),
                )
            )
    columns = (
        Column(key="stratum", header="videos with"),
        Column(key="arm", header="arm"),
        Column(key="seeds", header="seeds", format="count"),
        Column(key="test_mean", header="test mean", format="percent"),
        Column(key="difference", header="paired difference", format="points"),
        Column(key="difference_interval", header="simultaneous 95% interval", format="interval"),
    )
    caption = (
        "Top-1 accuracy by stratum, in percent, over the test videos that carry the tag; the paired difference to the "
        "arm's reference in percentage points. Intervals hold for all arms of one stratum together."
    )
    return ReportTable(name="strata", caption=caption, columns=columns, rows=tuple(rows))
