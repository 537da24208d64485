"""A race of arms over paired seeds: who is shown to be worse than the leader after each look, and when it is certain.

Arms run seed by seed. After 3, 4, 5, 6, 8, 10, 13, 17, 22, 28 and 36 seeds every arm in the race is compared with the
leader, the one with the highest mean. What an arm is worth is its mean over all its runs; two outcomes decide it and
are raced apart (`sweeps.stats.collapse` says why), so an arm leaves the race by one of two ways:

    accuracy   its accuracy is lower, over the seeds in which its run and the leader's ended alike (neither collapsed
               nor diverged, as a rule), and the rate of collapse of the leader that would cancel this is excluded
    collapse   it collapses more often (Boschloo's exact test), and its mean over all runs is lower (as one comparison:
               both must be shown, and the rate is held to the error of the race)

The differences are tested by a moderated t: their variances are held against a prior that is fitted to them (Smyth
2004, `squeezeVar` of limma), which adds degrees of freedom where few seeds have none to spare, and few where arms vary
unlike. limma's own t drops one of nine equal arms in 7% of races, and a noisy one in 16%. Below 5% it comes by this: a
variance is raised by the prior and never lowered; the prior adds at most half of its degrees of freedom, fewer the more
of the leader's noise all differences share, and fewer to an arm whose variance does not fit it; a part of the error is
not spent. Every look is tested at one level (Pocock 1977), the first two below it, such that a normal comparison errs
with probability alpha / (arms in the race - 1) over all looks; between the last two arms with alpha / 2, because either
of two equal ones would be named the winner.

The race ends when one arm remains ("best"), when all that remain are shown to lie within the margin of the leader
("no difference" if nobody was dropped, else a "set"), or at the cap ("not enough seeds"). What is promised, alpha =
5%, is simulated in `benchmarks/race.py`: the truly best arm is dropped, or one of equal arms, or arms that differ by
more than the margin are called equal.

All functions take studies along a leading axis, so a simulation and a running race use the same lines.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.collapse import UNSEEN_DROP
from sweeps.stats.means import EXACT, MIN_SEEDS
from sweeps.stats.stepdown import Bools, Floats

LOOKS = (3, 4, 5, 6, 8, 10, 13, 17, 22, 28, 36)
ALPHA = 0.05
_SPENT_ON_RATES = 1.3  # the exact test of two rates stays far below its level: 4% of the races err, not 6.5%
_CAUTION = {3: 0.5, 4: 0.75}  # share of a look's level where few seeds make a t test of unlike arms least exact
_SHARE_OF_PRIOR = 0.5  # of the degrees of freedom that the prior adds
_SPENT = 0.85  # of alpha: what is left covers that a moderated t is not quite normal theory's (see benchmarks/race.py)
_GROWTH = 1.28  # of the looks beyond the last one
_INF = 1e10  # degrees of freedom of a normal distribution


class Ending(StrEnum):
    """How a race ends."""

    BEST = "best"
    SET = "set"
    NO_DIFFERENCE = "no difference"
    NOT_ENOUGH_SEEDS = "not enough seeds"
    RUNNING = "running"


class Way(StrEnum):
    """By which outcome an arm was dropped."""

    NONE = ""
    ACCURACY = "accuracy"
    COLLAPSE = "collapse"


ENDINGS, WAYS = tuple(Ending), tuple(Way)


@dataclass(frozen=True, kw_only=True)
class Races:
    """Races on arrays: leading axis (studies,), then (..., k) arms.

    Attributes:
        ending: Index into `ENDINGS`.
        seeds: Seeds of the last look that was taken; 0 before the first.
        next_look: Seeds that the arms in the race need for the next look; 0 once the race has ended.
        leader: Index of the leading arm at the last look; -1 before the first.
        alive: Whether an arm is in the race.
        dropped_at: Seeds of the look at which it was dropped; 0 while it is in the race.
        beaten_by: The leader at that look; -1 while it is in the race.
        way: Index into `WAYS`.
        difference: Mean difference leader - arm over all their runs at the arm's last look, NaN for the leader.
        low, high: Its repeated confidence interval: at the level of a look, so that it holds over all looks together
            and allows for the stopping.
        n: Seeds behind the difference.
        collapsed: Collapsed or diverged runs of the arm up to its last look, and `runs` that could collapse.
        cells: Runs that the race took, failed ones included, (studies,).
    """

    ending: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    next_look: npt.NDArray[np.int64]
    leader: npt.NDArray[np.int64]
    alive: Bools
    dropped_at: npt.NDArray[np.int64]
    beaten_by: npt.NDArray[np.int64]
    way: npt.NDArray[np.int64]
    difference: Floats
    low: Floats
    high: Floats
    n: npt.NDArray[np.int64]
    collapsed: npt.NDArray[np.int64]
    runs: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]

    def ended(self, ending: Ending) -> Bools:
        """Whether each race ended so."""
        return np.asarray(self.ending == ENDINGS.index(ending))


def looks_until(cap: int) -> tuple[int, ...]:
    """The looks of a race of at most `cap` seeds; the last one is at the cap.

    Raises:
        ValueError: Below 3 seeds.
    """
    if cap < MIN_SEEDS:
        raise ValueError(f"a race takes at least {MIN_SEEDS} seeds, got {cap}")
    looks = list(LOOKS)
    while looks[-1] < cap:
        looks.append(round(looks[-1] * _GROWTH))
    return (*(look for look in looks if look < cap), cap)


@functools.cache
def level_of_look(looks: tuple[int, ...], error: float) -> float:
    """One-sided level of every look such that a normal comparison errs with probability `error` over all of them."""

    def excess(z: float) -> float:
        return _crossing(looks, z) - error

    if len(looks) == 1:
        return error
    from scipy import optimize  # slow to import, and only a race needs it

    strict, loose = (float(special.ndtri(level)) for level in (error / len(looks), error))
    return float(special.ndtr(optimize.brentq(excess, strict - 0.1, loose + 0.1, xtol=1e-4)))


def _crossing(looks: tuple[int, ...], z: float) -> float:
    """Probability that a standardised random walk falls below `z` at any of the looks, by integrating its density."""
    grid = np.linspace(z, 8.0, 241)
    weights = np.full(grid.size, grid[1] - grid[0])
    weights[[0, -1]] /= 2
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    for before, now in itertools.pairwise(looks):
        correlation = np.sqrt(before / now)
        sd = np.sqrt(1 - before / now)
        kernel = np.exp(-(((grid[:, None] - correlation * grid) / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))
        density = kernel @ (weights * density)
    return float(1 - weights @ density)


def _levels(looks: tuple[int, ...], alpha: float, k: int) -> Floats:
    """`level_of_look` of a comparison that is one of m, at index m; index 0 is that of 1."""
    return np.array([level_of_look(looks, alpha / max(m, 1)) for m in range(max(k, 3))])


def squeeze(variances: npt.ArrayLike, df: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Shrink variances towards a prior that is fitted to them: the moderated variances and their degrees of freedom.

    The prior is a scaled inverse chi square; its two numbers match mean and variance of the log variances (Smyth 2004).
    With one variance, or where they lie further apart than chance, there is little to learn and little is shrunk.

    Args:
        variances: (..., m), NaN where there is none.
        df: Degrees of freedom of each, positive.

    Returns:
        Moderated variances, and df of each: its own and the prior's, at most those of all together. 0 where all are 0.
    """
    s2 = np.asarray(variances, dtype=np.float64)
    df = np.broadcast_to(np.asarray(df, dtype=np.float64), s2.shape)
    known = ~np.isnan(s2)
    m = known.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.where(known, df, 0.0).sum(axis=-1, keepdims=True)
        pooled = np.where(known, s2 * df, 0.0).sum(axis=-1, keepdims=True) / total
        # A zero has no logarithm: accuracies counted on few clips agree in some seeds (limma does the same).
        log = np.log(np.maximum(s2, 1e-5 * pooled))
        e = np.where(known, log - special.digamma(df / 2) + np.log(df / 2), 0.0)
        mean = e.sum(axis=-1, keepdims=True) / m
        variance = np.where(known, (e - mean) ** 2, 0.0).sum(axis=-1, keepdims=True) / (m - 1)
        excess = variance - np.where(known, special.polygamma(1, df / 2), 0.0).sum(axis=-1, keepdims=True) / m
        finite = excess > 0
        prior_df = np.where(finite, 2 * _inverse_trigamma(np.where(finite, excess, 1.0)), _INF)
        prior = np.where(finite, np.exp(mean + special.digamma(prior_df / 2) - np.log(prior_df / 2)), pooled)
        alone = (m < 2) | (pooled == 0)
        prior_df = np.where(alone, 0.0, prior_df)
        prior = np.where(alone, 0.0, prior)
        squeezed = (prior_df * prior + df * s2) / (prior_df + df)
    return np.where(known, squeezed, np.nan), np.minimum(prior_df + df, np.maximum(total, df))


