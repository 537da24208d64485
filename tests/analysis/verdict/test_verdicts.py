"""What is concluded, and that each conclusion is worded as what it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.study.cells import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.headline import answer, beside_headline, findings, headline
from sweeps.chosen import Accuracies
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.decisions import Reason, Verdict
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError


def conclude_on(folder: Path, arms: Sequence[ArmModel], **model: object) -> Conclusions:
    write_study(folder, StudyModel(arms=arms, **model))  # type: ignore[arg-type]
    return conclude(load_study(folder))


def best_label(verdict: BlockVerdict) -> str | None:
    return verdict.best.arm.label if verdict.best else None


def words_of(conclusions: Conclusions) -> str:
    return " ".join(finding.text for _, of_block in findings(conclusions) for finding in of_block)


def test_a_clear_win_names_lambda_effect_interval_family_and_seeds(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05}))
    verdict = conclusions.verdicts[0]
    assert verdict.outcome is Verdict.BETTER
    assert best_label(verdict) == "λ = 0.1"
    assert headline(conclusions).text.startswith("VMP with λ = 0.1, the best of 3 on validation, beats the control")
    assert "allowing for 3 comparisons; 5 paired seeds" in headline(conclusions).text
    assert "cannot fall below p = 0.19" in words_of(conclusions)  # 2 * 3 / 2^5: the family is in it
    assert "not yet confirmed on fresh seeds" in words_of(conclusions)


def test_the_choice_is_made_on_validation_alone(tmp_path: Path) -> None:
    """Turning the test accuracies upside down must not change which lambda is chosen."""
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05})))
    study = load_study(tmp_path)
    study.cells[study.test] = 1 - study.cells[study.test]
    verdict = conclude(study).verdicts[0]
    assert best_label(verdict) == "λ = 0.1"
    assert verdict.outcome is Verdict.WORSE


def test_a_loss_is_called_one(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: -0.15, 1: -0.2, 10: -0.2}))
    assert conclusions.verdicts[0].outcome is Verdict.WORSE
    assert headline(conclusions).text.startswith(
        "Even VMP with λ = 0, the best of 3 on validation, does worse than the control"
    )


def test_few_noisy_seeds_decide_nothing_and_say_so(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.01, 1: 0.0, 10: 0.01}), seeds=(0, 1, 2), cell_sd=0.03)
    assert conclusions.verdicts[0].outcome is Verdict.UNDECIDED
    assert "is not decided by this study" in headline(conclusions).text
    assert "beats" not in headline(conclusions).text
    assert "equal" not in headline(conclusions).text


def test_practically_equal_is_claimed_only_within_the_margin(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.0, 1: 0.0, 10: 0.0})
    conclusions = conclude_on(tmp_path / "a", arms, seeds=range(12), cell_sd=0.005)
    assert conclusions.verdicts[0].outcome is Verdict.EQUAL
    assert "is practically equal to the control" in headline(conclusions).text
    assert "within the margin of ±2" in headline(conclusions).text
    verdict = conclusions.verdicts[0]
    assert [c.verdict for c in verdict.contrasts] == [Verdict.EQUAL] * 3
    strict = conclude_on(tmp_path / "b", arms, seeds=range(12), cell_sd=0.005, extra={"margin": 0.001})
    assert strict.verdicts[0].outcome is Verdict.UNDECIDED


def test_a_win_that_multiplicity_takes_away_is_not_established(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.0, 0.1: 0.06, 1: 0.0, 10: 0.0, 100: 0.0})
    conclusions = conclude_on(tmp_path, arms, seeds=(0, 1, 2), cell_sd=0.012)
    main = conclusions.verdicts[0].main
    assert main is not None
    assert (main.verdict, main.reason) == (Verdict.AHEAD, Reason.FAMILY)
    assert main.p_alone <= 0.05 < main.p
    assert main.interval is not None
    assert not main.interval.excludes_zero
    assert "but that is not established" in headline(conclusions).text
    assert "by itself this comparison would be clear" in headline(conclusions).text


@pytest.mark.parametrize(
    ("seeds", "claim", "words"), [(3, Verdict.UNDECIDED, "too few to call"), (6, Verdict.EQUAL, "each of 6")]
)
def test_identical_accuracies_are_named_as_such_and_called_equal_only_over_enough_seeds(
    tmp_path: Path, seeds: int, claim: Verdict, words: str
) -> None:
    write_study(
        tmp_path, StudyModel(arms=[ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"})], seeds=range(seeds))
    )
    study = load_study(tmp_path)
    control = study.cells.loc[study.cells["kind"] == "control", study.test].to_numpy()
    study.cells.loc[study.cells["kind"] == "vmp", study.test] = control
    conclusions = conclude(study)
    assert conclusions.verdicts[0].outcome is claim
    assert "gives exactly the test accuracy of the control" in headline(conclusions).text
    assert words in headline(conclusions).text
    study.cells.loc[study.cells["kind"] == "vmp", study.test] = control + 0.05
    assert conclude(study).verdicts[0].outcome is Verdict.UNDECIDED
    assert "they do not vary and there is nothing to test them by" in headline(conclude(study)).text


def test_one_seed_gives_no_verdict(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.3, 1: 0.3}), seeds=(0,))
    assert conclusions.verdicts[0].outcome is Verdict.NONE
    assert headline(conclusions).text.startswith("No verdict is possible")


def test_an_incomplete_study_is_provisional(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.2, 1: 0.1}, missing={0.1: [0, 1, 2]}))
    assert headline(conclusions).text.startswith("Provisional, with 22 of 25 planned cells complete: VMP with λ = ")
    assert best_label(conclusions.verdicts[0]) != "λ = 0.1"  # two of five seeds carry no verdict
    assert "Could not be chosen: λ = 0.1 (2 of 5 seeds complete)." in words_of(conclusions)


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


def test_divergence_flatters_no_arm(tmp_path: Path) -> None:
    """λ = 1 is far ahead in the seeds that survived; its diverged ones count with the worst accuracy."""
    arms = lambda_arms({0: 0.1, 1: 0.2}, diverged={1: [2, 4]})
    conclusions = conclude_on(tmp_path, arms, seeds=range(7), cell_sd=0.005)
    verdict = conclusions.verdicts[0]
    assert best_label(verdict) == "λ = 0"
    diverged = next(c for c in verdict.contrasts if c.arm.lambda_ == 1)
    assert (diverged.n, diverged.filled, diverged.verdict.established) == (7, 2, False)
    assert diverged.collapse is not None
    assert (diverged.collapse.rate.count, diverged.collapse.rate.n) == (2, 7)
    survivors = [d for seed, d in zip(diverged.seeds, diverged.differences, strict=True) if seed not in (2, 4)]
    assert min(survivors) > 0.1
    assert "for λ = 1 (of survivors)" in words_of(conclusions)
    assert "With λ = 1, 2 of 7 diverged" in words_of(conclusions)
    assert not headline(conclusions).text.startswith("Provisional")  # divergence is a result, nothing is to be run


def test_collapsed_seeds_are_counted_and_compared_with_the_control(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.2, 1: 0.2, 100: 0.2}, collapsed={100: [0, 2, 3]}))
    endings = conclusions.verdicts[0].candidates[-1].endings
    assert endings is not None
    assert (endings.seeds, endings.rate.count, endings.rate.n) == ((0, 2, 3), 3, 5)
    assert endings.max_gap is not None
    assert endings.max_gap < 0.02
    assert endings.healthy_mean - endings.collapsed_mean > 0.15
    assert "With λ = 100, 3 of 5 seeds collapsed" in words_of(conclusions)
    assert "those seeds equal the control within" in words_of(conclusions)


def test_collapse_of_the_chosen_arm_stands_in_the_headline(tmp_path: Path) -> None:
    """Three healthy seeds far ahead do not make a better: two of five collapsed, and more may."""
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.3, 1: 0.0}, collapsed={0: [1, 4]}))
    main = conclusions.verdicts[0].main
    assert main is not None
    assert not main.verdict.established
    assert "2 of its 5 runs collapsed, so the mean mixes two outcomes" in headline(conclusions).text


def test_a_gain_that_the_seeds_cannot_protect_is_worded_as_such(tmp_path: Path) -> None:
    """A clear mean gain of one point: with ten runs without a collapse a rate that would cancel it is not excluded."""
    arms = [ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"}, effect=0.015)]
    conclusions = conclude_on(tmp_path, arms, seeds=range(10), cell_sd=0.002, extra={"margin": 0.001})
    main = conclusions.verdicts[0].main
    assert main is not None
    assert (main.verdict, main.reason) == (Verdict.AHEAD, Reason.COLLAPSE)
    text = headline(conclusions).text
    assert "is ahead of the control" in text
    assert "while it does not collapse" in text
    assert "none of its 10 runs collapsed, a rate of up to 31% is not excluded" in text
    assert "would cancel the gain (a collapse costs 15 points, which is assumed, as none was seen)" in text


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


def test_without_a_control_the_backbone_is_the_reference_and_the_gap_is_named(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "none"}), ArmModel({"prompt": "vmp"}, effect=0.1)]
    conclusions = conclude_on(tmp_path, arms)
    assert headline(conclusions).text.startswith("VMP beats the backbone alone: ")
    assert "no control arm" in words_of(conclusions)


def test_the_layer_with_and_without_its_regulariser(tmp_path: Path) -> None:
    better = conclude_on(tmp_path / "a", [ArmModel({"lambda": v}, effect=0.1 * v) for v in (0, 1)])
    assert headline(better).text.startswith(
        "VMP with λ = 1, the best of 2 on validation, beats λ = 0 (the layer without its"
    )
    assert "cannot say whether the layer helps at all" in words_of(better)
    useless = conclude_on(tmp_path / "b", [ArmModel({"lambda": v}, effect=-0.1 * v) for v in (0, 1)])
    assert headline(useless).text.startswith("The reference (λ = 0) is itself best on validation; of the others, VMP")


def test_any_ordered_factor_is_a_curve_with_a_trend(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "control", "train.epochs": None})]
    arms += [ArmModel({"prompt": "vmp", "train.epochs": e}, effect=0.03 * i) for i, e in enumerate((4, 8, 16))]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8))
    verdict = conclusions.verdicts[0]
    assert verdict.axis is not None
    assert (verdict.axis.name, [value for value, _, _ in verdict.points]) == ("train.epochs", [4, 8, 16])
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    assert verdict.trend is not None
    assert verdict.trend.mean == pytest.approx((test["train.epochs = 16"] - test["train.epochs = 4"]).mean())
    assert "it rises" in words_of(conclusions)
    assert "(smallest train.epochs)" in words_of(conclusions)


def test_names_are_compared_with_the_arm_that_the_question_names(tmp_path: Path) -> None:
    """A control is there; the question is about the motion maps, and so is the headline."""
    arms = [ArmModel({"prompt": "control", "motion": None})]
    arms += [
        ArmModel({"prompt": "vmp", "motion": m}, effect=e) for m, e in (("frame", 0.05), ("codec", 0.12), ("rgb", 0.05))
    ]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), extra={"reference": {"motion": "frame"}})
    assert headline(conclusions).text.startswith(
        "VMP with motion = codec, the best of 3 on validation, beats motion = frame:"
    )
    assert "allowing for 2 comparisons" in headline(conclusions).text
    assert len(conclusions.on_control) == 3
    assert "VMP with motion = frame against the control" in words_of(conclusions)


def test_every_two_values_are_compared_where_the_question_says_so(tmp_path: Path) -> None:
    effects = (("a", 0.0), ("b", 0.15), ("c", 0.06))
    arms = [ArmModel({"prompt": "vmp", "sampling": s}, effect=e) for s, e in effects]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), extra={"compare": "sampling"})
    main = conclusions.verdicts[0].main
    assert main is not None
    assert (main.sides.subject, main.sides.against, main.family) == ("sampling = b", "sampling = c", 3)
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    assert main.mean == pytest.approx((test["sampling = b"] - test["sampling = c"]).mean())
    assert main.verdict is Verdict.BETTER
    assert len(conclusions.primary) == 3


def test_a_study_of_backbones_alone_names_its_arms(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, [ArmModel({"prompt": "none", "backbone": name}) for name in ("slow", "x3d")])
    assert "backbone alone, backbone = slow" in headline(conclusions).text


def test_in_a_factorial_the_effect_of_each_factor_comes_first(tmp_path: Path) -> None:
    """As `init` ships, 3 seeds: no single arm is shown to beat the control, the sign of the shift is."""
    conclusions = conclude_on(tmp_path, STARTS, seeds=(0, 1, 2), cell_sd=0.03)
    verdict = conclusions.verdicts[0]
    text = headline(conclusions).text
    assert text.startswith(
        "Of m, n and λ, n matters: n = 0.3 and 0.6 against n = -0.6 and -0.3, averaged over m and λ: +"
    )
    assert "better; 0 of 24 runs collapsed against 24 of 24" in text
    effect = next(e for e in verdict.effects if e.factor and e.factor.name == "n")
    cells = conclusions.study.cells[conclusions.study.cells["kind"] == "vmp"]
    high, low = (
        cells[cells["factor.n"].isin(some)].groupby("seed")["test_top1"].mean() for some in ((0.3, 0.6), (-0.6, -0.3))
    )
    assert effect.contrast.differences == pytest.approx(tuple(high - low))
    assert effect.contrast.verdict is Verdict.BETTER
    others = [e.contrast for e in verdict.effects if e.factor and e.factor.name != "n"]
    assert {c.verdict for c in others} <= {Verdict.UNDECIDED, Verdict.EQUAL}
    assert answer(conclusions) is effect.contrast
    assert not any(c.verdict is Verdict.BETTER for c in verdict.contrasts)


def test_a_planted_interaction_is_named_with_its_interval(tmp_path: Path) -> None:
    arms = [
        ArmModel({"prompt": "vmp", "a": a, "b": b}, effect=0.05 * (a == "on" and b == "on"))
        for a in ("off", "on")
        for b in ("off", "on")
    ]
    conclusions = conclude_on(tmp_path, arms, seeds=range(7), cell_sd=0.008)
    (interaction,) = conclusions.verdicts[0].interactions
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    expected = (test["a = on, b = on"] - test["a = off, b = on"]) - (test["a = on, b = off"] - test["a = off, b = off"])
    assert interaction.differences == pytest.approx(tuple(expected))
    assert interaction.interval is not None
    assert interaction.interval.excludes_zero
    assert "The effect of a = on against a = off at b = on is larger than at b = off: +" in words_of(conclusions)


def blocks(**effects: tuple[float, ...]) -> list[ArmModel]:
    arms = []
    for backbone, of_lambdas in effects.items():
        arms.append(ArmModel({"backbone": backbone, "prompt": "control", "lambda": None}))
        arms += [
            ArmModel({"backbone": backbone, "prompt": "vmp", "lambda": v}, effect=e)
            for v, e in zip((0, 1), of_lambdas, strict=True)
        ]
    return arms


def test_blocks_are_no_candidates_and_losses_are_said_first(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, blocks(slow=(0.12, 0.1), x3d=(-0.08, -0.1)), seeds=range(6))
    assert [v.block for v in conclusions.verdicts] == ["backbone = slow", "backbone = x3d"]
    assert [v.outcome for v in conclusions.verdicts] == [Verdict.BETTER, Verdict.WORSE]
    over = conclusions.over_blocks
    assert over is not None
    assert over.main is not None
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    per_block = [test[f"backbone = {b}, λ = 0"] - test[f"control (A = 1), backbone = {b}"] for b in ("slow", "x3d")]
    assert over.main.differences == pytest.approx(tuple(sum(per_block) / 2))
    assert headline(conclusions).text.startswith("VMP with λ = 0 loses for backbone = x3d (")
    assert all(c.family == 4 for c in conclusions.primary)  # one family over both blocks
    assert beside_headline(conclusions) is not None


def test_several_references_are_each_compared_over_all_blocks_and_the_first_leads(tmp_path: Path) -> None:
    arms = [
        ArmModel({"backbone": backbone, "prompt": prompt}, effect=effect)
        for backbone in ("slow", "x3d")
        for prompt, effect in (("none", 0.02), ("control", 0.0), ("vmp", 0.1))
    ]
    pairs = [[{"prompt": "vmp"}, {"prompt": reference}] for reference in ("control", "none")]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), extra={"compare": pairs})
    over = conclusions.over_blocks
    assert over is not None
    assert over.main is over.contrasts[0]
    assert [c.sides.against for c in over.contrasts] == ["the control", "the backbone alone"]
    assert all(c.family == 2 for c in over.contrasts)
    assert over.contrasts[0].mean - over.contrasts[1].mean == pytest.approx(0.02, abs=0.01)
    assert headline(conclusions).text.startswith("Over 2 blocks, VMP beats the control: ")
    assert "VMP against the backbone alone over all blocks: +" in words_of(conclusions)


def divided(effects: dict[str, float], **blocks: object) -> list[ArmModel]:
    """Control and layer in each fold, the layer's effect by fold; further factors as they are given."""
    return [
        ArmModel({"prompt": prompt, "data.fold": fold, **blocks}, effect=effect * (prompt == "vmp"))  # type: ignore[dict-item]
        for fold, effect in effects.items()
        for prompt in ("control", "vmp")
    ]


