"""Which models stay: those of the arms that the report chooses, however the cells end and in whatever order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from sweeps.records.study_folder import StudyFolder
from sweeps.weights import KeptWeights
from tests.analysis.study_records import ArmModel, StudyModel, write_study
from vmp.saved_model import WEIGHTS_FILE


def _arms(backbone: str, **endings: frozenset[int]) -> list[ArmModel]:
    factors = {"backbone": backbone, "lambda": None}
    effects = {0.1: 0.05, 1: 0.08, 10: 0.02}
    prompted = [
        ArmModel({"prompt": "vmp", **factors, "lambda": value}, effect=effect, **(endings if value == 1 else {}))
        for value, effect in effects.items()
    ]
    return [ArmModel({"prompt": "control", **factors}), *prompted]


@pytest.mark.parametrize("draw", range(4))
@pytest.mark.parametrize("endings", [{}, {"diverged": frozenset({2})}, {"stopped": frozenset({1})}], ids=str)
def test_the_models_of_the_reports_choice_stay(tmp_path: Path, endings: dict[str, frozenset[int]], draw: int) -> None:
    arms = [*_arms("slow_tiny", **endings), *_arms("cnn3d_tiny")]
    folder = write_study(tmp_path, StudyModel(arms=arms, draw=draw))
    plan = folder.read_plan()
    records = list(folder.records(plan))
    for record in records:
        (tmp_path / "models" / record.hash).mkdir(parents=True)
        (tmp_path / "models" / record.hash / WEIGHTS_FILE).touch()
    random.Random(draw).shuffle(records)
    kept = KeptWeights(tmp_path / "models", "chosen")
    half = len(records) // 2  # the first half by an earlier run
    kept.plan(plan, {record.hash: record for record in records[:half]})
    for record in records[half:]:
        kept.add(record)
    lines = kept.end()
    chosen = [dict(arm.factors) for arm in conclude(load_study(tmp_path)).chosen]
    assert len(chosen) == len(lines) == 2
    there = {path.name for path in (tmp_path / "models").iterdir()}
    assert there == {cell.hash for cell in StudyFolder(tmp_path).read_plan().cells if cell.factors in chosen}


@pytest.mark.parametrize("late", [0, 1, 2])
def test_an_arm_that_was_ahead_waits_for_its_next_seeds_in_a_race(tmp_path: Path, late: int) -> None:
    folder = write_study(tmp_path, StudyModel(arms=_arms("slow_tiny")))
    plan = folder.read_plan()
    records = list(folder.records(plan))
    for record in records:
        (tmp_path / "models" / record.hash).mkdir(parents=True)
        (tmp_path / "models" / record.hash / WEIGHTS_FILE).touch()
    kept = KeptWeights(tmp_path / "models", "chosen")
    last = plan.arms()[list(plan.arms())[1 + late]]
    for before, seeds in ((0, 3), (3, 5)):  # the looks of a race
        planned = [cell for cell in plan.cells if cell.seed < seeds]
        kept.plan(plan.model_copy(update={"cells": planned}), {})
        new = [record for record in records if before <= record.seed < seeds]
        for record in sorted(new, key=lambda record: record.factors == last):
            kept.add(record)
    kept.end()
    (chosen,) = conclude(load_study(tmp_path)).chosen
    remaining = {path.name for path in (tmp_path / "models").iterdir()}
    assert remaining <= {cell.hash for cell in plan.cells if cell.factors == dict(chosen.factors)}
    assert remaining