def _inverse_trigamma(x: Floats) -> Floats:
    """y with trigamma(y) = x > 0, by Newton's method on 1 / trigamma, which is convex."""
    y = 0.5 + 1 / x
    for _ in range(12):
        trigamma = special.polygamma(1, y)
        y = y + trigamma * (1 - trigamma / x) / special.polygamma(2, y)
    return np.asarray(y, dtype=np.float64)


@functools.cache
def _boschloo(n: int, other_n: int) -> Floats:
    """One-sided p values of "the first rate is not higher", by (count of n, count of other_n).

    Fisher's p value orders the tables; the p value is the probability of one at least as extreme, at the worst rate.
    """
    count, other = np.meshgrid(np.arange(n + 1), np.arange(other_n + 1), indexing="ij")
    total = count + other

    def log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
        n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
        return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))

    # Fisher: the sum of the hypergeometric probabilities of this count and higher ones, for the same total.
    fisher = np.zeros(count.shape)
    for more in range(n + 1):
        a, b = count + more, other - more
        fits = (a <= n) & (b >= 0)
        a, b = np.where(fits, a, 0), np.where(fits, b, 0)
        fisher += np.where(fits, np.exp(log_choose(n, a) + log_choose(other_n, b) - log_choose(n + other_n, total)), 0)
    order = np.argsort(fisher.round(12), axis=None, kind="stable")
    rates = np.linspace(0.001, 0.999, 333)[:, None]
    logs = (log_choose(n, count) + log_choose(other_n, other)).ravel()[order]
    hits = total.ravel()[order]
    below = np.cumsum(np.exp(logs + hits * np.log(rates) + (n + other_n - hits) * np.log1p(-rates)), axis=1)
    ranks = fisher.round(12).ravel()[order]
    last = np.searchsorted(ranks, ranks, side="right") - 1  # tables with one p of Fisher's belong together
    p = np.empty(count.size)
    p[order] = below.max(axis=0)[last]
    return np.minimum(p, 1.0).reshape(count.shape)


