"""Runs that collapsed or diverged: counted, named, and no help to the arm that they belong to."""

from __future__ import annotations

from pathlib import Path

from analysis.words.claims import short_comparison
from analysis.words.headline import headline
from sweeps.stats.decisions import Reason, Verdict
from tests.analysis.study_records import ArmModel, lambda_arms
from tests.analysis.verdict.concluded import best_label, conclude_on, words_of


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
    of_the_control = short_comparison("The control", main.flipped())  # behind an arm that may collapse
    assert "behind, not established; none of 10 runs collapsed with VMP, a rate of up to 31%" in of_the_control
    assert "would cancel the lead of VMP (a collapse costs 15 points" in of_the_control
