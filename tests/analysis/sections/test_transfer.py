"""The matrix of slope and shift learnt there and used here: planted gains in their fields, or one line why not."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from analysis.figures.transfer_grid import prepare_transfers
from analysis.sections.transfer import TRANSFERS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.transfers import transfers
from tests.analysis.study_records import StudyModel, lambda_arms, transfer_arms, write_study

CONDITIONS = ("none", "moving_camera")
GAINS = {("none", "moving_camera", True): -0.1, ("moving_camera", "none", False): 0.06}


def transfer_study(folder: Path) -> Conclusions:
    header = {"reference": {"prompt": "vmp", "transfer": "none"}}
    arms = transfer_arms(CONDITIONS, GAINS)
    write_study(folder, StudyModel(arms=arms, seeds=range(6), cell_sd=0.004, extra=header))
    return conclude(load_study(folder))


def test_each_field_holds_the_difference_to_what_is_learnt_where_it_is_used(tmp_path: Path) -> None:
    conclusions = transfer_study(tmp_path)
    made = transfers(conclusions)
    assert len(made) == 8, "the controls are compared too, and are no transfer"
    grids = {grid.title.split(":")[0]: grid for grid in prepare_transfers(made, "test")}
    assert set(grids) == {"transfer.freeze = on", "transfer.freeze = off"}
    labels = tuple(f"condition = {one}" for one in CONDITIONS)
    for title, grid in grids.items():
        assert (grid.rows[1], grid.columns[1]) == (labels, labels)
        for (i, learnt), (j, used) in itertools.product(enumerate(CONDITIONS), repeat=2):
            planted = GAINS.get((learnt, used, title.endswith("on")), 0.0)
            assert grid.values[i, j] == pytest.approx(100 * planted, abs=1.5)
    content = TRANSFERS.compute(conclusions)
    (_, (finding,)) = content.findings[0]
    assert finding.text.startswith("Against slope and shift learnt where they are used, 8 settings learnt on other ")
    assert "1 better, 1 worse" in finding.text
    low = "The lowest is learnt on condition = none and used on condition = moving_camera (transfer.freeze = on): −"
    assert low in finding.text
    assert len(finding.contrasts) == 8
    assert content.tables[0].rows[0].values[:3] == (labels[0], labels[0], "transfer.freeze = on")


def test_a_study_without_a_transfer_says_so_in_one_line(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.05, 1: 0.1})))
    reason = TRANSFERS.applies(conclude(load_study(tmp_path)))
    assert reason == "no slope and shift learnt on other data are compared with those learnt where they are used"
