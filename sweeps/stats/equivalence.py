"""Practically equal is a claim of its own: two one-sided tests against a margin set before the study ran.

Not finding a difference shows nothing when the seeds are few. Two one-sided t tests (TOST; Schuirmann 1987) reject
"the difference is at least the margin, in one direction or the other"; at 5% that is the same as asking the 90%
interval to lie within the margin.
"""

from __future__ import annotations

import math

from scipy import stats

from sweeps.stats.intervals import Sample, as_sample, standard_error


def tost_p(differences: Sample, margin: float) -> float:
    """P value for ``|mean difference| < margin`` (the larger of the two one-sided t tests).

    Args:
        differences: n >= 2 paired differences, in the unit of `margin`.
        margin: Positive; fixed beforehand.

    Returns:
        p in [0, 1]; small means practically equal. NaN when all differences agree: without variation there is no test
        (three equal differences come easily when a test set is small).

    Raises:
        TooFewSeeds: Below 2 differences.
        ValueError: For a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"the equivalence margin is {margin}; it must be positive and chosen before the study runs")
    sample = as_sample(differences)
    if standard_error(sample) == 0.0:
        return math.nan
    above_lower = stats.ttest_1samp(sample, -margin, alternative="greater").pvalue
    below_upper = stats.ttest_1samp(sample, margin, alternative="less").pvalue
    return float(max(above_lower, below_upper))
