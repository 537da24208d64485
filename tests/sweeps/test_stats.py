"""The statistics against answers worked out by hand, against other people's code, and against their own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.equivalence import tost_p
from sweeps.stats.intervals import TooFewSeeds, bootstrap_interval, mean_interval, t_interval
from sweeps.stats.multiplicity import holm, simultaneous_intervals
from sweeps.stats.paired import PairedResult, compare_pairs, probability_superior, t_test_p
from sweeps.stats.planner import min_seeds_by_sign_flips
from sweeps.stats.signflip import sign_flip_p
from sweeps.stats.variances import compare_stds, pitman_morgan_p, ratio_interval


def one_pair(a: list[float], b: list[float]) -> PairedResult:
    return compare_pairs([(np.array(a), np.array(b))], margin=0.02)[0]


def test_t_interval_is_the_one_worked_out_by_hand() -> None:
    # mean 2, sample SD 1, n 3: 2 -+ 4.30265 * 1 / sqrt(3)
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert interval.high == pytest.approx(2 + 2.484138, abs=1e-6)


def test_the_method_follows_n_and_one_seed_is_refused() -> None:
    assert mean_interval(np.arange(19.0)).method == "t"
    assert mean_interval(np.arange(20.0)).method == "bootstrap"
    with pytest.raises(TooFewSeeds, match=r"at least 2 seeds and there is 1.*add seeds"):
        mean_interval([0.7])
    with pytest.raises(TooFewSeeds, match="at least 20 seeds and there are 5"):
        bootstrap_interval(np.arange(5.0), 0.95, np.random.default_rng(0))
    with pytest.raises(ValueError, match="finite numbers"):
        t_interval([0.1, float("nan")])


def test_t_interval_covers_as_often_as_it_says_where_the_bootstrap_does_not() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(1500, 5))
    by_t = np.mean([(interval := t_interval(sample)).low < 0 < interval.high for sample in samples])
    assert 0.93 < by_t < 0.97
    means = samples[:, rng.integers(0, 5, size=(400, 5))].mean(axis=2)  # percentile bootstrap, (study, draw)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low < 0) & (high > 0)) < 0.88


def test_sign_flip_counts_every_pattern() -> None:
    # Differences 1, 2, 3: only +++ and --- reach |sum| = 6, so p = 2/8.
    assert sign_flip_p([1.0, 2.0, 3.0]) == 0.25
    # 3, 1, -1: |sum| >= 3 for the 4 patterns with +-(3 + 1 - 1), +-(3 - 1 + 1) and +-(3 + 1 + 1): 6 of 8.
    assert sign_flip_p([3.0, 1.0, -1.0]) == 0.75
    scipys = stats.permutation_test(
        (np.array([0.3, 0.1, -0.05, 0.2, 0.4]),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p([0.3, 0.1, -0.05, 0.2, 0.4]) == pytest.approx(scipys.pvalue)


def test_the_floor_of_the_sign_flip_test_is_reached() -> None:
    for n, floor in ((3, 0.25), (5, 0.0625), (6, 0.03125), (8, 0.0078125)):
        assert sign_flip_floor(n) == floor
        assert sign_flip_p(np.linspace(1, 2, n)) == floor
    assert min_seeds_by_sign_flips() == 6


def test_sign_flip_by_sampling_agrees_with_the_exact_test() -> None:
    differences = np.random.default_rng(2).normal(0.25, 1, size=18)
    sampled = sign_flip_p(differences)
    exact = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True, batch=2**14
    ).pvalue
    assert sampled == pytest.approx(exact, abs=0.015)


def test_holm_is_statsmodels_holm_and_skips_what_does_not_exist() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.8])
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    with_hole = holm(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(with_hole[[0, 2]], multipletests([0.01, 0.04], method="holm")[1])
    assert np.isnan(with_hole[1])


def test_tost_is_statsmodels_tost() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.5, 0.02, 8), rng.normal(0.5, 0.02, 8)
    assert tost_p(a - b, 0.03) == pytest.approx(ttost_paired(a, b, -0.03, 0.03)[0])
    assert np.isnan(tost_p([0.001, 0.001], 0.02))
    with pytest.raises(ValueError, match="must be positive and chosen before"):
        tost_p([0.1, 0.2], 0.0)


def test_a_comparison_agrees_with_scipy() -> None:
    a, b = [0.71, 0.75, 0.69, 0.80], [0.66, 0.70, 0.68, 0.72]
    result = one_pair(a, b)
    oracle = stats.ttest_rel(a, b)
    assert result.interval is not None
    assert result.p_t == pytest.approx(oracle.pvalue)
    assert (result.interval.low, result.interval.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert result.correlation == pytest.approx(stats.pearsonr(a, b).statistic)
    assert result.d_z == pytest.approx(result.mean / np.std(np.subtract(a, b), ddof=1))
    assert (result.p_superior, result.n, result.family) == (1.0, 4, 1)
    assert result.p_sign_flip_floor == sign_flip_floor(4)


def test_pairs_with_one_seed_carry_no_verdict_and_no_family() -> None:
    sample = np.array([0.1, 0.3]), np.array([0.0, 0.1])
    both = compare_pairs([sample, (np.array([0.5]), np.array([0.0])), (np.empty(0), np.empty(0))], margin=0.02)
    assert [result.n for result in both] == [2, 1, 0]
    assert [result.family for result in both] == [1, 1, 1]
    assert both[0].simultaneous_interval == t_interval(sample[0] - sample[1])
    assert np.isnan([both[1].mean, both[1].p_t, both[1].p_t_holm, both[2].mean]).all()


def test_the_order_of_pairs_and_seeds_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    a, b, c = rng.normal(0.6, 0.1, (3, 24))
    order = rng.permutation(24)
    first = compare_pairs([(a, c), (b, c)], margin=0.02)
    second = compare_pairs([(b[order], c[order]), (a[order], c[order])], margin=0.02)[::-1]
    for one, other in zip(first, second, strict=True):
        assert one.interval is not None
        assert other.interval is not None
        figures = [[r.mean, r.p_t_holm, r.p_sign_flip_holm, r.interval.low, r.correlation] for r in (one, other)]
        assert figures[0] == pytest.approx(figures[1], rel=1e-9)


def test_equal_differences_are_no_triumph() -> None:
    result = one_pair([0.52, 0.62, 0.72], [0.5, 0.6, 0.7])
    assert (result.std, result.mean) == (0.0, pytest.approx(0.02))
    assert result.interval is None
    assert result.simultaneous_interval is None
    assert np.isnan([result.p_t, result.p_equivalence]).all()
    assert probability_superior(np.array([0.1, 0.0, -0.1, 0.2])) == 0.625


@pytest.mark.parametrize("n", [3, 6])
def test_family_wise_error_is_bounded_under_nine_equal_lambdas(n: int) -> None:
    """No difference anywhere: in how many studies does any of 9 comparisons with a shared control claim one?"""
    rng = np.random.default_rng(10 + n)
    studies, by_interval, by_holm, by_flip = 600, 0, 0, 0
    for _ in range(studies):
        seed_effect = rng.normal(0, 2, size=(n, 1))
        arms = seed_effect + rng.normal(size=(n, 10))
        differences = (arms[:, 1:] - arms[:, :1]).T
        by_interval += any(interval.excludes_zero for interval in simultaneous_intervals(list(differences)))
        by_holm += min(holm([t_test_p(d) for d in differences])) <= 0.05
        by_flip += min(holm([sign_flip_p(d) for d in differences])) <= 0.05
    # 5% and three standard errors of 600 Bernoulli trials
    for errors in (by_interval, by_holm, by_flip):
        assert errors / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)
    assert by_interval == by_holm  # the two say the same of "any claim at all"


def test_a_family_of_one_is_the_plain_interval() -> None:
    sample = [0.1, 0.4, 0.2, 0.3]
    assert simultaneous_intervals([sample])[0] == t_interval(sample)
    assert t_interval(sample, family=9).low < t_interval(sample).low


def test_pitman_morgan_is_the_regression_of_the_difference_on_the_sum() -> None:
    """Equal variances make the slope 0; the regression's own t test is an independent way to the same p."""
    a, b = np.array([0.71, 0.75, 0.69, 0.80, 0.62, 0.77]), np.array([0.66, 0.67, 0.66, 0.69, 0.64, 0.68])
    assert pitman_morgan_p(a, b) == pytest.approx(stats.linregress(a + b, a - b).pvalue)
    assert pitman_morgan_p(a, b) == pytest.approx(pitman_morgan_p(b, a))
    assert pitman_morgan_p(3 * a + 1, 3 * b - 2) == pytest.approx(pitman_morgan_p(a, b))