def boschloo_p(count: npt.ArrayLike, n: npt.ArrayLike, other_count: npt.ArrayLike, other_n: npt.ArrayLike) -> Floats:
    """Exact one-sided p values of "`count` of `n` is no higher than `other_count` of `other_n`"; 1 without runs."""
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (count, n, other_count, other_n)))
    c, n_, o, m_ = (a.ravel() for a in arrays)
    p = np.ones(c.size)
    for size, other_size in {(int(a), int(b)) for a, b in zip(n_, m_, strict=True) if a and b}:
        rows = (n_ == size) & (m_ == other_size)
        p[rows] = _boschloo(size, other_size)[c[rows], o[rows]]
    return p.reshape(arrays[0].shape)


def race(
    values: npt.ArrayLike,
    *,
    margin: float,
    cap: int | None = None,
    collapsed: npt.ArrayLike | None = None,
    recorded: npt.ArrayLike | None = None,
    alpha: float = ALPHA,
    unseen_drop: float = UNSEEN_DROP,
) -> Races:
    """Race arms as far as their runs go.

    What later seeds hold changes nothing at an earlier look, and neither do runs of an arm after it was dropped.

    Args:
        values: Accuracies (..., k, n): arms by seeds in their order; NaN for a run without one.
        margin: Positive; arms whose means differ by less are practically equal. Chosen before the race.
        cap: Seeds at most; n unless given.
        collapsed: Whether a run collapsed or diverged, same shape: 1, 0, or NaN where it cannot. A run without a value
            that diverged counts as the worst of its study. None where no run can.
        recorded: Whether a run has ended, same shape: the race waits for those that have not. All have unless given.
        alpha: Error of what is dropped, and of what is called equal.
        unseen_drop: Assumed loss of a collapsed run while none has collapsed.

    Returns:
        The races, with one study where `values` has no leading axis.

    Raises:
        ValueError: A margin that is not positive, or a cap below 3 seeds.
    """
    if not margin > 0:
        raise ValueError(f"the margin of a race is {margin}; it must be positive and chosen before the race")
    x = np.array(values, dtype=np.float64, ndmin=3)
    flags = np.full(x.shape, np.nan) if collapsed is None else np.array(collapsed, dtype=np.float64, ndmin=3)
    done = np.ones(x.shape, dtype=bool) if recorded is None else np.array(recorded, dtype=bool, ndmin=3)
    looks = looks_until(cap or x.shape[-1])
    state = _State(x, flags, done, looks, margin, alpha, unseen_drop)
    for look in looks:
        state.take(look)
    return state.races()


