"""How much of a study is there: planned, complete, diverged, failed and missing cells, in all and by arm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from analysis.arms import Kind
from analysis.table import ARM, ARM_ORDER, COMPLETE, DIVERGED, FAILED, MISSING, REASON, STATUS, STATUSES, Study

PLANNED = "planned"


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Counts of cells.

    Attributes:
        planned: Cells in the plan.
        complete, diverged, failed, missing: They add up to `planned`.
        unproposed: Arms that an adaptive search has still to propose; their cells are not in the plan yet.
    """

    planned: int
    complete: int
    diverged: int
    failed: int
    missing: int
    unproposed: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run. Divergence is a result; a failed cell is repeated by the next run."""
        return self.failed == 0 and self.missing == 0 and self.unproposed == 0

    @property
    def sentence(self) -> str:
        if self.finished and not self.diverged:
            return f"All {self.planned} planned cells are complete."
        parts = [
            f"{count} {word}"
            for count, word in ((self.missing, MISSING), (self.failed, FAILED), (self.diverged, DIVERGED))
            if count
        ]
        told = f"{self.complete} of {self.planned} planned cells are complete"
        told += f"; {', '.join(parts)}." if parts else "."
        if self.unproposed:
            told += f" The search has still to propose {_count(self.unproposed, 'arm')}."
        return told


def completeness(study: Study) -> Completeness:
    """Count the study's cells by status."""
    counts = study.cells[STATUS].value_counts()
    # A search runs its references beside the arms it proposes. One that ran dry before its budget (few distinct values)
    # says so by `proposed`; without that word a search with fewer arms than its budget counts as interrupted.
    wanted = study.plan.search.get("arms")
    proposed = study.plan.search.get("proposed", sum(arm.kind is Kind.VMP for arm in study.arms))
    unproposed = max(0, wanted - proposed) if isinstance(wanted, int) and isinstance(proposed, int) else 0
    return Completeness(
        planned=len(study.cells),
        complete=int(counts.get(COMPLETE, 0)),
        diverged=int(counts.get(DIVERGED, 0)),
        failed=int(counts.get(FAILED, 0)),
        missing=int(counts.get(MISSING, 0)),
        unproposed=unproposed,
    )


def completeness_by_arm(study: Study) -> pd.DataFrame:
    """A row for each arm in the plan's order: ``arm``, ``planned`` and one column for each status."""
    counts = study.cells.groupby([ARM_ORDER, ARM], sort=True)[STATUS].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(STATUSES), fill_value=0).astype(int)
    counts.insert(0, PLANNED, counts.sum(axis=1))
    counts.columns.name = None
    return counts.reset_index().drop(columns=ARM_ORDER)


def reasons(study: Study) -> tuple[tuple[str, str, int], ...]:
    """Why cells diverged or failed: (status, reason, number of cells), most frequent first."""
    told = study.cells[study.cells[STATUS].isin([DIVERGED, FAILED])]
    counts = Counter((str(status), str(reason)) for status, reason in zip(told[STATUS], told[REASON], strict=True))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple((status, reason, count) for (status, reason), count in ordered)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
