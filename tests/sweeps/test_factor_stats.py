"""Effects of factors: averaged over the others within a seed, by hand-worked tables."""

from __future__ import annotations

import numpy as np
import pytest

from sweeps.stats.claims import Verdict, claims
from sweeps.stats.factorial import by_seed, difference, halves, pair, sides, single_runs, trend, with_runs


def test_factor_effects_average_over_the_others_within_a_seed() -> None:
    rng = np.random.default_rng(6)
    a, b = np.array([0.0, 0.10])[:, None, None], np.array([0.0, 0.02, 0.04])[None, :, None]
    planted = 0.05 * np.array([[0, 0, 0], [0, 0, 1]])[..., None]
    seeds = rng.normal(0, 0.1, size=5)  # a seed moves all its runs alike
    values = a + b + planted + seeds
    arms = values.reshape(6, 5)  # arm 3 i + j has level i of the first factor and level j of the second
    effect = [sides([3 + j], [j]) for j in range(3)]
    np.testing.assert_allclose(by_seed(arms, effect), 0.10 + 0.05 / 3)
    last, middle, first = ([difference(sides([3 + j], [j]), sides([3], [0]))] for j in (2, 1, 0))
    np.testing.assert_allclose(by_seed(arms, last), 0.05)
    np.testing.assert_allclose(by_seed(arms, middle), 0.0, atol=1e-12)
    np.testing.assert_allclose(by_seed(arms, first), 0.0, atol=1e-12)
    np.testing.assert_allclose(by_seed(arms[:3], [trend([0, 1, 2])]), 0.04)
    runs, of_arm = single_runs(arms, effect)
    np.testing.assert_allclose(runs, [[0.10, 0.10, 0.15]] * 5)
    assert of_arm.tolist() == [3, 4, 5]
    others, of_arm = single_runs(arms, effect, sign=-1)
    np.testing.assert_allclose(others, runs)
    assert of_arm.tolist() == [0, 1, 2]
    arms[5, 0] = np.nan  # so seed 0 would average other settings than the rest
    np.testing.assert_allclose(by_seed(arms, effect), [np.nan] + [0.10 + 0.05 / 3] * 4)
    assert np.isnan(by_seed(arms, last)[0])
    assert np.isnan(single_runs(arms, effect)[0]).all(axis=1).tolist() == [True] + [False] * 4
    arms[5] = np.nan
    assert with_runs(arms, effect) == effect[:2]
    with pytest.raises(ValueError, match="without a common arm"):
        sides([0, 1], [1])


@pytest.mark.parametrize(("levels", "groups"), [(2, ([0], [1])), (5, ([0, 1], [3, 4])), (4, ([0, 1], [2, 3]))])
def test_ordered_levels_are_split_without_their_middle(levels: int, groups: tuple[list[int], list[int]]) -> None:
    assert halves(levels) == groups


def test_a_clear_factor_is_shown_with_three_seeds_where_no_arm_is() -> None:
    rng = np.random.default_rng(7)
    sign = np.array([-0.05, -0.05, 0.05, 0.05])[:, None, None]
    arms = (0.7 + sign + rng.normal(0, 0.05, size=(4, 6, 3))).reshape(24, 3)
    units = [sides([12 + j, 18 + j], [j, 6 + j]) for j in range(6)]
    (effect,) = claims([by_seed(arms, units)], margin=0.01)
    assert effect.verdict is Verdict.BETTER
    assert not any(c.verdict.established for c in claims(arms[1:] - arms[0], margin=0.01))


def test_an_effect_that_cancels_over_settings_is_not_shown_where_the_second_lost_half_of_its_seeds() -> None:
    """Without a rule on seeds that lack a setting this is called an effect in 30% of studies."""
    rng = np.random.default_rng(8)
    shown = 0
    for _ in range(300):
        arms = np.array([0.05, 0.0, -0.05, 0.0])[:, None] + rng.normal(0, 0.03, size=(4, 10))
        arms[2, 5:] = np.nan
        (effect,) = claims([by_seed(arms, [pair(0, 1), pair(2, 3)])], margin=0.001)
        shown += effect.verdict.established
    assert shown <= 0.08 * 300
