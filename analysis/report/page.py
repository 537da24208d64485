"""The page: one self-contained HTML file, rendered by a template that loops over the sections."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.report.citation import citation
from analysis.report.compose import Composition
from analysis.report.script_data import CellIndex, script_data
from analysis.report.text import cell_text, is_text, shown_columns
from analysis.sections.base import Row, Table
from analysis.study.cells import ARM
from analysis.verdict.conclusions import Conclusions
from analysis.words.findings import Finding
from analysis.words.headline import beside_headline, headline

CELLS = "cells"
"""The table, and the section, of every planned cell."""
LONG_WORD = 12  # letters; words of prose in tables are shorter
_TEMPLATES = Path(__file__).parent / "templates"


def render_page(conclusions: Conclusions, composition: Composition, drawings: Mapping[str, str]) -> str:
    """The HTML page. Every text of the study is escaped; only the figures' own SVG goes in as it is.

    Args:
        conclusions: Of the study.
        composition: The sections and their content.
        drawings: The SVG of each figure, by its name.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cells = CellIndex(conclusions)
    arms = {arm.label: arm.order for arm in conclusions.study.arms}
    linker = Linker(cells=cells, listed=_listed_cells(composition), arms=arms)
    environment.filters |= {
        "typeset": typeset,
        "by_topic": by_topic,
        "table_view": table_view,
        "links": linker.links,
    }
    environment.tests["with_a_long_word"] = has_long_word
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8").rstrip()
    return environment.get_template("report.html.j2").render(
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=script_data(composition, cells),
        citation=citation(conclusions.study),
        study=conclusions.study,
        headline=headline(conclusions).text,
        beside=beside.text if (beside := beside_headline(conclusions)) else "",
        counts=conclusions.completeness,
        warnings=conclusions.evidence.provenance.warnings,
        sections=composition.sections,
        absent=composition.absent,
        drawings={name: Markup(svg) for name, svg in drawings.items()},
        tables=[table.name for _, content in composition.sections for table in content.tables],
    )


def typeset(text: str) -> str:
    """Keep ``λ = 0.1`` and ``P(A > B)`` on one line by no-break spaces."""
    return re.sub(r"(?<=\S) ([=<>]) (?=\S)", "\u00a0\\1\u00a0", text)


def has_long_word(text: str) -> bool:
    """Whether a word of a cell is a name such as ``transfer.data.condition``, which print may break anywhere."""
    return max(map(len, text.split()), default=0) > LONG_WORD


def by_topic(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Findings as (topic, texts) in order."""
    return [(topic, [f.text for f in group]) for topic, group in itertools.groupby(findings, key=lambda f: f.topic)]


@dataclass(frozen=True, kw_only=True)
class RowLinks:
    """What the row of a table leads to on the page.

    Attributes:
        id: Of the row itself, where it is a cell's own.
        cells: Numbers of its cells, see `CellIndex.ranges`.
        href: The row of its first cell.
        arm: Number of its arm, by which dots and rows are linked.
    """

    id: str | None
    cells: str
    href: str
    arm: int | None


@dataclass(frozen=True, kw_only=True)
class Linker:
    """Knows where rows lead.

    Attributes:
        cells: The numbers of all cells.
        listed: Cells that have a row of their own on the page.
        arms: Numbers of the arms, by their label.
    """

    cells: CellIndex
    listed: Collection[str]
    arms: Mapping[str, int]

    def links(self, row: Row, table: Table) -> RowLinks:
        """Of one row of `table`."""
        is_list = table.name == CELLS
        hashes = (str(row.values[0]),) if is_list else row.hashes
        first = next((cell for cell in hashes if cell in self.listed), None)
        arm = next((value for value, column in zip(row.values, table.columns, strict=True) if column.key == ARM), None)
        return RowLinks(
            id=f"cell-{hashes[0]}" if is_list else None,
            cells=self.cells.ranges(hashes),
            href=f"#cell-{first}" if first else f"#{CELLS}",
            arm=self.arms.get(str(arm)),
        )


def table_view(table: Table) -> dict[str, Any]:
    """A table as the page shows it: columns by their own rules, the first rows, and how many more there are."""
    columns, rows, shown = table.columns, _first_rows(table), shown_columns(table)
    is_list = table.name == CELLS
    return {
        "header": [columns[i] for i in shown],
        "rows": [(row, [cell_text(row.values[i], columns[i]) for i in shown]) for row in rows],
        "is_text": [is_text(columns[i]) for i in shown],
        "more": len(table.rows) - len(rows),
        "has_cells": is_list or any(row.hashes for row in rows),
        "is_list": is_list,
    }


def _first_rows(table: Table) -> list[Row]:
    """The rows that the page has room for."""
    rows = list(table.rows)
    if len(rows) > table.max_rows:
        rows = sorted(rows, key=lambda row: row.priority, reverse=True)[: table.max_rows]
    return rows


def _listed_cells(composition: Composition) -> set[str]:
    """The cells that have a row of their own on the page."""
    tables = [table for _, content in composition.sections for table in content.tables if table.name == CELLS]
    return {str(row.values[0]) for table in tables for row in _first_rows(table)}
