"""How much of a study is there: planned, complete, diverged, stopped, failed and missing cells, in all and by arm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from analysis.study.arms import Kind
from analysis.study.cells import (
    ARM,
    ARM_ORDER,
    COMPLETE,
    DIVERGED,
    FAILED,
    MISSING,
    REASON,
    STATUS,
    STATUSES,
    STOPPED,
    Study,
)
from vmp.core.text import count

PLANNED = "planned"


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Counts of cells.

    Attributes:
        planned: Cells in the plan.
        complete, diverged, stopped, failed, missing: They add up to `planned`.
        unproposed: Arms that an adaptive search has still to propose; their cells are not in the plan yet.
        unmeasured: Complete cells without the accuracy that arms are compared by.
        cells, accuracy: What both are called: another tool's runs were not planned by this one.
        is_own: Whether `vmp sweep run` can run what is missing.
    """

    planned: int
    complete: int
    diverged: int
    stopped: int
    failed: int
    missing: int
    unproposed: int = 0
    unmeasured: int = 0
    cells: str = "planned cells"
    accuracy: str = "test accuracy"
    is_own: bool = True

    @property
    def is_measured(self) -> bool:
        """Whether every planned cell is complete and has its accuracy, and no more will come."""
        return self.is_finished and self.complete == self.planned and not self.unmeasured

    @property
    def is_finished(self) -> bool:
        """Whether nothing remains to run. Divergence and an early stop are results; a failed cell is run again."""
        return self.failed == 0 and self.missing == 0 and self.unproposed == 0

    @property
    def sentence(self) -> str:
        """How many cells are complete, and what became of the others."""
        without = f" Without a {self.accuracy}: {self.unmeasured} of the complete ones." if self.unmeasured else ""
        if self.complete == self.planned and self.is_finished:
            return f"All {self.planned} {self.cells} are complete.{without}"
        parts = [
            f"{number} {word}"
            for number, word in (
                (self.missing, MISSING),
                (self.failed, FAILED),
                (self.diverged, DIVERGED),
                (self.stopped, "stopped early"),
            )
            if number
        ]
        text = f"{self.complete} of {self.planned} {self.cells} are complete"
        text += f"; {', '.join(parts)}." if parts else "."
        text += without
        if self.unproposed:
            text += f" The search has still to propose {count(self.unproposed, 'arm')}."
        return text


def completeness(study: Study) -> Completeness:
    """Count the study's cells by status."""
    counts = study.cells[STATUS].value_counts()
    # A search runs its references beside the arms it proposes. One that ran dry before its budget (few distinct values)
    # says so by `proposed`; without that word a search with fewer arms than its budget counts as interrupted.
    search = study.plan.search
    vmp_arms = sum(arm.kind is Kind.VMP for arm in study.arms)
    proposed = vmp_arms if search.proposed is None else search.proposed
    return Completeness(
        planned=len(study.cells),
        cells=f"runs that {study.origin.tool} recorded" if study.origin else "planned cells",
        accuracy=study.accuracy,
        is_own=study.origin is None,
        unmeasured=int(((study.cells[STATUS] == COMPLETE) & study.cells[study.test].isna()).sum()),
        unproposed=0 if search.arms is None else max(0, search.arms - proposed),
        **{status: int(counts.get(status, 0)) for status in STATUSES},
    )


def completeness_by_arm(study: Study) -> pd.DataFrame:
    """A row for each arm in the plan's order: ``arm``, ``planned`` and one column for each status."""
    counts = study.cells.groupby([ARM_ORDER, ARM], sort=True)[STATUS].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(STATUSES), fill_value=0).astype(int)
    counts.insert(0, PLANNED, counts.sum(axis=1))
    counts.columns.name = None
    return counts.reset_index().drop(columns=ARM_ORDER)


def reasons(study: Study) -> tuple[tuple[str, str, int], ...]:
    """Why cells diverged, stopped or failed: (status, reason, number of cells), most frequent first."""
    cells = study.cells[study.cells[STATUS].isin([DIVERGED, STOPPED, FAILED])]
    counts = Counter((str(status), str(reason)) for status, reason in zip(cells[STATUS], cells[REASON], strict=True))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple((status, reason, number) for (status, reason), number in ordered)
