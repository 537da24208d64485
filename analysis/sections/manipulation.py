"""Did the layer do anything? What it learnt, beside the control and what was published."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.figures.attention_by_value import ANCHOR_SOURCE, manipulation_figure
from analysis.figures.power_curve import power_figure
from analysis.sections.base import Column, OnPage, Row, Section, SectionContent, Table, Value, block_figures, priorities
from analysis.study.arms import Kind
from analysis.study.cells import ATTENTION, Study
from analysis.study.provenance import collapse_rules
from analysis.verdict.conclusions import Conclusions
from vmp.core.metrics import METRICS
from vmp.core.presets import finegym_lambda_table

NOT_AVAILABLE = "not available"
_LEARNT = ("variation", "mean_attention", "attention_at_zero", "attention_std", "slope", "shift", "m", "n")
_HEADERS = {"mean_attention": "mean A", "attention_at_zero": "A at D = 0", "attention_std": "SD of A"}
_INTRO = (
    "Accuracy alone does not show what the layer did. A constant attention map makes V vanish and leaves the later "
    "frames as they are, which is the control: attention collapse."
)


def _compute(conclusions: Conclusions) -> SectionContent:
    study = conclusions.study
    figures = [*block_figures(conclusions, manipulation_figure), power_figure(study, conclusions.chosen)]
    rules = collapse_rules(study)
    return SectionContent(
        intro=_INTRO,
        figures=[figure for figure in figures if figure],
        tables=[manipulation_table(conclusions)],
        method=[("Collapse", " / ".join(rules))] if rules else [],
    )


def manipulation_table(conclusions: Conclusions) -> Table:
    """What the layer of each VMP arm learnt, healthy and collapsed cells apart, beside the published FineGym values."""
    study, priority = conclusions.study, priorities(conclusions)
    lambdas = {arm.lambda_ for arm in study.arms}
    anchors = {anchor.lambda_: anchor for anchor in finegym_lambda_table() if anchor.lambda_ in lambdas}
    columns = [
        Column(key="arm", header="arm"),
        Column(key="state", header="state", on_page="if any"),
        Column(key="cells_complete", header="cells", format="count"),
    ]
    for key in _LEARNT:
        metric = METRICS[key]
        header = _HEADERS.get(key) or (metric.symbol if key in ("variation", "m", "n") else f"{key} {metric.symbol}")
        on_page: OnPage = "never" if key in ("m", "n") else "always"
        columns.append(Column(key=key, header=header, format="number", on_page=on_page))
    columns.append(Column(key="shift_std", header="SD of b", format="number"))
    if anchors:
        columns.append(Column(key="published_slope", header="published a", format="number"))
        columns.append(Column(key="published_shift", header="published b", format="number"))
    rows = []
    is_ill = study.is_collapsed
    for arm in study.arms:
        of_arm = study.rows(arm)
        if arm.kind is not Kind.VMP or not _attends(study, of_arm):
            continue
        anchor = None if arm.lambda_ is None else anchors.get(arm.lambda_)
        published = [anchor.slope, anchor.shift] if anchor else [NOT_AVAILABLE, NOT_AVAILABLE]
        for cells, state in ((of_arm[~is_ill[of_arm]], ""), (of_arm[is_ill[of_arm]], "collapsed")):
            if not cells.size:
                continue
            shifts = study.numbers("shift")[cells]
            shifts = shifts[~np.isnan(shifts)]
            values: list[Value] = [arm.label, state, len(cells)]
            values += [study.mean(key, cells) for key in _LEARNT]
            values.append(float(np.std(shifts, ddof=1)) if shifts.size > 1 else None)
            values += published if anchors else []
            rows.append(Row(values=tuple(values), hashes=study.hashes(cells), priority=priority[arm.label]))
    caption = "What the layer learnt, on the validation clips: means over complete cells, collapsed ones apart."
    caption += f" Published values: {ANCHOR_SOURCE}; another data set, an anchor and no target." if anchors else ""
    return Table(name="manipulation", caption=caption, columns=columns, rows=rows, max_rows=60)


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return _has_attention(conclusions.study) or "no complete cell of the layer recorded its attention"


def _has_attention(study: Study) -> bool:
    return any(_attends(study, study.rows(arm)) for arm in study.arms if arm.kind is Kind.VMP)


def _attends(study: Study, cells: NDArray[np.int64]) -> bool:
    """Whether one of some cells recorded anything of its attention."""
    return any(not np.isnan(study.numbers(column)[cells]).all() for column in ATTENTION)


MANIPULATION = Section(name="manipulation", title="Manipulation check", order=90, compute=_compute, applies=_applies)
