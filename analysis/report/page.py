"""The page: one self-contained HTML file, rendered by a template that loops over the sections."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.report.compose import Composition
from analysis.report.export import cell_text, is_absent, is_text
from analysis.sections.base import Column, Table
from analysis.verdict.conclusions import Conclusions
from analysis.words.findings import Finding
from analysis.words.headline import beside_headline, headline

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
    environment.filters |= {"typeset": typeset, "by_topic": by_topic, "table_view": table_view}
    return environment.get_template("report.html.j2").render(
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
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
    """Keep ``λ = 0.1`` on one line by no-break spaces."""
    return re.sub(r"(?<=\S) = (?=\S)", "\u00a0=\u00a0", text)


def by_topic(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Findings as (topic, texts) in order."""
    return [(topic, [f.text for f in group]) for topic, group in itertools.groupby(findings, key=lambda f: f.topic)]


def table_view(table: Table) -> dict[str, Any]:
    """A table as the page shows it: columns by their own rules, the first rows, and how many more there are."""
    shown = [i for i, column in enumerate(table.columns) if _is_shown(column, [row.values[i] for row in table.rows])]
    rows = list(table.rows)
    if len(rows) > table.max_rows:
        rows = sorted(rows, key=lambda row: row.priority, reverse=True)[: table.max_rows]
    return {
        "header": [table.columns[i] for i in shown],
        "rows": [(row, [cell_text(row.values[i], table.columns[i]) for i in shown]) for row in rows],
        "is_text": [is_text(table.columns[i]) for i in shown],
        "more": len(table.rows) - len(rows),
        "has_hashes": any(row.hashes for row in rows),
    }


def _is_shown(column: Column, values: list[Any]) -> bool:
    if column.on_page == "never" or all(is_absent(value) for value in values):
        return False
    if column.on_page == "if any":
        return any(values)
    return column.on_page == "always" or len(set(values)) > 1
