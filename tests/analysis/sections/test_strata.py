"""Strata: from the tags of the test videos to a table with paired differences."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from analysis.report.write import write_report
from tests.analysis.study_records import StudyModel, lambda_arms, write_study

ARMS = lambda_arms({0.0: 0.05, 1.0: 0.03})


def test_each_stratum_has_its_own_paired_differences(tmp_path: Path) -> None:
    index = write_report(write_study(tmp_path, StudyModel(arms=ARMS, strata={"camera=moving": -0.1})).path)
    with (index.parent / "tables" / "strata.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (index.parent / "tables" / "results.csv").open() as file:
        overall = {row["arm"]: row for row in csv.DictReader(file)}
    assert {row["stratum"] for row in rows} == {"camera=moving"}
    assert len(rows) == len(ARMS)
    for row in rows:
        assert float(row["test_mean"]) == pytest.approx(float(overall[row["arm"]]["test_mean"]) - 0.1, abs=1e-4)
    # A shift that all arms share leaves the paired differences as they are.
    differences = {row["arm"]: float(row["difference"]) for row in rows if row["difference"]}
    assert set(differences) == {"λ = 0", "λ = 1"}
    assert differences == pytest.approx({arm: float(overall[arm]["difference"]) for arm in differences}, abs=1e-4)
    assert 'id="strata"' in index.read_text()


def test_without_tags_there_is_no_table_and_one_line_says_why(tmp_path: Path) -> None:
    index = write_report(write_study(tmp_path, StudyModel(arms=ARMS)).path)
    assert not (index.parent / "tables" / "strata.csv").exists()
    assert 'id="strata"' not in index.read_text()
    assert "By stratum of the test videos (no tag divides the test videos)" in index.read_text()
