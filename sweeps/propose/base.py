"""Where arms come from: a proposer is asked for cells and receives their records. `sweeps.run` holds the one loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sweeps.plan import Task
from sweeps.record import CellRecord, SearchHeader


class Proposer(Protocol):
    """Proposes cells round by round.

    The sweep calls `ask`, runs every cell of the answer that has no final record, and calls `tell`; again until `ask`
    answers with no cells. Which cells are proposed depends on the study, the settings of the search and the
    records so far, never on timing; so a proposer that starts over on a killed run's folder proposes the same.

    Attributes:
        header: What the plan says of the search while it runs.
    """

    header: SearchHeader

    def ask(self) -> list[Task]:
        """The cells of the next round, all seeds of an arm together; empty at the end."""
        ...

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Take the records of every cell of the last round, in its order."""
        ...

    def news(self) -> list[str]:
        """What the last round has shown, a sentence each; for people."""
        ...