class _State:
    """Races in progress; `take` makes one look at all that have not ended."""

    def __init__(
        self, x: Floats, flags: Floats, done: Bools, looks: tuple[int, ...], margin: float, alpha: float, drop: float
    ) -> None:
        studies, k, _ = x.shape
        self.x, self.flags, self.done = x, flags, done
        self.looks, self.margin, self.unseen_drop = looks, margin, drop
        self.level, self.exact_level = (_levels(looks, share * alpha, k) for share in (_SPENT, _SPENT_ON_RATES))
        self.ending = np.full(studies, ENDINGS.index(Ending.RUNNING))
        self.waiting = np.zeros(studies, dtype=bool)  # for runs: later looks are not to be taken
        self.seeds, self.next_look = np.zeros(studies, dtype=np.int64), np.full(studies, looks[0])
        self.leader = np.full(studies, -1)
        self.alive = np.ones((studies, k), dtype=bool)
        self.dropped_at, self.way = np.zeros((2, studies, k), dtype=np.int64)
        self.beaten_by = np.full((studies, k), -1)
        self.difference, self.low, self.high = np.full((3, studies, k), np.nan)
        self.n, self.collapsed, self.runs = np.zeros((3, studies, k), dtype=np.int64)

    def take(self, look: int) -> None:
        """Look at every race that still runs and has the runs for it."""
        running = (self.ending == ENDINGS.index(Ending.RUNNING)) & ~self.waiting
        has_runs = np.zeros_like(running)
        if look <= self.x.shape[-1]:
            has_runs = (self.done[..., :look].all(axis=-1) | ~self.alive).all(axis=-1)
        self.next_look[running] = look
        self.waiting |= running & ~has_runs
        rows = np.flatnonzero(running & has_runs)
        if rows.size:
            self._look(rows, look)

    def races(self) -> Races:
        seeds = np.where(self.alive, self.seeds[:, None], self.dropped_at)
        return Races(
            ending=self.ending,
            seeds=self.seeds,
            next_look=self.next_look,
            leader=self.leader,
            alive=self.alive,
            dropped_at=self.dropped_at,
            beaten_by=self.beaten_by,
            way=self.way,
            difference=self.difference,
            low=self.low,
            high=self.high,
            n=self.n,
            collapsed=self.collapsed,
            runs=self.runs,
            cells=seeds.sum(axis=-1),
        )

    def _look(self, rows: npt.NDArray[np.int64], look: int) -> None:
        alive = self.alive[rows]
        # Runs of an arm after it was dropped are out: what another race computed must not change this one.
        own = np.where(alive, look, self.dropped_at[rows])[..., None]
        inside = np.arange(look) < own
        x = np.where(inside, self.x[rows][..., :look], np.nan)
        flags = np.where(inside, self.flags[rows][..., :look], np.nan)
        worst = np.min(np.where(np.isnan(x), np.inf, x), axis=(-1, -2))[:, None, None]
        x = np.where(np.isnan(x) & (flags == 1) & np.isfinite(worst), worst, x)
        leader = _leader(x, alive)
        caution, others = _CAUTION.get(look, 1.0), np.maximum(alive.sum(axis=-1) - 1, 2)[:, None]
        level, level_alone, level_of_rates = (
            caution * self.level[others],
            caution * self.level[1],
            self.exact_level[others],
        )
        pairs = _Pairs.of(x, flags, leader, self.unseen_drop, fallen=self.way[rows] == WAYS.index(Way.COLLAPSE))
        # Neither alone: a lead in accuracy may still be lost to collapse, a collapsed run or two are chance, and an arm
        # that collapses more often may be better by more than that costs.
        by_accuracy = (pairs.p_accuracy <= level) & (pairs.p_cancelled <= np.where(pairs.pooled, level_alone, level))
        by_collapse = (pairs.p_mean <= level_alone) & (pairs.p_rate <= level_of_rates)
        other = alive & (np.arange(x.shape[1]) != leader[:, None]) & (leader >= 0)[:, None]
        enough = other & (pairs.n >= MIN_SEEDS)
        drop = enough & (by_accuracy | by_collapse)
        within = pairs.p_beyond(self.margin) <= level_alone

        self.seeds[rows], self.leader[rows] = look, leader
        half = -special.stdtrit(pairs.df, level) * pairs.error
        for name, value in (("difference", pairs.mean), ("low", pairs.mean - half), ("high", pairs.mean + half)):
            getattr(self, name)[rows] = np.where(enough, value, np.where(alive, np.nan, getattr(self, name)[rows]))
        self.n[rows] = np.where(other, pairs.n, np.where(alive, 0, self.n[rows]))
        self.collapsed[rows] = (flags == 1).sum(axis=-1)
        self.runs[rows] = (~np.isnan(flags)).sum(axis=-1)
        self.dropped_at[rows] = np.where(drop, look, self.dropped_at[rows])
        self.beaten_by[rows] = np.where(drop, leader[:, None], self.beaten_by[rows])
        way = np.where(by_accuracy, WAYS.index(Way.ACCURACY), WAYS.index(Way.COLLAPSE))
        self.way[rows] = np.where(drop, way, self.way[rows])
        self.alive[rows] = alive & ~drop

        remaining = self.alive[rows].sum(axis=-1)
        all_within = (within | ~other | drop).all(axis=-1) & (leader >= 0)
        cases = {
            Ending.BEST: remaining == 1,
            Ending.NO_DIFFERENCE: all_within & self.alive[rows].all(axis=-1),
            Ending.SET: all_within,
            Ending.NOT_ENOUGH_SEEDS: np.full(rows.size, look == self.looks[-1]),
        }
        ending = np.select(list(cases.values()), [ENDINGS.index(case) for case in cases], ENDINGS.index(Ending.RUNNING))
        self.ending[rows] = ending
        self.next_look[rows[ending != ENDINGS.index(Ending.RUNNING)]] = 0


