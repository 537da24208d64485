"""Confidence intervals: the one class for all of them, and Student's t interval for a mean over seeds.

t throughout: at n = 3 a nominal 95% percentile bootstrap covers only 74% of the time, at n = 5 83%, at n = 10 91%, from
20 seeds on 85-93%, while t stays at 94-95% on normal data and covers 87-96% on what a collapse does to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.means import MIN_SEEDS, moments


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided confidence interval, in the unit of the data.

    Attributes:
        low, high: Its ends.
        level: Coverage: by itself, or of all intervals of its family together (see `method`).
        method: How it was made.
        is_open: Whether an end that is 0 is no part of it: the direction is established, the size is not.
    """

    low: float
    high: float
    level: float
    method: str
    is_open: bool = False

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0 or (self.is_open and 0.0 in (self.low, self.high))

    def within(self, margin: float) -> bool:
        """Whether all of it lies strictly between ``-margin`` and ``margin``."""
        return -margin < self.low and self.high < margin


def t_interval(
    values: npt.ArrayLike,
    level: float = 0.95,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Interval | None:
    """Student's t interval for the mean of independent values; None below 3 of them and where all are equal.

    Args:
        values: The sample, (n,).
        level: Coverage, in (0, 1).
        lowest, highest: What a mean can be at all; the interval is cut there.
    """
    sample = np.asarray(values, dtype=np.float64)
    n, mean, sd = moments(sample)
    if n < MIN_SEEDS or not sd > 0:
        return None
    half = -float(special.stdtrit(n - 1, (1 - level) / 2)) * float(sd) / math.sqrt(n)
    return Interval(low=max(float(mean) - half, lowest), high=min(float(mean) + half, highest), level=level, method="t")


def in_points(fraction: float, spec: str = "g") -> str:
    """A size such as the margin in percentage points: ``2 points``, ``1 point``."""
    text = f"{100 * fraction:{spec}}"
    return f"{text} point{'' if text == '1' else 's'}"
