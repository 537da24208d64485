"""Accuracy and cost: seconds from the records, and the front by its definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.cost_front import front
from analysis.sections.cost import COST
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from tests.analysis.study_records import StudyModel, lambda_arms, write_study


def test_the_front_holds_what_only_slower_points_surpass() -> None:
    points = [(1, 2, 0.5), (3, 4, 0.7), (1.5, 2.5, 0.6), (5, 6, 0.65), (3.5, 5, 0.7)]
    # The first overlaps the third, which is worth more; the fourth is slower and worth less than the second.
    assert front(points) == [False, True, True, False, True]
    assert front([(1, 1, 0.5)]) == [True]


def test_seconds_are_medians_of_the_records(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2})))
    study = load_study(tmp_path)
    rng = np.random.default_rng(0)
    study.cells["steady_seconds"] = rng.uniform(1, 2, size=len(study.cells)) + 5 * (study.cells["arm"] == "λ = 1")
    content = COST.compute(conclude(study))
    rows = {row.values[0]: row.values for row in content.tables[0].rows}
    by_arm = study.cells.groupby("arm")["steady_seconds"]
    for arm, values in rows.items():
        expected = by_arm.median()[arm], by_arm.min()[arm], by_arm.max()[arm]
        assert values[2:5] == pytest.approx(expected)
    assert {arm for arm, values in rows.items() if values[6] == "yes"} == {"λ = 0", "λ = 1"}
    assert "2 of 4 arms are on the front" in content.findings[0][1][0].text


def test_the_mean_is_of_all_complete_cells_as_elsewhere_on_the_page(tmp_path: Path) -> None:
    """The first cell of a worker warms up, so it is not timed; its accuracy counts all the same."""
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2})))
    study = load_study(tmp_path)
    study.cells.loc[study.cells["seed"] == 0, "steady_seconds"] = np.nan
    rows = {row.values[0]: row.values for row in COST.compute(conclude(study)).tables[0].rows}
    means = study.cells.groupby("arm")["test_top1"].mean()
    assert {arm: values[1] for arm, values in rows.items()} == dict.fromkeys(rows, 4)
    assert {arm: values[5] for arm, values in rows.items()} == pytest.approx({arm: means[arm] for arm in rows})


def test_without_seconds_one_line_says_so(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1})))
    study = load_study(tmp_path)
    study.cells["steady_seconds"] = np.nan
    assert COST.applies(conclude(study)) == "fewer than two arms have complete cells with their seconds"
