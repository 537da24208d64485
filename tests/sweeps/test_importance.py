"""Importance, surface, regret and budget: against Optuna, statsmodels, and tables and sums worked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy.interpolate import RBFInterpolator
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmarks.importance import FACTORIAL, FAMILIES, shares_above
from sweeps.stats.budget import expected_best
from sweeps.stats.importance import importance, is_factorial
from sweeps.stats.importance_base import without_seed_effects
from sweeps.stats.ped_anova import MIN_TOP, TOP_SHARE
from sweeps.stats.regret import ranks, regrets
from sweeps.stats.surface import SMOOTHING, surface


def test_shares_of_a_factorial_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(FACTORIAL), 4)) + 2 * FACTORIAL[:, :1] * FACTORIAL[:, 1:2]
    made = importance(FACTORIAL, values, [True] * 4, resamplings=20)
    table = pd.DataFrame(FACTORIAL, columns=list("abcd")).assign(y=values.mean(axis=1))
    squares = anova_lm(ols("y ~ C(a) * C(b) * C(c) * C(d)", table).fit())["sum_sq"]
    total = squares.sum()
    assert made.share == pytest.approx([squares[f"C({f})"] / total for f in "abcd"])
    assert made.total is not None
    parts = [sum(s for term, s in squares.items() if f"C({f})" in term) / total for f in "abcd"]
    assert made.total == pytest.approx(parts)
    assert made.dimensionality(0.9) == 2
    assert list(made.is_above) == [True, True, False, False]


@pytest.mark.parametrize("k", [40, 203])
def test_shares_of_a_search_are_those_of_optuna(k: int) -> None:
    rng = np.random.default_rng(k)
    numbers, names = np.argsort(rng.random((k, 3)), axis=0), rng.integers(0, 4, size=k)
    y = -((numbers[:, 0] / k - 0.3) ** 2) + 0.1 * numbers[:, 1] / k + 0.1 * (names == 2)
    made = importance(np.column_stack([numbers, names]), y[:, None], [True, True, True, False], resamplings=5)
    study = optuna.create_study(direction="maximize")
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        str(i): optuna.distributions.FloatDistribution(0, k - 1) for i in range(3)
    }
    ranges["3"] = optuna.distributions.CategoricalDistribution([0, 1, 2, 3])
    for row, name, value in zip(numbers, names, y, strict=True):
        params = {**{str(i): float(v) for i, v in enumerate(row)}, "3": int(name)}
        study.add_trial(optuna.create_trial(params=params, distributions=ranges, value=float(value)))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(TOP_SHARE, MIN_TOP / k))
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert made.share == pytest.approx([theirs[str(i)] for i in range(4)], rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_factor_without_effect_is_seldom_above_its_floor(family: str) -> None:
    """80 studies with 5 seeds each; the benchmark has more of each, and the designs of a search."""
    above = shares_above(FAMILIES[family], "factorial", 5, 80, seed=11)[1]
    assert above <= 0.05 + 3 * (0.05 * 0.95 / 80) ** 0.5


@pytest.mark.parametrize("design", ["search", "closing in"])
def test_the_same_for_arms_of_a_search(design: str) -> None:
    first, last = shares_above(FAMILIES["effects, interaction"], design, 5, 60, seed=4)
    assert last <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert first > 0.9


def test_equal_numbers_matter_nothing_and_the_order_of_arms_is_nothing() -> None:
    same = importance(FACTORIAL, np.full((len(FACTORIAL), 3), 0.5), [True] * 4, resamplings=5)
    assert not same.share.any()
    assert not same.is_above.any()
    values = np.random.default_rng(1).normal(size=(len(FACTORIAL), 3))
    shuffled = np.random.default_rng(2).permutation(len(FACTORIAL))
    first, second = (importance(FACTORIAL[o], values[o], [True] * 4) for o in (np.arange(len(FACTORIAL)), shuffled))
    assert first.share == pytest.approx(second.share)
    assert first.floor == pytest.approx(second.floor)


def test_what_is_missing() -> None:
    assert is_factorial(FACTORIAL[3:])
    assert not is_factorial(FACTORIAL[: len(FACTORIAL) // 2 + 1])
    assert not is_factorial(np.concatenate([FACTORIAL, FACTORIAL[:1]]))
    additive = np.add.outer([0.1, 0.2, 0.4], [0.0, 0.3, -0.1])
    additive[1, 2] = np.nan
    centered = without_seed_effects(additive)
    assert np.nanmax(centered, axis=1) - np.nanmin(centered, axis=1) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="5 arms are no factorial with 3 seeds, and fewer than 12"):
        importance(FACTORIAL[:5], np.zeros((5, 3)), [True] * 4)


def test_the_error_at_a_point_left_out_is_that_of_fits_without_it() -> None:
    """Every surface fitted anew without each point in turn, by other routines where there are any."""
    rng = np.random.default_rng(0)
    x = rng.random((12, 2))
    x = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    for y in (1 + x @ [2, -1] + rng.normal(0, 0.2, size=12), np.sin(6 * x[:, 0]) * x[:, 1]):
        errors: dict[str, list[float]] = {}
        for i in range(12):
            others, known, here = np.delete(x, i, axis=0), np.delete(y, i), x[i : i + 1]
            errors.setdefault("", []).append(y[i] - known.mean())
            for degree, name in ((1, "a plane"), (2, "a quadratic surface")):
                made = RBFInterpolator(others, known, kernel="cubic", degree=degree, smoothing=1e9)(here)
                errors.setdefault(name, []).append(y[i] - made[0])
            for smoothing in SMOOTHING:
                spline = RBFInterpolator(others, known, kernel="thin_plate_spline", degree=1, smoothing=smoothing)
                errors.setdefault(f"a thin-plate spline {smoothing}", []).append(y[i] - spline(here)[0])
        means = {name: np.sqrt(np.mean(np.square(one))) for name, one in errors.items()}
        made = surface(x * [3, 7] + 1, y)
        assert made.error_of_mean == pytest.approx(means[""])
        assert made.error <= min(means.values()) * (1 + 1e-6)
        if made.name != "a plane with an interaction":
            assert made.error == pytest.approx(min(v for n, v in means.items() if n.startswith(made.name)), rel=1e-5)
    with pytest.raises(ValueError, match="not on one line"):
        surface(np.column_stack([np.arange(8), np.arange(8)]), np.arange(8))


def test_without_any_pattern_no_surface_predicts() -> None:
    x = np.array(list(itertools.product(range(3), range(3))), dtype=float)
    made = surface(x, [1, -1, 1, -1, 1, -1, 1, -1, 1])
    assert made.name == ""
    assert made.predict([[0.5, 0.5]]) == pytest.approx([1 / 9])


def test_regrets_by_hand_and_their_interval() -> None:
    first = [[0.7, 0.7, 0.7], [0.6, 0.6, 0.6], [0.68, 0.68, 0.68]]
    second = [[0.5, 0.5, 0.5, np.nan], [0.6, 0.6, 0.6, 0.9], [0.57, 0.57, 0.57, 0.1]]
    made = regrets([first, second])
    assert made.regret == pytest.approx(np.array([[0, 0.1, 0.02], [0.1, 0, 0.03]]))
    assert (made.best, made.seeds) == (2, (3, 3))
    assert (made.low, made.high) == pytest.approx((0.03, 0.03))
    with pytest.raises(ValueError, match="3 seeds that all settings share"):
        regrets([first, [row[:2] for row in second]])


def test_the_interval_of_a_regret_holds_it_after_the_choice() -> None:
    """400 studies of 2 blocks, 4 settings, 5 seeds, unequal SDs; Bonferroni leaves room."""
    rng = np.random.default_rng(0)
    truth = np.array([[0, 0.5, 1.0, 0.8], [1.0, 0.5, 0.0, 0.8]])
    hits = 0
    for _ in range(400):
        blocks = [
            row[:, None] + np.array([1, 1, 1, 3])[:, None] * rng.normal(size=(4, 5)) + rng.normal(size=5)
            for row in truth
        ]
        made = regrets(blocks, highest=np.inf)
        regret = (truth.max(axis=1, keepdims=True) - truth).max(axis=0)[made.best]
        hits += made.low <= regret <= made.high
    assert hits >= 0.95 * 400


DEMSAR = """0.763 0.768 0.771 0.798; 0.599 0.591 0.590 0.569; 0.954 0.971 0.968 0.967; 0.628 0.661 0.654 0.657;
0.882 0.888 0.886 0.898; 0.936 0.931 0.916 0.931; 0.661 0.668 0.609 0.685; 0.583 0.583 0.563 0.625;
0.775 0.838 0.866 0.875; 1.000 1.000 1.000 1.000; 0.940 0.962 0.965 0.962; 0.619 0.666 0.614 0.669;
0.972 0.981 0.9751 0.975; 0.957 0.978 0.946 0.970"""


def test_ranks_are_those_of_demsar_2006() -> None:
    """His table 6: mean ranks, Friedman's statistic 9.28 (not corrected for ties), and the critical difference."""
    made = ranks([[float(value) for value in row.split()] for row in DEMSAR.split(";")])
    assert made.mean == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert made.critical == pytest.approx(2.569 * (20 / 84) ** 0.5, abs=1e-3)
    assert 0.01 < made.p < 0.0258  # ties make the statistic larger than 9.28
    assert ranks(np.ones((5, 3))).p == 1.0
    with pytest.raises(ValueError, match="ranks take 5 blocks"):
        ranks(np.ones((4, 3)))


def test_the_expected_best_is_the_mean_over_all_subsets() -> None:
    values = [0.3, 0.9, 0.1, 0.4, 0.4, 0.7]
    subsets = [[max(s) for s in itertools.combinations(values, n)] for n in range(1, 7)]
    assert expected_best(values) == pytest.approx([np.mean(one) for one in subsets])
    assert expected_best(np.random.default_rng(0).random(500))[-1] == pytest.approx(
        np.random.default_rng(0).random(500).max()
    )
