"""What `vmp sweep plan` says: the cells of a study, what they will cost, and what they can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.plan import Task
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.record import Scalar
from sweeps.status import SCHEMA, describe_factors
from sweeps.study import Study
from vmp.core.config import to_plain
from vmp.core.text import count, duration


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm: its factors, its cells in the order of the seeds, and seconds for each of them."""

    factors: dict[str, Scalar]
    cells: list[str]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A plan before it runs.

    Attributes:
        study: The definition.
        tasks: Cells of the grid.
        arms: Its arms.
        search: How arms will be proposed instead; None for the grid.
        workers: Cells at a time.
        seconds: Estimated wall time of everything.
    """

    study: Study
    tasks: Sequence[Task]
    arms: list[Arm]
    search: SearchSettings | None
    workers: int
    seconds: float

    def lines(self) -> list[str]:
        """As text."""
        study, seeds = self.study, len(self.study.seeds)
        names = [describe_factors(arm.factors) for arm in self.arms]
        width = max(map(len, names))
        lines = [f"Study '{study.name}': {study.question}".rstrip(": ")]
        for name, arm in zip(names, self.arms, strict=True):
            cells = " ".join(cell[:8] for cell in arm.cells)
            lines.append(f"  {name:<{width}}  {count(seeds, 'seed')}, about {duration(arm.seconds)} each  {cells}")
        if self.search is None:
            arms = count(len(self.arms), "arm")
            lines.append(f"{len(self.tasks)} cells = {arms} x {count(seeds, 'seed')} {list(study.seeds)}")
        else:
            arms = count(self.search.arms, "arm")
            lines.append(
                f"search {self.search.method}: up to {arms} x {count(seeds, 'seed')} in the ranges of these values"
            )
        workers = count(self.workers, "worker")
        lines.append(f"about {duration(self.seconds)} with {workers}, from a few measured steps")
        p = study.smallest_p_value()
        few = "; 6 seeds are the fewest that can reach 0.05" if p > 0.05 else ""
        lines.append(f"With {seeds} paired seeds the sign-flip test of two arms cannot go below p = {p:g}{few}.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep plan --json`` prints."""
        return {
            "schema": SCHEMA,
            "study": self.study.name,
            "question": self.study.question,
            "metric": self.study.metric,
            "seeds": list(self.study.seeds),
            "search": None if self.search is None else to_plain(self.search),
            "arms": [{"factors": arm.factors, "cells": arm.cells, "seconds": arm.seconds} for arm in self.arms],
            "cells": [task.planned().model_dump(mode="json") for task in self.tasks],
            "workers": self.workers,
            "seconds": self.seconds,
            "smallest_p_value": self.study.smallest_p_value(),
        }


def make_forecast(
    study: Study,
    tasks: Sequence[Task],
    seconds: Mapping[str, float],
    *,
    search: SearchSettings | None,
    workers: int,
) -> Forecast:
    """Sum up the estimates of `sweeps.cost` for every cell of the grid, or for the arms of a search.

    Raises:
        InputError: The search cannot be made.
    """
    arms: dict[str, Arm] = {}
    for task in tasks:
        cost = seconds[task.hash]
        arms.setdefault(repr(task.factors), Arm(factors=task.factors, cells=[], seconds=cost)).cells.append(task.hash)
    total = sum(seconds.values())
    if search is not None and search.method != GRID:
        make_proposer(study, search, None)  # says now what would stop the run
        total = total / len(tasks) * search.arms * len(study.seeds)
    else:
        search = None
    return Forecast(
        study=study, tasks=tasks, arms=list(arms.values()), search=search, workers=workers, seconds=total / workers
    )
