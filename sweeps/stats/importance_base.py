"""What both measures of importance rest on: the result, means of arms without seed effects, and the noise floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats

Method = Literal["anova", "ped"]
Ints = npt.NDArray[np.int64]

DUMMIES = 199
TINY = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Importance:
    """The importance of f factors; shares are fractions.

    Attributes:
        method: ``anova``: of the variance of the arms' means. ``ped``: of the sum of divergences.
        share: Of each factor by itself, (f,).
        low, high: 95% interval by resampling, (f,); NaN where there are too few seeds.
        floor: What a dummy in its place stays at or below in 95%, (f,); 1 where nothing could be above it.
        total: With all interactions that it takes part in, (f,); None for ``ped``.
        arms, seeds: Numbers behind it.
        missing: Runs of the design that are missing.
    """

    method: Method
    share: Floats
    low: Floats
    high: Floats
    floor: Floats
    total: Floats | None
    arms: int
    seeds: int
    missing: int

    @property
    def is_above(self) -> npt.NDArray[np.bool_]:
        """The factors above their noise floor."""
        return self.share > self.floor + TINY

    def dimensionality(self, part: float = 0.9) -> int:
        """The smallest number of factors that hold `part` of the shares of those above their floor."""
        shares = np.sort(self.share[self.is_above])[::-1]
        return int(np.searchsorted(np.cumsum(shares), part * shares.sum() - TINY) + 1) if shares.size else 0


def without_seed_effects(values: npt.ArrayLike) -> Floats:
    """Outcomes (k, n) less the effect of each seed, by least squares on arm + seed; NaN where a run is missing."""
    known = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(known)
    filled = np.where(there, known, 0.0)
    in_arm, in_seed = np.maximum(there.sum(axis=1), 1), np.maximum(there.sum(axis=0), 1)
    seeds = np.zeros(known.shape[1])
    for _ in range(1 if there.all() else 50):
        arms = (filled - seeds * there).sum(axis=1) / in_arm
        seeds = (filled - arms[:, None] * there).sum(axis=0) / in_seed
        seeds -= seeds.mean()
    return np.asarray(known - seeds, dtype=np.float64)


def means_over(table: Floats, weights: npt.ArrayLike) -> Floats:
    """Means of each combination over seeds that count `weights` (b, n) times, (b, combinations), NaN without a run."""
    w = np.asarray(weights, dtype=np.float64)
    there = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.asarray((w @ np.where(there, table, 0.0).T) / (w @ there.T), dtype=np.float64)


def plain_mean(tables: Floats) -> Floats:
    """The same of tables (b, combinations, n), every seed once."""
    there = ~np.isnan(tables)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, tables, 0.0).sum(axis=-1) / there.sum(axis=-1), dtype=np.float64)


def nonzero(values: Floats) -> Floats:
    """The values, infinite where they are 0: a share of no variance is 0."""
    return np.where(values > 0, values, np.inf)


def floor_of(dummies: Floats) -> float:
    """What a share has to exceed so that at most 5% of the dummies and itself reach it."""
    return float(np.sort(dummies)[-int(0.05 * (len(dummies) + 1))])