def test_folds_of_one_data_set_are_the_unit_and_share_training_videos(tmp_path: Path) -> None:
    folds = {f"{i}/5": 0.08 + 0.02 * (i - 3) for i in range(1, 6)}
    conclusions = conclude_on(tmp_path, divided(folds), cell_sd=0.004)
    assert conclusions.over_blocks is not None
    main = conclusions.over_blocks.main
    assert main is not None
    differences = np.array(main.differences)
    evidence = conclusions.evidence
    each = [c for verdict in conclusions.verdicts for c in verdict.contrasts]
    by_seed = np.array([c.differences for c in each]).mean(axis=0)  # 5 folds, 5 seeds
    between = (1 / 5 + 600 / 800) * differences.var(ddof=1)  # test over training videos of the records
    within = by_seed.var(ddof=1) / 5
    df = (between + within) ** 2 / (between**2 / 4 + within**2 / 4)
    assert main.n == 5
    assert main.p_alone == pytest.approx(2 * stats.t(df).sf(differences.mean() / math.sqrt(between + within)))
    assert differences.tolist() == pytest.approx([c.mean for c in each]), "the mean over seeds of each fold"
    assert set(evidence.without_one(main)) == {f"{i}/5" for i in range(1, 6)}
    assert "over 5 divisions, " in headline(conclusions).text.lower()
    assert "5 divisions of the videos, each the mean of 5 seeds" in headline(conclusions).text
    assert "(Nadeau and Bengio, 2003: test over training videos 0.75)" in words_of(conclusions)
    assert "do not allow for the draw of others" not in words_of(conclusions)
    stable = beside_headline(conclusions)
    assert stable is not None
    assert stable.topic == "Leave one division out"
    assert not math.isnan(each[0].p_sign_flip)
    assert math.isnan(main.p_sign_flip)


