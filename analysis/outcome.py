"""What one paired comparison entitles us to say: win, loss, practically equal, or undecided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from scipy import stats

from analysis.arms import Arm
from analysis.stats import paired
from analysis.stats.intervals import Interval
from analysis.stats.signflip import seeds_for
from analysis.table import ARM, Study


class Outcome(StrEnum):
    """The claims there are. ``LEANS_*``: shown by this comparison alone, not once the whole family is allowed for."""

    WIN = "better"
    LEANS_WIN = "leans better"
    EQUAL = "practically equal"
    UNDECIDED = "undecided"
    LEANS_LOSS = "leans worse"
    LOSS = "worse"
    UNKNOWN = "no verdict"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One arm against one reference, seed by seed; accuracies and differences are fractions in [-1, 1].

    Attributes:
        arm, reference: The two arms.
        metric: Column compared.
        n: Seeds that both arms completed.
        mean: Mean of the within-seed differences ``arm - reference``; NaN for n < 2.
        interval: 95% interval of this comparison alone; ``None`` for n < 2 and when all differences are equal.
        band: 95% interval that holds together with the other `family` - 1 comparisons.
        equivalence: 90% interval; inside ``±margin`` means practically equal at 5% (TOST).
        differences: By seed, in the order of `seeds`.
        hashes: The cells behind the numbers: the arm's, then the reference's.
        table_row: The full statistics row (see `analysis.stats.paired.COLUMNS`).
    """

    arm: Arm
    reference: Arm
    metric: str
    n: int
    mean: float
    sd: float
    interval: Interval | None
    band: Interval | None
    equivalence: Interval | None
    family: int
    margin: float
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    hashes: tuple[str, ...]
    table_row: pd.Series

    @property
    def identical(self) -> bool:
        """Whether the arm gives exactly its reference's numbers in every seed."""
        return self.n > 0 and all(abs(difference) < 1e-12 for difference in self.differences)

    @property
    def outcome(self) -> Outcome:
        """The strongest claim that holds.

        Practical equality outranks a win: a difference that is real and smaller than the margin is not worth
        choosing an arm for. Equal differences have no spread to judge them by and decide nothing, but for one case: the
        arm gives its reference's accuracy exactly, in as many seeds as the sign-flip test needs to reach 5%.
        """
        if self.n < 2:
            return Outcome.UNKNOWN
        if self.interval is None or self.band is None or self.equivalence is None:
            return Outcome.EQUAL if self.identical and self.n >= seeds_for(0.05) else Outcome.UNDECIDED
        if self.equivalence.within(self.margin):
            return Outcome.EQUAL
        ahead = self.mean > 0
        if self.band.excludes_zero:
            return Outcome.WIN if ahead else Outcome.LOSS
        if self.interval.excludes_zero:
            return Outcome.LEANS_WIN if ahead else Outcome.LEANS_LOSS
        return Outcome.UNDECIDED


def compare(study: Study, pairs: Sequence[tuple[Arm, Arm]], metric: str) -> list[Contrast]:
    """Compare pairs of arms as one family. `metric` is a column of ``study.cells``."""
    statistic = paired.PairedComparison(metric=metric, margin=study.margin)
    table = statistic(study.cells, [(arm.label, reference.label) for arm, reference in pairs])
    return [_contrast(row, arm, reference) for (_, row), (arm, reference) in zip(table.iterrows(), pairs, strict=True)]


def like_the_best(study: Study, arms: Sequence[Arm], best: Arm) -> tuple[list[Arm], list[Arm]]:
    """The other arms that are practically equal to `best` on test, and those not told apart from it.

    The first is a claim (TOST at 5%, Holm over the arms); the second is only the lack of one: the simultaneous interval
    of the difference includes 0. No arm is in both.
    """
    contrasts = compare(study, [(arm, best) for arm in arms if arm != best], study.test)
    adjusted = [float(c.table_row[paired.P_TOST_HOLM]) for c in contrasts]
    same = [c.arm for c in contrasts if c.identical and c.outcome is Outcome.EQUAL]
    equal = [c.arm for c, p in zip(contrasts, adjusted, strict=True) if p <= 0.05 or c.arm in same]
    unclear = [c.arm for c in contrasts if c.arm not in equal and c.n >= 2 and not (c.band and c.band.excludes_zero)]
    return equal, unclear


def comparison_table(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """The statistics rows of `contrasts` under `analysis.stats.paired.COLUMNS`."""
    rows = [contrast.table_row for contrast in contrasts]
    return pd.DataFrame(rows, columns=list(paired.COLUMNS)).reset_index(drop=True)


def _contrast(row: pd.Series, arm: Arm, reference: Arm) -> Contrast:
    assert row[ARM] == arm.label
    n = int(row[paired.N])
    mean, sd, error, margin = (float(row[name]) for name in (paired.MEAN, paired.SD, paired.SE, paired.MARGIN))
    interval = band = equivalence = None
    if n >= 2 and sd > 0:
        interval = Interval(low=float(row[paired.LOW]), high=float(row[paired.HIGH]), level=0.95,
                            method="t" if row[paired.METHOD] == "t" else "bootstrap")  # fmt: skip
        band = Interval(low=float(row[paired.BAND_LOW]), high=float(row[paired.BAND_HIGH]), level=0.95,
                        method="bonferroni-t")  # fmt: skip
        half = float(stats.t.ppf(0.95, n - 1)) * error
        equivalence = Interval(low=mean - half, high=mean + half, level=0.90, method="t")
    return Contrast(
        arm=arm,
        reference=reference,
        metric=str(row[paired.METRIC]),
        n=n,
        mean=mean,
        sd=sd if n >= 2 else math.nan,
        interval=interval,
        band=band,
        equivalence=equivalence,
        family=int(row[paired.FAMILY]),
        margin=margin,
        seeds=tuple(row[paired.SEEDS]),
        differences=tuple(row[paired.DIFFERENCES]),
        hashes=tuple(row[paired.HASHES]),
        table_row=row,
    )
