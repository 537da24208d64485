"""Variances held against a prior that is fitted to them, and the t test of a leader's lead that rests on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.means import EXACT, MIN_SEEDS
from sweeps.stats.stepdown import Floats

_SHARE_OF_PRIOR = 0.5  # of the degrees of freedom that the prior adds
_INF = 1e10  # degrees of freedom of a normal distribution


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


def moderated(ahead: Floats, leader: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats]:
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


def p_above_zero(mean: Floats, error: Floats, df: Floats) -> Floats:
    """One-sided p values of "the mean is not above 0"; 1 where there is no error to test against."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = special.stdtr(df, -mean / error)
    return np.where(error > 0, p, 1.0)