def test_factors_that_a_study_names_lead_over_folds_too(tmp_path: Path) -> None:
    """An effect over folds is the mean of those within each, and allows for the training videos that they share."""
    folds = [f"{i}/5" for i in range(1, 6)]
    arms = [ArmModel({"prompt": "control", "m": None, "n": None, "data.fold": fold}) for fold in folds] + [
        ArmModel({"prompt": "vmp", "m": m, "n": n, "data.fold": fold}, effect=0.1 * (n > 0))
        for fold in folds
        for m in (0.1, 1.0)
        for n in (-0.3, 0.3)
    ]
    conclusions = conclude_on(tmp_path, arms, cell_sd=0.004, extra={"compare": ["m", "n"]})
    over = conclusions.over_blocks
    assert over is not None
    found = {effect.factor.name if effect.factor else "layer": effect.contrast for effect in over.effects}
    assert {name: (c.n, c.unit, c.family) for name, c in found.items()} == {
        "m": (5, "division", 2),
        "n": (5, "division", 2),
        "layer": (5, "division", 1),
    }
    of_folds = [e.contrast for v in conclusions.verdicts for e in v.effects if e.factor and e.factor.name == "n"]
    assert found["n"].differences == pytest.approx([c.mean for c in of_folds])
    differences = np.array(found["n"].differences)
    between = (1 / 5 + 600 / 800) * differences.var(ddof=1)  # test over training videos of the records
    within = np.array([c.differences for c in of_folds]).mean(axis=0).var(ddof=1) / 5
    df = (between + within) ** 2 / (between**2 / 4 + within**2 / 4)
    assert found["n"].p_alone == pytest.approx(2 * stats.t(df).sf(differences.mean() / math.sqrt(between + within)))
    assert headline(conclusions).text.startswith("Over 5 divisions, of m and n, n matters: n = 0.3 against n = -0.3, ")
    assert answer(conclusions) is found["n"]
    assert "Over 5 divisions, m = 1 against m = 0.1, averaged over n: " in words_of(conclusions)


