"""The interval over divisions of one data set: its formula by hand, and its error on training sets that overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.divisions import Design, designs, shares, singly
from sweeps.stats.claims import OVER_DIVISIONS, claims, leave_one_out
from sweeps.stats.collapse import Runs
from sweeps.stats.decisions import Reason, Verdict
from sweeps.stats.divisions import Divided, overlap_of
from sweeps.stats.planner import power

DIVISIONS = np.array([0.05, 0.02, 0.04, 0.03, 0.06])
SEEDS = np.array([0.012, -0.02, 0.008])  # their effects, the same in every division


def divided(differences: np.ndarray, overlap: float = 0.25) -> Divided:
    return Divided(differences=differences[None], overlap=overlap)


def same_in_all_seeds(divisions: np.ndarray, seeds: int = 4) -> np.ndarray:
    return np.repeat(divisions[:, None], seeds, axis=1)


def test_where_seeds_have_no_effect_the_interval_is_nadeau_s_and_bengio_s() -> None:
    d = divided(same_in_all_seeds(DIVISIONS))
    (claim,) = claims(d, margin=0.001)
    error = math.sqrt((1 / 5 + 0.25) * DIVISIONS.var(ddof=1))
    assert claim.p_alone == pytest.approx(2 * stats.t(4).sf(0.04 / error))
    assert claim.interval is not None
    assert claim.interval.method == OVER_DIVISIONS
    half = stats.t(4).ppf(0.975) * error
    assert (claim.interval.low, claim.interval.high) == pytest.approx((0.04 - half, 0.04 + half))
    assert claim.verdict is Verdict.BETTER
    (naive,) = claims(DIVISIONS[None], margin=0.001)
    assert naive.p_alone == pytest.approx(stats.ttest_1samp(DIVISIONS, 0).pvalue)
    assert naive.p_alone < claim.p_alone
    by_hand = [
        2 * stats.t(3).sf(rest.mean() / math.sqrt((1 / 4 + 0.25) * rest.var(ddof=1))) <= 0.05
        for rest in (np.delete(DIVISIONS, i) for i in range(5))
    ]
    assert [verdict is Verdict.BETTER for (verdict,) in leave_one_out(d, margin=0.001)] == by_hand


def test_what_a_seed_does_in_every_division_is_part_of_the_error() -> None:
    (claim,) = claims(divided(DIVISIONS[:, None] + SEEDS), margin=0.001)
    between, within = (1 / 5 + 0.25) * DIVISIONS.var(ddof=1), SEEDS.var(ddof=1) / 3
    df = (between + within) ** 2 / (between**2 / 4 + within**2 / 2)  # Welch
    assert claim.interval is not None
    half = stats.t(df).ppf(0.975) * math.sqrt(between + within)
    assert (claim.interval.low, claim.interval.high) == pytest.approx((0.04 - half, 0.04 + half))


def test_a_missing_run_passes_no_level_of_its_division_on_to_its_seed() -> None:
    d = same_in_all_seeds(DIVISIONS)
    d[0, 1] = np.nan
    whole, holed = (claims(divided(one), margin=0.001)[0] for one in (same_in_all_seeds(DIVISIONS), d))
    assert holed == whole


def test_more_divisions_do_not_make_the_interval_narrower_than_the_videos_allow() -> None:
    drawn = np.random.default_rng(0).normal(0.03, 0.02, 1000)
    (claim,) = claims(divided(same_in_all_seeds(drawn)), margin=0.001)
    assert claim.interval is not None
    assert claim.interval.high - claim.interval.low > 2 * 1.96 * math.sqrt(0.25) * drawn.std()


def test_a_verdict_takes_three_divisions_and_three_seeds_that_vary() -> None:
    reasons = [
        claims(divided(one), margin=0.001)[0].reason
        for one in (
            same_in_all_seeds(DIVISIONS[:2]),
            same_in_all_seeds(DIVISIONS, seeds=2),
            np.full((5, 3), 0.04),
            np.full((5, 3), 0.04) + SEEDS,  # nothing says that divisions do not vary
        )
    ]
    assert reasons == [Reason.DIVISIONS, Reason.SEEDS, Reason.NO_VARIATION, Reason.NO_VARIATION]
    with pytest.raises(ValueError, match="must be positive"):
        divided(np.zeros((3, 3)), overlap=0.0)


def test_videos_are_counted_by_the_division_with_the_largest_overlap() -> None:
    assert overlap_of([80, 70], [20, 30]) == pytest.approx(30 / 70)
    assert math.isnan(overlap_of([80, np.nan], [20, 30]))
    assert math.isnan(overlap_of([0, 80], [20, 30]))


def test_a_seed_that_collapses_in_some_division_counts_once_against_a_gain() -> None:
    d = DIVISIONS[:, None] + np.array([0.001, -0.001, 0.0])
    collapsed = np.zeros((1, 5, 3))
    collapsed[0, :3, 0] = 1.0
    (claim,) = claims(
        divided(d), margin=0.02, collapsed=Runs(differences=d[None], collapsed=collapsed, seeds_last=True)
    )
    assert claim.collapse is not None
    assert (claim.collapse.rate.count, claim.collapse.rate.n) == (1, 3)
    assert claims(divided(d), margin=0.02)[0].verdict is Verdict.BETTER
    clean = Runs(differences=d[None], collapsed=np.zeros((1, 5, 3)), seeds_last=True)
    (unseen,) = claims(divided(d), margin=0.02, collapsed=clean)
    (each,) = claims(divided(d), margin=0.02, collapsed=singly(clean))
    assert (unseen.verdict, unseen.reason) == (Verdict.AHEAD, Reason.COLLAPSE), "three seeds say little"
    assert each.verdict is Verdict.BETTER


@pytest.mark.parametrize(
    "design", [one for one in designs() if not one.gain and one.clips < 1000], ids=lambda one: f"{one.name}, {one.arms}"
)
def test_claims_on_equal_arms_are_as_rare_as_stated(design: Design) -> None:
    """In every family; 100 studies can tell 5% from 12%. `python benchmarks/divisions.py` takes 2,000."""
    assert shares(design, 100)["ours"] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 100)


def test_each_part_of_the_error_is_needed() -> None:
    (repeated,) = (one for one in designs() if one.name == "10 splits, seeds that decide")
    share = shares(repeated, 60)
    assert share["divisions"] > 0.5, "without the overlap of training videos"
    assert share["videos"] > 0.15, "without the seeds' part"
    (many,) = (one for one in designs() if one.name.endswith("20%, 15 points") and one.seeds == 3)
    share = shares(many, 40)
    assert share["runs"] > 0.2, "with each run of a seed that collapses counted"
    assert share["ours"] <= 0.15


def test_the_power_over_divisions_is_the_share_of_simulated_studies_that_show_the_difference() -> None:
    """Differences of J divisions that correlate by n2 / (n1 + n2), as Nadeau and Bengio take them to."""
    rng = np.random.default_rng(4)
    for j, overlap, effect in ((5, 0.25, 1.5), (10, 0.25, 1.0), (3, 0.43, 2.0)):
        rho = overlap / (1 + overlap)
        common, own = rng.normal(size=(2, 20_000, j))
        sample = effect + np.sqrt(rho) * common[:, :1] + np.sqrt(1 - rho) * own
        error = sample.std(axis=1, ddof=1) * np.sqrt(1 / j + overlap)
        shown = np.abs(sample.mean(axis=1) / error) > stats.t.ppf(0.975, j - 1)
        assert power(j, effect, overlap=overlap) == pytest.approx(shown.mean(), abs=0.012)
    assert power(5, 1.5, overlap=0.25) < power(5, 1.5)
