"""The race: its parts against independent answers, its rules, and its errors in a short form of the benchmark."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.race import EQUAL, UNEQUAL, rows
from sweeps.stats.exact_rates import boschloo_p
from sweeps.stats.expected_cells import expected_cells
from sweeps.stats.looks import LOOKS, level_of_look, looks_until
from sweeps.stats.moderated import squeeze
from sweeps.stats.race import ENDINGS, WAYS, Ending, Races, Way, race
from sweeps.stats.stepdown import Floats

STUDIES = 300


def runs(seed: int, means: list[float], seeds: int = 36, sd: float = 0.01) -> Floats:
    """Accuracies of arms with these means, half of whose variance is the seed's."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(1, seeds))
    noise = (rng.normal(size=(len(means), seeds)) + shared) * np.sqrt(0.5)
    return np.asarray(0.7 + np.array(means)[:, None] + sd * noise)


def ending(made: Races) -> Ending:
    return ENDINGS[made.ending[0]]


def test_levels_are_those_of_pocock() -> None:
    """Five even looks at two-sided 5%: the constant 2.413 of every table; one look is a plain test."""
    assert level_of_look((1, 2, 3, 4, 5), 0.025) == pytest.approx(special.ndtr(-2.413), rel=2e-3)
    assert level_of_look((7,), 0.01) == pytest.approx(0.01, rel=2e-3)


def test_looks_end_at_the_cap() -> None:
    assert looks_until(36) == LOOKS
    assert looks_until(7) == (3, 4, 5, 6, 7)
    assert looks_until(3) == (3,)
    assert looks_until(50)[-3:] == (36, 46, 50)
    with pytest.raises(ValueError, match="at least 3 seeds, got 2"):
        looks_until(2)


def test_squeezing_finds_the_prior_that_variances_were_drawn_from() -> None:
    rng = np.random.default_rng(5)
    prior_df, prior, df = 8.0, 2.0, 4.0
    true = prior * prior_df / rng.chisquare(prior_df, size=200_000)
    drawn = true * rng.chisquare(df, size=true.size) / df
    squeezed, total = squeeze(drawn, df)
    assert total[0] - df == pytest.approx(prior_df, rel=0.03)
    assert squeezed == pytest.approx((prior_df * prior + df * drawn) / (prior_df + df), rel=0.05)


def test_squeezing_where_there_is_little_to_learn() -> None:
    squeezed, df = squeeze([[3.0, np.nan], [2.0, 2.0], [0.0, 0.0]], 2.0)
    assert (squeezed[0, 0], df[0, 0]) == (3.0, 2.0)
    assert np.isnan(squeezed[0, 1])
    assert (squeezed[1].tolist(), df[1].tolist()) == ([2.0, 2.0], [4.0, 4.0])  # at most all of them together
    assert squeezed[2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("count", "n", "other", "m"), [(3, 3, 0, 3), (5, 6, 1, 6), (4, 8, 2, 5), (0, 4, 2, 4)])
def test_the_test_of_two_rates_is_that_of_scipy(count: int, n: int, other: int, m: int) -> None:
    table = [[count, other], [n - count, m - other]]
    expected = stats.boschloo_exact(table, alternative="greater", n=256).pvalue
    assert boschloo_p(count, n, other, m) == pytest.approx(expected, rel=0.01)


def test_a_clear_best_arm_ends_the_race_early() -> None:
    made = race(runs(0, [0, 0.05, 0, -0.05]), margin=0.01)
    assert ending(made) is Ending.BEST
    assert made.leader[0] == 1
    assert made.alive[0].tolist() == [False, True, False, False]
    assert made.cells[0] == made.dropped_at[0].sum() + made.seeds[0] <= 16
    assert {WAYS[way] for way in made.way[0]} == {Way.NONE, Way.ACCURACY}
    assert (made.low[0, [0, 2, 3]] < made.difference[0, [0, 2, 3]]).all()
    assert (made.low[0, [0, 2, 3]] > 0).all()
    assert np.isnan(made.difference[0, 1])


@pytest.mark.parametrize(
    ("means", "margin", "expected"),
    [
        ([0, 0, 0], 0.02, Ending.NO_DIFFERENCE),
        ([0, 0, -0.05], 0.02, Ending.SET),
        ([0, 0, 0.001], 0.0005, Ending.NOT_ENOUGH_SEEDS),
    ],
)
def test_the_other_endings(means: list[float], margin: float, expected: Ending) -> None:
    assert ending(race(runs(1, means), margin=margin)) is expected


