"""Effects on the rate of collapse: how often one is claimed that is none, and what few seeds or divisions can show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.rates import DESIGNS, Design, claimed, families
from sweeps.stats.collapse import rate
from sweeps.stats.rates import Sided, compare_collapse_rates
from sweeps.stats.stepdown import Floats


def sided(flags: Floats) -> Sided:
    """An effect from flags (2, J, n) of its two sides: one run for each division and seed."""
    runs = flags[0].size
    subject, against = (rate(int(side.sum()), runs) for side in flags)
    return Sided(differences=flags[0] - flags[1], subject=subject, against=against)


def all_or_none(divisions: int, seeds: int) -> Sided:
    """Every run of the one side collapses and none of the other."""
    return sided(np.stack([np.ones((divisions, seeds)), np.zeros((divisions, seeds))]))


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_false_effects_are_as_rare_as_stated(design: Design) -> None:
    """100 studies can tell 5% from 15%. `python benchmarks/rates.py` takes 500, and more numbers of seeds."""
    held = [family for family, is_held in families(design).items() if is_held]
    shares = {(family, k): claimed(family, design, k, 5, 100) for family in held for k in (1, 4)}
    assert not {key: share for key, share in shares.items() if share > 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)}
    assert claimed("power: all against none", design, 1, 5, 20) == 1.0


def test_all_against_none_shows_as_much_as_seeds_counted_once() -> None:
    (p,) = compare_collapse_rates([all_or_none(1, 4)])
    assert p == pytest.approx(stats.boschloo_exact([[4, 0], [0, 4]]).pvalue)
    pair = compare_collapse_rates([all_or_none(1, 4)] * 2)
    assert pair.tolist() == pytest.approx([2 * p, 2 * p])
    assert compare_collapse_rates([sided(np.ones((2, 1, 4)))]).tolist() == [1.0]
    assert np.isnan(compare_collapse_rates([all_or_none(1, 2)])).all(), "two seeds show nothing"


def test_divisions_have_to_agree_as_well_as_seeds() -> None:
    ten_seeds = all_or_none(3, 10)
    (over_seeds,), (over_divisions,) = compare_collapse_rates([ten_seeds]), compare_collapse_rates([ten_seeds], 0.5)
    assert over_seeds < 0.001
    assert over_divisions == pytest.approx(stats.boschloo_exact([[3, 0], [0, 3]]).pvalue)
    assert np.isnan(compare_collapse_rates([all_or_none(2, 10)], 0.5)).all(), "two divisions show nothing"
    # One of five divisions turns the other way, in all seeds: clear over seeds, not over divisions.
    flags = np.stack([np.ones((5, 10)), np.zeros((5, 10))])
    flags[:, 0] = flags[::-1, 0]
    (over_seeds,), (over_divisions,) = (
        compare_collapse_rates([sided(flags)]),
        compare_collapse_rates([sided(flags)], 0.25),
    )
    assert over_seeds < 0.001 < 0.05 < over_divisions