@pytest.mark.parametrize("names", [("uniform", "random"), ("uniform", "segment", "dense", "key-frame", "random")])
def test_a_setting_of_one_sampler_alone_leaves_the_samplers_comparable(tmp_path: Path, names: Sequence[str]) -> None:
    """`random` has two rates and the others none: its two arms are averaged, and weigh as much as one of another."""
    arms = [
        ArmModel(
            {"prompt": prompt, "lambda": v, "sampling": name, "sampling.rate": rate}, effect=0.1 * (name == "random")
        )
        for name in names
        for rate in ((2, 8) if name == "random" else (None,))
        for prompt, v in (("control", None), ("vmp", 0), ("vmp", 1))
    ]
    conclusions = conclude_on(tmp_path, arms, cell_sd=0.001, seed_sd=0.0, extra={"compare": "sampling"})
    effects = [e.contrast for e in conclusions.verdicts[0].effects if e.factor and e.factor.name == "sampling"]
    (of_random,) = [c for c in effects if c.sides.subject == "sampling = random"]
    assert of_random.mean == pytest.approx(0.1, abs=0.003)
    assert of_random.sides.over == "λ and sampling.rate"
    assert headline(conclusions).text.split(" against ")[0].endswith("sampling = random")
    for contrast in effects:  # the two rates together weigh as much as one arm of another sampler
        for unit in contrast.sides.units:
            assert sum(w for w in unit.values() if w > 0) == pytest.approx(1)
            rates = {w for arm, w in unit.items() if arm.factors["sampling"] == "random"}
            others = {abs(w) for arm, w in unit.items() if arm.factors["sampling"] != "random" and w < 0}
            assert not rates or contrast is of_random or 2 * abs(next(iter(rates))) == pytest.approx(next(iter(others)))


