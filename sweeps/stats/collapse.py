"""Collapse and divergence as outcomes of their own: rates with exact intervals, and what they may cost a gain.

A run has two outcomes: whether its attention collapsed (or its training diverged), and the accuracy given that it did
not. A mean over few seeds hides the first one: an arm that loses 15 points in one seed of ten shows no such seed in a
third of all studies with 10 seeds, and then looks ahead of a reference that it does not beat. So a gain h of the
healthy runs is held against the rate h / drop of collapsed runs that would cancel it.

Which runs say what that rate is: while no run of the family has collapsed, all of them together, taken as alike. As
soon as one has, each arm by its own runs: arms may differ, and the arm without a collapsed seed is then often the
lucky one. (With the pooled rate throughout, an arm of nine "beat" the control in up to 40% of studies in which four
arms collapsed at 30%.)

Three things are assumed while no run has collapsed, and nothing in the runs can tell (figures: ``python
benchmarks/claims.py``): that arms are alike (a single arm that collapses in 10% of its seeds beside eight that never do
is falsely better in up to 20% of studies with 10 seeds), that runs of a seed in several arms do not all collapse
together (where they do, in 10% of seeds, some arm is falsely better in up to 34% of studies; where half of them do, in
up to 5.5%), and what a collapsed run would lose (`UNSEEN_DROP`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.stepdown import Bools, Floats

UNSEEN_DROP = 0.15  # assumed loss of a collapsed run while none has collapsed: a large one, to err on the safe side


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of n runs had an outcome, with the exact (Clopper-Pearson) interval of its probability.

    Attributes:
        count, n: Runs with the outcome, and all.
        low, high: Two-sided interval in [0, 1].
        level: Its coverage, at least.
    """

    count: int
    n: int
    low: float
    high: float
    level: float

    @property
    def value(self) -> float:
        """The share seen; NaN without runs."""
        return self.count / self.n if self.n else float("nan")


