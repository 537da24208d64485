"""Boschloo's exact test: whether one rate is higher than another, from counts."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.stepdown import Floats


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
