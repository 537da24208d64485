"""The statistics against answers worked out by hand, against other people's code, and against their own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.intervals import Interval, t_interval
from sweeps.stats.planner import min_seeds_by_sign_flips
from sweeps.stats.signflip import sign_flip_p
from sweeps.stats.stepdown import holm
from sweeps.stats.variances import compare_stds, pitman_morgan_p, ratio_interval


def test_t_interval_is_the_one_worked_out_by_hand() -> None:
    # mean 2, sample SD 1, n 3: 2 -+ 4.30265 * 1 / sqrt(3)
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    cut = t_interval([1.0, 2.0, 3.0], lowest=0.0, highest=3.0)
    assert cut is not None
    assert (cut.low, cut.high) == (0.0, 3.0)
    assert t_interval([1.0, 2.0]) is None
    assert t_interval([0.1 + 0.2, 0.3, 0.3]) is None  # equal to rounding: no error to make an interval of


def test_an_end_at_zero_is_outside_only_where_the_direction_is_established() -> None:
    assert not Interval(low=0.0, high=1.0, level=0.95, method="t").excludes_zero
    assert Interval(low=0.0, high=1.0, level=0.95, method="t", is_open=True).excludes_zero
    assert not Interval(low=-1.0, high=1.0, level=0.95, method="t", is_open=True).excludes_zero


def test_t_interval_covers_as_often_as_it_says_where_the_bootstrap_does_not() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(1500, 5))
    by_t = np.mean([not interval.excludes_zero for sample in samples if (interval := t_interval(sample))])
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
    for first, second in (
        (a[:2], a[:2] ** 2),
        (a, np.full(3, 0.5)),
        (a, a),
        (a, a + 0.1),
        (a, 1 - a),
        (3 * a, a),
        (np.empty(0),) * 2,
    ):
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
