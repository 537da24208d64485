"""Every arm of a race beside its leader at one look: leads in accuracy and in rates of collapse, and their p values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.exact_rates import boschloo_p
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.moderated import moderated, p_above_zero
from sweeps.stats.stepdown import Bools, Floats


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Every arm beside the leader, arrays (studies, k); differences are leader - arm.

    Attributes:
        n, mean, error, df: Of the differences over all runs; df is the moderated one.
        drop: What a collapsed run loses, (studies, 1).
        pooled: Whether the rate of collapse is taken from all runs, none of which collapsed, (studies, 1).
        count, runs: Collapsed runs, and runs, that the rate of each arm is taken from.
        leader_count, leader_runs: The same of the leader, (studies, 1).
        p_accuracy: One-sided p of "its accuracy is not lower", over the seeds in which both runs ended alike.
        p_cancelled: One-sided p of "the leader collapses often enough to cancel that".
        p_mean, p_rate: One-sided p of "its mean is not lower" and of "it collapses no more often".
    """

    n: npt.NDArray[np.int64]
    mean: Floats
    error: Floats
    df: Floats
    drop: Floats
    pooled: Bools
    count: npt.NDArray[np.int64]
    runs: npt.NDArray[np.int64]
    leader_count: npt.NDArray[np.int64]
    leader_runs: npt.NDArray[np.int64]
    p_accuracy: Floats
    p_cancelled: Floats
    p_mean: Floats
    p_rate: Floats

    @classmethod
    def of(cls, x: Floats, flags: Floats, leader: npt.NDArray[np.int64], unseen_drop: float, fallen: Bools) -> Pairs:
        """Compare. `fallen`: the arms that were dropped for collapse, which say nothing of the others' rate."""
        first = np.maximum(leader, 0)[:, None]
        ahead = np.take_along_axis(x, first[..., None], axis=1) - x
        hit = flags == 1
        n, mean, error, df = moderated(ahead, leader)
        alike = np.where(hit == np.take_along_axis(hit, first[..., None], axis=1), ahead, np.nan)
        n_alike, gain, error_alike, df_alike = moderated(alike, leader)
        p_accuracy = np.where(n_alike >= MIN_SEEDS, p_above_zero(gain, error_alike, df_alike), 1.0)

        counts, runs = hit.sum(axis=-1), (~np.isnan(flags)).sum(axis=-1)
        # An arm that cannot collapse never did, in as many runs as the other.
        of_leader = np.take_along_axis(runs, first, axis=1)
        p_rate = boschloo_p(
            counts, runs, np.take_along_axis(counts, first, axis=1), np.where(of_leader, of_leader, runs)
        )
        pooled = (np.where(fallen, 0, counts).sum(axis=-1) == 0)[:, None]
        pool = np.where(fallen, 0, runs).sum(axis=-1)[:, None]
        count, runs = np.where(pooled, 0, counts), np.where(pooled & (runs > 0), pool, runs)
        leader_count, leader_runs = (np.take_along_axis(a, first, axis=1) for a in (count, runs))
        drop = _drop(x, flags, unseen_drop)[:, None]
        return cls(
            n=n,
            mean=mean,
            error=error,
            df=df,
            drop=drop,
            pooled=pooled,
            count=count,
            runs=runs,
            leader_count=leader_count,
            leader_runs=leader_runs,
            p_accuracy=p_accuracy,
            p_cancelled=_p_frequent(leader_count, leader_runs, gain, drop),
            p_mean=p_above_zero(mean, error, df),
            p_rate=np.where(counts > 0, p_rate, 1.0),
        )

    def p_beyond(self, margin: float) -> Floats:
        """One-sided p of "the means differ by `margin` or more", in either direction; rates of collapse included."""
        p = [
            p_above_zero(margin - self.mean, self.error, self.df),
            p_above_zero(margin + self.mean, self.error, self.df),
            _p_frequent(self.count, self.runs, margin - self.mean, self.drop),
            _p_frequent(self.leader_count, self.leader_runs, margin + self.mean, self.drop),
        ]
        return np.where(self.n >= MIN_SEEDS, np.maximum.reduce(np.broadcast_arrays(*p)), 1.0)


def _p_frequent(count: npt.NDArray[np.int64], n: npt.NDArray[np.int64], gain: Floats, drop: Floats) -> Floats:
    """One-sided p of "collapse is frequent enough to cost `gain`"; 0 where it cannot happen or costs nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        frequent = np.where(drop > 0, gain / drop, np.inf)
    count, n, frequent = np.broadcast_arrays(count, n, frequent)
    p = special.bdtr(count.astype(np.float64), n, np.clip(np.nan_to_num(frequent, nan=0.0), 0.0, 1.0))
    p = np.where(frequent <= 0, 1.0, p)
    return np.where((n == 0) | (frequent >= 1), 0.0, p)


def _drop(x: Floats, flags: Floats, unseen_drop: float) -> Floats:
    """Mean loss of a collapsed run, (studies,): within arms that have runs of both kinds, else between arms."""
    hit, healthy = flags == 1, (flags == 0) & ~np.isnan(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [np.where(which, x, 0.0).sum(axis=-1) / which.sum(axis=-1) for which in (healthy, hit)]
        both = np.where(hit.any(axis=-1) & healthy.any(axis=-1), hit.sum(axis=-1), 0)
        within = np.where(both > 0, (means[0] - means[1]) * both, 0.0).sum(axis=-1) / both.sum(axis=-1)
        totals = [np.where(which, x, 0.0).sum(axis=(-1, -2)) / which.sum(axis=(-1, -2)) for which in (healthy, hit)]
        between = totals[0] - totals[1]
    seen = hit.any(axis=(-1, -2))
    drop = np.where(both.sum(axis=-1) > 0, within, between)
    return np.where(seen & ~np.isnan(drop), drop, unseen_drop)
