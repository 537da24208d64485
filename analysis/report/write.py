"""The folder of a report: page, tables and figures; nothing half-written is ever seen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from analysis.report.compose import Composition, compose
from analysis.report.draw import save_figures
from analysis.report.export import to_csv, to_markdown
from analysis.report.json_object import json_text
from analysis.report.latex import to_latex
from analysis.report.page import render_page
from analysis.report.paper import PAPER_FILE, paper
from analysis.sections.catalogue import all_sections
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from vmp.core.errors import InputError

INDEX, VERDICT = "index.html", "verdict.json"
PARTS = {INDEX, VERDICT, "tables", "figures", "paper", "appendix"}


def write_report(folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a study, complete or not.

    Args:
        folder: The study folder (``vmp sweep run STUDY --out DIR``).
        out: The report's own folder; ``folder/report`` by default. An older report there is replaced.

    Returns:
        The path of ``index.html``; beside it ``verdict.json``, ``tables/`` (CSV, Markdown, LaTeX), ``figures/``
        (SVG, PNG), ``paper/`` (LaTeX that includes them all) and ``appendix/`` (Markdown). The same records give the
        same bytes; only the commands that draw attention maps depend on which videos are at hand.

    Raises:
        InputError: When the study cannot be read, or `out` cannot be written or holds something else than a report.
    """
    return write_conclusions(conclude(load_study(folder)), Path(out) if out is not None else Path(folder) / "report")


def write_conclusions(conclusions: Conclusions, target: Path, meanwhile: Callable[[], None] = lambda: None) -> Path:
    """Write the report of `conclusions`; see `write_report`.

    Args:
        conclusions: Of the study.
        target: The report's own folder.
        meanwhile: Called once, while a second process draws figures.

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: When `target` cannot be written or holds something else than a report.
    """
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(
            f"cannot write the report to '{target}': {error.strerror or error}; give --out a folder you may write to"
        ) from error
    try:
        building.chmod(0o755)
        _build(conclusions, building, meanwhile)
        _replace(building, target)
    except OSError as error:
        raise InputError(f"cannot write the report to '{target}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target / INDEX


def _build(conclusions: Conclusions, folder: Path, meanwhile: Callable[[], None]) -> None:
    (folder / "tables").mkdir()
    (folder / "figures").mkdir()
    (folder / "paper").mkdir()
    composition = compose(conclusions, all_sections())
    figures = [figure for _, content in composition.sections for figure in content.figures]

    def write_texts() -> None:
        _write_texts(conclusions, composition, folder)
        meanwhile()

    save_figures(figures, folder / "figures", meanwhile=write_texts)
    arms = {arm.label: arm.order for arm in conclusions.study.arms}
    drawings = {figure.name: figure.inline(folder / "figures", arms) for figure in figures}
    _write(folder / INDEX, render_page(conclusions, composition, drawings))


def _write_texts(conclusions: Conclusions, composition: Composition, folder: Path) -> None:
    """What needs no figure."""
    for _, content in composition.sections:
        for table in content.tables:
            for ending, to_text in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex)):
                # One text at a time: they are long.
                _write(folder / "tables" / f"{table.name}.{ending}", to_text(table))
        for document in content.documents:
            (folder / "appendix").mkdir(exist_ok=True)
            _write(folder / "appendix" / f"{document.name}.md", document.text)
    _write(folder / "paper" / PAPER_FILE, paper(conclusions, composition))
    _write(folder / VERDICT, json_text(conclusions, INDEX) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise InputError(f"cannot write the report to '{target}': it is a file; give --out the name of a folder")
    if target.is_dir():
        others = sorted(entry.name for entry in target.iterdir() if entry.name not in PARTS)
        if others:
            raise InputError(
                f"the report would replace '{target}', which holds other things ('{others[0]}'); "
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
