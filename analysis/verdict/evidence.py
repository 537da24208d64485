"""The evidence of a study: every summary and every comparison, computed once and looked up from then on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.study.arms import Arm
from analysis.study.cells import ARM, COMPLETE, HASH, SEED, STATUS, Study
from analysis.study.completeness import Completeness, completeness
from analysis.study.provenance import ProvenanceFacts, provenance
from analysis.verdict.contrasts import Contrast
from analysis.verdict.summaries import ArmSummary, summarize
from sweeps.stats.intervals import Floats
from sweeps.stats.paired import compare_pairs
from sweeps.stats.variances import StdComparison, compare_stds

Pairs = Sequence[tuple[Arm, Arm]]


class Evidence:
    """What a study shows, before anything is decided; ask it for numbers as often as needed.

    Attributes:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._summaries: dict[str, ArmSummary] = {}
        self._families: dict[tuple[object, ...], tuple[Contrast, ...]] = {}
        self._values: dict[str, pd.DataFrame] = {}

    @cached_property
    def completeness(self) -> Completeness:
        return completeness(self.study)

    @cached_property
    def provenance(self) -> ProvenanceFacts:
        return provenance(self.study)

    @property
    def summaries(self) -> tuple[ArmSummary, ...]:
        """Every arm's summary, in the plan's order."""
        return tuple(self.summary(arm) for arm in self.study.arms)

    def summary(self, arm: Arm) -> ArmSummary:
        if arm.label not in self._summaries:
            self._summaries[arm.label] = summarize(self.study, arm)
        return self._summaries[arm.label]

    def compare(self, pairs: Pairs, metric: str | None = None) -> tuple[Contrast, ...]:
        """Compare (arm, reference) pairs within seeds, as one family.

        Args:
            pairs: Arms and references; over all of them together multiplicity is bounded.
            metric: Column of ``study.cells``; the test accuracy by default.
        """
        column = metric or self.study.test
        key = (column, *((arm.label, reference.label) for arm, reference in pairs))
        if key not in self._families:
            self._families[key] = self._compare(pairs, column)
        return self._families[key]

    def compare_stds(self, pairs: Pairs) -> tuple[StdComparison, ...]:
        """Compare the standard deviations over seeds of the test accuracy, as one family."""
        return compare_stds([self._paired(arm, reference, self.study.test)[1:] for arm, reference in pairs])

    def values(self, metric: str) -> pd.DataFrame:
        """A metric of the complete cells: a row for each seed in rising order, a column for each arm's label."""
        if metric not in self._values:
            self._values[metric] = self._table(metric, metric)
        return self._values[metric]

    def _table(self, metric: str, column: str) -> pd.DataFrame:
        cells = self.study.cells
        usable = cells[(cells[STATUS] == COMPLETE) & cells[metric].notna()]
        table = usable.pivot(index=SEED, columns=ARM, values=column).sort_index()
        return table.reindex(columns=[arm.label for arm in self.study.arms])

    def _paired(self, arm: Arm, reference: Arm, metric: str) -> tuple[tuple[int, ...], Floats, Floats]:
        """The seeds that both arms completed, and both arms' values there."""
        table = self.values(metric)
        a, b = table[arm.label].to_numpy(float), table[reference.label].to_numpy(float)
        both = np.isfinite(a) & np.isfinite(b)
        return tuple(int(seed) for seed in table.index[both]), a[both], b[both]

    def _compare(self, pairs: Pairs, metric: str) -> tuple[Contrast, ...]:
        hashes = self._table(metric, HASH)
        paired = [self._paired(arm, reference, metric) for arm, reference in pairs]
        results = compare_pairs([(a, b) for _, a, b in paired], margin=self.study.margin)
        return tuple(
            Contrast(
                **vars(result),
                arm=arm,
                reference=reference,
                metric=metric,
                seeds=seeds,
                differences=tuple(float(difference) for difference in a - b),
                hashes=tuple(str(hashes.at[seed, one.label]) for one in (arm, reference) for seed in seeds),
            )
            for (arm, reference), (seeds, a, b), result in zip(pairs, paired, results, strict=True)
        )
