"""Arms compared seed by seed: the statistic behind every claim, for all comparisons of a family at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.equivalence import tost_p
from sweeps.stats.intervals import Floats, Interval, mean_interval, standard_error, t_interval
from sweeps.stats.multiplicity import holm, simultaneous_intervals
from sweeps.stats.signflip import sign_flip_p


@dataclass(frozen=True, kw_only=True)
class PairedResult:
    """What the within-seed differences ``a - b`` of two arms show, in the unit of the metric.

    With fewer than 2 seeds, and where all differences are equal, there is no interval; what needs one is NaN.

    Attributes:
        n: Paired seeds.
        mean, std: Of the differences; NaN for n < 2. `std` is 0 when they are equal to rounding.
        interval: Of the mean, for this comparison alone.
        simultaneous_interval: The one that holds together with the other ``family - 1`` comparisons.
        equivalence_interval: 90% t interval; inside ``±margin`` means practically equal at 5% (TOST).
        correlation: Of the two arms over seeds; NaN below 3 seeds.
        d_z: ``mean / std``.
        p_superior: Share of seeds in which `a` is ahead, ties counting half, in [0, 1].
        p_t, p_sign_flip, p_equivalence: P values of this comparison alone.
        p_t_holm, p_sign_flip_holm, p_equivalence_holm: The same, adjusted over the family by Holm.
        family: Comparisons with at least 2 seeds that were made together.
        margin: Difference below which the arms count as practically equal.
    """

    n: int
    margin: float
    family: int = 0
    mean: float = math.nan
    std: float = math.nan
    interval: Interval | None = None
    simultaneous_interval: Interval | None = None
    equivalence_interval: Interval | None = None
    correlation: float = math.nan
    d_z: float = math.nan
    p_superior: float = math.nan
    p_t: float = math.nan
    p_t_holm: float = math.nan
    p_sign_flip: float = math.nan
    p_sign_flip_holm: float = math.nan
    p_equivalence: float = math.nan
    p_equivalence_holm: float = math.nan

    @property
    def p_sign_flip_floor(self) -> float:
        """The smallest p value that the sign-flip test can give with so many seeds, for this comparison alone."""
        return float(sign_flip_floor(self.n))


def compare_pairs(
    pairs: Sequence[tuple[Floats, Floats]], *, margin: float, level: float = 0.95
) -> tuple[PairedResult, ...]:
    """Compare each pair of samples; all pairs together are the family over which multiplicity is bounded.

    Args:
        pairs: (a, b) with the same seeds in the same order, each shape (n,); n may be 0 and differ between pairs.
        margin: Practical-equality margin, positive, in the metric's unit.
        level: Nominal coverage of the intervals, in (0, 1).

    Returns:
        A result for each pair, in their order. Pairs with fewer than 2 seeds do not count in the family.
    """
    differences = [np.asarray(a, dtype=float) - np.asarray(b, dtype=float) for a, b in pairs]
    testable = [i for i, sample in enumerate(differences) if sample.size >= 2]
    shared = dict(zip(testable, simultaneous_intervals([differences[i] for i in testable], level), strict=True))
    figures = [_alone(a, b, margin, level, shared.get(i)) for i, (a, b) in enumerate(pairs)]
    for name in ("p_t", "p_sign_flip", "p_equivalence"):
        for one, adjusted in zip(figures, holm([one.get(name, math.nan) for one in figures]), strict=True):
            one[f"{name}_holm"] = float(adjusted)
    return tuple(
        PairedResult(n=sample.size, margin=margin, family=len(testable), **one)
        for sample, one in zip(differences, figures, strict=True)
    )


def _alone(a: Floats, b: Floats, margin: float, level: float, simultaneous: Interval | None) -> dict:
    """The figures of one pair that do not depend on the p values of the others."""
    differences = a - b
    if differences.size < 2:
        return {}
    std = standard_error(differences) * math.sqrt(differences.size)
    mean = float(differences.mean())
    return {
        "mean": mean,
        "std": std,
        "interval": mean_interval(differences, level) if std > 0 else None,
        "simultaneous_interval": simultaneous if std > 0 else None,
        "equivalence_interval": t_interval(differences, 0.90) if std > 0 else None,
        "correlation": correlation(a, b),
        "d_z": mean / std if std > 0 else math.nan,
        "p_superior": probability_superior(differences),
        "p_t": t_test_p(differences),
        "p_sign_flip": sign_flip_p(differences),
        "p_equivalence": tost_p(differences, margin),
    }


def probability_superior(differences: Floats) -> float:
    """P(A > B): the share of seeds in which the arm is ahead, ties counting half, in [0, 1]."""
    signs = np.sign(np.where(np.abs(differences) < 1e-12, 0.0, differences))
    return float(np.mean((signs + 1) / 2))


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation of two arms over their seeds; NaN below 3 seeds (it would be -1 or 1) or for a constant."""
    if a.size < 3 or np.std(a) < 1e-12 or np.std(b) < 1e-12:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def t_test_p(differences: Floats) -> float:
    """Two-sided paired t test; where all differences are equal 1 if they are 0, else NaN (no error to test with)."""
    if standard_error(differences) == 0.0:
        return 1.0 if abs(differences.mean()) < 1e-12 else math.nan
    return float(stats.ttest_1samp(differences, 0.0).pvalue)
