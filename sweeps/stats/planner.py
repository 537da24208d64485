"""How many seeds a study needs: what a family of comparisons can show with n seeds, before anything runs.

Lengths are in the unit of the metric. Power is that of the procedure of `sweeps.stats.decisions` on normal differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.choice import best_of
from sweeps.stats.collapse import UNSEEN_DROP, exact_limits, largest_unseen_rate
from sweeps.stats.decisions import Verdict, decide, sign_flip_floor
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats

STUDIES = 2000
MAX_SEEDS = 200
VALIDATION = 0.9  # assumed correlation of an arm's deviations on validation with those on test, within a seed


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """What a family can show with `n` seeds.

    Attributes:
        n: Seeds.
        single: Power of one comparison alone (k = 1), e.g. a confirmation of the chosen arm on fresh seeds.
        given_arm: Power for an arm named beforehand when it is the only one that differs.
        chosen_arm: Power for the arm chosen on validation when all arms differ by the same amount.
        sign_flip_floor: Smallest p value of the sign-flip test beside the family.
        excluded_rate: Rate of collapse that one arm's n seeds exclude when none collapses, one-sided 95%.
        excluded_rate_in_family: The rate that all runs of the family together exclude when none collapses, at the error
            that decides a claim.
        protected_gain: The gain below which collapse then stands in the way of "better".
    """

    n: int
    single: float
    given_arm: float
    chosen_arm: float
    sign_flip_floor: float
    excluded_rate: float
    excluded_rate_in_family: float
    protected_gain: float


def sd_limits(sd: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a true SD, seen as `sd` in a pilot of `n` >= 2 seeds: 0.52 to 6.3 times that with 3.

    Raises:
        ValueError: Below 2 seeds.
    """
    if n < 2:
        raise ValueError(f"a pilot of {n} seed has no SD; run at least 2")
    low, high = (special.chdtri(n - 1, tail) for tail in ((1 - level) / 2, (1 + level) / 2))  # upper tails
    return float(sd * np.sqrt((n - 1) / low)), float(sd * np.sqrt((n - 1) / high))


def power(n: npt.ArrayLike, effect: float, family: int = 1, alpha: float = 0.05, *, overlap: float = 0.0) -> Floats:
    """Exact power of the paired t test at two-sided alpha / family: what Holm has for the only arm that differs.

    Args:
        n: Seeds, >= 2; or divisions of one data set.
        effect: True difference in SDs of the paired differences.
        family: Comparisons.
        alpha: Family-wise error.
        overlap: Test over training videos of divisions, which then share training videos as `sweeps.stats.divisions`
            allows for; what seeds do alike in all divisions is not counted. 0 for seeds.
    """
    n = np.asarray(n, dtype=np.float64)
    critical = -special.stdtrit(n - 1, alpha / (2 * family))
    # Differences of divisions correlate by overlap / (1 + overlap), so their sample SD is below the true one.
    shift = abs(effect) / np.sqrt((1 / n + overlap) / (1 + overlap))
    beyond = np.clip(special.nctdtr(n - 1, shift, critical), 0.0, 1.0)
    return np.asarray(1 - beyond, dtype=np.float64)


def power_of_choice(
    n: int,
    effect: float,
    family: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.05,
    validation: float = VALIDATION,
    studies: int = STUDIES,
) -> float:
    """Share of studies in which the arm chosen on validation is shown to be better, all arms being equally so.

    Args:
        n: Seeds, >= 3.
        effect: True difference of every arm, in SDs of the paired differences.
        family: Arms, each compared with one reference that has the same SD; differences then correlate at 0.5.
        rng: Generator.
        alpha: Family-wise error.
        validation: Correlation of validation with test within a seed, given the arm; 0 when they say nothing of each
            other's noise, 1 when the choice is made on test.
        studies: Simulated studies.
    """
    arms = rng.normal(size=(studies, family, n))
    differences = (arms - rng.normal(size=(studies, 1, n))) / np.sqrt(2) + effect
    on_validation = validation * arms + np.sqrt(1 - validation**2) * rng.normal(size=arms.shape)
    made = decide(differences, margin=1e-9, alpha=alpha, limit=np.inf)
    chosen = best_of(on_validation)[:, None]
    return float(np.take_along_axis(made.are(Verdict.BETTER), chosen, axis=1).mean())


def seed_plan(
    seeds: Sequence[int],
    difference: float,
    sd: float,
    family: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
) -> list[SeedPlan]:
    """The planner's table.

    Args:
        seeds: Numbers of seeds to consider, each >= 3.
        difference: True difference that is to be shown.
        sd: SD of the paired differences, positive.
        family: Comparisons, >= 1.
        rng: Generator of the simulated column.
        alpha: Family-wise error.

    Raises:
        ValueError: For fewer than 3 seeds, or an SD that is not positive.
    """
    if not sd > 0 or min(seeds) < MIN_SEEDS:
        raise ValueError(f"SD {sd}, seeds {list(seeds)}: the SD must be positive, and a verdict needs at least 3 seeds")
    effect = difference / sd
    excluded = {n: float(exact_limits(0, n * family, alpha / 2)[1]) for n in seeds}
    return [
        SeedPlan(
            n=n,
            single=float(power(n, effect, 1, alpha)),
            given_arm=float(power(n, effect, family, alpha)),
            chosen_arm=power_of_choice(n, effect, family, rng, alpha=alpha),
            sign_flip_floor=float(sign_flip_floor(n, family)),
            excluded_rate=largest_unseen_rate(n),
            excluded_rate_in_family=excluded[n],
            protected_gain=excluded[n] * UNSEEN_DROP,
        )
        for n in seeds
    ]


def seeds_by_t(difference: float, sd: float, family: int = 1, target: float = 0.8, alpha: float = 0.05) -> int | None:
    """The fewest seeds with which the t test shows `difference` with probability `target`; None beyond 200."""
    candidates = np.arange(MIN_SEEDS, MAX_SEEDS + 1)
    enough = np.flatnonzero(power(candidates, difference / sd, family, alpha) >= target)
    return int(candidates[enough[0]]) if enough.size else None


def min_seeds_by_sign_flips(family: int = 1, alpha: float = 0.05) -> int:
    """The fewest seeds with which the sign-flip test can establish anything: 6 alone, 8 beside three others."""
    n = np.arange(1, MAX_SEEDS)
    return int(n[np.flatnonzero(sign_flip_floor(n, family) <= alpha)[0]])
