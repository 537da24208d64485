"""A specification curve: the sorted effects of many arms, and what curve chance alone gives for the same seeds.

Simonsohn, Simmons and Nelson (2020): if no arm differed from its reference, all differences of one seed could as well
have had the other sign. One sign is drawn for each seed and applied to all arms, which keeps what the arms of a seed
have in common, such as a reference. All sign patterns are counted up to `EXACT_UP_TO` seeds.

That the sign is as likely one as the other holds for noise that is symmetric, with whatever standard deviations. It
does not hold for a shared reference that collapses at times: all arms then gain at once, and else all lose a little
(with 7 seeds and runs that collapse in 10%, 8% of the places of equal arms lie outside). So this is a picture of chance
and no test; a claim is made by `sweeps.stats.claims` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats

EXACT_UP_TO = 11  # seeds
DRAWS = 2000  # sign patterns, of more seeds than that
MIN_SEEDS_OUTSIDE = 6
TINY = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Specification:
    """The curve of k arms, by rising effect.

    Attributes:
        order: Index of the arm at each place of the curve.
        effects: Mean differences at these places.
        low, high: The limits within which chance alone leaves each place in 95% of the sign patterns (or more).
        n: Seeds.
    """

    order: npt.NDArray[np.int64]
    effects: Floats
    low: Floats
    high: Floats
    n: int

    @property
    def is_outside(self) -> npt.NDArray[np.bool_]:
        """The places whose effect is beyond what chance gives; never any below `MIN_SEEDS_OUTSIDE` seeds."""
        return (self.effects < self.low - TINY) | (self.effects > self.high + TINY)


def specification(differences: npt.ArrayLike, level: float = 0.95) -> Specification:
    """The curve and its band.

    Args:
        differences: (k, n): of each arm to its reference by seed, NaN where a seed is missing; one number at least in
            each row.
        level: Of the band, at each place by itself.

    Raises:
        ValueError: An arm has no seed.
    """
    given = np.asarray(differences, dtype=np.float64)
    known = ~np.isnan(given)
    if not known.any(axis=1).all():
        raise ValueError("an arm has no seed; leave it out")
    given, known = given[:, known.any(axis=0)], known[:, known.any(axis=0)]
    sample, counts = np.where(known, given, 0.0), known.sum(axis=1)
    means = sample.sum(axis=1) / counts
    order = np.argsort(means, kind="stable")
    signs = _signs(sample.shape[1])
    curves = np.sort(signs @ sample.T / counts, axis=1)
    places = np.sort(curves, axis=0)
    low = places[int((1 - level) / 2 * len(signs))]
    return Specification(
        order=order,
        effects=means[order],
        low=low,
        high=-low[::-1],  # a pattern and its mirror image count alike, so the band is its own mirror image
        n=sample.shape[1],
    )


def _signs(n: int) -> Floats:
    """Sign patterns, (patterns, n), the observed one among them: all there are up to `EXACT_UP_TO` seeds."""
    if n <= EXACT_UP_TO:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return (1.0 - 2.0 * bits).astype(np.float64)
    drawn = np.random.default_rng(0).choice([-1.0, 1.0], size=(DRAWS, n))
    drawn[0] = 1.0
    return drawn.astype(np.float64)
