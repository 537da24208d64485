"""What is concluded, and that each conclusion is worded as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.study.cells import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Claim
from analysis.words.headline import findings, headline
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError


def conclude_on(folder: Path, arms: Sequence[ArmModel], **model: object) -> Conclusions:
    write_study(folder, StudyModel(arms=arms, **model))  # type: ignore[arg-type]
    return conclude(load_study(folder))


def words_of(conclusions: Conclusions) -> str:
    return " ".join(finding.text for _, of_block in findings(conclusions) for finding in of_block)


def test_a_clear_win_names_lambda_effect_interval_family_and_seeds(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05}))
    verdict = conclusions.lambda_verdicts[0]
    assert verdict.claim is Claim.BETTER
    assert verdict.best is not None
    assert verdict.best_lambda == 0.1
    assert headline(conclusions).text.startswith("VMP with λ = 0.1, the value chosen on validation, beats the control")
    assert "allowing for the 3 comparisons made; 5 paired seeds" in headline(conclusions).text
    assert "cannot fall below p = 0.0625" in words_of(conclusions)
    assert "not yet confirmed on fresh seeds" in words_of(conclusions)


def test_the_choice_is_made_on_validation_alone(tmp_path: Path) -> None:
    """Turning the test accuracies upside down must not change which lambda is chosen."""
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05})))
    study = load_study(tmp_path)
    study.cells[study.test] = 1 - study.cells[study.test]
    verdict = conclude(study).lambda_verdicts[0]
    assert verdict.best is not None
    assert verdict.best_lambda == 0.1
    assert verdict.claim is Claim.WORSE


def test_a_loss_is_called_one(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: -0.15, 1: -0.2, 10: -0.2}))
    assert conclusions.verdicts[0].claim is Claim.WORSE
    assert headline(conclusions).text.startswith(
        "Even VMP with λ = 0, the best value on validation, does worse than the control"
    )


def test_few_noisy_seeds_decide_nothing_and_say_so(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.01, 1: 0.0, 10: 0.01}), seeds=(0, 1, 2), cell_sd=0.03)
    assert conclusions.verdicts[0].claim is Claim.UNDECIDED
    assert "is not decided by this study" in headline(conclusions).text
    assert "beats" not in headline(conclusions).text
    assert "equal" not in headline(conclusions).text


def test_practically_equal_is_claimed_only_within_the_margin(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.0, 1: 0.0, 10: 0.0})
    conclusions = conclude_on(tmp_path / "a", arms, seeds=range(8), cell_sd=0.005)
    assert conclusions.verdicts[0].claim is Claim.EQUAL
    assert "is practically equal to the control" in headline(conclusions).text
    assert "within the margin of ±2" in headline(conclusions).text
    verdict = conclusions.lambda_verdicts[0]
    assert {c.arm.lambda_ for c in verdict.equivalent} | {verdict.best_lambda} == {0, 1, 10}
    strict = conclude_on(tmp_path / "b", arms, seeds=range(8), cell_sd=0.005, extra={"margin": 0.001})
    assert strict.verdicts[0].claim is Claim.UNDECIDED


def test_a_win_that_multiplicity_takes_away_only_leans(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.05, 0.1: 0.06, 1: 0.05, 10: 0.05, 100: 0.04})
    conclusions = conclude_on(tmp_path, arms, seeds=(0, 1, 2), cell_sd=0.015)
    main = conclusions.verdicts[0].main
    assert main is not None
    assert main.interval is not None
    assert main.simultaneous_interval is not None
    assert main.interval.excludes_zero
    assert not main.simultaneous_interval.excludes_zero
    assert conclusions.verdicts[0].claim is Claim.AHEAD
    assert "but that is not established" in headline(conclusions).text


@pytest.mark.parametrize(
    ("seeds", "claim", "words"), [(3, Claim.UNDECIDED, "too few to call"), (6, Claim.EQUAL, "each of 6")]
)
def test_identical_accuracies_are_named_as_such_and_called_equal_only_over_enough_seeds(
    tmp_path: Path, seeds: int, claim: Claim, words: str
) -> None:
    write_study(
        tmp_path, StudyModel(arms=[ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"})], seeds=range(seeds))
    )
    study = load_study(tmp_path)
    control = study.cells.loc[study.cells["kind"] == "control", study.test].to_numpy()
    study.cells.loc[study.cells["kind"] == "vmp", study.test] = control
    conclusions = conclude(study)
    assert conclusions.verdicts[0].claim is claim
    assert "gives exactly the test accuracy of the control" in headline(conclusions).text
    assert words in headline(conclusions).text
    study.cells.loc[study.cells["kind"] == "vmp", study.test] = control + 0.05
    assert conclude(study).verdicts[0].claim is Claim.UNDECIDED
    assert "they do not vary and there is nothing to test them by" in headline(conclude(study)).text


def test_one_seed_gives_no_verdict(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.3, 1: 0.3}), seeds=(0,))
    assert conclusions.verdicts[0].claim is Claim.NONE
    assert headline(conclusions).text.startswith("No verdict is possible")


def test_an_incomplete_study_is_provisional(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.2, 1: 0.1}, missing={0.1: [0, 1]}))
    assert headline(conclusions).text.startswith("Provisional, with 23 of 25 planned cells complete: VMP with λ = ")
    verdict = conclusions.lambda_verdicts[0]
    assert verdict.best is not None
    assert verdict.best_lambda != 0.1  # three of five seeds may not be chosen over five of five
    assert "Could not be chosen: λ = 0.1 (3 of 5 seeds complete)." in words_of(conclusions)


def test_an_arm_with_a_diverged_seed_is_not_recommended(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 1: 0.3}, diverged={1: [2]}))
    verdict = conclusions.lambda_verdicts[0]
    assert verdict.best is not None
    assert verdict.best_lambda == 0
    assert [(arm.label, reason) for arm, reason in verdict.ineligible] == [("λ = 1", "1 of 5 seeds diverged")]
    assert not headline(conclusions).text.startswith("Provisional")  # divergence is a result, nothing is left to run


def test_collapsed_seeds_are_counted_and_compared_with_the_control(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.2, 1: 0.2, 100: 0.2}, collapsed={100: [0, 2, 3]}))
    collapse = conclusions.lambda_verdicts[0].candidates[-1].collapse
    assert collapse is not None
    assert collapse.seeds == (0, 2, 3)
    assert collapse.max_gap is not None
    assert collapse.max_gap < 0.02
    assert "At λ = 100, 3 of 5 seeds collapsed" in words_of(conclusions)
    assert "those seeds equal the control within" in words_of(conclusions)


def test_collapse_within_the_chosen_lambda_stands_in_the_headline(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.3, 1: 0.0}, collapsed={0: [1, 4]}))
    assert "2 of its 5 seeds collapsed, so the mean mixes two outcomes" in headline(conclusions).text


def test_the_simplest_lambda_within_one_standard_error(tmp_path: Path) -> None:
    conclusions = conclude_on(
        tmp_path, lambda_arms({0: 0.1, 1: 0.2, 10: 0.205, 100: 0.2}), seeds=range(8), cell_sd=0.01
    )
    verdict = conclusions.lambda_verdicts[0]
    assert verdict.best is not None
    validation = conclusions.study.cells.pivot(index="seed", columns="arm", values="val_top1")
    deficits = validation[["λ = 0", "λ = 1", "λ = 10"]].rsub(validation["λ = 100"], axis=0)
    assert list(deficits.mean() <= deficits.sem()) == [False, False, True]
    assert (verdict.best_lambda, verdict.one_se) == (100, 10)


def test_without_a_control_the_backbone_is_the_reference_and_the_gap_is_named(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "none"}), ArmModel({"prompt": "vmp"}, effect=0.1)]
    conclusions = conclude_on(tmp_path, arms)
    assert headline(conclusions).text.startswith("VMP beats the backbone alone: ")
    assert "no control arm" in words_of(conclusions)


def test_the_layer_with_and_without_its_regulariser(tmp_path: Path) -> None:
    better = conclude_on(tmp_path / "a", [ArmModel({"lambda": v}, effect=0.1 * v) for v in (0, 1)])
    assert headline(better).text.startswith(
        "VMP with λ = 1, the value chosen on validation, beats λ = 0 (the layer without its"
    )
    assert "neither control nor baseline" in headline(better).text
    useless = conclude_on(tmp_path / "b", [ArmModel({"lambda": v}, effect=-0.1 * v) for v in (0, 1)])
    assert headline(useless).text.startswith("λ = 0 is best on validation")


def test_a_study_of_backbones_alone_names_its_arms(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, [ArmModel({"prompt": "none", "backbone": name}) for name in ("slow", "x3d")])
    assert "the reference arm (backbone alone, backbone = slow)" in headline(conclusions).text


def test_a_study_of_starts_with_two_lambdas_is_a_study_of_arms(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "control", "n": None, "lambda": None})]
    arms += [
        ArmModel({"prompt": "vmp", "n": n, "lambda": v}, effect=0.2 if n > 0 else 0)
        for n in (-0.3, 0.3)
        for v in (0, 1)
    ]
    conclusions = conclude_on(tmp_path, arms)
    assert conclusions.arm_verdict is not None
    assert headline(conclusions).text.startswith("VMP with n = 0.3, λ = ")
    assert "the best of 4 on validation, beats the control" in headline(conclusions).text


def test_blocks_get_a_verdict_each_and_one_sentence_together(tmp_path: Path) -> None:
    arms = []
    for backbone, best in (("slow", 0), ("x3d", 1)):
        arms.append(ArmModel({"backbone": backbone, "prompt": "control", "lambda": None}))
        arms += [
            ArmModel({"backbone": backbone, "prompt": "vmp", "lambda": v}, effect=0.2 if v == best else 0.05)
            for v in (0, 1, 10)
        ]
    conclusions = conclude_on(tmp_path, arms)
    assert [v.block for v in conclusions.lambda_verdicts] == ["backbone = slow", "backbone = x3d"]
    assert headline(conclusions).text.startswith("On validation the λ chosen differs between the blocks")
    assert len(conclusions.verdicts) == 2


def test_a_study_of_the_layer_alone_uses_the_reference_it_names(tmp_path: Path) -> None:
    arms = [ArmModel({"sampling": name}, effect=e) for name, e in (("uniform", 0.0), ("random", 0.0), ("segment", 0.1))]
    first = conclude_on(tmp_path / "a", arms)
    assert "the reference arm (sampling = uniform)" in headline(first).text
    named = conclude_on(tmp_path / "b", arms, extra={"reference": {"sampling": "random"}})
    assert "the reference arm (sampling = random)" in headline(named).text
    with pytest.raises(InputError, match="no planned arm has these factors"):
        conclude_on(tmp_path / "c", arms, extra={"reference": {"sampling": "dense"}})
