"""What `vmp sweep plan` says: the cells of a study, what they will cost, and what they can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.cost import Cost, refuse_too_much
from sweeps.plan import Task, experiments_of
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.record import Scalar
from sweeps.stats.collapse import largest_unseen_rate
from sweeps.stats.decisions import MIN_SEEDS, sign_flip_floor
from sweeps.stats.planner import min_seeds_by_sign_flips, power, seeds_by_t
from sweeps.status import SCHEMA, describe_factors
from sweeps.study import Study
from vmp.core.config import to_plain
from vmp.core.outcome import DataSummary
from vmp.core.text import count, duration, listing, size_in_words
from vmp.data.registry import load_data
from vmp.experiment import describe_data

_CLASSES_SHOWN = 12


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
        cost: What was measured.
        data: What the cells will be trained on.
        decoded_bytes: Of all its frames at working size.
    """

    study: Study
    tasks: Sequence[Task]
    arms: list[Arm]
    search: SearchSettings | None
    workers: int
    seconds: float
    cost: Cost
    data: DataSummary
    decoded_bytes: int

    def lines(self) -> list[str]:
        """As text."""
        study, seeds = self.study, len(self.study.seeds)
        names = [describe_factors(arm.factors) for arm in self.arms]
        width = max(map(len, names))
        lines = [f"Study '{study.name}': {study.question}".rstrip(": "), *self._of_the_data()]
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
        start = f"of which {duration(self.cost.start)} until the first cell trains at full speed"
        lines.append(f"about {duration(self.seconds)} with {workers}, {start}; from a few measured steps")
        on_device = self.cost.device_memory
        gpu = "" if on_device is None else f" and {size_in_words(on_device)} of the GPU's"
        lines.append(f"a worker takes about {size_in_words(self.cost.memory)} of memory{gpu}")
        return [*lines, *self._what_seeds_can_show()]

    def _of_the_data(self) -> list[str]:
        data = self.data
        classes = count(len(data.classes), "class", "classes")
        videos, size = count(data.decodable, "video"), size_in_words(self.decoded_bytes)
        lines = [f"Data '{data.name}': {videos} of {classes}, {size} decoded"]
        for split, number in data.splits.items():
            counts = data.class_counts.get(split, [])
            if len(counts) <= _CLASSES_SHOWN:
                shown = ", ".join(f"{name} {n}" for name, n in zip(data.classes, counts, strict=True))
            else:
                shown = f"{min(counts)} to {max(counts)} of each class"
            groups = "" if data.groups is None else f"; {count(data.groups[split], 'group')}"
            lines.append(f"  {split:<5} {number:>5}: {shown}{groups}")
        if data.excluded:
            lines.append(f"  {count(len(data.excluded), 'video')} left out")
        return [*lines, *(f"  Note: {note}" for note in data.notes)]

    @property
    def family(self) -> int:
        """Comparisons that the report will make together: every arm with its reference."""
        prompts = [arm for arm in self.arms if arm.factors.get("prompt", "vmp") == "vmp"]
        arms = len(prompts) if self.search is None else self.search.arms
        return max(arms if len(prompts) < len(self.arms) else arms - 1, 1)

    @property
    def smallest_p_value(self) -> float:
        """What the sign-flip test cannot go below with these seeds, adjusted for the family."""
        return float(sign_flip_floor(len(self.study.seeds), self.family))

    def _what_seeds_can_show(self) -> list[str]:
        n, family = len(self.study.seeds), self.family
        if n < MIN_SEEDS:
            return [f"With {count(n, 'seed')} no comparison gets a verdict: that takes at least {MIN_SEEDS}."]
        shown = [f"{power(n, effect, family).item():.0%} for {effect:g} SD" for effect in (1.0, 2.0)]
        return [
            f"With {n} paired seeds and {count(family, 'comparison')}, a difference is shown with probability "
            f"{listing(shown)} of the paired differences; 80% for 1 SD takes {seeds_by_t(1.0, 1.0, family)} seeds.",
            f"The sign-flip test cannot go below p = {self.smallest_p_value:.3g}; "
            f"it takes {min_seeds_by_sign_flips(family)} seeds to reach 0.05. If no seed of an arm collapses, "
            f"a collapse rate above {largest_unseen_rate(n):.0%} is excluded.",
        ]

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
            "start_seconds": self.cost.start,
            "memory_bytes": self.cost.memory,
            "device_memory_bytes": self.cost.device_memory,
            "decoded_bytes": self.decoded_bytes,
            "data": self.data.model_dump(mode="json"),
            "comparisons": self.family,
            "smallest_p_value": self.smallest_p_value,
        }


def make_forecast(
    study: Study,
    tasks: Sequence[Task],
    cost: Cost,
    *,
    search: SearchSettings | None,
    workers: int,
) -> Forecast:
    """Sum up the estimates of `sweeps.cost` for every cell of the grid, or for the arms of a search.

    Raises:
        InputError: The search cannot be made, or so many workers do not fit into memory.
    """
    refuse_too_much(cost, workers)
    arms: dict[str, Arm] = {}
    for task in tasks:
        seconds = cost.seconds[task.hash]
        arm = arms.setdefault(repr(task.factors), Arm(factors=task.factors, cells=[], seconds=seconds))
        arm.cells.append(task.hash)
    total = cost.wall_seconds(tasks, workers)
    if search is not None and search.method != GRID:
        make_proposer(study, search, None)  # says now what would stop the run
        total = cost.start + (total - cost.start) / len(tasks) * search.arms * len(study.seeds)
    else:
        search = None
    data = load_data(study.data)
    return Forecast(
        study=study,
        tasks=tasks,
        arms=list(arms.values()),
        search=search,
        workers=workers,
        seconds=total,
        cost=cost,
        data=describe_data(data, experiments_of(tasks)),
        decoded_bytes=data.decoded_bytes,
    )