def test_backbones_are_averaged_within_folds_and_other_data_are_not(tmp_path: Path) -> None:
    folds = {f"{i}/3": 0.05 + 0.01 * i for i in range(1, 4)}
    both = [*divided(folds, backbone="a"), *divided(folds, backbone="b")]
    over = conclude_on(tmp_path / "backbones", both).over_blocks
    assert over is not None
    assert over.main is not None
    assert over.main.sides.divisions is not None
    assert (over.main.n, over.main.sides.divisions.of_unit) == (3, (0, 1, 2, 0, 1, 2))
    several = [*divided(folds, **{"data.path": "a.csv"}), *divided(folds, **{"data.path": "b.csv"})]
    conclusions = conclude_on(tmp_path / "data", several)
    assert conclusions.over_blocks is not None
    assert all(c.sides.divisions is None for c in conclusions.over_blocks.contrasts)
    assert "do not allow for the draw of others (blocks differ in more of the data" in words_of(conclusions)


def test_a_fold_without_any_pair_is_no_division_of_the_comparison(tmp_path: Path) -> None:
    arms = divided({f"{i}/4": 0.05 + 0.01 * i for i in range(1, 5)})
    arms[1] = dataclasses.replace(arms[1], missing=frozenset(range(5)))
    arms[3] = dataclasses.replace(arms[3], missing=frozenset({0, 1}), collapsed=frozenset({2}))
    over = conclude_on(tmp_path, arms).over_blocks
    assert over is not None
    (contrast,) = over.contrasts
    assert contrast.n == 3
    assert contrast.collapse is not None
    assert (contrast.collapse.rate.count, contrast.collapse.rate.n) == (1, 5), "seeds, of which one collapsed somewhere"


