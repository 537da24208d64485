"""Holm's procedure for a family of mean differences, with simultaneous intervals that match it.

The family-wise error alpha is halved: one half bounds every false "the difference is above 0", the other every false
"the difference is below 0". In each half the k one-sided p values are stepped down. While m hypotheses are not
rejected, each of them is tested at (alpha / 2) w, where

    w = (1 - s) / m + s / k

s = 0 is Holm (1979), w = 1 / m. Its matching intervals (Strassburger and Bretz, Statistics in Medicine 27, 2008) end
exactly at 0 for a rejected hypothesis and say nothing about the size of the difference. With a small share s, reserved
for that purpose (Schmidt and Brannath, 2015), a large difference is bounded away from 0 too; s = 1 is Bonferroni.

What is guaranteed, whatever the correlation of the comparisons, where each mean is normal with its own standard error:
the intervals hold together with probability at least 1 - alpha (partitioning principle: a family of true differences is
rejected with the weight w on those at or beyond 0 that are not rejected, and the weight s / k on the others; the
weights of every possible family add up to at most 1). An interval excludes 0 exactly when its hypothesis is rejected at
alpha, so every claim read off the intervals, of a direction or of equality within a margin, shares the one error alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHARE = 0.05  # of the error, reserved for the size of differences; costs 0.2 points of power at 9 arms and 7 seeds

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """One direction of a family after the step-down, arrays of shape (..., k), NaN where there is no comparison.

    Attributes:
        p: Adjusted p values: twice the one-sided ones, so that at `alpha` they decide what the intervals show.
        rejected: p <= alpha.
        level: One-sided error that the limit of each comparison is taken at. The limit of a rejected one is moved to 0
            where it lies beyond.
    """

    p: Floats
    rejected: Bools
    level: Floats


def step_down(p: npt.ArrayLike, alpha: float = 0.05, share: float = SHARE) -> Stepped:
    """Step one direction of a family down.

    Args:
        p: One-sided p values, (..., k); NaN is no member of the family.
        alpha: Family-wise error in (0, 1), for both directions together.
        share: s in [0, 1].
    """
    values = np.asarray(p, dtype=np.float64)
    k = np.maximum((~np.isnan(values)).sum(axis=-1, keepdims=True), 1)
    order = np.argsort(values, axis=-1)  # NaN last
    weights = _weights(np.maximum(k - np.arange(values.shape[-1]), 1), k, share)
    stepped = np.maximum.accumulate(np.take_along_axis(values, order, axis=-1) / weights, axis=-1)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.minimum(2 * stepped, 1.0), axis=-1)
    rejected = adjusted <= alpha
    open_ = k - rejected.sum(axis=-1, keepdims=True)
    of_rejected = np.where(open_ > 0, share / k, 1 / k)
    weight = np.where(rejected, of_rejected, _weights(np.maximum(open_, 1), k, share))
    return Stepped(p=adjusted, rejected=rejected, level=alpha / 2 * weight)


def holm(p_values: npt.ArrayLike) -> Floats:
    """Holm's step-down adjusted two-sided p values over the last axis, in the order of `p_values`; NaN stays NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    return step_down(p / 2, share=0.0).p


def _weights(m: npt.NDArray[np.int64], k: npt.NDArray[np.int64], share: float) -> Floats:
    return np.asarray((1 - share) / m + share / k, dtype=np.float64)
