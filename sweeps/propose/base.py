"""Where arms come from: a proposer is asked for cells and receives their records. `sweeps.run` holds the one loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import SearchHeader


class Proposer(Protocol):
    """Proposes cells round by round.

    The sweep calls `ask` until `depth` rounds are open, runs every cell that has no final record, and from then on
    calls `tell` for the oldest open round once all of it has ended, and `ask` for a new one: one call of each in turn,
    whatever else has ended by then. So which cells are proposed depends on the study, the settings of the search and
    the records, never on timing, workers or engine; and a proposer that starts over on a killed run's folder proposes
    the same. A round may be empty while others are open; the end is when all open ones are.

    Attributes:
        depth: Rounds that are open at a time.
        header: What the plan says of the search while it runs.
    """

    @property
    def depth(self) -> int: ...

    @property
    def header(self) -> SearchHeader: ...

    def known(self) -> list[Task]:
        """The cells that are certain to be asked for, for the plan; empty where results decide."""
        ...

    def ask(self) -> list[Task]:
        """The cells of the next round, empty if there are none before more results are known."""
        ...

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Take the records of every cell of the oldest open round, in its order."""
        ...

    def news(self) -> list[str]:
        """What the last round has shown, a sentence each; for people."""
        ...
