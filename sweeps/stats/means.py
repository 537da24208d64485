"""The mean of paired differences over seeds with its standard error: what every comparison starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Bools, Floats

MIN_SEEDS = 3
EXACT = 1e-12  # differences closer than this are equal: accuracies counted on one test set differ by rounding


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means with their errors; arrays (..., k), a number for each comparison.

    Attributes:
        n: What the mean is taken over: pairs of runs, or divisions of the data.
        seeds: Behind it.
        mean, sd: Over the n; NaN where there are fewer than 2. SD is exactly 0 for equal values.
        error: Standard error of the mean, exactly 0 where `sd` is, so that nothing is shown.
        df: Its degrees of freedom, positive.
    """

    n: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    mean: Floats
    sd: Floats
    error: Floats
    df: Floats

    @property
    def enough(self) -> Bools:
        """Whether there is enough for a verdict."""
        return np.asarray((self.n >= MIN_SEEDS) & (self.seeds >= MIN_SEEDS))


def over_seeds(differences: Floats) -> Means:
    """Student's: of (..., k, n) differences, NaN where a seed has no pair; error sd / sqrt(n), df n - 1."""
    n, mean, sd = moments(differences)
    return Means(n=n, seeds=n, mean=mean, sd=sd, error=sd / np.sqrt(np.maximum(n, 1)), df=np.maximum(n - 1.0, 1.0))


def moments(differences: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Number, mean and standard deviation over the last axis without its NaN; SD is exactly 0 for equal values."""
    known = ~np.isnan(differences)
    n = known.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, differences, 0.0).sum(axis=-1) / n
        residual = np.where(known, differences - mean[..., None], 0.0)
        sd = np.sqrt((residual**2).sum(axis=-1) / (n - 1))
    return n, mean, np.where(sd < EXACT, 0.0, sd)
