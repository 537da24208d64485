"""Do two arms vary differently over the same seeds? The Pitman-Morgan test for two paired standard deviations.

Var(A) - Var(B) is the covariance of A + B and A - B, so the two variances are equal exactly when sum and difference are
uncorrelated (Pitman 1939, Morgan 1939). Pairing by seed is allowed for; an F test would assume independent arms.
The test is exact for a bivariate normal and sensitive to other shapes: an arm in which some seeds collapse is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.stats.intervals import Interval
from sweeps.stats.stepdown import Floats, holm

MIN_SEEDS = 3  # the correlation of two points is always 1 or -1


@dataclass(frozen=True, kw_only=True)
class StdComparison:
    """The standard deviations of two arms over the same `n` seeds, in the unit of the metric.

    Attributes:
        n: Paired seeds.
        std, reference_std: Sample standard deviations of the arm and of its reference; NaN for n < 2.
        interval: 95% interval of the ratio of the true standard deviations; ``None`` where the test does not exist.
        p: Two-sided p value of this comparison alone; NaN where there is none, see `pitman_morgan_p`.
        p_holm: The same, adjusted over the family by Holm.
        family: Comparisons with a p value that were made together.
    """

    n: int
    std: float
    reference_std: float
    interval: Interval | None
    p: float
    p_holm: float
    family: int

    @property
    def ratio(self) -> float:
        """``std / reference_std``; NaN where the reference does not vary."""
        return self.std / self.reference_std if self.reference_std > 0 else math.nan


def compare_stds(pairs: Sequence[tuple[Floats, Floats]], *, level: float = 0.95) -> tuple[StdComparison, ...]:
    """Compare the standard deviations of each (a, b) pair of samples, as one family.

    Args:
        pairs: Samples over the same seeds in the same order, each shape (n,).
        level: Nominal coverage of the intervals of the ratio, each for itself, in (0, 1).
    """
    p_values = [pitman_morgan_p(a, b) for a, b in pairs]
    family = sum(not math.isnan(p) for p in p_values)
    return tuple(
        StdComparison(
            n=a.size,
            std=_std(a),
            reference_std=_std(b),
            interval=ratio_interval(a, b, level) if not math.isnan(p) else None,
            p=p,
            p_holm=float(adjusted),
            family=family,
        )
        for (a, b), p, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    )


def pitman_morgan_p(a: Floats, b: Floats) -> float:
    """Two-sided p value for equal variances of the paired samples `a` and `b`, each shape (n,).

    NaN below 3 pairs, where a sample is constant, where all differences are equal (then the variances are equal
    without any sampling error to test with), and where sums and differences lie on one line, as those of few seeds do
    by the steps of an accuracy that counts videos: the error to test with is then 0 by rounding alone.
    """
    if a.size < MIN_SEEDS or min(_std(a), _std(b), _std(a - b), _std(a + b)) == 0.0:
        return math.nan
    r, df = float(np.corrcoef(a + b, a - b)[0, 1]), a.size - 2
    if 1 - abs(r) < 1e-12:
        return math.nan
    return float(2 * special.stdtr(df, -abs(r) * math.sqrt(df / ((1 - r) * (1 + r)))))


def ratio_interval(a: Floats, b: Floats, level: float = 0.95) -> Interval:
    """Interval for the ratio of the true standard deviations of `a` and `b`: the ratios that the test accepts.

    Raises:
        ValueError: Where `pitman_morgan_p` is NaN.
    """
    if math.isnan(pitman_morgan_p(a, b)):
        raise ValueError("the ratio of two standard deviations needs 3 seeds and two arms that vary")
    r = float(np.corrcoef(a, b)[0, 1])
    t = float(special.stdtrit(a.size - 2, (1 + level) / 2))
    k = 1 + 2 * (1 - r * r) * t * t / (a.size - 2)
    ratio, factor = (_std(a) / _std(b)) ** 2, k + math.sqrt(k * k - 1)
    return Interval(low=math.sqrt(ratio / factor), high=math.sqrt(ratio * factor), level=level, method="pitman")


def _std(sample: Floats) -> float:
    """Sample standard deviation; 0 to rounding is 0, NaN below 2 values."""
    if sample.size < 2:
        return math.nan
    std = float(np.std(sample, ddof=1))
    return 0.0 if std < 1e-12 else std
