"""Every planned cell with everything that it measured: the appendix, and the file to compute from."""

from __future__ import annotations

import math

from analysis.sections.base import Column, OnPage, Row, Section, SectionContent, Table, Value
from analysis.study.cells import ARM, COLLAPSED, HASH, KIND, MEASURED, REASON, SECONDS, SEED, STATUS, factor_column
from analysis.verdict.conclusions import Conclusions
from sweeps.records.factors import Scalar


def _compute(conclusions: Conclusions) -> SectionContent:
    study = conclusions.study
    texts = [ARM, KIND, *(factor_column(name) for name in study.plan.factors), SEED, STATUS, REASON]
    on_page = {ARM, SEED, STATUS, REASON, study.val, study.test, COLLAPSED, SECONDS}
    columns = [
        Column(key=HASH, header=HASH, format="code"),
        *(_column(name, on_page) for name in texts),
        *(_column(name, on_page, is_number=True, header=study.titles.get(name, "")) for name in MEASURED),
        _column(COLLAPSED, on_page),
        _column(SECONDS, on_page, is_number=True),
    ]
    values = [map(_plain, study.cells[column.key].tolist()) for column in columns]
    rows = [Row(values=of_cell) for of_cell in zip(*values, strict=True)]
    caption = "Every planned cell, in the plan's order."
    table = Table(name="cells", caption=caption, columns=columns, rows=rows, max_rows=1000)
    return SectionContent(intro="Every number above comes from the records of these cells.", tables=[table])


def _column(key: str, on_page: set[str], *, is_number: bool = False, header: str = "") -> Column:
    header = header or key.removeprefix("factor.").replace("_", " ")
    shown: OnPage = "always" if key in on_page else "never"
    return Column(key=key, header=header, format="number" if is_number else "text", on_page=shown)


def _plain(value: Scalar) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


CELL_LIST = Section(name="cells", title="All planned cells", order=150, compute=_compute, is_folded=True)
