"""How much of what arms differ by each factor accounts for, with an interval, beside what a factor without effect gets.

Two measures. In a full factorial the exact functional ANOVA: the share of the variance of the arms' means that is the
factor's alone, and the share of all terms that it takes part in. For arms that are no factorial, such as those of a
search, PED-ANOVA (Watanabe, Bansal and Hutter 2023): how far the factor's values among the best arms are from those of
all arms, as the Pearson divergence of two kernel densities; shares of their sum. Its bandwidth and prior are those of
Optuna, which the tests compare it with.

The noise floor of a factor is what a dummy in its place gets: a factor with the same levels in the same design and
without any effect. In a factorial the runs of one seed and one setting of the other factors are permuted among the
factor's levels; in other designs its values are permuted among arms that follow each other, as a search that closes
in draws its later, better arms from a narrow part of every factor. A factor without effect is above its floor, the
largest but 5% of 199 dummies, with probability at most 5%. In a factorial the floor is at least what an F test with
the seed as the block asks for, see `sweeps.stats.factorial_anova`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweeps.stats.factorial_anova import anova
from sweeps.stats.importance_base import TINY, Importance
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.ped_anova import ped_anova

RESAMPLINGS = 200
MAX_MISSING = 0.1  # share of the combinations that a factorial may lack
MIN_ARMS = 12  # of a design that is no factorial


def is_factorial(levels: npt.ArrayLike) -> bool:
    """Whether arms (k, f), given by the index of each factor's level, are a factorial but for `MAX_MISSING`."""
    known = np.unique(np.asarray(levels), axis=0)
    full = np.prod([len(np.unique(column)) for column in known.T], dtype=float)
    return len(known) == len(np.asarray(levels)) and len(known) >= (1 - MAX_MISSING) * full - TINY


def importance(
    levels: npt.ArrayLike,
    values: npt.ArrayLike,
    is_ordered: Sequence[bool],
    *,
    resamplings: int = RESAMPLINGS,
    seed: int = 0,
) -> Importance:
    """The importance of each factor; the same arguments give the same numbers.

    Args:
        levels: Of the arms, in the order in which they were proposed, the index of each factor's level, (k, f).
        values: Their outcomes, higher is better, (k, n); NaN for a missing run.
        is_ordered: Whether the levels of a factor have an order, (f,).
        resamplings: For the intervals.
        seed: Of the resamplings and the dummies.

    Raises:
        ValueError: The arms are neither a factorial with 3 seeds, nor `MIN_ARMS` arms.
    """
    codes, known = np.asarray(levels, dtype=np.int64), np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    if is_factorial(codes) and known.shape[1] >= MIN_SEEDS:
        return anova(codes, known, resamplings, rng)
    has_runs = ~np.isnan(known).all(axis=1)
    if has_runs.sum() < MIN_ARMS:
        raise ValueError(f"{has_runs.sum()} arms are no factorial with {MIN_SEEDS} seeds, and fewer than {MIN_ARMS}")
    return ped_anova(codes[has_runs], known[has_runs], is_ordered, resamplings, rng)
