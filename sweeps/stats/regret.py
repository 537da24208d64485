"""One setting for several blocks: what it loses to the best of each block, and how settings rank over blocks.

The regret of a setting in a block is the largest mean difference that another setting has over it there; the minimax
setting is the one whose largest regret over blocks is smallest. Its interval comes from all pairwise differences at
once (paired t, Bonferroni), so it holds whichever setting the data choose (Hsu 1981: comparisons with the best).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.choice import shared_seeds
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats

MIN_BLOCKS = 5  # of a comparison of ranks
MIN_SETTINGS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Regret:
    """Regrets of k settings in b blocks.

    Attributes:
        means: Over the seeds that all settings of a block share, (b, k).
        regret: Never below 0, (b, k).
        best: The setting asked for, else the minimax one; the earliest of equals.
        low, high: Of its largest regret over blocks, with 95%.
        seeds: Shared ones in each block.
    """

    means: Floats
    regret: Floats
    best: int
    low: float
    high: float
    seeds: tuple[int, ...]

    @property
    def max_regret(self) -> Floats:
        """The largest regret of each setting, (k,)."""
        return np.asarray(self.regret.max(axis=0), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """Ranks of k settings over b blocks, 1 is best.

    Attributes:
        mean: (k,).
        p: Of equal ranks, by Friedman's test.
        critical: Nemenyi's critical difference of two mean ranks, at 5% over all pairs.
    """

    mean: Floats
    p: float
    critical: float


def regrets(
    blocks: Sequence[npt.ArrayLike], *, best: int | None = None, alpha: float = 0.05, highest: float = 1.0
) -> Regret:
    """The regrets of the same settings in several blocks.

    Args:
        blocks: For each block the outcomes (k, n) of k >= 2 settings by seeds, NaN where a run is missing.
        best: The setting whose regret is asked for, such as one chosen on validation; the minimax one if None.
        alpha: Error of the interval.
        highest: What a regret can be at most.

    Raises:
        ValueError: A block has fewer than 3 seeds that all settings share.
    """
    values = []
    for block in blocks:
        known = np.asarray(block, dtype=np.float64)
        values.append(known[:, shared_seeds(known)])
    if min(one.shape[1] for one in values) < MIN_SEEDS:
        raise ValueError(f"every block needs {MIN_SEEDS} seeds that all settings share")
    k = values[0].shape[0]
    means = np.stack([one.mean(axis=1) for one in values])
    regret = means.max(axis=1, keepdims=True) - means
    if best is None:
        best = int(np.argmin(np.round(regret.max(axis=0), 12)))
    error = alpha / (len(values) * k * (k - 1))  # one-sided share of each of the pairwise intervals
    low, high = 0.0, 0.0
    for one in values:
        n = one.shape[1]
        differences = np.delete(one - one[best], best, axis=0)
        half = -special.stdtrit(n - 1, error) * differences.std(axis=1, ddof=1) / np.sqrt(n)
        low = max(low, float((differences.mean(axis=1) - half).max()))
        high = max(high, float((differences.mean(axis=1) + half).max()))
    return Regret(means=means, regret=regret, best=best, low=min(low, highest), high=min(high, highest),
                  seeds=tuple(one.shape[1] for one in values))  # fmt: skip


def ranks(means: npt.ArrayLike) -> Ranks:
    """Compare the ranks of settings over blocks (Friedman 1937; Nemenyi 1963; Demsar 2006).

    Args:
        means: (b, k), one mean of each setting in each block.

    Raises:
        ValueError: Fewer than `MIN_BLOCKS` blocks or `MIN_SETTINGS` settings.
    """
    from scipy import stats  # half a second, which nothing else here needs

    table = np.asarray(means, dtype=np.float64)
    b, k = table.shape
    if b < MIN_BLOCKS or k < MIN_SETTINGS:
        raise ValueError(f"{b} blocks of {k} settings: ranks take {MIN_BLOCKS} blocks and {MIN_SETTINGS} settings")
    of_blocks = stats.rankdata(-np.round(table, 12), axis=1)
    are_tied = bool((of_blocks == of_blocks[:, :1]).all())  # in every block; the statistic is 0 / 0 then
    p = 1.0 if are_tied else float(stats.friedmanchisquare(*of_blocks.T).pvalue)
    critical = float(stats.studentized_range.ppf(0.95, k, np.inf)) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * b))
    return Ranks(mean=of_blocks.mean(axis=0), p=p, critical=float(critical))
