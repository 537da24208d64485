"""The interval over divisions of one data set: its formula by hand, and its error on training sets that overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.divisions import FAMILIES, claims_of
from sweeps.stats.claims import OVER_DIVISIONS, claims, leave_one_seed_out
from sweeps.stats.collapse import Runs
from sweeps.stats.decisions import Verdict
from sweeps.stats.divisions import over_seeds, overlap_of


def test_the_interval_of_one_comparison_is_nadeau_s_and_bengio_s() -> None:
    differences = np.array([0.05, 0.02, 0.04, 0.03, 0.06])
    (claim,) = claims(differences[None], margin=0.001, overlap=0.25)
    error = math.sqrt((1 / 5 + 0.25) * differences.var(ddof=1))
    assert claim.p_alone == pytest.approx(2 * stats.t(4).sf(0.04 / error))
    assert claim.interval is not None
    assert claim.interval.method == OVER_DIVISIONS
    half = stats.t(4).ppf(0.975) * error
    assert (claim.interval.low, claim.interval.high) == pytest.approx((0.04 - half, 0.04 + half))
    assert claim.verdict is Verdict.BETTER
    (naive,) = claims(differences[None], margin=0.001)
    assert naive.p_alone == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert naive.p_alone < claim.p_alone
    without = leave_one_seed_out(differences[None], margin=0.001, overlap=0.25)
    by_hand = [
        2 * stats.t(3).sf(rest.mean() / math.sqrt((1 / 4 + 0.25) * rest.var(ddof=1))) <= 0.05
        for rest in (np.delete(differences, i) for i in range(5))
    ]
    assert [verdict is Verdict.BETTER for (verdict,) in without] == by_hand


def test_more_divisions_do_not_make_the_interval_narrower_than_the_videos_allow() -> None:
    drawn = np.random.default_rng(0).normal(0.03, 0.02, 1000)
    (claim,) = claims(drawn[None], margin=0.001, overlap=0.25)
    assert claim.interval is not None
    assert claim.interval.high - claim.interval.low > 2 * 1.96 * math.sqrt(0.25) * drawn.std()


def test_two_divisions_get_no_verdict_and_three_hardly_one() -> None:
    two, three = ([0.05, 0.06], [0.05, 0.06, 0.04])
    assert claims([two], margin=0.02, overlap=0.4)[0].verdict is Verdict.NONE
    assert claims([three], margin=0.02, overlap=0.43)[0].p_alone == pytest.approx(
        2 * stats.t(2).sf(0.05 / math.sqrt((1 / 3 + 0.43) * 1e-4))
    )


def test_seeds_are_averaged_within_a_division_and_videos_are_counted() -> None:
    rows = over_seeds([[[0.1, 0.3, np.nan], [np.nan] * 3]])
    assert rows.tolist()[0][0] == pytest.approx(0.2)
    assert np.isnan(rows[0, 1])
    assert overlap_of([80, 70], [20, 30]) == pytest.approx(30 / 70)
    assert math.isnan(overlap_of([80, np.nan], [20, 30]))
    assert math.isnan(overlap_of([0, 80], [20, 30]))


def test_a_gain_that_a_collapse_could_cancel_is_not_established_over_divisions_either() -> None:
    differences = np.array([[0.05, 0.052, 0.048, 0.051, 0.049]])
    runs = Runs(differences=np.repeat(differences[..., None], 2, -1), collapsed=np.zeros((1, 5, 2)))
    runs.collapsed[0, :3, 0] = 1.0
    (claim,) = claims(differences, margin=0.02, overlap=0.25, collapsed=runs)
    assert claim.collapse is not None
    assert (claim.collapse.rate.count, claim.collapse.rate.n) == (3, 10)
    assert claims(differences, margin=0.02, overlap=0.25)[0].verdict is Verdict.BETTER


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_claims_on_equal_arms_are_as_rare_as_stated(family: object) -> None:
    """In every family; 200 studies can tell 5% from 10%. `python benchmarks/divisions.py` takes 2,000."""
    shares = claims_of(family, 200)  # type: ignore[arg-type]
    assert shares["corrected"][0] <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 200)


def test_without_the_correction_random_divisions_claim_far_too_often() -> None:
    (family,) = (one for one in FAMILIES if one.name.startswith("30 random"))
    shares = claims_of(family, 60)
    assert shares["uncorrected"][0] > 0.5
    assert shares["over seeds"][0] > 0.1
