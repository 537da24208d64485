"""The full factorial as a proposer: everything at once."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.plan import Task, grid_tasks
from sweeps.record import CellRecord, SearchHeader
from sweeps.study import Study


class Grid:
    """Every arm of `study` in a single round; see `sweeps.propose.base.Proposer`."""

    def __init__(self, study: Study) -> None:
        self.header = SearchHeader()
        self._tasks = grid_tasks(study)

    def ask(self) -> list[Task]:
        tasks, self._tasks = self._tasks, []
        return tasks

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Results change nothing."""

    def news(self) -> list[str]:
        return []
