"""Arms compared seed by seed: the statistic behind every claim of a report, table in, table out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.stats.equivalence import tost_p
from analysis.stats.intervals import Floats, mean_interval, standard_error
from analysis.stats.multiplicity import holm, simultaneous_intervals
from analysis.stats.signflip import sign_flip_p, smallest_p
from analysis.table import ARM, COMPLETE, DEFAULT_MARGIN, HASH, SEED, STATUS

REFERENCE, METRIC, N, SEEDS, DIFFERENCES, HASHES = "reference", "metric", "n", "seeds", "differences", "hashes"
MEAN, SD, SE, LOW, HIGH, METHOD = "mean_difference", "sd", "se", "low", "high", "interval_method"
BAND_LOW, BAND_HIGH, FAMILY = "simultaneous_low", "simultaneous_high", "family"
CORRELATION, D_Z, P_SUPERIOR = "correlation", "d_z", "p_superior"
P_T, P_T_HOLM, P_FLIP, P_FLIP_HOLM, P_FLOOR = "p_t", "p_t_holm", "p_sign_flip", "p_sign_flip_holm", "p_sign_flip_floor"
P_TOST, P_TOST_HOLM, MARGIN = "p_equivalence", "p_equivalence_holm", "margin"
COLUMNS = (
    ARM, REFERENCE, METRIC, N, FAMILY, MEAN, LOW, HIGH, METHOD, BAND_LOW, BAND_HIGH, SD, SE, CORRELATION, D_Z,
    P_SUPERIOR, P_T, P_T_HOLM, P_FLIP, P_FLIP_HOLM, P_FLOOR, P_TOST, P_TOST_HOLM, MARGIN, SEEDS, DIFFERENCES, HASHES,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Mean within-seed difference ``arm - reference`` of a metric, with everything needed to judge it.

    Attributes:
        metric: Column of the cell table, e.g. ``"test_top1"`` (fractions in [0, 1]).
        margin: Difference below which arms count as practically equal, in the metric's unit.
        level: Nominal coverage of the intervals, in (0, 1).
    """

    metric: str
    margin: float = DEFAULT_MARGIN
    level: float = 0.95

    def __call__(self, cells: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """Compare each (arm, reference) pair; all pairs together are the family that multiplicity is bounded over.

        Args:
            cells: Tidy cell table (see `analysis.table.Study`); only complete cells with the metric are used, and of
                those only seeds that both arms have.
            pairs: Labels of arm and reference.

        Returns:
            A row for each pair, in their order, with `COLUMNS`. A pair with fewer than 2 common seeds keeps its row
            with ``n`` and NaN elsewhere, and does not count in the family: one seed carries no interval. A pair whose
            differences are all equal keeps its mean and has no interval either: there is no spread to make one from,
            and with a small test set equal differences are no rarity.
        """
        usable = cells[(cells[STATUS] == COMPLETE) & cells[self.metric].notna()]
        values = usable.pivot(index=SEED, columns=ARM, values=self.metric).sort_index()
        hashes = usable.pivot(index=SEED, columns=ARM, values=HASH)
        rows = [self._row(values, hashes, arm, reference) for arm, reference in pairs]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        judged = table.index[table[N] >= 2]
        if len(judged):
            bands = simultaneous_intervals([np.array(table.at[i, DIFFERENCES]) for i in judged], self.level)
            spread = (table.loc[judged, SD] > 0).to_numpy()
            table.loc[judged, BAND_LOW] = np.where(spread, [band.low for band in bands], np.nan)
            table.loc[judged, BAND_HIGH] = np.where(spread, [band.high for band in bands], np.nan)
        table[FAMILY] = len(judged)
        for raw, adjusted in ((P_T, P_T_HOLM), (P_FLIP, P_FLIP_HOLM), (P_TOST, P_TOST_HOLM)):
            table[adjusted] = holm(table[raw].to_numpy(float))
        return table

    def _row(self, values: pd.DataFrame, hashes: pd.DataFrame, arm: str, reference: str) -> dict[str, object]:
        row: dict[str, object] = dict.fromkeys(COLUMNS, math.nan)
        row |= {ARM: arm, REFERENCE: reference, METRIC: self.metric, MARGIN: self.margin, METHOD: None}
        known = arm in values.columns and reference in values.columns
        both = values[[arm, reference]].dropna() if known and arm != reference else pd.DataFrame()
        seeds = tuple(int(seed) for seed in both.index)
        row |= {N: len(seeds), SEEDS: seeds, DIFFERENCES: (), HASHES: (), P_FLOOR: smallest_p(len(seeds))}
        if not seeds:
            return row
        a, b = both[arm].to_numpy(float), both[reference].to_numpy(float)
        differences = a - b
        row[DIFFERENCES] = tuple(float(d) for d in differences)
        row[HASHES] = tuple(str(hashes.at[s, label]) for label in (arm, reference) for s in seeds)
        if len(seeds) < 2:
            return row
        error = standard_error(differences)
        interval = mean_interval(differences, self.level) if error > 0 else None
        sd = error * math.sqrt(len(seeds))
        mean = float(differences.mean())
        row |= {
            MEAN: mean, LOW: interval.low if interval else math.nan, HIGH: interval.high if interval else math.nan,
            METHOD: interval.method if interval else None, SD: sd, SE: error,
            CORRELATION: correlation(a, b),
            D_Z: mean / sd if sd > 0 else math.nan,
            P_SUPERIOR: probability_superior(differences),
            P_T: t_test_p(differences),
            P_FLIP: sign_flip_p(differences),
            P_TOST: tost_p(differences, self.margin),
        }  # fmt: skip
        return row


def probability_superior(differences: Floats) -> float:
    """P(A > B): the share of seeds in which the arm is ahead, ties counting half, in [0, 1]."""
    signs = np.sign(np.where(np.abs(differences) < 1e-12, 0.0, differences))
    return float(np.mean((signs + 1) / 2))


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation of two arms over their common seeds; NaN below 3 seeds (it would be -1 or 1) or no spread."""
    if a.size < 3 or np.std(a) < 1e-12 or np.std(b) < 1e-12:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def t_test_p(differences: Floats) -> float:
    """Two-sided paired t test; without any spread 1 when the arms agree and NaN (no error to test against) if not."""
    error = standard_error(differences)
    if error == 0.0:
        return 1.0 if abs(differences.mean()) < 1e-12 else math.nan
    return float(2 * stats.t.sf(abs(differences.mean()) / error, differences.size - 1))
