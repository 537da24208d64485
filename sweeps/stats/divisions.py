"""Comparisons over divisions of one data set into training and test videos, whose training sets overlap.

Two divisions share most of their training videos, so differences on them are not independent and their standard error
is not sd / sqrt(J). Nadeau and Bengio (Machine Learning 52, 2003, section 3) estimate the variance of the mean of J
divisions, each of n1 training and n2 test videos, by

    between = (1 / J + n2 / n1) s_J^2        s_J^2 over divisions, J - 1 degrees of freedom

which takes the correlation of two divisions to be n2 / (n1 + n2). It was made for repeated random divisions and is used
for folds too (Bouckaert and Frank, 2004). However many divisions there are, the interval does not become narrower than
n2 / n1 allows: it is about other draws of videos, and there are only so many.

A division's difference is the mean over its seeds. But every division runs the same seeds, and what a seed does alike
in all of them (a start that collapses) varies nowhere between divisions. So the variance of the mean over seeds is
added,

    within = s_R^2 sum w^2                   s_R^2 over the seeds' effects, R - 1 degrees of freedom

where a seed's effect is the mean of its runs' deviations from their divisions' means, and w is its share in the mean
(1 / R where no run is missing). The error is the root of both together, its degrees of freedom are Welch's
(Satterthwaite, 1946). Where seeds have nothing in common over divisions, the noise of single runs counts twice, which
errs on the safe side.

Nobody has an unbiased estimate of the variance between divisions (Bengio and Grandvalet, 2004): how often claims are
false is simulated in ``python benchmarks/divisions.py``. With three divisions there are two degrees of freedom or
little more, so that only large differences are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sweeps.stats.means import Means, moments
from sweeps.stats.stepdown import Floats


def overlap_of(training: npt.ArrayLike, test: npt.ArrayLike) -> float:
    """n2 / n1, the largest over divisions; NaN where a number of videos is not known or there is no training video.

    Args:
        training, test: Videos of each division, (J,).
    """
    n1, n2 = np.asarray(training, dtype=np.float64), np.asarray(test, dtype=np.float64)
    if not (n1 > 0).all() or not np.isfinite(n2).all():
        return float("nan")
    return float((n2 / n1).max())


@dataclass(frozen=True, kw_only=True)
class Divided:
    """The differences of a family of k comparisons by division and seed.

    Attributes:
        differences: (..., k, J, R) for J divisions and R seeds; NaN where a seed has no pair.
        overlap: n2 / n1, positive.

    Raises:
        ValueError: For an `overlap` that is not positive.
    """

    differences: Floats
    overlap: float

    def __post_init__(self) -> None:
        if not self.overlap > 0:
            raise ValueError(f"test over training videos is {self.overlap}; it must be positive")

    @cached_property
    def of_divisions(self) -> Floats:
        """The mean over seeds within each division, (..., k, J); NaN where a division has no pair."""
        return moments(self.differences)[1]

    def without_each_division(self) -> Divided:
        """J copies, each without one of the divisions, (J, ..., k, J, R)."""
        out = np.eye(self.differences.shape[-2], dtype=bool)
        axes = (1,) * (self.differences.ndim - 2)
        out = out.reshape(len(out), *axes, len(out), 1)
        return Divided(differences=np.where(out, np.nan, self.differences), overlap=self.overlap)

    def means(self) -> Means:
        """Each comparison's mean over divisions and seeds, with the error above."""
        known = ~np.isnan(self.differences)
        runs = known.sum(axis=-1)
        weights = known / np.maximum(runs, 1)[..., None]  # of a run in its division's mean
        divisions, mean, sd = moments(self.of_divisions)
        seeds = known.any(axis=-2).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (1.0 / divisions + self.overlap) * sd**2
            # Deviations from the divisions' means: a missing run passes no division's level on to its seed.
            deviations = np.where(known, self.differences - self.of_divisions[..., None], 0.0)
            effects = deviations.sum(axis=-2) / known.sum(axis=-2)
            share = weights.sum(axis=-2) / divisions[..., None]
            within = moments(effects)[2] ** 2 * (share**2).sum(axis=-1)
            variance = between + within
            df = variance**2 / (between**2 / (divisions - 1) + within**2 / (seeds - 1))
        shows = sd > 0
        return Means(n=divisions, seeds=seeds, mean=mean, sd=sd, error=np.where(shows, np.sqrt(variance), sd),
                     df=np.where(shows & (df > 0), df, 1.0))  # fmt: skip
