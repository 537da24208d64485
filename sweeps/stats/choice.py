"""Choosing an arm on validation: over the seeds that all candidates share, with the set that may hold the best.

All functions take accuracies (..., k, n): candidates by seeds, NaN where a run is missing. Diverged runs are to be
filled in before (`sweeps.stats.collapse.fill_diverged`): an arm must not win by losing its bad seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.collapse import UNSEEN_DROP, collapse_risk
from sweeps.stats.decisions import t_p
from sweeps.stats.means import EXACT, MIN_SEEDS, moments
from sweeps.stats.stepdown import Bools, Floats

_MAX_DRAWN = 2**23  # means of drawn studies that are held at a time


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The candidate that validation chooses.

    Attributes:
        best: Its index; the earliest of equals.
        seeds: Indices of the seeds that all candidates share, over which it was chosen.
        means: Mean of each candidate over these seeds, (k,).
        possible: The candidates that may be within epsilon of the best: it holds any candidate that is, the true best
            among them, with probability at least 1 - alpha.
        one_se: The simplest candidate whose mean deficit to the best is at most one standard error of that deficit.
    """

    best: int
    seeds: tuple[int, ...]
    means: Floats
    possible: tuple[int, ...]
    one_se: int

    @property
    def ranking(self) -> list[int]:
        """The candidates by falling mean, the earlier of equals first."""
        return [int(i) for i in np.argsort(-np.round(self.means, 12), kind="stable")]


def shared_seeds(values: npt.ArrayLike) -> Bools:
    """The seeds that every candidate has, (..., n)."""
    return np.asarray(~np.isnan(np.asarray(values, dtype=np.float64)).any(axis=-2))


def choosable(values: npt.ArrayLike, out: npt.ArrayLike | None = None) -> list[int]:
    """The candidates (k, n) that can be chosen among: rows with 3 values, as many of them as share 3 seeds.

    While they do not, the row with the fewest values is left out, the last of equals. Rows marked in `out`, (k,), are
    no choice whatever their values, such as those in which a rule stopped a run: what their other runs would have to
    be compared with is not there.
    """
    known = ~np.isnan(np.asarray(values, dtype=np.float64))
    few = known.sum(axis=1) < MIN_SEEDS
    rows = [int(i) for i in np.flatnonzero(~few if out is None else ~(few | np.asarray(out, dtype=bool)))]
    while len(rows) > 1 and known[rows].all(axis=0).sum() < MIN_SEEDS:
        rows.remove(min(reversed(rows), key=lambda i: known[i].sum()))
    return rows


