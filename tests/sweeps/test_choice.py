"""Which arm is chosen: over shared seeds, within one standard error, and how much the choice flatters it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeps.stats.choice import best_of, choosable, choose, may_be_best, winners_curse


def test_a_missing_cell_of_the_best_arm_does_not_turn_the_choice() -> None:
    seeds = np.array([0.00, 0.01, -0.01, 0.02, 0.00])
    values = np.array([[0.736], [0.786], [0.75]]) + seeds
    values[1, 2] = np.nan
    choice = choose(values, simplicity=[0, 0.1, 1])
    assert choice is not None
    assert (choice.best, choice.seeds) == (1, (0, 1, 3, 4))
    values[0, 0] = values[2, 1] = np.nan  # two seeds remain that all have
    assert choose(values) is None
    assert best_of(values) == -1


def test_one_standard_error_leads_to_the_simpler_end() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, size=8)
    values = np.array([0.70 + noise * 0, 0.749 + noise - noise.mean(), 0.75 + noise * 0, 0.60 + noise * 0])
    choice = choose(values, simplicity=[0, 0.1, 1, 10])
    assert choice is not None
    assert (choice.best, choice.one_se) == (2, 1)
    assert choice.possible == (1, 2)


def test_the_set_drops_what_is_shown_to_be_worse_by_more_than_epsilon() -> None:
    rng = np.random.default_rng(4)
    values = np.array([[0.75], [0.745], [0.70]]) + rng.normal(0, 0.002, size=(3, 8))
    assert may_be_best(values, epsilon=0.01).tolist() == [True, True, False]
    assert may_be_best(values).tolist() == [True, False, False]
    # Once an arm of the family has collapsed, eight healthy seeds do not protect a lead of half a point.
    collapsed = np.zeros((3, 8), dtype=bool)
    collapsed[2, 0] = True
    values[2, 0] -= 0.15
    assert may_be_best(values, collapsed=collapsed).tolist() == [True, True, False]


@pytest.mark.parametrize("decimals", [2, 9])
def test_every_pair_that_is_far_enough_apart_is_looked_at(decimals: int) -> None:
    """The set is found by sums that hold for all pairs; it is the one that a t test of each pair gives."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        values = np.round(0.7 + rng.normal(0, 0.02, (9, 6)) + rng.normal(0, 0.03, (9, 1)), decimals)
        pairs = [[0.0 if np.ptp(b - a) == 0 else stats.ttest_rel(b, a).statistic for b in values] for a in values]
        far = np.array(pairs) >= stats.t.ppf(1 - 0.05 / 8, 5)
        assert may_be_best(values).tolist() == (~far.any(axis=1)).tolist()


def _expected_maximum(k: int) -> float:
    """Of `k` independent standard normal values: how far the best of k equal arms looks ahead, in standard errors."""
    x = np.linspace(-9, 9, 4001)
    return float(np.trapezoid(x * k * stats.norm.pdf(x) * stats.norm.cdf(x) ** (k - 1), x))


def test_the_winners_curse_is_that_of_the_maximum() -> None:
    assert _expected_maximum(9) / np.sqrt(3) == pytest.approx(0.857, abs=1e-3)  # the best of 9 equal arms at n = 3
    rng = np.random.default_rng(5)
    # Equal arms, independent, many seeds: E max of 9 standard errors, where the observed means do not differ.
    values = rng.normal(size=(9, 200))
    values -= values.mean(axis=1, keepdims=True)
    assert winners_curse(values, values, rng, 4000) == pytest.approx(_expected_maximum(9) / np.sqrt(200), rel=0.1)
    clear = values + 10 * np.arange(9)[:, None]
    assert abs(winners_curse(clear, clear, rng, 4000)) < 0.01
    assert np.isnan(winners_curse(values[:, :2], values[:, :2], rng))


def test_who_can_be_chosen_shares_three_seeds() -> None:
    nan = np.nan
    values = np.array([[1, 1, 1, 1], [nan, nan, 1, 1], [1, 1, 1, nan], [nan, 1, 1, 1], [1, 1, 1, 1]], dtype=float)
    assert choosable(values) == [0, 2, 4]  # rows 2 and 3 share two seeds: the later of the two is out
    assert choosable(values, [True, False, False, False, False]) == [2, 4]
    assert choosable(values[1:2]) == []
