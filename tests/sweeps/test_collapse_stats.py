"""Collapse in the statistics: rates with exact intervals, and gains that a collapse could cancel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeps.stats.claims import Reason, Verdict, claims, leave_one_out
from sweeps.stats.collapse import Runs, compare_rates, fill_diverged, largest_unseen_rate, rate


@pytest.mark.parametrize(("count", "n"), [(0, 5), (3, 7), (7, 7), (0, 0)])
def test_rates_have_exact_intervals(count: int, n: int) -> None:
    made = rate(count, n)
    expected = stats.binomtest(count, n).proportion_ci(0.95, method="exact") if n else None
    assert (made.low, made.high) == pytest.approx((expected.low, expected.high) if expected else (0, 1))


def test_five_healthy_seeds_allow_45_percent() -> None:
    assert largest_unseen_rate(5) == pytest.approx(1 - 0.05 ** (1 / 5))
    with pytest.raises(ValueError, match="6 of 5 runs"):
        rate(6, 5)


def test_a_gain_that_collapse_could_cancel_is_ahead_and_not_better() -> None:
    lucky = [0.062, 0.066, 0.064, 0.061, 0.067, 0.064, 0.065]
    unlucky = [x - 0.15 * (i < 3) for i, x in enumerate(lucky)]
    collapsed = np.array([[False] * 7, [True] * 3 + [False] * 4])
    claim = claims([lucky, unlucky], margin=0.01, collapsed=collapsed)[0]
    assert (claim.verdict, claim.reason) == (Verdict.AHEAD, Reason.COLLAPSE)
    assert claim.interval is not None
    assert claim.interval.low < 0 < claim.interval.high
    assert claim.p > 0.05 > claim.p_alone
    assert claim.collapse is not None
    assert claim.collapse.cancelling_rate == pytest.approx(np.mean(lucky) / 0.15, rel=0.01)
    assert claim.collapse.cancelling_rate < claim.collapse.possible_rate
    assert claims([lucky, unlucky], margin=0.01)[0].verdict is Verdict.BETTER  # where runs cannot collapse
    mirrored = claims(-np.array([lucky, unlucky]), margin=0.01, reference_collapsed=collapsed)[0]
    assert (mirrored.verdict, mirrored.reason, mirrored.collapse) == (Verdict.BEHIND, Reason.COLLAPSE, None)
    assert mirrored.reference_collapse == claim.collapse
    # A gain that no rate cancels needs no protection; nor one that the seeds do protect.
    assert claims(np.array([lucky, unlucky]) + 0.1, margin=0.01, collapsed=collapsed)[0].verdict is Verdict.BETTER
    many = np.tile(collapsed, 4)
    assert claims(np.tile([lucky, unlucky], 4), margin=0.01, collapsed=many)[0].verdict is Verdict.BETTER


def test_runs_of_the_study_before_count_while_none_has_collapsed() -> None:
    gain = [[0.029, 0.031, 0.030, 0.028, 0.032]]
    never = np.zeros((1, 5), dtype=bool)
    assert claims(gain, margin=0.01, collapsed=never)[0].reason is Reason.COLLAPSE
    assert claims(gain, margin=0.01, collapsed=never, unseen_runs=60)[0].verdict is Verdict.BETTER


def test_an_arm_that_cannot_collapse_needs_no_protection() -> None:
    gain = [0.029, 0.031, 0.030, 0.028, 0.032]
    collapsed = np.array([[np.nan] * 5, [0, 1, 0, 1, 0]])
    family = np.array([gain, gain]) - 0.15 * (collapsed == 1)
    safe, other = claims(family, margin=0.01, collapsed=collapsed)
    assert (safe.verdict, safe.collapse) == (Verdict.BETTER, None)
    assert other.collapse is not None
    assert other.collapse.rate.count == 2
    assert claims(family, margin=0.01, collapsed=np.nan_to_num(collapsed))[0].reason is Reason.COLLAPSE


def test_losing_the_bad_seeds_flatters_no_arm() -> None:
    reference = np.array([0.70, 0.71, 0.69, 0.70, 0.70, 0.71, 0.69])
    values = np.array([reference + np.array([0.02, 0.021, 0.02, 0.019, 0.02, np.nan, np.nan]), reference])
    failed = np.isnan(values)
    assert claims([values[0] - reference], margin=0.01)[0].verdict is Verdict.BETTER  # of survivors
    filled = fill_diverged(values, failed)
    assert filled[0, 5] == 0.69
    (claim,) = claims([filled[0] - reference], margin=0.01, collapsed=[failed[0]])
    assert not claim.verdict.established
    assert claim.collapse is not None
    assert claim.collapse.rate.count == 2


def test_rates_of_two_groups_are_compared_exactly() -> None:
    assert compare_rates(22, 24, 0, 24) < 1e-9
    assert compare_rates(3, 7, 0, 7) == pytest.approx(stats.boschloo_exact([[3, 0], [4, 7]]).pvalue)
    assert compare_rates(3, 7, 0, 7) > 0.05
    assert compare_rates(0, 5, 0, 9) == 1


def test_single_runs_guard_an_effect_as_they_guard_an_arm() -> None:
    """The mean of an effect is clear; runs of three of its four seeds collapsed, which the mean does not show."""
    d = np.array([[0.030, 0.031, 0.029, 0.030]])
    differences = np.full((1, 4, 2), 0.08)
    collapsed = np.zeros((1, 4, 2))
    collapsed[0, :3, 1], differences[0, :3, 1] = 1, -0.10
    assert claims(d, margin=0.001)[0].verdict is Verdict.BETTER
    (guarded,) = claims(d, margin=0.001, collapsed=Runs(differences=differences, collapsed=collapsed))
    assert (guarded.verdict, guarded.reason) == (Verdict.AHEAD, Reason.COLLAPSE)
    assert guarded.collapse is not None
    assert (guarded.collapse.rate.count, guarded.collapse.rate.n) == (3, 4), "a seed counts once"
    clean = Runs(differences=np.full((1, 4, 2), 0.03), collapsed=np.zeros((1, 4, 2)))
    without = leave_one_out(d, margin=0.001, collapsed=clean, unseen_runs=200)
    assert [verdict for (verdict,) in without] == [Verdict.BETTER] * 4
    assert [v for (v,) in leave_one_out(d, margin=0.001, collapsed=clean)] == [Verdict.AHEAD] * 4
