"""Reading a study folder: what is there, what is not, and one sentence for what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.study.cells import STATUS
from analysis.study.completeness import Completeness, completeness, completeness_by_arm
from analysis.study.curves import curve_table
from analysis.study.loading import load_study
from analysis.study.provenance import changed_code, provenance
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import CodeHeader
from tests.analysis.study_records import StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError
from vmp.core.fingerprint import code_fingerprints

MODEL = StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.1, 10: 0.0}), seeds=(0, 1, 2), epochs=3)


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def a_cell(folder: Path, **factors: object) -> Path:
    for path in sorted((folder / "cells").iterdir()):
        if json.loads(path.read_text())["factors"] == factors:
            return path
    raise AssertionError(factors)


def test_every_planned_cell_has_a_row_and_strangers_have_none(tmp_path: Path) -> None:
    folder = write_study(tmp_path, MODEL)
    orphan = next(folder.records(folder.read_plan()))
    folder.write_cell(CellRecord(**(orphan.model_dump() | {"hash": "f" * 16, "factors": {"lambda": 3}})))
    study = load_study(tmp_path)
    assert len(study.cells) == 15
    assert study.cells[STATUS].eq("complete").all()
    assert [arm.label for arm in study.arms] == ["backbone alone", "control (A = 1)", "λ = 0", "λ = 0.1", "λ = 10"]
    curves = curve_table(study)
    assert len(curves) == 15 * 3
    assert curves["collapsed"].eq(False).all()  # how the run ended, whatever its epochs say
    assert curves["variation"].isna().sum() == 9  # the baseline has no layer, and is not given one


def test_missing_diverged_stopped_and_failed_cells_are_counted_apart(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.1, 1: 0.1}, missing={0: [1]}, diverged={1: [0]}, stopped={0: [2]}, failed={1: [2]})
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    counts = completeness(study)
    assert (counts.planned, counts.complete, counts.missing, counts.diverged, counts.failed) == (12, 8, 1, 1, 1)
    assert counts.sentence == "8 of 12 planned cells are complete; 1 missing, 1 failed, 1 diverged, 1 stopped early."
    assert not counts.is_finished
    by_arm = completeness_by_arm(study).set_index("arm")
    assert list(by_arm.loc["λ = 1", ["complete", "diverged", "failed", "missing"]]) == [1, 1, 1, 0]


def test_a_search_that_has_not_proposed_all_its_arms_is_not_finished(tmp_path: Path) -> None:
    def counted(folder: Path, **search: object) -> Completeness:
        model = StudyModel(
            arms=lambda_arms({0.1: 0, 0.2: 0}), seeds=(0, 1), search={"method": "tpe", "arms": 5, **search}
        )
        write_study(folder, model)
        return completeness(load_study(folder))

    counts = counted(tmp_path / "a")
    assert counts.unproposed == 3  # of 5, the two references not among them
    assert not counts.is_finished
    assert "still to propose 3 arms" in counts.sentence
    assert counted(tmp_path / "b", proposed=5).is_finished  # it proposed the same arm more than once


def test_nearly_equal_proposals_stay_two_arms(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0.12345678: 0, 0.12345679: 0}), seeds=(0, 1)))
    labels = [arm.label for arm in load_study(tmp_path).arms]
    assert labels[2:] == ["λ = 0.12345678", "λ = 0.12345679"]


def test_a_factor_that_was_added_or_dropped_since_is_no_contradiction(tmp_path: Path) -> None:
    """The cell is the same one, by its hash: a study may call it by more factors, or fewer, than when it ran."""
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2})))
    before = load_study(tmp_path).cells
    for cell in folder.read_plan().cells:
        factors = {**cell.factors, "rate": 2}
        del factors["lambda"]
        change(folder.cell_path(cell.hash), factors=factors)
    study = load_study(tmp_path)
    pd.testing.assert_frame_equal(study.cells, before)
    assert all(record.factors == cell.factors for record, cell in zip(
        folder.records(study.plan), study.plan.cells, strict=True))  # fmt: skip
    change(a_cell(tmp_path, prompt="vmp", rate=2), factors={"prompt": "control"})
    with pytest.raises(InputError, match=r"says seed .* and factors {'prompt': 'control'}"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "plan.json").unlink(), "holds no study"),
        (lambda d: (d / "plan.json").write_text("{"), r"plan\.json' is damaged"),
        (
            lambda d: a_cell(d, prompt="vmp", **{"lambda": 10}).write_text("{"),
            r"cells/.*is damaged.*run the study again",
        ),
        (
            lambda d: change(a_cell(d, prompt="control", **{"lambda": None}), seed=77),
            r"says seed 77.*the plan says seed \d",
        ),
        (
            lambda d: change(a_cell(d, prompt="vmp", **{"lambda": 0}), metrics={"test_top1": 70.5}),
            r"'metrics': test_top1 is 70\.5, it must be a number in \[0, 1\] or null; move it away",
        ),
        (
            lambda d: change(d / "plan.json", metric="loss"),
            r"'metric': Input should be 'top1' or 'mean_class'",
        ),
        (
            lambda d: change(d / "plan.json", study={"name": "s", "margin": 2}),
            r"'study\.margin': Input should be less than 1",
        ),
        (lambda d: change(d / "plan.json", format=1), "has the record format 1, this version reads format 2"),
        (lambda d: change(d / "plan.json", cells=[]), "plans no cell"),
        (
            lambda d: change(d / "plan.json", cells=2 * json.loads((d / "plan.json").read_text())["cells"]),
            "plans seed 0 of .* twice",
        ),
    ],
)
def test_a_damaged_folder_is_named_with_the_rule_and_the_way_out(tmp_path: Path, damage, message: str) -> None:
    write_study(tmp_path, MODEL)
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_study(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_complete_cells_without_accuracy_are_no_complete_study(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1}), seeds=(0, 1, 2)))
    assert completeness(load_study(tmp_path)).is_measured
    record = next(iter(folder.records(folder.read_plan())))
    folder.write_cell(record.model_copy(update={"metrics": {**record.metrics, "test_top1": None}}))
    counts = completeness(load_study(tmp_path))
    assert (counts.unmeasured, counts.is_finished, counts.is_measured) == (1, True, False)
    assert counts.sentence == "All 9 planned cells are complete. Without a test accuracy: 1 of the complete ones."


def test_a_plan_that_no_longer_fits_the_code_is_said(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1}), seeds=(0, 1, 2)))
    plan = folder.read_plan()
    sentence = changed_code(plan)
    assert sentence is not None
    assert "has changed since this study was planned (vmp.layer.base);" in sentence
    now = CodeHeader(hash="0" * 16, modules=code_fingerprints())
    assert changed_code(plan.model_copy(update={"code": now})) is None


def test_notes_on_the_data_are_warnings(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1}), seeds=(0, 1, 2)))
    plan = folder.read_plan()
    short = [
        f"12 of 800 videos are short for the sampler ({where}): a clip repeats frames" for where in ("9 test", "12 val")
    ]
    data = plan.data.model_copy(update={"notes": ["no groups are known", *short]})
    folder.write_plan(plan.model_copy(update={"data": data}))
    warnings = provenance(load_study(tmp_path)).warnings
    assert "Data: no groups are known" in warnings
    assert "Data: 12 of 800 videos are short for the sampler: a clip repeats frames" in warnings, "one for all folds"