def test_decisions_depend_on_nothing_but_the_runs_of_arms_in_the_race() -> None:
    """What another run computed beyond a look, or of an arm after its drop, changes nothing; neither does the order."""
    x = runs(2, [0, 0.012, 0, -0.02, 0.004])
    collapsed = np.zeros(x.shape)
    made = race(x, margin=0.005, collapsed=collapsed)
    seeds = np.where(made.alive[0], made.seeds[0], made.dropped_at[0])
    outside = np.arange(x.shape[1]) >= seeds[:, None]
    assert outside.any()
    x_other = np.where(outside, np.random.default_rng(0).normal(size=x.shape), x)
    other = race(x_other, margin=0.005, collapsed=np.where(outside, 1.0, collapsed), recorded=~outside)
    for name, value in vars(made).items():
        np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)
    order = np.array([3, 0, 4, 2, 1])
    turned = race(x[order], margin=0.005, collapsed=collapsed)
    np.testing.assert_array_equal(turned.dropped_at[0], made.dropped_at[0, order])


def test_a_race_waits_for_the_runs_of_its_next_look() -> None:
    x = runs(4, [0, 0.001, 0])
    recorded = np.zeros(x.shape, dtype=bool)
    assert race(x, margin=1e-4, recorded=recorded).next_look[0] == 3
    recorded[:, :3] = True
    recorded[:2, 3] = True
    made = race(x, margin=1e-4, recorded=recorded)
    assert (ending(made), made.seeds[0], made.next_look[0], made.cells[0]) == (Ending.RUNNING, 3, 4, 9)


def test_a_lucky_collapser_does_not_beat_a_clean_arm() -> None:
    """Three collapsed runs among the others: 8 clean runs of the leader do not exclude the rate that cancels it."""
    x = runs(5, [0.0, 0.02, 0.02, 0.02], seeds=8)
    collapsed = np.zeros(x.shape)
    free = race(x, margin=0.001)
    assert free.dropped_at[0, 0] > 0
    collapsed[2, [0, 3]] = collapsed[3, 1] = 1
    x = x - 0.15 * collapsed
    made = race(x, margin=0.001, collapsed=collapsed)
    assert made.dropped_at[0, 0] == 0


def test_an_arm_that_always_collapses_is_dropped_for_it() -> None:
    x = runs(6, [0.0, 0.001, -0.3, -0.3])
    collapsed = np.zeros(x.shape)
    collapsed[2:] = 1
    made = race(x, margin=1e-4, collapsed=collapsed)
    assert [WAYS[way] for way in made.way[0, 2:]] == [Way.COLLAPSE] * 2
    assert (made.dropped_at[0, 2:] <= 6).all()
    assert (made.collapsed[0, 2:] == made.dropped_at[0, 2:]).all()
    diverged = np.where(collapsed == 1, np.nan, x)  # without any accuracy
    assert (race(diverged, margin=1e-4, collapsed=collapsed).dropped_at[0, 2:] <= 8).all()


def test_runs_without_variation_show_nothing() -> None:
    x = np.repeat([[0.5], [0.7], [0.6]], 10, axis=1)
    made = race(x, margin=0.01)
    assert ending(made) is Ending.NOT_ENOUGH_SEEDS
    assert made.alive.all()


def test_an_arm_whose_runs_all_failed_neither_leads_nor_is_dropped() -> None:
    x = runs(7, [0.0, 0.05, 0.0])
    x[2] = np.nan
    made = race(x, margin=0.01)
    assert (made.dropped_at[0, 0] > 0, made.alive[0, 2], ending(made)) == (True, True, Ending.NOT_ENOUGH_SEEDS)


def test_a_race_needs_a_margin() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        race(runs(0, [0, 1]), margin=0)


def test_what_the_planner_expects_is_what_the_benchmark_measures() -> None:
    cells, decided = expected_cells(9, cap=36, effects=[1.0], rng=np.random.default_rng(0))
    assert cells == pytest.approx(127, rel=0.08)
    assert decided > 0.95


@pytest.mark.parametrize("name", [name for name, family in (EQUAL | UNEQUAL).items() if family.held])
def test_errors_are_at_most_five_percent(name: str) -> None:
    """In every family; 300 races can tell 5% from 9%. `python benchmarks/race.py` takes 2,000."""
    (row,) = rows(STUDIES, [name])
    assert row.error <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)


@pytest.mark.parametrize(
    ("name", "cells", "decided"),
    [
        ("one arm +1 SD", 148, 0.9),  # 55% of 270
        ("one arm +2 SD", 57, 0.99),  # 58% of 98
        ("one arm +1 SD, five collapse always", 97, 0.95),  # 35% of 270, and three standard errors
        ("smooth curve, 1 SD within 2 steps", 180, 0.8),
        ("all equal", 260, 0.8),
    ],
)
def test_cells_that_a_race_takes(name: str, cells: float, decided: float) -> None:
    (row,) = rows(STUDIES, [name])
    assert row.cells <= cells
    assert row.decided >= decided
