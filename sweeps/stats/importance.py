"""How much of what arms differ by each factor accounts for, with an interval, beside what a factor without effect gets.

Two measures. In a full factorial the exact functional ANOVA: the share of the variance of the arms' means that is the
factor's alone, and the share of all terms that it takes part in. For arms that are no factorial, such as those of a
search, PED-ANOVA (Watanabe, Bansal and Hutter 2023): how far the factor's values among the best arms are from those of
all arms, as the Pearson divergence of two kernel densities; shares of their sum. Its bandwidth and prior are those of
Optuna, which the tests compare it with.

The noise floor of a factor is what a dummy in its place gets: a factor with the same levels in the same design and
without any effect. In a factorial the runs of one seed and one setting of the other factors are dealt anew among the
factor's levels; in other designs its values are dealt anew among arms that follow each other, as a search that closes
in draws its later, better arms from a narrow part of every factor. A factor without effect is above its floor, the
largest but 5% of 199 dummies, with probability at most 5%. In a factorial the floor is at least what an F test with
the seed as the block asks for, see `_by_chance_over_seeds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats

Method = Literal["anova", "ped"]
Ints = npt.NDArray[np.int64]

RESAMPLINGS = 200
DUMMIES = 199
MAX_MISSING = 0.1  # share of the combinations that a factorial may lack
MIN_ARMS = 12  # of a design that is no factorial
MAX_CATEGORIES = 12  # ordered factors with more levels are taken by rank, by a kernel density
MIN_TOP, TOP_SHARE = 8, 0.2  # the best arms of PED-ANOVA; a tenth of 60 arms shows far less (benchmarks/importance.py)
STEPS = 50  # of the grid of the kernel density, as in Optuna
CONSECUTIVE = 8  # arms among which the values of a dummy are dealt anew
NOISE_ALONE = 0.05  # of the variance of means, what must remain without noise for shares to be known at all
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
        return _anova(codes, known, resamplings, rng)
    has_runs = ~np.isnan(known).all(axis=1)
    if has_runs.sum() < MIN_ARMS:
        raise ValueError(f"{has_runs.sum()} arms are no factorial with {MIN_SEEDS} seeds, and fewer than {MIN_ARMS}")
    return _ped(codes[has_runs], known[has_runs], is_ordered, resamplings, rng)


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


# --- factorials -----------------------------------------------------------------------------------------------------


def _anova(codes: Ints, values: Floats, resamplings: int, rng: np.random.Generator) -> Importance:
    levels = [np.unique(column, return_inverse=True) for column in codes.T]
    shape = tuple(len(distinct) for distinct, _ in levels)
    places = np.ravel_multi_index(tuple(index for _, index in levels), shape)
    table = np.full((int(np.prod(shape)), values.shape[1]), np.nan)
    table[places] = without_seed_effects(values)
    n = table.shape[1]
    parts = _parts(_means(table, np.ones((1, n))), shape)
    share, total = parts.shares()
    drawn = _parts(_means(table, rng.multinomial(n, np.full(n, 1 / n), size=resamplings)), shape)
    floor = np.empty(len(shape))
    for factor in range(len(shape)):
        dealt = _deal_runs(table, shape, factor, rng)
        filled = _filled(_mean(dealt), shape)
        dummy = _floor(_of_factor(filled, shape, factor) / _nonzero(_variance(filled)))
        floor[factor] = min(1.0, max(dummy, _by_chance_over_seeds(table, shape, factor)))
    low, high = _interval_without_noise(parts, drawn, n)
    missing = int(np.isnan(table).sum())
    return Importance(method="anova", share=share[0], low=low, high=high, floor=floor, total=total[0],
                      arms=len(codes), seeds=n, missing=missing)  # fmt: skip


def _means(table: Floats, weights: npt.ArrayLike) -> Floats:
    """Means of each combination over seeds that count `weights` (b, n) times, (b, combinations), NaN without a run."""
    w = np.asarray(weights, dtype=np.float64)
    there = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.asarray((w @ np.where(there, table, 0.0).T) / (w @ there.T), dtype=np.float64)


def _mean(tables: Floats) -> Floats:
    """The same of tables (b, combinations, n), every seed once."""
    there = ~np.isnan(tables)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, tables, 0.0).sum(axis=-1) / there.sum(axis=-1), dtype=np.float64)


def _filled(means: Floats, shape: tuple[int, ...]) -> Floats:
    """Means (b, combinations) with those that are missing as the factors by themselves predict them."""
    missing = np.isnan(means)
    if not missing.any():
        return means
    overall = np.nanmean(means, axis=1, keepdims=True)
    filled = np.where(missing, overall, means)
    for _ in range(20):
        center = filled.mean(axis=1, keepdims=True)
        predicted = np.broadcast_to(center, filled.shape).reshape(-1, *shape)
        for factor in range(len(shape)):
            predicted = predicted + (_marginal(filled, shape, factor) - center.reshape(-1, *[1] * len(shape)))
        filled = np.where(missing, predicted.reshape(filled.shape), means)
    return np.asarray(filled, dtype=np.float64)


def _marginal(means: Floats, shape: tuple[int, ...], factor: int) -> Floats:
    """The mean at each level of a factor, (b, 1, ..., levels, ..., 1)."""
    axes = tuple(axis + 1 for axis in range(len(shape)) if axis != factor)
    return np.asarray(means.reshape(-1, *shape).mean(axis=axes, keepdims=True), dtype=np.float64)


def _of_factor(means: Floats, shape: tuple[int, ...], factor: int) -> Floats:
    """The variance of a factor by itself, (b,)."""
    return np.asarray(_marginal(means, shape, factor).reshape(len(means), -1).var(axis=1), dtype=np.float64)


def _variance(means: Floats) -> Floats:
    """The variance over all combinations, (b,); exactly 0 where they are equal but for rounding."""
    variance = means.var(axis=1)
    return np.asarray(np.where(variance > TINY**2, variance, 0.0), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """Variances of b tables of means: of each factor by itself and with its interactions, (b, f), and of all, (b,)."""

    alone: Floats
    total: Floats
    variance: Floats

    def shares(self) -> tuple[Floats, Floats]:
        """The shares of every factor, by itself and with its interactions, each (b, f)."""
        scale = _nonzero(self.variance)[:, None]
        return np.clip(self.alone / scale, 0, 1), np.clip(self.total / scale, 0, 1)


def _parts(means: Floats, shape: tuple[int, ...]) -> _Parts:
    filled = _filled(means, shape)
    variance = _variance(filled)
    alone = np.stack([_of_factor(filled, shape, factor) for factor in range(len(shape))], axis=1)
    grid = filled.reshape(-1, *shape)
    others = [grid.mean(axis=factor + 1).reshape(len(grid), -1).var(axis=1) for factor in range(len(shape))]
    return _Parts(alone=alone, total=variance[:, None] - np.stack(others, axis=1), variance=variance)


def _interval_without_noise(parts: _Parts, drawn: _Parts, n: int) -> tuple[Floats, Floats]:
    """Student's t around the shares without what noise adds to the means, and at least to the shares themselves.

    The means of n seeds vary by noise too, which takes from a large share and adds to a small one; around the shares
    themselves an interval holds in 87% at 7 seeds, and in a third of studies where runs collapse. Resampling seeds adds
    that noise once more, (n - 1) / n of it, to variances exactly: so it is known, and taken away. The error is that of
    ``alone - share * variance``, whose ratio to the variance is the share's by first order. Where noise may be all that
    arms differ by, nothing is excluded.

    Args:
        parts, drawn: Of the means, and of those of resampled seeds.
        n: Seeds.
    """
    once = n / (n - 1)
    noise_alone = (drawn.alone.mean(axis=0) - parts.alone[0]) * once
    noise = (drawn.variance.mean() - parts.variance[0]) * once
    variance = parts.variance[0] - noise
    share = parts.shares()[0][0]
    if variance <= NOISE_ALONE * parts.variance[0]:
        return np.zeros_like(share), np.ones_like(share)
    center = np.clip((parts.alone[0] - noise_alone) / variance, 0, 1)
    twice = 1 + 1 / once  # a resampled mean has the noise of the seeds, and that of resampling
    off = drawn.alone - twice * noise_alone - center * (drawn.variance - twice * noise)[:, None]
    half = -special.stdtrit(n - 1, 0.025) * off.std(axis=0, ddof=1) * np.sqrt(once) / variance
    return np.clip(np.minimum(center - half, share), 0, 1), np.clip(np.maximum(center + half, share), 0, 1)


def _nonzero(values: Floats) -> Floats:
    """The values, infinite where they are 0: a share of no variance is 0."""
    return np.where(values > 0, values, np.inf)


def _deal_runs(table: Floats, shape: tuple[int, ...], factor: int, rng: np.random.Generator) -> Floats:
    """Tables in which a factor has no effect: in each seed, the runs of one setting of the others in any order.

    Missing runs stay where they are. Shape (dummies, combinations, seeds).
    """
    n = table.shape[1]
    grid = np.moveaxis(table.reshape(*shape, n), factor, 0)
    runs = grid.reshape(shape[factor], -1)
    missing = np.isnan(runs)
    keys = rng.random((DUMMIES, *runs.shape))
    order = np.argsort(np.where(missing, np.inf, keys), axis=1, kind="stable")
    places = np.broadcast_to(np.argsort(missing, axis=0, kind="stable"), order.shape)
    dealt = np.empty(order.shape)
    np.put_along_axis(dealt, places, np.take_along_axis(np.broadcast_to(runs, order.shape), order, axis=1), axis=1)
    back = np.moveaxis(dealt.reshape(DUMMIES, *grid.shape), 1, factor + 1)
    return np.asarray(back.reshape(DUMMIES, -1, n), dtype=np.float64)


def _by_chance_over_seeds(table: Floats, shape: tuple[int, ...], factor: int) -> float:
    """The share that a factor has to exceed by the F test with the seed as the block.

    Dealing single runs takes those of a seed as independent. Where seeds matter more at one level than at another, all
    runs of a seed and level move together, and only the seeds say how far.
    """
    means = _filled(_means(table, np.ones((1, table.shape[1]))), shape)
    runs = np.where(np.isnan(table), means[0][:, None], table).T
    n, levels = len(runs), shape[factor]
    by_seed = _marginal(runs, shape, factor).reshape(n, levels)
    rest = by_seed - by_seed.mean(axis=0) - by_seed.mean(axis=1, keepdims=True) + by_seed.mean()
    df = (levels - 1) * (n - 1)
    # Levels of unequal SD count as fewer (Greenhouse and Geisser 1959); with SDs of 1:3, 9% passed without it.
    covariance = rest.T @ rest
    squares = float((covariance**2).sum())
    part = float(np.trace(covariance)) ** 2 / ((levels - 1) * squares) if squares > 0 else 1.0
    critical = float(special.fdtri(part * (levels - 1), part * df, 0.95))
    limit = critical * (levels - 1) / (n * levels) * float((rest**2).sum()) / df
    return float(limit / _nonzero(_variance(means))[0])


# --- other designs --------------------------------------------------------------------------------------------------


def _ped(
    codes: Ints, values: Floats, is_ordered: Sequence[bool], resamplings: int, rng: np.random.Generator
) -> Importance:
    k, n = values.shape
    centered = without_seed_effects(values)
    placed = [_places(column, ordered) for column, ordered in zip(codes.T, is_ordered, strict=True)]
    every = np.ones((1, k))
    means = _mean(centered[None])
    top = every * _is_top(means, every)
    raw = np.concatenate([_divergence(top, every, *one) for one in placed])
    arms = rng.multinomial(k, np.full(k, 1 / k), size=resamplings).astype(np.float64)
    over_seeds = _means(centered, rng.multinomial(n, np.full(n, 1 / n), size=resamplings))
    over_seeds = np.where(np.isnan(over_seeds), means, over_seeds)
    best = arms * _is_top(over_seeds, arms)
    drawn = np.stack([_divergence(best, arms, *one) for one in placed], axis=1)
    dummies = [_floor(_dummies(top[0], *one, rng)) for one in placed]
    scale = raw.sum()
    floor = np.array([d / (d + scale - own) if d > 0 else 0.0 for d, own in zip(dummies, raw, strict=True)])
    share = raw / scale if scale > 0 else raw
    sums = _nonzero(drawn.sum(axis=1))[:, None]
    low, high = _interval(share, drawn / sums, min(k, n) if n > 1 else k)
    missing = int(np.isnan(values).sum())
    return Importance(method="ped", share=share, low=low, high=high, floor=floor, total=None, arms=k, seeds=n,
                      missing=missing)  # fmt: skip


def _places(codes: Ints, is_ordered: bool) -> tuple[Ints, int, bool]:
    """For each arm its place on a grid; the size of the grid; whether neighbours on it are alike."""
    distinct, index = np.unique(codes, return_inverse=True)
    if not is_ordered or len(distinct) <= MAX_CATEGORIES:
        return index.astype(np.int64), len(distinct), False
    counts = np.bincount(index)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]  # from 1, equal codes share the mean of theirs
    step = (len(codes) - 1) / (STEPS - 1)
    return np.ceil((ranks - 1) / step - 0.5).astype(np.int64), STEPS, True


def _is_top(means: Floats, counts: Floats) -> npt.NDArray[np.bool_]:
    """Which arms are among the best, equals of the last one too, (b, k); arms count `counts` (b, k) times."""
    total = counts.sum(axis=1, keepdims=True)
    wanted = np.maximum(np.ceil(TOP_SHARE * total - TINY), MIN_TOP)
    order = np.argsort(-means, axis=1, kind="stable")
    means, counts = np.broadcast_to(means, counts.shape), np.broadcast_to(counts, counts.shape)
    order = np.broadcast_to(order, counts.shape)
    reached = np.cumsum(np.take_along_axis(counts, order, axis=1), axis=1) >= wanted
    last = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    return np.asarray(means >= np.take_along_axis(means, last, axis=1) - TINY)


def _divergence(top: Floats, every: Floats, places: Ints, size: int, is_smooth: bool) -> Floats:
    """Pearson divergence of the density of the best arms from that of all, (b,); both count arms, (b, k)."""
    onto = np.zeros((len(places), size))
    onto[np.arange(len(places)), places] = 1.0
    return _divergence_of_counts(top @ onto, every @ onto, is_smooth)


def _divergence_of_counts(top: Floats, every: Floats, is_smooth: bool) -> Floats:
    density = _smooth_density if is_smooth else _category_density
    of_top, of_all = density(top) + TINY, density(every) + TINY
    return np.asarray((of_all * (of_top / of_all - 1) ** 2).sum(axis=1), dtype=np.float64)


def _category_density(counts: Floats) -> Floats:
    """Counts (b, categories) as shares, drawn towards equal ones by a prior of one observation."""
    observed = counts > 0
    prior = 1 / (observed.sum(axis=1, keepdims=True) + 1)
    size = counts.shape[1]
    total = counts.sum(axis=1, keepdims=True)
    mixed = (counts + prior * total) / (1 + size * prior) + 1 / size
    return np.asarray(mixed / (total + 1), dtype=np.float64)


def _smooth_density(counts: Floats) -> Floats:
    """Counts (b, size) on a grid as a mixture of truncated normal densities, by Scott's rule, with a wide prior."""
    size = counts.shape[1]
    grid = np.arange(size)
    total = counts.sum(axis=1)
    mean = counts @ grid / total
    sd = np.sqrt((counts * (grid - mean[:, None]) ** 2).sum(axis=1) / np.maximum(1, total - 1))
    # The quartiles as Optuna takes them: the first place whose cumulated count reaches the rounded quarter.
    cumulated = np.cumsum(counts, axis=1)
    first = (cumulated >= (total // 4)[:, None]) & (counts > 0)
    third = (cumulated > (total * 3 // 4)[:, None]) & (counts > 0)
    highest = size - 1 - (counts > 0)[:, ::-1].argmax(axis=1)
    iqr = np.where(third.any(axis=1), third.argmax(axis=1), highest) - first.argmax(axis=1)
    width = np.maximum(1.059 * np.minimum(iqr / 1.34, sd) * total**-0.2, 0.5 / 1.64)
    edges = np.arange(size + 1) - 0.5
    # A kernel is the same curve wherever it stands: computed for every distance to an edge, then laid out.
    distances = special.ndtr((np.arange(-size + 1, size + 1) - 0.5) / width[:, None])
    below = distances[:, np.arange(size + 1) - grid[:, None] + size - 1]  # (b, kernels, edges)
    mass = below[..., -1:] - below[..., :1]
    cumulative = ((counts[..., None] / mass) * (below - below[..., :1])).sum(axis=1)
    prior = special.ndtr((edges - (size - 1) / 2) / size)
    cumulative = cumulative + (prior - prior[0]) / (prior[-1] - prior[0])
    return np.asarray(np.diff(cumulative, axis=1) / (total + 1)[:, None], dtype=np.float64)


def _dummies(top: Floats, places: Ints, size: int, is_smooth: bool, rng: np.random.Generator) -> Floats:
    """The divergences of factors without effect: values dealt anew among consecutive arms, (dummies,)."""
    k = len(places)
    group = np.arange(k) // CONSECUTIVE
    if k % CONSECUTIVE and k > CONSECUTIVE:  # no group of one or two
        group[group == group[-1]] -= 1
    order = np.lexsort((rng.random((DUMMIES, k)), np.broadcast_to(group, (DUMMIES, k))), axis=1)
    dealt = places[order]
    of_top = np.zeros((DUMMIES, size))
    for arm in np.flatnonzero(top):
        np.add.at(of_top, (np.arange(DUMMIES), dealt[:, arm]), top[arm])
    every = np.bincount(places, minlength=size).astype(np.float64)
    return _divergence_of_counts(of_top, every[None], is_smooth)


# --- both -----------------------------------------------------------------------------------------------------------


def _floor(dummies: Floats) -> float:
    """What a share has to exceed so that at most 5% of the dummies and itself reach it."""
    return float(np.sort(dummies)[-int(0.05 * (len(dummies) + 1))])


def _interval(share: Floats, drawn: Floats, n: int) -> tuple[Floats, Floats]:
    """The share with Student's t around it, by the standard error that resampling shows; n: the fewest resampled units.

    The percentiles of the resamplings themselves are far too close to each other with few seeds (see
    `sweeps.stats.intervals`).
    """
    if n < MIN_SEEDS:
        return np.full_like(share, np.nan), np.full_like(share, np.nan)
    half = -special.stdtrit(n - 1, 0.025) * drawn.std(axis=0, ddof=1) * np.sqrt(n / (n - 1))
    return np.clip(share - half, 0, 1), np.clip(share + half, 0, 1)
