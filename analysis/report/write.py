"""The report: one self-contained HTML page, its tables and its figures; nothing half-written is ever seen."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.completeness import reasons
from analysis.judged import JudgedStudy, judge
from analysis.provenance import duration, excluded_clips, provenance
from analysis.render import cell_text, shown_columns, to_csv, to_latex, to_markdown
from analysis.report_figures import report_figures
from analysis.report_table import ReportTable
from analysis.report_view import cell_grid, facts_at_a_glance, method_notes
from analysis.table import load_study
from analysis.tables import report_tables
from analysis.wording import Finding
from sweeps.record import RecordError

INDEX = "index.html"
PARTS = {INDEX, "tables", "figures"}
MOST_HTML_ROWS = {"cells": 2000} | dict.fromkeys(
    ("results", "comparisons", "comparisons_baseline", "manipulation", "strata"), 60
)
CELL_COLUMNS = ("hash", "arm", "seed", "status", "reason", "val", "test", "collapsed", "seconds")


def write_report(folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a study, complete or not.

    Args:
        folder: The study folder (``vmp sweep run STUDY --out DIR``).
        out: The report's own folder; ``folder/report`` unless given. An older report there is replaced as a whole.

    Returns:
        The path of ``index.html``; beside it ``tables/`` (CSV, Markdown, LaTeX) and ``figures/`` (SVG, PNG). The same
        records give the same bytes.

    Raises:
        RecordError: When the study cannot be read, or `out` cannot be written or holds something else than a report.
    """
    judged = judge(load_study(folder))
    return write_judged(judged, Path(out) if out is not None else Path(folder) / "report")


def write_judged(judged: JudgedStudy, target: Path) -> Path:
    """Write the report of an already judged study into the folder `target` (see `write_report`)."""
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise RecordError(
            f"cannot write the report to '{target}': {error.strerror or error}; give --out a folder you may write to"
        ) from error
    try:
        building.chmod(0o755)
        _build(judged, building)
        _replace(building, target)
    except OSError as error:
        raise RecordError(f"cannot write the report to '{target}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target / INDEX


def _build(judged: JudgedStudy, folder: Path) -> None:
    (folder / "tables").mkdir()
    (folder / "figures").mkdir()
    tables = report_tables(judged)
    for table in tables:
        for ending, text in (("csv", to_csv(table)), ("md", to_markdown(table)), ("tex", to_latex(table))):
            (folder / "tables" / f"{table.name}.{ending}").write_text(text, encoding="utf-8", newline="\n")
    figures = report_figures(judged, folder / "figures")
    page = render_page(judged, tables, figures)
    (folder / INDEX).write_text(page, encoding="utf-8", newline="\n")


def render_page(judged: JudgedStudy, tables: tuple[ReportTable, ...], figures: tuple[Any, ...]) -> str:
    """The HTML page. Every text of the study is escaped; only the figures' own SVG goes in as it is."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"typeset": typeset, "groupby_topic": by_topic}
    study = judged.study
    facts = provenance(study)
    return environment.get_template("report.html.j2").render(
        style=Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")),
        study=study,
        judged=judged,
        counts=judged.completeness,
        glance=facts_at_a_glance(judged, duration(facts.seconds)),
        grid=cell_grid(study),
        reasons=reasons(study),
        tables={table.name: html_table(judged, table) for table in tables},
        files=[table.name for table in tables],
        figures=[{"name": f.name, "section": f.section, "svg": Markup(f.svg), "caption": f.caption, "alt": f.alt}
                 for f in figures],
        methods=method_notes(judged),
        provenance=facts,
        excluded=excluded_clips(study)[:200],
        excluded_count=len(excluded_clips(study)),
    )  # fmt: skip


def typeset(text: str) -> str:
    """Keep ``λ = 0.1`` on one line by no-break spaces."""
    return re.sub(r"(?<=\S) = (?=\S)", "\u00a0=\u00a0", text)


def by_topic(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Findings as (topic, texts) in order."""
    return [(topic, [f.text for f in group]) for topic, group in itertools.groupby(findings, key=lambda f: f.topic)]


def html_table(judged: JudgedStudy, table: ReportTable) -> dict[str, Any]:
    """A table as texts for the template: header cells, rows with their hashes, and how many rows were left out."""
    keep = shown_columns(table)
    if table.name == "cells":
        wanted = [n if n not in ("val", "test") else f"{n}_{judged.study.plan.metric}" for n in CELL_COLUMNS]
        keep = [i for i in keep if table.columns[i].key in wanted]
    if table.name == "results":
        # The page shows what arms are compared by; the interval of a mean by itself invites the wrong comparison.
        idle = {"collapsed", "diverged"} - {table.columns[i].key for i in keep if any(r.values[i] for r in table.rows)}
        keep = [i for i in keep if table.columns[i].key not in {"test_interval", *idle}]
    if table.name.startswith("comparisons"):
        lone = {"reference"} if len({row.values[1] for row in table.rows}) == 1 else set()
        keep = [i for i in keep if table.columns[i].key not in {"p_sign_flip_holm", "p_floor", *lone}]
    if table.name == "manipulation":
        keep = [i for i in keep if table.columns[i].key not in {"m", "n"}]
    most = MOST_HTML_ROWS.get(table.name, 400)
    rows = table.rows
    if table.name in ("results", "manipulation") and len(rows) > most:
        best = {s.arm.label: (s.arm.kind != "vmp", s.val_mean) for s in judged.summaries if s.seeds}
        rows = tuple(sorted(rows, key=lambda r: best.get(str(r.values[0]), (False, -1.0)), reverse=True))
    chosen = {arm.label for arm in judged.chosen}
    return {
        "name": table.name,
        "caption": table.caption,
        "header": [{"text": table.columns[i].header, "numeric": table.columns[i].format != "text"} for i in keep],
        "rows": [
            {
                "cells": [cell_text(row.values[i], table.columns[i]) for i in keep],
                "hashes": " ".join(row.hashes),
                "chosen": str(row.values[0]) in chosen,
            }
            for row in rows[:most]
        ],
        "left_out": max(0, len(table.rows) - most),
    }


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise RecordError(f"cannot write the report to '{target}': it is a file; give --out the name of a folder")
    if target.is_dir():
        foreign = sorted(entry.name for entry in target.iterdir() if entry.name not in PARTS)
        if foreign:
            raise RecordError(
                f"the report would replace '{target}', which holds other things ('{foreign[0]}'); "
                "give --out a folder that is empty, absent, or an older report"
            )


def _replace(building: Path, target: Path) -> None:
    """Put the finished folder in place; an older report is moved aside first and removed last."""
    if not target.exists():
        building.rename(target)
        return
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    try:
        target.rename(aside / "report")
        building.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
