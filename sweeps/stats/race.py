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

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.collapse import UNSEEN_DROP
from sweeps.stats.leader_pairs import Pairs
from sweeps.stats.looks import look_levels, looks_until
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Bools, Floats

ALPHA = 0.05
_SPENT_ON_RATES = 1.3  # the exact test of two rates stays far below its level: 4% of the races err, not 6.5%
_CAUTION = {3: 0.5, 4: 0.75}  # share of a look's level where few seeds make a t test of unlike arms least exact
_SPENT = 0.85  # of alpha: what is left covers that a moderated t is not quite normal theory's (see benchmarks/race.py)


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
        collapsed: Collapsed or diverged runs of the arm up to its last look.
        runs: Those of its runs up to then that could collapse.
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
        self.level, self.exact_level = (look_levels(looks, share * alpha, k) for share in (_SPENT, _SPENT_ON_RATES))
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
        pairs = Pairs.of(x, flags, leader, self.unseen_drop, fallen=self.way[rows] == WAYS.index(Way.COLLAPSE))
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
