"""`vmp report DIR --verify`: a report agrees with its cells, and a number that was changed is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analysis.cli import report
from tests.analysis.study_records import StudyModel, lambda_arms, write_study


def run(*arguments: object) -> Result:
    return CliRunner().invoke(report, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "study"
    write_study(folder, StudyModel(arms=lambda_arms({0: 0.0, 0.1: 0.05}), seeds=(0, 1, 2, 3)))
    assert run(folder).exit_code == 0
    return folder


def _verdict(text: str) -> str:
    verdict = json.loads(text)
    verdict["comparison"]["difference"] += 0.001
    return json.dumps(verdict)


def _results(text: str) -> str:
    lines = text.splitlines()
    fields = lines[3].split(",")
    fields[3] = f"{float(fields[3]) + 1e-4:.10g}"
    return "\n".join([*lines[:3], ",".join(fields), *lines[4:]]) + "\n"


@pytest.mark.parametrize(
    ("file", "tamper", "place"),
    [
        ("verdict.json", _verdict, "verdict.json, comparison.difference: written"),
        ("tables/results.csv", _results, "tables/results.csv, row 3 (λ = 0), column test_mean: written"),
        ("tables/comparisons.tex", lambda text: text.replace(" & 4 & ", " & 5 & ", 1), "tables/comparisons.tex, line"),
        ("index.html", lambda text: text.replace("percentage points on test", "points on test", 1), "index.html, text"),
    ],
)
def test_a_changed_number_is_named(file: str, tamper: Callable[[str], str], place: str, study: Path) -> None:
    path = study / "report" / file
    text = path.read_text(encoding="utf-8")
    changed = tamper(text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    try:
        done = run(study, "--verify")
    finally:
        path.write_text(text, encoding="utf-8")
    assert done.exit_code == 1
    *named, summary = done.stdout.splitlines()
    assert any(line.startswith(place) for line in named)
    assert all(line.startswith(file) for line in named)
    assert f"{len(named)} in disagreement" in summary


def test_a_report_agrees_with_its_cells(study: Path) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    done = run(study, "--verify")
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("none in disagreement\n")
    assert before == {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}


def test_a_record_that_changed_since_is_noticed(study: Path) -> None:
    cell = next(iter((study / "cells").iterdir()))
    text = cell.read_text(encoding="utf-8")
    record = json.loads(text)
    record["metrics"]["test_top1"] = 0.111
    cell.write_text(json.dumps(record), encoding="utf-8")
    try:
        done = run(study, "--verify")
    finally:
        cell.write_text(text, encoding="utf-8")
    assert done.exit_code == 1
    assert "recomputed 0.111" in done.stdout


def test_what_cannot_be_verified_is_said(study: Path, tmp_path: Path) -> None:
    done = run(study, "--verify", "--out", tmp_path)
    assert "holds no report to verify" in str(done.exception)
    assert "without --json" in str(run(study, "--verify", "--json").exception)
