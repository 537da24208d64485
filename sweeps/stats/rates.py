"""Does a factor change how often runs collapse? Rates of both sides of each effect, with the seed as the block.

Several tests must agree (the largest p counts):

- a paired t test of the rates by seed, which allows for what the runs of one seed share;
- an exact test of all runs (Boschloo), which does not and is valid for the smallest numbers;
- over divisions of one data set, the t test over divisions that allows for the training videos and the seeds that they
  share (`sweeps.stats.divisions`).

Where every seed, or division, shows the same difference a t test has no error to test with. And a few seeds that each
collapse on one side in all of their runs easily agree by chance. So no p is below what an exact test reaches that
counts each seed once, and each division, where all of them collapse on one side and none on the other: 0.03 for 3 of
them, 0.008 for 4, times the number of effects.

What is assumed: that no seed by itself decides *which* side collapses, in all settings alike. Where one does, few seeds
that agree by chance look like an effect (``python benchmarks/rates.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.stats.claims import Claim, claims
from sweeps.stats.collapse import Rate, compare_rates
from sweeps.stats.divisions import Divided
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats, holm


@dataclass(frozen=True, kw_only=True)
class Sided:
    """How often runs collapse on both sides of one effect.

    Attributes:
        differences: Rate of the one side minus that of the other within each division of the data and seed, (J, n),
            with one row where there are no divisions; NaN where a seed has none.
        subject, against: Of all runs of each side, each training once.
    """

    differences: Floats
    subject: Rate
    against: Rate


def compare_collapse_rates(effects: Sequence[Sided], overlap: float | None = None) -> Floats:
    """P values of "both sides collapse equally often", adjusted over the family of effects.

    Args:
        effects: k of them.
        overlap: Test over training videos where there are divisions of the data, see `sweeps.stats.divisions`.

    Returns:
        (k,); NaN where fewer than 3 seeds, or 3 divisions, are there.
    """
    differences = np.stack([effect.differences for effect in effects])
    exact = holm([compare_rates(e.subject.count, e.subject.n, e.against.count, e.against.n) for e in effects])
    p = np.maximum(exact, _by(claims(_mean_over_divisions(differences), margin=0.5)))  # the margin plays no part in p
    if overlap is not None:
        p = np.maximum(p, _by(claims(Divided(differences=differences, overlap=overlap), margin=0.5)))
    return p


def _by(made: Sequence[Claim]) -> Floats:
    """P values by seeds or by divisions, from the claims of a t test; see the module."""
    p = np.full(len(made), np.nan)
    for i, claim in enumerate(made):
        if claim.n >= MIN_SEEDS and not np.isnan(claim.sd):
            smallest = min(1.0, len(made) * compare_rates(claim.n, claim.n, 0, claim.n))
            p[i] = max(claim.p, smallest) if claim.sd > 0 else smallest if claim.mean else 1.0
    return p


def _mean_over_divisions(differences: Floats) -> Floats:
    known = ~np.isnan(differences)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, differences, 0.0).sum(axis=1) / known.sum(axis=1), dtype=np.float64)
