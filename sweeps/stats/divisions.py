"""Comparisons over divisions of one data set into training and test videos, whose training sets overlap.

Two divisions share most of their training videos, so differences on them are not independent and their standard error
is not sd / sqrt(J). Nadeau and Bengio (Machine Learning 52, 2003, section 3) estimate the variance of the mean of J
divisions, each of n1 training and n2 test videos, by

    (1 / J + n2 / n1) sd^2,        sd over divisions, J - 1 degrees of freedom

which takes the correlation of two divisions to be n2 / (n1 + n2). It was made for repeated random divisions and is used
for folds too (Bouckaert and Frank, 2004). Nobody has an unbiased estimate of that variance (Bengio and Grandvalet,
2004): how often it errs is simulated in ``python benchmarks/divisions.py``. However many divisions there are, the
interval does not become narrower than n2 / n1 allows: it is about other draws of videos, and there are only so many.

Within a division the seeds are averaged first: they say how one division would repeat, not how another one would end.
Every division runs the same seeds, and what a seed does alike in all of them (a start that collapses) varies nowhere
between them, so this variance does not see it: where seeds decide much, claims are false more often than alpha.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sweeps.stats.decisions import moments
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


def over_seeds(differences: npt.ArrayLike) -> Floats:
    """The mean over seeds within each division, (..., J) from (..., J, seeds); NaN where a division has no pair."""
    return moments(np.asarray(differences, dtype=np.float64))[1]
