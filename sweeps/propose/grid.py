"""The full factorial as a proposer: everything at once, or an arm after the other where a rule compares them."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.plan import Task, grid_tasks
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import arm_key
from sweeps.records.plan_record import SearchHeader
from sweeps.stop.config import is_comparing
from sweeps.study import Study

ARMS_AT_WORK = 4
"""Arms at work at a time where a rule compares a cell with those of earlier arms: a number of its own, so that what is
stopped does not depend on the workers."""


class Grid:
    """Every arm of `study` in a single round; an arm a round if its stop rule compares cells with each other. See
    `sweeps.propose.base.Proposer`."""

    def __init__(self, study: Study) -> None:
        self.header = SearchHeader()
        self._tasks = grid_tasks(study)
        self._rounds: list[list[Task]] = [self._tasks]
        self.depth = 1
        if study.stop is not None and is_comparing(study.stop):
            arms: dict[str, list[Task]] = {}
            for task in self._tasks:
                arms.setdefault(arm_key(task.factors), []).append(task)
            self._rounds, self.depth = list(arms.values()), ARMS_AT_WORK

    def known(self) -> list[Task]:
        return self._tasks

    def ask(self) -> list[Task]:
        return self._rounds.pop(0) if self._rounds else []

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Results change nothing."""

    def news(self) -> list[str]:
        return []
