"""PED-ANOVA of arms that are no factorial: how far the best arms' values of a factor are from those of all arms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.importance_base import (
    DUMMIES,
    TINY,
    Importance,
    Ints,
    floor_of,
    means_over,
    nonzero,
    plain_mean,
    without_seed_effects,
)
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats

MAX_CATEGORIES = 12  # ordered factors with more levels are taken by rank, by a kernel density
MIN_TOP, TOP_SHARE = 8, 0.2  # the best arms of PED-ANOVA; a tenth of 60 arms shows far less (benchmarks/importance.py)
STEPS = 50  # of the grid of the kernel density, as in Optuna
CONSECUTIVE = 8  # arms among which the values of a dummy are permuted


def ped_anova(
    codes: Ints, values: Floats, is_ordered: Sequence[bool], resamplings: int, rng: np.random.Generator
) -> Importance:
    """PED-ANOVA (Watanabe et al., 2023); see `sweeps.stats.importance.importance`, whose levels are `codes`."""
    k, n = values.shape
    centered = without_seed_effects(values)
    placed = [_places(column, ordered) for column, ordered in zip(codes.T, is_ordered, strict=True)]
    every = np.ones((1, k))
    means = plain_mean(centered[None])
    top = every * _is_top(means, every)
    raw = np.concatenate([_divergence(top, every, *one) for one in placed])
    arms = rng.multinomial(k, np.full(k, 1 / k), size=resamplings).astype(np.float64)
    over_seeds = means_over(centered, rng.multinomial(n, np.full(n, 1 / n), size=resamplings))
    over_seeds = np.where(np.isnan(over_seeds), means, over_seeds)
    best = arms * _is_top(over_seeds, arms)
    drawn = np.stack([_divergence(best, arms, *one) for one in placed], axis=1)
    dummies = [floor_of(_dummies(top[0], *one, rng)) for one in placed]
    scale = raw.sum()
    floor = np.array([d / (d + scale - own) if d > 0 else 0.0 for d, own in zip(dummies, raw, strict=True)])
    share = raw / scale if scale > 0 else raw
    sums = nonzero(drawn.sum(axis=1))[:, None]
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
    """The divergences of factors without effect: values permuted among consecutive arms, (dummies,)."""
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


def _interval(share: Floats, drawn: Floats, n: int) -> tuple[Floats, Floats]:
    """The share with Student's t around it, by the standard error that resampling shows; n: the fewest resampled units.

    The percentiles of the resamplings themselves are far too close to each other with few seeds (see
    `sweeps.stats.intervals`).
    """
    if n < MIN_SEEDS:
        return np.full_like(share, np.nan), np.full_like(share, np.nan)
    half = -special.stdtrit(n - 1, 0.025) * drawn.std(axis=0, ddof=1) * np.sqrt(n / (n - 1))
    return np.clip(share - half, 0, 1), np.clip(share + half, 0, 1)
