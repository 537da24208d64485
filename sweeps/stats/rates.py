"""Does a factor change how often runs collapse? Rates of both sides of each effect, with the seed as the block.

Two tests must agree (the larger p counts): a paired t test of the rates by seed, which allows for what the runs of one
seed share, and an exact test of all runs (Boschloo), which does not and is valid for the smallest numbers. Where every
seed shows the same difference a t test has no error to test with; then it takes the seeds that a sign-flip test would
need. What is assumed: that no seed by itself decides which side collapses, in all settings alike. Where one does, three
seeds that agree by chance look like an effect (`benchmarks/claims.py` has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweeps.stats.claims import claims
from sweeps.stats.collapse import Rate, compare_rates
from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.stepdown import Floats, holm


def compare_rates_by_seed(differences: npt.ArrayLike, sides: Sequence[tuple[Rate, Rate]]) -> Floats:
    """P values of "both sides collapse equally often", adjusted over a family of effects by Holm.

    Args:
        differences: Rate of the one side minus that of the other within each seed, (k, n); NaN where a seed has none.
        sides: The rates of both sides over all seeds and settings, k of them.

    Returns:
        (k,); NaN where fewer than 3 seeds are there.
    """
    by_t = claims(differences, margin=0.5)  # the margin plays no part in p
    exact = holm([compare_rates(one.count, one.n, other.count, other.n) for one, other in sides])
    p = np.full(len(sides), np.nan)
    for i, claim in enumerate(by_t):
        if claim.sd > 0:
            p[i] = max(claim.p, exact[i])
        elif claim.sd == 0:
            p[i] = 1.0 if claim.mean == 0 else max(float(sign_flip_floor(claim.n, len(sides))), exact[i])
    return p
