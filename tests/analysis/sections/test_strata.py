"""Strata: from the tags of the test videos to a table with paired differences."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from analysis.report import write_report
from tests.analysis.study_records import StudyModel, lambda_arms, write_study

ARMS = StudyModel(arms=lambda_arms({0.0: 0.05, 1.0: 0.03}))


def with_strata(folder: Path) -> dict[str, dict[int, float]]:
    """Give every cell an accuracy on moving cameras, its test accuracy minus 0.1; returns them by arm and seed."""
    given: dict[str, dict[int, float]] = {}
    for path in folder.glob("cells/*.json"):
        record = json.loads(path.read_text())
        if record["status"] == "complete":
            value = record["metrics"]["test_top1"] - 0.1
            record["metrics"]["test_top1[camera=moving]"] = value
            given.setdefault(json.dumps(record["factors"]), {})[record["seed"]] = value
            path.write_text(json.dumps(record))
    return given


def test_each_stratum_has_its_own_paired_differences(tmp_path: Path) -> None:
    folder = write_study(tmp_path, ARMS).path
    given = with_strata(folder)
    index = write_report(folder)
    rows = list(csv.DictReader((index.parent / "tables" / "strata.csv").open()))
    overall = {row["arm"]: row for row in csv.DictReader((index.parent / "tables" / "results.csv").open())}
    assert {row["stratum"] for row in rows} == {"camera=moving"}
    assert len(rows) == len(given)
    for row in rows:
        assert float(row["test_mean"]) == pytest.approx(float(overall[row["arm"]]["test_mean"]) - 0.1)
    # A shift that all arms share leaves the paired differences as they are.
    differences = {row["arm"]: float(row["difference"]) for row in rows if row["difference"]}
    assert set(differences) == {"λ = 0", "λ = 1"}
    assert differences == pytest.approx({arm: float(overall[arm]["difference"]) for arm in differences})
    assert "By stratum of the test videos" in index.read_text()


def test_without_tags_there_is_no_table(tmp_path: Path) -> None:
    index = write_report(write_study(tmp_path, ARMS).path)
    assert not (index.parent / "tables" / "strata.csv").exists()
    assert "By stratum" not in index.read_text()
