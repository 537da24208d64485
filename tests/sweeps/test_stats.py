"""The statistics against answers worked out by hand, against other people's code, and against their own promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from analysis.stats import paired
from analysis.stats.equivalence import tost_p
from analysis.stats.intervals import TooFewSeeds, bootstrap_interval, mean_interval, t_interval
from analysis.stats.multiplicity import bonferroni_t_interval, holm, simultaneous_intervals
from analysis.stats.paired import PairedComparison, probability_superior
from analysis.stats.signflip import seeds_for, sign_flip_p, smallest_p
from analysis.table import ARM, HASH, SEED, STATUS


def cells(**arms: list[float | None]) -> pd.DataFrame:
    """A cell table of the columns that statistics read; seeds count from 0, None is a missing cell."""
    rows = [
        {ARM: arm, SEED: seed, HASH: f"{arm}-{seed}", STATUS: "missing" if value is None else "complete", "test": value}
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows).astype({"test": float})


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


def test_the_floor_of_the_sign_flip_test_is_reached_and_told() -> None:
    for n, floor in ((3, 0.25), (5, 0.0625), (6, 0.03125), (8, 0.0078125)):
        assert smallest_p(n) == floor
        assert sign_flip_p(np.linspace(1, 2, n)) == floor
    assert seeds_for(0.05) == 6


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


def test_a_comparison_agrees_with_scipy_and_pairs_by_seed() -> None:
    a, b = [0.71, 0.75, 0.69, 0.80], [0.66, 0.70, 0.68, 0.72]
    table = PairedComparison(metric="test")(cells(a=a, b=b), [("a", "b")])
    row = table.iloc[0]
    oracle = stats.ttest_rel(a, b)
    assert row[paired.P_T] == pytest.approx(oracle.pvalue)
    assert (row[paired.LOW], row[paired.HIGH]) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert row[paired.CORRELATION] == pytest.approx(stats.pearsonr(a, b).statistic)
    assert row[paired.D_Z] == pytest.approx(row[paired.MEAN] / np.std(np.subtract(a, b), ddof=1))
    assert row[paired.P_SUPERIOR] == 1.0
    assert row[paired.HASHES] == ("a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2", "b-3")


def test_only_common_seeds_are_compared_and_one_alone_is_not_judged() -> None:
    table = PairedComparison(metric="test")(
        cells(a=[0.1, None, 0.3], b=[0.0, 0.2, 0.1], c=[0.5, None, None]), [("a", "b"), ("c", "b")]
    )
    assert list(table[paired.N]) == [2, 1]
    assert table.at[0, paired.SEEDS] == (0, 2)
    assert np.isnan(table.at[1, paired.MEAN])
    assert list(table[paired.FAMILY]) == [1, 1]


def test_shuffling_rows_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    frame = cells(a=list(rng.normal(0.6, 0.1, 24)), b=list(rng.normal(0.5, 0.1, 24)), c=list(rng.normal(0.5, 0.1, 24)))
    pairs = [("a", "c"), ("b", "c")]
    first = PairedComparison(metric="test")(frame, pairs)
    second = PairedComparison(metric="test")(frame.sample(frac=1, random_state=5), pairs)
    pd.testing.assert_frame_equal(first, second)


def test_equal_differences_are_no_triumph() -> None:
    row = PairedComparison(metric="test")(cells(a=[0.52, 0.62, 0.72], b=[0.5, 0.6, 0.7]), [("a", "b")]).iloc[0]
    assert row[paired.SD] == 0.0
    assert row[paired.MEAN] == pytest.approx(0.02)
    assert row[[paired.LOW, paired.HIGH, paired.BAND_LOW, paired.BAND_HIGH, paired.P_T, paired.P_TOST]].isna().all()
    assert probability_superior(np.array([0.1, 0.0, -0.1, 0.2])) == 0.625


@pytest.mark.parametrize("n", [3, 6])
def test_family_wise_error_is_bounded_under_nine_equal_lambdas(n: int) -> None:
    """No difference anywhere: in how many studies does any of 9 comparisons with a shared control claim one?"""
    rng = np.random.default_rng(10 + n)
    studies, by_band, by_holm, by_flip = 600, 0, 0, 0
    for _ in range(studies):
        seed_effect = rng.normal(0, 2, size=(n, 1))
        arms = seed_effect + rng.normal(size=(n, 10))
        differences = (arms[:, 1:] - arms[:, :1]).T
        by_band += any(interval.excludes_zero for interval in simultaneous_intervals(list(differences)))
        by_holm += min(holm([paired.t_test_p(d) for d in differences])) <= 0.05
        by_flip += min(holm([sign_flip_p(d) for d in differences])) <= 0.05
    # 5% and three standard errors of 600 Bernoulli trials
    for errors in (by_band, by_holm, by_flip):
        assert errors / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)
    assert by_band == by_holm  # the two say the same of "any claim at all"


def test_a_family_of_one_is_the_plain_interval() -> None:
    sample = [0.1, 0.4, 0.2, 0.3]
    assert bonferroni_t_interval(sample, 1).low == pytest.approx(t_interval(sample).low)
    assert bonferroni_t_interval(sample, 9).low < t_interval(sample).low