def best_of(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Index of the highest mean over the shared seeds, shape (...); -1 below 3 shared seeds."""
    shared = shared_seeds(values)
    means = moments(np.where(shared[..., None, :], np.asarray(values, dtype=np.float64), np.nan))[1]
    enough = shared.sum(axis=-1) >= MIN_SEEDS
    best = np.argmax(np.round(np.where(enough[..., None], means, 0.0), 12), axis=-1)
    return np.where(enough, best, -1)


def may_be_best(
    values: npt.ArrayLike,
    *,
    epsilon: float = 0.0,
    alpha: float = 0.05,
    collapsed: npt.ArrayLike | None = None,
    unseen_drop: float = UNSEEN_DROP,
) -> Bools:
    """The candidates that are not shown to be more than `epsilon` worse than another one, (..., k).

    A candidate leaves the set when one of the k - 1 others is ahead of it by more than `epsilon` at one-sided
    alpha / (k - 1), by the paired t test and, where runs can collapse, by their rate too. So any one candidate that is
    truly within `epsilon` of the best stays with probability at least 1 - alpha. The candidate with the highest mean
    always stays. Below 3 shared seeds all do.

    Args:
        values: Accuracies (..., k, n).
        epsilon: A difference too small to matter, >= 0.
        alpha: Error in (0, 0.5).
        collapsed: Whether a run collapsed, same shape (see `sweeps.stats.decisions.decide`); None where no run can.
        unseen_drop: See `sweeps.stats.collapse`.
    """
    a = np.asarray(values, dtype=np.float64)
    k = a.shape[-2]
    shared = shared_seeds(a)[..., None, :]
    a = np.where(shared, a, np.nan)
    possible = np.ones(a.shape[:-1], dtype=bool)
    if k < 2:
        return possible
    level = alpha / (k - 1)
    n = shared.sum(axis=-1)
    mean = np.where(shared, a, 0.0).sum(axis=-1) / np.maximum(n, 1)
    centered = np.where(shared, a - mean[..., None], 0.0)
    squares, df = (centered**2).sum(axis=-1), np.maximum(n - 1.0, 1.0)
    least = -special.stdtrit(df, level) / np.sqrt(df * np.maximum(n, 1))
    for i in range(k):  # one candidate at a time: a (k, k) array of pairs would not fit a simulation
        # Which of the others can be that far ahead, by sums that hold for all pairs, with room for their rounding.
        products = np.matmul(centered, centered[..., i, :, None])[..., 0]
        spread = np.sqrt(np.maximum(squares + squares[..., [i]] - 2 * products, 0.0))
        far = np.delete(mean - mean[..., [i]] - epsilon >= least * (spread * (1 - 1e-6) - 1e-6), i, axis=-1)
        if not far.any():
            continue
        others = np.delete(np.arange(k), i)
        ahead = a[..., others, :] - a[..., [i], :]
        pairs, gap, sd = moments(ahead[far])
        p = np.ones(far.shape)
        p[far] = t_p(gap - epsilon, sd / np.sqrt(np.maximum(pairs, 1)), np.maximum(pairs - 1.0, 1.0))
        if collapsed is not None:
            flags = np.asarray(collapsed, dtype=np.float64)[..., others, :]
            p = np.maximum(p, collapse_risk(ahead, flags, unseen_drop).p_above(epsilon))
        possible[..., i] = ~((p <= level) & (n >= MIN_SEEDS)).any(axis=-1)
    return possible


def choose(
    values: npt.ArrayLike,
    *,
    simplicity: Sequence[float] | None = None,
    epsilon: float = 0.0,
    alpha: float = 0.05,
    collapsed: npt.ArrayLike | None = None,
) -> Choice | None:
    """Choose among candidates (k, n); None below 3 shared seeds.

    Args:
        values: Validation accuracies.
        simplicity: A number for each candidate, smaller is simpler (e.g. lambda); their order unless given.
        epsilon, alpha, collapsed: See `may_be_best`.
    """
    a = np.asarray(values, dtype=np.float64)
    best = int(best_of(a))
    if best < 0:
        return None
    shared = shared_seeds(a)
    n, deficit, sd = moments(a[best, shared] - a[:, shared])
    near = np.flatnonzero(deficit <= sd / np.sqrt(n) + EXACT)
    order = np.arange(len(a), dtype=np.float64) if simplicity is None else np.asarray(simplicity, dtype=np.float64)
    possible = may_be_best(a, epsilon=epsilon, alpha=alpha, collapsed=collapsed)
    return Choice(
        best=best,
        seeds=tuple(int(i) for i in np.flatnonzero(shared)),
        means=a[:, shared].mean(axis=1),
        possible=tuple(int(i) for i in np.flatnonzero(possible)),
        one_se=int(near[np.argmin(order[near])]),
    )


def winners_curse(
    chosen_on: npt.ArrayLike, reported_on: npt.ArrayLike, rng: np.random.Generator, draws: int = 2000
) -> float:
    """By how much the reported mean of the chosen arm is expected to flatter it, in the unit of the data.

    The study is repeated under a normal model with what it shows: candidates whose true means are the observed ones,
    shrunk towards their common mean by as much as noise has parted them, and the noise of seeds by the observed
    residuals (so with its correlation between arms, and between validation and test). Without the shrinking the
    candidates would look further apart than they are and the curse smaller. In simulations (`benchmarks/claims.py`) the
    mean estimate is right within 0.04 SDs where candidates differ, and up to a fifth too low where all are equal.

    Args:
        chosen_on: Values that the choice is made on, (k, n): accuracies on validation. Seeds that not all have are out.
        reported_on: Values that are reported of the chosen arm, (k, n): test accuracies or differences to a reference;
            the same array where the choice is made on them.
        rng: Generator.
        draws: Studies drawn.

    Returns:
        Expected mean of the chosen arm minus its true one; NaN below 3 shared seeds.
    """
    val, test = (np.asarray(a, dtype=np.float64) for a in (chosen_on, reported_on))
    shared = shared_seeds(val) & shared_seeds(test)
    n, k = int(shared.sum()), len(val)
    if n < MIN_SEEDS:
        return float("nan")
    both = np.concatenate([val[:, shared], test[:, shared]])
    residual = both - both.mean(axis=1, keepdims=True)
    drawn = rng.normal(size=(draws, n))
    val_mean = both[:k].mean(axis=1)
    contrast = residual[:k] - residual[:k].mean(axis=0)  # what all arms share in a seed does not part their means
    by_noise = float((contrast**2).sum() / ((n - 1) * n * max(k - 1, 1)))
    variance = float(val_mean.var(ddof=1)) if k > 1 else 0.0
    shrink = max(0.0, 1 - by_noise / variance) if variance > 0 else 0.0
    truth = val_mean.mean() + shrink * (val_mean - val_mean.mean())

    def flattery(part: Floats) -> Floats:
        noise = part @ residual.T / np.sqrt(n * (n - 1))  # of the means: covariance residual / n
        chosen = np.argmax(truth + noise[:, :k], axis=1)
        return np.asarray(noise[np.arange(len(part)), k + chosen])

    parts = np.array_split(drawn, math.ceil(2 * k * draws / _MAX_DRAWN))
    return float(np.concatenate([flattery(part) for part in parts]).mean())
