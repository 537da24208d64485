"""docs/statistics.md has the figures of the benchmarks, the words of the report, and the numbers of the planner."""

from __future__ import annotations

import doctest
import re

import pytest
from click.testing import CliRunner

from analysis.sections.methods import METHODS
from analysis.words.phrases import VERDICT_WORDS
from sweeps.cli import sweep
from sweeps.stats.collapse import largest_unseen_rate
from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.planner import min_seeds_by_sign_flips
from sweeps.study import Study
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
FIGURES = [(row[-1].strip("`"), figure) for row in ROWS if "benchmarks/" in row[-1] for figure in row[1:-1]]


def section_of(command: str) -> str:
    """What the benchmarks' page says below the heading with this command."""
    (text,) = (part for part in re.split(r"^##+ ", BENCHMARKS, flags=re.MULTILINE) if command in part.split("\n")[0])
    return text


@pytest.mark.parametrize(("command", "figures"), FIGURES, ids=[f"{c.split('/')[1]} {f}" for c, f in FIGURES])
def test_figures_are_those_of_the_benchmarks(command: str, figures: str) -> None:
    assert (ROOT / command.removeprefix("python ")).is_file()
    for figure in figures.split(", "):
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.]\d)", section_of(command)), figure


def test_figures_in_sentences_are_those_of_the_benchmarks() -> None:
    sentences = re.findall(r"[^\n](?:[^|`]|`[^`]*`)*?\(`python benchmarks/\w+\.py`\)", PAGE)
    for sentence in sentences:
        command = re.findall(r"`(python benchmarks/\w+\.py)`", sentence)[-1]
        for figures in re.findall(r"\d+\.\d(?: / \d+\.\d)+", sentence):
            assert figures in section_of(command), figures
    assert len(sentences) == 4


def test_the_command_prints_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ((command, expected),) = re.findall(r"```console\n\$ vmp sweep (.*?)\n(.*?)```", PAGE, re.DOTALL)
    done = CliRunner().invoke(sweep, command.split(), catch_exceptions=False)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, done.stdout, flags), done.stdout


def test_words_of_the_report_are_quoted_as_it_writes_them() -> None:
    source = (ROOT / "analysis" / "words" / "claims.py").read_text(encoding="utf-8")
    said = PAGE[PAGE.index("| the report says") : PAGE.index("Say with it")]
    first = [line.split("|")[1] for line in said.splitlines() if line.startswith("| ")]
    phrases = [phrase for cell in first for phrase in re.findall(r"`([^`]+)`", cell)]
    assert len(phrases) == 8
    assert all(phrase in source for phrase in phrases)
    assert all(word.split(",")[0] in PAGE for word in VERDICT_WORDS.values())
    assert METHODS.title in PAGE


def test_numbers_of_seeds_are_those_of_the_procedures() -> None:
    assert [min_seeds_by_sign_flips(), min_seeds_by_sign_flips(4)] == [6, 8]
    assert [round(float(sign_flip_floor(n, k)), 3) for n, k in ((6, 1), (8, 4))] == [0.031, 0.031]
    assert round(largest_unseen_rate(5), 2) == 0.45
    assert Study(name="x").margin == 0.02
