"""Tables for print: no wider than a column or a page, and LaTeX with booktabs alone takes them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.report.latex import COLUMN, PAGE, escape, text_width, to_latex
from analysis.report.write import write_report
from analysis.sections.base import Column, Row, Table
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, write_study

PDFLATEX = shutil.which("pdflatex")
WORDS = "a sentence of several words that no page is wide enough for, about layer.motion.kind = frame_difference"
WIDE = Table(
    name="wide",
    caption="100% of α, λ & <b> — „中“ ~^\\",
    columns=[
        Column(key="arm", header="arm"),
        *(Column(key=f"n{i}", header=f"number {i} of_many", format="number") for i in range(24)),
        Column(key="why", header="why not more"),
    ],
    rows=[Row(values=(f"arm_{i} {{x}} #{i}", *(0.123 * i + j for j in range(24)), WORDS)) for i in range(60)],
)
NARROW = Table(
    name="narrow",
    caption="Three numbers.",
    columns=[Column(key="arm", header="arm"), Column(key="x", header="test mean", format="percent")],
    rows=[Row(values=("λ = 0.1", 0.5), hashes=("a" * 16,)), Row(values=("control", None))],
)


def compiled(folder: Path, name: str) -> str:
    """The log of pdflatex; fails where it fails."""
    command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    log = (folder / name).with_suffix(".log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log


def test_a_narrow_table_takes_a_column_and_a_wide_one_goes_on_in_parts() -> None:
    narrow, wide = to_latex(NARROW), to_latex(WIDE)
    assert "\\begin{table}\n" in narrow
    assert "% cells " + "a" * 16 in narrow
    assert "% cells" not in to_latex(NARROW, with_cells=False)
    assert "\\begin{table*}" in wide
    parts = wide.split("\\begin{table*}")[1:]
    assert len(parts) > 2
    assert all(re.search(r"\\midrule\narm\\_\d+ \\{x\\}", part) for part in parts)
    for i in range(24):
        assert re.search(rf"number {i} of|number\\\\{i}|\\\\{i} of", wide), f"column {i} fell off"


def test_a_width_is_no_less_than_what_is_printed() -> None:
    # Widths of cmr8 by its metric file, in points: digits 4.25, i 2.36, m 7.08, W 8.74.
    for text, printed in (("0123456789", 42.5), ("iiii", 9.4), ("mmm", 21.2), ("W", 8.7)):
        assert printed <= text_width(text) < 1.35 * printed
    assert COLUMN < PAGE


def test_signs_without_a_letter_are_named() -> None:
    assert escape("中 50% {λ}") == r"[U+4E2D] 50\% \{$\lambda$\}"


@pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed, so the tables cannot be compiled")
@pytest.mark.parametrize("columns", [1, 2])
def test_tables_compile_with_booktabs_alone_and_fit(tmp_path: Path, columns: int) -> None:
    option = "twocolumn" if columns == 2 else "onecolumn"
    text = rf"\documentclass[10pt,{option}]{{article}}\usepackage[utf8]{{inputenc}}\usepackage{{booktabs}}"
    tables = to_latex(NARROW) + r"\clearpage" + to_latex(WIDE)
    (tmp_path / "t.tex").write_text(rf"{text}\begin{{document}}{tables}\end{{document}}", encoding="utf-8")
    assert re.findall(r"Overfull \\[hv]box \((?:[3-9]|\d\d+)\.\d+pt too .*", compiled(tmp_path, "t.tex")) == []


@pytest.mark.slow
@pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed, so the tables cannot be compiled")
@pytest.mark.parametrize(
    "model",
    [
        StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}, collapsed={1: [0]}, diverged={1: [2]}), strata={"a_b=c%": 0.1}),
        StudyModel(arms=STARTS, seeds=(0, 1, 2)),
        StudyModel(name="$x_1$ & {中}", arms=[ArmModel({"prompt": "vmp", "sampling": s}) for s in ("a#b", "~^")]),
    ],
)
def test_the_paper_of_a_report_compiles_and_nothing_sticks_out(tmp_path: Path, model: StudyModel) -> None:
    write_study(tmp_path, model)
    paper = write_report(tmp_path).parent / "paper"
    source = (paper / "report.tex").read_text(encoding="utf-8")
    for kind, ending in (("tables", "tex"), ("figures", "png")):
        for file in (paper.parent / kind).glob(f"*.{ending}"):
            assert f"../{kind}/{file.name}" in source
    assert re.findall(r"Overfull \\[hv]box \((?:[3-9]|\d\d+)\.\d+pt too .*", compiled(paper, "report.tex")) == []
