"""Keeps the order in which a proposer is asked for cells and given results, whatever the order in which cells end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from sweeps.plan import Task
from sweeps.propose.base import Proposer
from sweeps.records.cell_record import CellRecord


class Rounds:
    """The open rounds of a proposer; see `sweeps.propose.base.Proposer`.

    Args:
        proposer: Its `ask` and `tell` are called in turn.
        read: The record of a cell that has ended.
        on_results: Called with the records of each round once the proposer has them.
    """

    def __init__(
        self,
        proposer: Proposer,
        read: Callable[[Task], CellRecord],
        on_results: Callable[[Sequence[CellRecord]], None] = lambda records: None,
    ) -> None:
        self._proposer, self._read, self._on_results = proposer, read, on_results
        self._open: deque[tuple[list[Task], set[str]]] = deque()
        self.is_over = False

    def more(self) -> Iterator[list[Task]]:
        """The rounds that can be asked for now, one by one; report with `end` those of its cells that have ended."""
        while not self.is_over:
            if len(self._open) == self._proposer.depth:
                if self._open[0][1]:
                    return
                tasks, _ = self._open.popleft()
                records = [self._read(task) for task in tasks]
                self._proposer.tell(records)
                self._on_results(records)
            asked = self._proposer.ask()
            self._open.append((asked, {task.hash for task in asked}))
            self.is_over = len(self._open) == self._proposer.depth and not any(tasks for tasks, _ in self._open)
            if asked:
                yield asked

    def end(self, cell: str) -> None:
        """Note that a cell has ended."""
        for _, pending in self._open:
            pending.discard(cell)