def test_the_interval_of_the_ratio_holds_the_ratios_that_the_test_accepts() -> None:
    a, b = np.random.default_rng(6).normal(size=(2, 9)) * np.array([[2.0], [1.0]])
    interval = ratio_interval(a, b)
    for limit in (interval.low, interval.high):
        assert pitman_morgan_p(a / limit, b) == pytest.approx(0.05)
    assert interval.low < np.std(a) / np.std(b) < interval.high


def test_standard_deviations_without_a_test_have_no_p_value() -> None:
    a = np.array([0.5, 0.6, 0.8])
    for first, second in ((a[:2], a[:2] ** 2), (a, np.full(3, 0.5)), (a, a + 0.1), (a, 1 - a), (np.empty(0),) * 2):
        assert math.isnan(pitman_morgan_p(first, second))
    none, some = compare_stds([(a, a + 0.1), (a, np.array([0.5, 0.9, 0.1]))])
    assert (none.interval, none.family, some.family) == (None, 1, 1)
    assert some.p_holm == some.p
    with pytest.raises(ValueError, match="two arms that vary"):
        ratio_interval(a, a + 0.1)


@pytest.mark.parametrize(("n", "ratio"), [(3, 1.0), (5, 1.0), (10, 1.0), (10, 4.0)])
def test_pitman_morgan_errs_as_often_as_it_says_and_finds_what_differs(n: int, ratio: float) -> None:
    rng = np.random.default_rng(20 + n)
    shared = rng.normal(size=(1500, n))
    a, b = (shared + rng.normal(size=(1500, n)) for _ in range(2))
    rejected = np.mean([pitman_morgan_p(ratio * x, y) <= 0.05 for x, y in zip(a, b, strict=True)])
    assert rejected > 0.9 if ratio > 1 else abs(rejected - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 1500)


def test_ties_of_accuracies_counted_on_few_videos_leave_the_error_rate_in_place() -> None:
    rng = np.random.default_rng(30)
    tied = rng.binomial(20, 0.7, size=(1500, 2, 6)) / 20
    p = np.array([pitman_morgan_p(a, b) for a, b in tied])
    assert np.mean(p[~np.isnan(p)] <= 0.05) < 0.07