def _leader(x: Floats, alive: Bools) -> npt.NDArray[np.int64]:
    """The arm with the highest mean deviation from its seeds' means, the earliest of equals; -1 without any."""
    x = np.where(alive[..., None], x, np.nan)
    known = ~np.isnan(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        seed = np.where(known, x, 0.0).sum(axis=-2, keepdims=True) / known.sum(axis=-2, keepdims=True)
        mean = np.where(known, x - seed, 0.0).sum(axis=-1) / known.sum(axis=-1)
    able = known.sum(axis=-1) >= MIN_SEEDS
    best = np.argmax(np.where(able, np.round(mean, 12), -np.inf), axis=-1)
    return np.where(able.any(axis=-1), best, -1)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Every arm beside the leader, arrays (studies, k); differences are leader - arm.

    Attributes:
        n, mean, error, df: Of the differences over all runs; df is the moderated one.
        drop: What a collapsed run loses, (studies, 1).
        pooled: Whether the rate of collapse is taken from all runs, none of which collapsed, (studies, 1).
        count, runs: Collapsed runs, and runs, that the rate of each arm is taken from; the leader's are (studies, 1).
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
    def of(cls, x: Floats, flags: Floats, leader: npt.NDArray[np.int64], unseen_drop: float, fallen: Bools) -> _Pairs:
        """Compare. `fallen`: the arms that were dropped for collapse, which say nothing of the others' rate."""
        first = np.maximum(leader, 0)[:, None]
        ahead = np.take_along_axis(x, first[..., None], axis=1) - x
        hit = flags == 1
        n, mean, error, df = _moderated(ahead, leader)
        alike = np.where(hit == np.take_along_axis(hit, first[..., None], axis=1), ahead, np.nan)
        n_alike, gain, error_alike, df_alike = _moderated(alike, leader)
        p_accuracy = np.where(n_alike >= MIN_SEEDS, _p(gain, error_alike, df_alike), 1.0)

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
            p_mean=_p(mean, error, df),
            p_rate=np.where(counts > 0, p_rate, 1.0),
        )

    def p_beyond(self, margin: float) -> Floats:
        """One-sided p of "the means differ by `margin` or more", in either direction; rates of collapse included."""
        p = [
            _p(margin - self.mean, self.error, self.df),
            _p(margin + self.mean, self.error, self.df),
            _p_frequent(self.count, self.runs, margin - self.mean, self.drop),
            _p_frequent(self.leader_count, self.leader_runs, margin + self.mean, self.drop),
        ]
        return np.where(self.n >= MIN_SEEDS, np.maximum.reduce(np.broadcast_arrays(*p)), 1.0)


