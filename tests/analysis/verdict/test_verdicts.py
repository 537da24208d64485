"""What is concluded, and that each conclusion is worded as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import beside_headline, headline
from sweeps.stats.decisions import Reason, Verdict
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, write_study
from tests.analysis.verdict.concluded import best_label, blocks, conclude_on, words_of
from vmp.core.errors import InputError


def test_a_clear_win_names_lambda_effect_interval_family_and_seeds(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05}))
    verdict = conclusions.verdicts[0]
    assert verdict.outcome is Verdict.BETTER
    assert best_label(verdict) == "λ = 0.1"
    assert headline(conclusions).text.startswith("VMP with λ = 0.1, the best of 3 on validation, beats the control")
    assert "allowing for 3 comparisons; 5 paired seeds" in headline(conclusions).text
    assert "cannot fall below p = 0.19" in words_of(conclusions)  # 2 * 3 / 2^5: the family is in it
    assert "not yet confirmed on fresh seeds" in words_of(conclusions)


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
    [
        (0.005, "It holds without any one of its 6 seeds."),
        (0.03, "It rests on single seeds: without seed 3 it is not established."),
        (0.06, "Without any one of its 6 seeds it is not established either."),
    ],
)
def test_leaving_one_seed_out_stands_beside_the_headline(tmp_path: Path, cell_sd: float, words: str) -> None:
    arms = [ArmModel({"prompt": "none"}), ArmModel({"prompt": "vmp"}, effect=0.1)]
    conclusions = conclude_on(tmp_path, arms, seeds=range(6), cell_sd=cell_sd)
    beside = beside_headline(conclusions)
    assert beside is not None
    assert beside.text == words
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
        assert len(seen) == len(set(seen)) >= 2, name