def test_one_value_for_all_blocks_is_said_not_to_serve_where_another_is_shown_better(tmp_path: Path) -> None:
    arms = blocks(slow=(0.2, 0.0), x3d=(0.0, 0.1))
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), cell_sd=0.008)
    over = conclusions.over_blocks
    assert over is not None
    assert over.unfit == ("backbone = x3d",)
    assert "it does not serve backbone = x3d, where another value is shown to be better" in headline(conclusions).text


def test_a_study_of_the_layer_alone_uses_the_reference_it_names(tmp_path: Path) -> None:
    arms = [ArmModel({"sampling": name}, effect=e) for name, e in (("uniform", 0.0), ("random", 0.0), ("segment", 0.1))]
    first = conclude_on(tmp_path / "a", arms)
    assert "beats sampling = uniform" in headline(first).text
    named = conclude_on(tmp_path / "b", arms, extra={"reference": {"sampling": "random"}})
    assert "beats sampling = random" in headline(named).text
    with pytest.raises(InputError, match="no planned arms have these factors"):
        conclude_on(tmp_path / "c", arms, extra={"reference": {"sampling": "dense"}})


@pytest.mark.parametrize(
    ("cell_sd", "words"),
    [(0.005, "It holds without any one of its 6 seeds."), (0.03, "without")],
)
def test_leaving_one_seed_out_stands_beside_the_headline(tmp_path: Path, cell_sd: float, words: str) -> None:
    arms = [ArmModel({"prompt": "none"}), ArmModel({"prompt": "vmp"}, effect=0.1)]
    conclusions = conclude_on(tmp_path, arms, seeds=range(6), cell_sd=cell_sd)
    beside = beside_headline(conclusions)
    assert beside is not None
    assert words in beside.text
    main = conclusions.verdicts[0].main
    assert main is not None
    assert set(conclusions.evidence.without_one(main)) == set("012345")


def test_two_seeds_give_no_verdict(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.3, 1: 0.3}), seeds=(0, 1))
    assert {c.verdict for c in conclusions.primary} == {Verdict.NONE}
    assert all(c.interval is None for c in conclusions.primary)
    assert headline(conclusions).text.startswith("No verdict is possible")


def test_no_comparison_has_two_intervals(tmp_path: Path) -> None:
    """Neither in two families, nor with its sides exchanged."""
    for name, arms, extra in (
        ("lambda", lambda_arms({0: 0.1, 1: 0.2, 10: 0.1}), {}),
        ("starts", STARTS, {}),
        ("remedies", STARTS, {"reference": {"lambda": 0}}),
        ("blocks", blocks(slow=(0.1, 0.0), x3d=(0.0, 0.1)), {}),
    ):
        conclusions = conclude_on(tmp_path / name, arms, extra=extra)
        seen = [
            frozenset(frozenset(unit.items()) for unit in (contrast.sides, contrast.flipped().sides)[way].units)
            for (metric, *_), family in conclusions.evidence.families.items()
            if metric == conclusions.study.test
            for contrast in family
            for way in (0, 1)
        ]
        assert len(seen) == len(set(seen)), name
