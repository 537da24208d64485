"""Components on and off: hand-worked tables, every order counted one by one, statsmodels, and the error rates."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ablation import RATES_INTERACT, rows
from sweeps.stats.claims import claims
from sweeps.stats.components import combined, disagreement, greedy_path, is_complete, shapley
from sweeps.stats.factorial import by_seed, pair, sides


def arms_of(k: int) -> dict[frozenset[int], int]:
    return {on: i for i, on in enumerate(map(frozenset, itertools.chain(*subsets(k))))}


def subsets(k: int) -> list[list[tuple[int, ...]]]:
    return [list(itertools.combinations(range(k), size)) for size in range(k + 1)]


def test_two_components_by_hand() -> None:
    # accuracy: none 60, first 64, second 61, both 70; so by hand (4 + 9) / 2 and (1 + 6) / 2, together 10
    arms, accuracy = arms_of(2), np.array([[60.0], [64], [61], [70]])
    assert [float(by_seed(accuracy, [shapley(arms, i, 2)])[0]) for i in range(2)] == [6.5, 3.5]
    assert float(by_seed(accuracy, [disagreement(0, 1, 3, 2)])[0]) == 5
    assert combined([shapley(arms, 0, 2)]) == combined([sides([1, 3], [0, 2])]), "the main effect"
    assert combined([shapley(arms, 0, 2)]) == combined([pair(1, 0), pair(3, 2)])


def test_three_components_by_hand() -> None:
    #           none a   b   c   ab  ac  bc  abc
    accuracy = np.array([[50.0], [52], [53], [50], [58], [52], [53], [60]])
    arms = arms_of(3)
    # a: 2 alone, 5 after b, 2 after c, 7 after both: 2/3 + 5/6 + 2/6 + 7/3
    assert float(by_seed(accuracy, [shapley(arms, 0, 3)])[0]) == pytest.approx(2 / 3 + 5 / 6 + 2 / 6 + 7 / 3)
    values = [float(by_seed(accuracy, [shapley(arms, i, 3)])[0]) for i in range(3)]
    assert sum(values) == pytest.approx(10)
    assert float(by_seed(accuracy, [disagreement(0, 1, 7, 6)])[0]) == 7 - 2
    score = {tuple(int(i in on) for i in range(3)): float(accuracy[arm, 0]) for on, arm in arms.items()}
    assert greedy_path((0, 0, 0), (1, 1, 1), score) == [1, 0, 2], "b brings 3, then a 5, then c 2"
    assert greedy_path((0, 0, 0), (1, 0, 1), score) == [0, 2], "c brings nothing before a"
    assert greedy_path((1, 1, 1), (1, 1, 1), score) == []
    assert greedy_path((0, 0, 0), (1, 1, 1), {(0, 0, 0): 1.0, (1, 1, 1): 2.0}) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_shapley_values_are_the_mean_over_all_orders_counted_one_by_one(k: int, seed: int) -> None:
    arms = arms_of(k)
    values = np.random.default_rng(seed).normal(size=(2**k, 3))
    assert is_complete(arms, k)
    totals = np.zeros((k, 3))
    for order in itertools.permutations(range(k)):
        for place, i in enumerate(order):
            before = frozenset(order[:place])
            totals[i] += values[arms[before | {i}]] - values[arms[before]]
    made = np.stack([by_seed(values, [shapley(arms, i, k)]) for i in range(k)])
    assert made == pytest.approx(totals / math.factorial(k))
    assert made.sum(axis=0) == pytest.approx(values[arms[frozenset(range(k))]] - values[arms[frozenset()]])


def test_what_lacks_an_arm_has_no_shapley_value() -> None:
    arms = arms_of(3)
    del arms[frozenset({0, 2})]
    assert not is_complete(arms, 3)
    with pytest.raises(ValueError, match="take all 8 arms"):
        shapley(arms, 0, 3)


def test_an_interaction_of_two_components_is_the_coefficient_of_statsmodels() -> None:
    """The estimate of the saturated model with seeds as blocks; the interval is that of the four runs of each seed."""
    values = np.random.default_rng(4).normal(0.7, 0.02, size=(4, 7))
    frame = pd.DataFrame({
        "y": values.ravel(),
        "a": np.repeat([0, 1, 0, 1], 7),
        "b": np.repeat([0, 0, 1, 1], 7),
        "seed": np.tile(range(7), 4),
    })  # fmt: skip
    model = smf.ols("y ~ a * b + C(seed)", frame).fit()
    by_seeds = by_seed(values, [disagreement(0, 1, 3, 2)])
    (claim,) = claims([by_seeds], margin=0.02, limit=2.0)
    assert claim.mean == pytest.approx(model.params["a:b"])
    alone = smf.ols("d ~ 1", pd.DataFrame({"d": by_seeds})).fit()
    assert claim.p == pytest.approx(alone.pvalues["Intercept"])
    assert claim.interval is not None
    assert not claim.interval.excludes_zero
    assert (claim.interval.low, claim.interval.high) == pytest.approx(tuple(alone.conf_int().loc["Intercept"]))


def test_interactions_are_found_and_seldom_claimed_falsely() -> None:
    """In every family that hurts; `python benchmarks/ablation.py` takes 20,000 studies."""
    table = list(rows(1000))
    assert not [row for row in table if not row.holds]
    assert {row.family for row in table if row.max_ == 1 and row.min_ == 0} == {RATES_INTERACT, "normal", "normal, own"}
    (found,) = [row for row in table if row.min_]
    assert (found.n, found.k) == (7, 2)
    assert found.rate > 0.9
