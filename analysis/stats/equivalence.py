"""Practically equal is a claim of its own: two one-sided tests against a margin set before the study ran.

Not finding a difference shows nothing when the seeds are few. Two one-sided t tests (TOST; Schuirmann 1987) reject
"the difference is at least the margin, in one direction or the other"; at 5% that is the same as asking the 90%
interval to lie within the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis.stats.intervals import Floats, as_sample, standard_error


def tost_p(differences: Sequence[float] | Floats, margin: float) -> float:
    """P value for ``|mean difference| < margin`` (the larger of the two one-sided t tests).

    Args:
        differences: n >= 2 paired differences, in the unit of `margin`.
        margin: Positive; fixed beforehand.

    Returns:
        p in [0, 1]; small means practically equal. NaN when all differences agree: without spread there is no test
        (three equal differences come easily when a test set is small).

    Raises:
        TooFewSeeds: Below 2 differences.
        ValueError: For a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"the equivalence margin is {margin}; it must be positive and chosen before the study runs")
    sample = as_sample(differences)
    mean, error = float(sample.mean()), standard_error(sample)
    if error == 0.0:
        return math.nan
    with np.errstate(over="ignore"):
        below = stats.t.sf((mean + margin) / error, sample.size - 1)
        above = stats.t.cdf((mean - margin) / error, sample.size - 1)
    return float(max(below, above))
