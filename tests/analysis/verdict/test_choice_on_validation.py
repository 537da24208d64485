"""The arm that stands for the layer: chosen on validation alone, over shared seeds, the simplest within one error."""

from __future__ import annotations

from pathlib import Path

from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from sweeps.chosen import Accuracies
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.decisions import Verdict
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study
from tests.analysis.verdict.concluded import best_label, conclude_on, words_of


def test_the_choice_is_made_on_validation_alone(tmp_path: Path) -> None:
    """Turning the test accuracies upside down must not change which lambda is chosen."""
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05})))
    study = load_study(tmp_path)
    study.cells[study.test] = 1 - study.cells[study.test]
    verdict = conclude(study).verdicts[0]
    assert best_label(verdict) == "λ = 0.1"
    assert verdict.outcome is Verdict.WORSE


def test_settings_that_validation_never_sees_are_no_choice(tmp_path: Path) -> None:
    """Arms that differ in `test` alone have the same figures on validation: the earlier one stands for both."""
    arms = [
        ArmModel({"prompt": prompt, "lambda": value, "test.views": views}, effect=value or 0.0)
        for prompt, value in (("control", None), ("vmp", 0.1), ("vmp", 0.2))
        for views in (8, 1)
    ]
    conclusions = conclude_on(tmp_path, arms)
    assert best_label(conclusions.verdicts[0]) == "λ = 0.2, test.views = 8"
    assert "the best of 2 on validation" in words_of(conclusions)
    left_out = "Could not be chosen: λ = 0.1, test.views = 1; λ = 0.2, test.views = 1 (on validation the same as an"
    assert left_out in words_of(conclusions)
    assert "Every other arm that could be chosen is shown to be more than 2 points worse" in words_of(conclusions)
    study = StudyFolder(tmp_path)
    plan = study.read_plan()
    rows, made = next(Accuracies.of(plan, study.records(plan)).choices())
    assert [plan.cells[5 * row].factors["test.views"] for row in rows] == [8, 8]
    assert made.best == 1


def test_one_missing_cell_does_not_turn_the_choice(tmp_path: Path) -> None:
    """The choice is made over the seeds that all candidates share, and they are named."""
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.0}, missing={0.1: [3]}), seeds=range(6))
    verdict = conclusions.verdicts[0]
    assert best_label(verdict) == "λ = 0.1"
    assert verdict.chosen is not None
    assert (verdict.chosen.seeds, verdict.chosen.unshared) == ((0, 1, 2, 4, 5), (3,))
    assert "share (seeds 0 to 2, 4 and 5), without seed 3" in words_of(conclusions)


def test_the_simplest_lambda_within_one_standard_error(tmp_path: Path) -> None:
    conclusions = conclude_on(
        tmp_path, lambda_arms({0: 0.1, 1: 0.2, 10: 0.205, 100: 0.2}), seeds=range(8), cell_sd=0.01
    )
    verdict = conclusions.verdicts[0]
    validation = conclusions.study.cells.pivot(index="seed", columns="arm", values="val_top1")
    deficits = validation[["λ = 0", "λ = 1", "λ = 10"]].rsub(validation["λ = 100"], axis=0)
    assert list(deficits.mean() <= deficits.sem()) == [False, False, True]
    assert verdict.chosen is not None
    assert (best_label(verdict), verdict.chosen.one_se.label) == ("λ = 100", "λ = 10")