def exact_limits(count: npt.ArrayLike, n: npt.ArrayLike, error: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Clopper-Pearson limits of a probability, each wrong with probability at most `error`; arrays broadcast."""
    count, n, error = (np.asarray(a, dtype=np.float64) for a in (count, n, error))
    with np.errstate(invalid="ignore"):
        low = np.where(count > 0, special.betaincinv(np.maximum(count, 1), n - count + 1, error), 0.0)
        high = np.where(count < n, special.betaincinv(count + 1, np.maximum(n - count, 1), 1 - error), 1.0)
    return low, high


def rate(count: int, n: int, level: float = 0.95) -> Rate:
    """Rate of an outcome seen `count` times in `n` >= 0 independent runs. Raises ValueError outside 0 <= count <= n."""
    if not 0 <= count <= n:
        raise ValueError(f"{count} of {n} runs: the count must lie between 0 and the number of runs")
    low, high = exact_limits(count, n, (1 - level) / 2)
    return Rate(count=count, n=n, low=float(low), high=float(high), level=level)


def pooled_rate(rates: Sequence[Rate]) -> Rate:
    """The rate of the runs of several arms together."""
    return rate(sum(one.count for one in rates), sum(one.n for one in rates))


def largest_unseen_rate(n: int, error: float = 0.05) -> float:
    """The largest rate that `n` >= 1 runs without a collapse do not exclude, e.g. 0.45 for 5 runs at one-sided 5%."""
    return float(exact_limits(0, n, error)[1])


@functools.lru_cache(maxsize=4096)  # a second for large groups, and the same counts come again
def compare_rates(count: int, n: int, other_count: int, other_n: int) -> float:
    """Two-sided exact p value of "both rates are equal" (Boschloo 1970; at least as powerful as Fisher's test).

    The runs must be independent. Where one seed enters both groups many times, compare the seeds' rates as paired
    values too (`sweeps.stats.rates`).
    """
    from scipy import stats  # half a second, which nothing else here needs

    if count == other_count == 0 or (count == n and other_count == other_n):
        return 1.0
    table = [[count, other_count], [n - count, other_n - other_count]]
    return float(min(1.0, stats.boschloo_exact(table, alternative="two-sided").pvalue))


def fill_diverged(values: npt.ArrayLike, diverged: npt.ArrayLike, chance: float | None = None) -> Floats:
    """Give diverged runs the worst value, so that losing its bad seeds flatters no arm.

    Args:
        values: Accuracies (arms, seeds); NaN where there is none.
        diverged: The runs that diverged, same shape.
        chance: Accuracy of guessing. The worst value is this or the lowest of `values`, whichever is lower.

    Returns:
        A copy of `values` with the diverged runs filled in. Count them as collapsed too.
    """
    filled = np.array(values, dtype=np.float64)
    flags = np.asarray(diverged, dtype=bool)
    observed = filled[~flags & ~np.isnan(filled)]
    filled[flags] = min([*observed.tolist(), 1.0 if chance is None else chance])
    return filled


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The single runs behind differences that are means over several runs of a seed, such as the effect of a factor.

    A seed that collapses in one setting, or on one division of the data, collapses in others too: its runs say no more
    of how often that happens than one of them does. Counted one by one they make arms "better" that are not in up to
    three of four studies (``python benchmarks/divisions.py``, ``python benchmarks/claims.py``). So a seed counts once.

    Attributes:
        differences: Of each run to what it is compared with, arm - reference, (..., k, n, r); NaN where there is none.
        collapsed: 1 where that run collapsed or diverged, 0 where not, NaN where unknown or impossible; same shape.
        seeds_last: Whether the r are the seeds and the n divisions of the data; else the n are seeds, each with r
            settings of what the difference is averaged over.
        same: A number for each of the k comparisons, equal where they are about the same runs: one reference of many
            arms, one arm on many classes. Such runs count once while none of the family has collapsed. By default all
            comparisons are about the same runs where seeds have several, and each is about its own elsewhere.
    """

    differences: Floats
    collapsed: Floats
    seeds_last: bool = False
    same: tuple[int, ...] | None = None

    def without_each(self) -> Runs:
        """n copies, each without the runs of one of the n."""
        n = self.differences.shape[-2]
        out = np.eye(n, dtype=bool)[:, None, :, None]
        differences, collapsed = (np.where(out, np.nan, one) for one in (self.differences, self.collapsed))
        return replace(self, differences=differences, collapsed=collapsed)

    @property
    def about(self) -> tuple[int, ...]:
        """`same`, with its default."""
        if self.same is not None:
            return self.same
        k = self.differences.shape[-3]
        averages_over_settings = not self.seeds_last and self.differences.shape[-1] > 1
        return (0,) * k if averages_over_settings else tuple(range(k))

    def counted(self) -> tuple[Floats, Floats]:
        """Each seed's mean difference over its runs, and whether any of them collapsed, (..., k, seeds)."""
        axis = -2 if self.seeds_last else -1
        paired = ~np.isnan(self.differences)
        flagged = paired & ~np.isnan(self.collapsed)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(paired, self.differences, 0.0).sum(axis=axis) / paired.sum(axis=axis)
        hit = (flagged & (self.collapsed == 1)).any(axis=axis)
        return mean, np.where(flagged.any(axis=axis), hit.astype(np.float64), np.nan)


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What collapse may do to the gains of a family, arrays of shape (..., k).

    Attributes:
        healthy: Mean difference of the seeds without a collapsed run, NaN without any.
        drop: Mean loss of a collapsed run, an assumption while none has collapsed; NaN for an arm that cannot.
        count, n: Runs that the rate is taken from: each arm's own, or all of the family (see the module).
        pooled: Whether they are all of the family, none of which has collapsed.
    """

    healthy: Floats
    drop: Floats
    count: Floats
    n: Floats
    pooled: Bools

    @property
    def cancelling_rate(self) -> Floats:
        """The rate of collapse at which the mean gain is 0: at most 0 without a gain, above 1 where none cancels it."""
        return self._rate_at(0.0)

    def p_above(self, threshold: float = 0.0) -> Floats:
        """One-sided p values of "collapse is frequent enough to bring the gain down to `threshold`"; NaN-free."""
        frequent = self._rate_at(threshold)
        p = special.bdtr(self.count, self.n.astype(np.int64), np.clip(frequent, 0.0, 1.0))
        return np.where(np.isnan(frequent) | (frequent >= 1), 0.0, np.where(frequent <= 0, 1.0, p))

    def lower_limit(self, error: Floats) -> Floats:
        """Mean gain at the largest rate that is not excluded at `error`; +inf where collapse has no say."""
        gain = self.healthy - np.maximum(self.drop, 0.0) * exact_limits(self.count, self.n, error)[1]
        return np.where(np.isnan(self._rate_at(0.0)), np.inf, gain)

    def _rate_at(self, threshold: float) -> Floats:
        # Without a healthy run the rate cannot get worse; where collapsed runs lose nothing, no rate cancels anything.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.drop > 0, (self.healthy - threshold) / self.drop, np.nan)


def collapse_risk(
    differences: Floats,
    collapsed: Floats,
    unseen_drop: float = UNSEEN_DROP,
    unseen_runs: int = 0,
    *,
    same: Sequence[int] | None = None,
) -> Risk:
    """Risk of a family from paired differences and the arms' collapsed runs.

    Args:
        differences: Arm - reference by seed, (..., k, n), NaN where a seed has no pair.
        collapsed: 1 where the arm's run collapsed or diverged, 0 where not, NaN where unknown or impossible.
        unseen_drop: Assumed loss of a collapsed run while the family has none, a fraction.
        unseen_runs: Further runs, counted while the family has no collapsed one.
        same: See `Runs`; by default each comparison is about its own runs.
    """
    paired = ~np.isnan(differences)
    hit, flagged = (collapsed == 1) & paired, ~np.isnan(collapsed) & paired
    n, count = (a.sum(axis=-1).astype(np.float64) for a in (flagged, hit))
    with np.errstate(divide="ignore", invalid="ignore"):
        healthy = np.where(paired & ~hit, differences, 0.0).sum(axis=-1) / (paired & ~hit).sum(axis=-1)
        fallen = np.where(hit, differences, 0.0).sum(axis=-1) / count
        both = np.where((count > 0) & (count < n), count, 0.0)
        within = np.where(both > 0, (healthy - fallen) * both, 0.0).sum(axis=-1) / both.sum(axis=-1)
        all_n, all_count = n.sum(axis=-1), count.sum(axis=-1)
        # No arm has runs of both kinds: the collapsed arms against the healthy ones.
        healthy_of_all = np.where(flagged & ~hit, differences, 0.0).sum(axis=(-1, -2)) / (all_n - all_count)
        between = healthy_of_all - np.where(hit, differences, 0.0).sum(axis=(-1, -2)) / all_count
    drop = np.where(all_count == 0, unseen_drop, np.where(both.sum(axis=-1) > 0, within, between))
    unseen = (all_count == 0)[..., None]
    groups = np.arange(n.shape[-1]) if same is None else np.asarray(same)
    distinct = sum(n[..., groups == group].max(axis=-1) for group in np.unique(groups))  # runs, each once
    return Risk(
        healthy=healthy,
        drop=np.where(n > 0, drop[..., None], np.nan),
        count=np.where(unseen, 0.0, count),
        n=np.where(unseen, np.asarray(distinct)[..., None] + unseen_runs, n),
        pooled=np.broadcast_to(unseen, n.shape),
    )
