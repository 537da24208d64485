"""How far a study is, read from its records alone: no torch, no lock, also while a sweep is running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sweeps.describe import describe_cell, describe_factors
from sweeps.ownership import seems_at_work
from sweeps.race_state import StudyRace
from sweeps.racing import read_race
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import Plan, PlannedCell, confirmation_plan
from sweeps.records.study_folder import StudyFolder
from vmp.core.collector import collector_paused
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count

SCHEMA = 1
"""Version of the objects that ``--json`` prints, see results/README.md."""
STATES = ("complete", "diverged", "stopped", "failed", "missing")


@dataclass(frozen=True, kw_only=True)
class CellReason:
    """Why a cell that has a record is not complete, and how often it was tried."""

    cell: PlannedCell
    status: str
    reason: str
    tries: int = 1

    def line(self) -> str:
        """``<hash> (lambda=0.1 seed=0): the reason [tried 2 times]``."""
        tries = f" [tried {self.tries} times]" if self.tries > 1 else ""
        return f"{self.cell.hash} ({describe_cell(self.cell.factors, self.cell.seed)}): {self.reason}{tries}"


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        plan: What was planned.
        counts: Cells in each of `STATES`.
        arms: Factors of each arm and its cells in each state.
        reasons: Of the cells that diverged, were stopped or failed.
        damaged: A sentence for each record that cannot be read; its cell counts as missing.
        tried_again: Cells that took more than one try.
        running: Whether a sweep is at work in the folder now.
        computed: Cells that the call that made this computed.
        confirmation: Of the fresh seeds, where they are planned.
        race: Where the race stands; None for another method.
    """

    plan: Plan
    counts: Counter[str]
    arms: tuple[tuple[dict[str, Scalar], Counter[str]], ...]
    reasons: tuple[CellReason, ...]
    damaged: tuple[str, ...] = ()
    tried_again: int = 0
    running: bool = False
    computed: int = 0
    confirmation: StudyStatus | None = None
    race: StudyRace | None = None

    @property
    def planned(self) -> int:
        return len(self.plan.cells)

    @property
    def is_complete(self) -> bool:
        """Whether every planned cell is complete, or stopped by the study's own rule, and no more arms will come."""
        search = self.plan.search
        ended = self.counts["complete"] + (self.counts["stopped"] if self.plan.stop is not None else 0)
        return ended == self.planned and (search.arms is None or search.proposed is not None)

    @property
    def exit_code(self) -> int:
        """Of ``vmp sweep run`` and ``vmp sweep status``: 0 once the study is complete, else 3."""
        return 0 if self.is_complete else 3

    def headline(self) -> str:
        """``27 of 35 cells complete; 1 diverged, 7 missing``."""
        others = ", ".join(f"{self.counts[state]} {state}" for state in STATES[1:] if self.counts[state])
        return f"{self.counts['complete']} of {self.planned} cells complete" + (f"; {others}" if others else "")

    def lines(self) -> list[str]:
        """As text, a line each."""
        arms = [(describe_factors(factors), counts) for factors, counts in self.arms]
        width = max((len(arm) for arm, _ in arms), default=0)
        lines = [self.headline() + ("; a sweep is running in this folder" if self.running else "")]
        if self.race is not None:
            lines += [f"  {line}" for line in self.race.lines()]
        elif self.plan.search.arms is not None and self.plan.search.proposed is None:
            lines.append(f"  the search ({self.plan.search.method}) has not proposed all its arms yet")
        for arm, counts in arms:
            lines.append(f"  {arm:<{width}}  " + ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s]))
        if self.tried_again:
            lines.append(f"  {count(self.tried_again, 'cell')} took more than one try")
        lines += [f"  {reason.line()}" for reason in self.reasons] + [f"  {text}" for text in self.damaged]
        if self.confirmation is not None:
            lines.append(f"confirmation on fresh seeds: {self.confirmation.headline()}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep status --json`` prints."""
        return {
            "schema": SCHEMA,
            "study": self.plan.study.name,
            "planned": self.planned,
            **{state: self.counts[state] for state in STATES},
            "is_complete": self.is_complete,
            "running": self.running,
            "confirmation": None
            if self.confirmation is None
            else {"planned": self.confirmation.planned, **{s: self.confirmation.counts[s] for s in STATES}},
            "search": self.plan.search.model_dump(mode="json"),
            "race": self.race and self.race.to_json(),
            "arms": [{"factors": factors, **{s: counts[s] for s in STATES}} for factors, counts in self.arms],
            "reasons": [
                {
                    **one.cell.model_dump(mode="json"),
                    "status": one.status,
                    "reason": one.reason,
                    "tries": one.tries,
                }
                for one in self.reasons
            ],
            "damaged": list(self.damaged),
            "tried_again": self.tried_again,
        }


@collector_paused()
def read_status(
    folder: StudyFolder, *, computed: int = 0, of_confirmation: bool = False, cells: Collection[str] | None = None
) -> StudyStatus:
    """Count the planned cells of a study by state.

    Args:
        folder: The study's.
        computed: See `StudyStatus`.
        of_confirmation: Count those of its fresh seeds instead.
        cells: Count these alone; None for all.

    Raises:
        InputError: The folder holds no study.
    """
    plan = folder.read_plan()
    fresh = confirmation_plan(plan)
    if of_confirmation and fresh is not None:
        plan = fresh
    if cells is not None:
        plan = plan.model_copy(update={"cells": [cell for cell in plan.cells if cell.hash in cells]})
    damaged: list[str] = []
    heads = {head.hash: head for head in folder.heads(plan, damaged.append)}
    arms: dict[str, tuple[dict[str, Scalar], Counter[str]]] = {}
    reasons = []
    for cell in plan.cells:
        record = heads.get(cell.hash)
        _, counts = arms.setdefault(canonical_json(cell.factors), (cell.factors, Counter()))
        counts[record.status if record else "missing"] += 1
        if record and record.status != "complete":
            tries = record.provenance.tries or 1
            reasons.append(CellReason(cell=cell, status=record.status, reason=record.reason or "", tries=tries))
    return StudyStatus(
        plan=plan,
        counts=sum((counts for _, counts in arms.values()), Counter()),
        arms=tuple(arms.values()),
        reasons=tuple(reasons),
        damaged=tuple(damaged),
        tried_again=sum((record.provenance.tries or 1) > 1 for record in heads.values()),
        running=seems_at_work(folder.path),
        computed=computed,
        confirmation=None if fresh is None or of_confirmation else read_status(folder, of_confirmation=True),
        race=None if of_confirmation else read_race(plan, folder.records(plan, on_damage=lambda _: None)),
    )