def _moderated(ahead: Floats, leader: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats]:
    """n, mean, standard error and df of differences (studies, k, seeds), by a prior from all arms but the leader."""
    known = ~np.isnan(ahead)
    n = known.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, ahead, 0.0).sum(axis=-1) / n
        variance = (np.where(known, ahead - mean[..., None], 0.0) ** 2).sum(axis=-1) / (n - 1)
    variance = np.where(variance < EXACT**2, 0.0, variance)
    other = (np.arange(ahead.shape[1]) != leader[:, None]) & (n >= MIN_SEEDS)
    own_df = np.maximum(n - 1, 1)
    squeezed, df = squeeze(np.where(other, variance, np.nan), own_df)
    # All differences share the leader's noise: the more of it, the less do their variances say of each other.
    residual = np.where(known & other[..., None], ahead - mean[..., None], 0.0)
    present = (known & other[..., None]).sum(axis=1)
    arms = other.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = (residual**2).sum(axis=(-1, -2)) / present.sum(axis=-1)
        common = ((residual.sum(axis=1) / present) ** 2 * present).sum(axis=-1) / present.sum(axis=-1)
        shared = (common / own - 1 / arms) / (1 - 1 / arms)
    shared = np.clip(np.nan_to_num(shared, nan=1.0), 0.0, 1.0)[:, None]
    # Equal differences have no error of their own to be held against the prior: nothing is shown (as in `decisions`).
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = np.nan_to_num(np.minimum(squeezed / variance, 1.0), nan=0.0) ** 2
    raised = np.where(variance > 0, np.maximum(squeezed, variance), 0.0)
    df = own_df + (df - own_df) * fits * np.minimum(1 - shared, _SHARE_OF_PRIOR)
    return n, mean, np.sqrt(raised / np.maximum(n, 1)), df


def _p(mean: Floats, error: Floats, df: Floats) -> Floats:
    """One-sided p values of "the mean is not above 0"; 1 where there is no error to test against."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = special.stdtr(df, -mean / error)
    return np.where(error > 0, p, 1.0)


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
