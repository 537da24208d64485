"""How many seeds a study takes: power by the noncentral t, and what the procedure then shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeps.stats.claims import Verdict, claims
from sweeps.stats.planner import power, power_of_choice, sd_limits, seed_plan, seeds_by_t


def test_power_is_that_of_the_noncentral_t() -> None:
    for n, family in ((3, 1), (7, 4), (10, 9)):
        critical = stats.t.isf(0.025 / family, n - 1)
        assert power(n, 1.0, family) == pytest.approx(stats.nct.sf(critical, n - 1, np.sqrt(n)), abs=1e-6)
    np.testing.assert_allclose(power([3, 5, 7, 10], 1.0), [0.17, 0.40, 0.60, 0.81], atol=0.01)


@pytest.mark.parametrize(("family", "floor"), [(4, [0.08, 0.26, 0.49, 0.76]), (9, [0.04, 0.18, 0.39, 0.69])])
def test_the_planner_says_what_the_procedure_does(family: int, floor: list[float]) -> None:
    # The floors are what Bonferroni intervals show; Holm shows up to 6 points more.
    plan = seed_plan([3, 5, 7, 10], 0.01, 0.01, family, np.random.default_rng(9))
    for row, bonferroni in zip(plan, floor, strict=True):
        assert bonferroni - 0.03 < row.chosen_arm < bonferroni + 0.09
        assert row.given_arm < row.chosen_arm + 0.01 < row.single + 0.03
        # A gain just above the protected one is better, just below it is not, when the differences hardly vary.
        healthy = np.zeros((family, row.n), dtype=bool)
        noise = 1e-6 * np.arange(row.n)
        for gain, verdict in ((row.protected_gain + 1e-4, Verdict.BETTER), (row.protected_gain - 1e-4, Verdict.AHEAD)):
            made = claims(np.tile(gain + noise, (family, 1)), margin=1e-3, collapsed=healthy)
            assert {claim.verdict for claim in made} == {verdict}
    assert power_of_choice(7, 0.0, family, np.random.default_rng(9)) < 0.03


def test_the_fewest_seeds() -> None:
    assert seeds_by_t(0.01, 0.01) == 10
    assert power(9, 1.0) < 0.8 <= power(10, 1.0)
    assert seeds_by_t(0.0001, 0.01) is None
    assert sd_limits(1.0, 3) == pytest.approx(np.sqrt(2 / stats.chi2.ppf([0.975, 0.025], 2)))
    with pytest.raises(ValueError, match="at least 3 seeds"):
        seed_plan([2], 0.01, 0.01, 4, np.random.default_rng(0))
