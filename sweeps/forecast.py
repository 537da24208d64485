"""What `vmp sweep plan` says: the cells of a study, what they will cost, and what they can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeps.cost import Cost, refuse_too_much
from sweeps.describe import describe_factors
from sweeps.designs.drawn import Drawn
from sweeps.plan import Task, data_settings, experiments_of, summary_of_data
from sweeps.predictions import predictions_bytes
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import GRID, SearchSettings, rungs
from sweeps.questions import BASELINE, CONTROL, PROMPT, PROMPTED, RESAMPLINGS, compared_pairs
from sweeps.race_forecast import RaceForecast, forecast_race
from sweeps.race_state import RACE
from sweeps.records.factors import Scalar, arm_key
from sweeps.stats.collapse import largest_unseen_rate
from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.divisions import overlap_of
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.planner import min_seeds_by_sign_flips, power, seeds_by_t
from sweeps.status import SCHEMA
from sweeps.stop.config import is_comparing
from sweeps.study import Study
from vmp.core.config import to_plain
from vmp.core.outcome import DataSummary
from vmp.core.text import count, duration, listing, size_in_words
from vmp.data.registry import load_data
from vmp.experiment import describe_data

_CLASSES_SHOWN = 12  # beyond, the fewest and the most videos of a class
_SHOWN_ARMS, _FIRST_ARMS = 50, 10  # of more than 50 arms, the first 10


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm: its factors, its cells in the order of the seeds, seconds for each of them, and why it is planned."""

    factors: dict[str, Scalar]
    cells: list[str]
    seconds: float
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A plan before it runs.

    Attributes:
        study: The definition.
        tasks: Cells of the design.
        arms: Its arms.
        search: How arms will be proposed instead; None for the design.
        workers: Cells at a time.
        seconds: Estimated wall time of everything; of a race, where one arm is ahead by an SD of a paired difference.
        race: What a race is expected to cost; None for another method.
        cost: What was measured.
        data: What the cells will be trained on.
        divisions: The same for each way in which factors divide the videos (folds), by its values in words.
        decoded_bytes: Size of all frames of `data` at working size.
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
    race: RaceForecast | None = None
    divisions: Mapping[str, DataSummary] = field(default_factory=dict)

    def lines(self, *, every_arm: bool = False) -> list[str]:
        """As text; the arms beyond the first few only with `every_arm`, or where they are at most 50."""
        study, seeds = self.study, len(self.study.seeds)
        arms = self.arms if every_arm or len(self.arms) <= _SHOWN_ARMS else self.arms[:_FIRST_ARMS]
        names = [describe_factors(arm.factors) for arm in arms]
        width = max(map(len, names))
        lines = [f"Study '{study.name}': {study.question}".rstrip(": "), *self._of_the_data()]
        lines += self._of_the_design()
        for name, arm in zip(names, arms, strict=True):
            cells = " ".join(cell[:8] for cell in arm.cells)
            why = f"  ({arm.why})" if arm.why else ""
            lines.append(f"  {name:<{width}}  {count(seeds, 'seed')}, about {duration(arm.seconds)} each  {cells}{why}")
        if len(arms) < len(self.arms):
            lines.append(f"  ... and {count(len(self.arms) - len(arms), 'more arm')}; --all prints them")
        if self.search is None:
            number = count(len(self.arms), "arm")
            lines.append(f"{len(self.tasks)} cells = {number} x {count(seeds, 'seed')} {list(study.seeds)}")
        elif self.race is not None:
            lines += self.race.lines(study)
        else:
            number = count(self.search.arms, "arm")
            lines.append(
                f"search {self.search.method}: up to {number} x {count(seeds, 'seed')} in the ranges of these values"
            )
            if len(steps := rungs(self.search, seeds)) > 1:
                shown = ", ".join(map(str, steps[:-1]))
                lines.append(
                    f"  each starts on {count(steps[0], 'seed')}; after {shown} seeds one in {self.search.factor} "
                    f"goes on, about {_cells_of(self.search, seeds)} cells in all"
                )
        if study.stop is not None:
            beside = "cells of the same seed in earlier arms" if is_comparing(study.stop) else "its own epochs"
            lines.append(
                f"stop {study.stop.kind}: a cell may end early by {beside}, alike for any number of workers; "
                "it then is out of every comparison"
            )
        workers = count(self.workers, "worker")
        start = f"of which {duration(self.cost.start)} until the first cell trains at full speed"
        lines.append(f"about {duration(self.seconds)} with {workers}, {start}; from a few measured steps")
        on_device = self.cost.device_memory
        gpu = "" if on_device is None else f" and {size_in_words(on_device)} of the GPU's"
        lines.append(f"a worker takes about {size_in_words(self.cost.memory)} of memory{gpu}")
        lines.append(f"predictions take about {size_in_words(self.predictions_bytes)} of disk a cell at most")
        return lines if self.race is not None else [*lines, *self._what_seeds_can_show()]

    def _of_the_design(self) -> list[str]:
        """What a design other than the plain grid plans, and what is compared."""
        study = self.study
        if study.is_plain_grid:
            return []
        lines = [f"Design {study.design.kind}: {study.design.summary(study.space())}"]
        if study.design_pairs and self.race is not None:
            lines.append("The race compares every arm with the leader, not with the arm that the design names.")
        elif study.design_pairs and study.reference is None and study.compare is None:
            number = count(len(study.design_pairs), "comparison")
            lines.append(f"{number} from it: each arm with the base, the bare or the full arm that it changes")
        elif isinstance(study.design, Drawn) and not self._has_reference():
            lines.append(
                "No arm is a reference, so the report compares each with the first: list prompt: [control, vmp], or "
                "name a reference"
            )
        return lines

    def _has_reference(self) -> bool:
        prompts = {arm.factors.get(PROMPT) for arm in self.arms}
        return self.study.reference is not None or self.study.compare is not None or bool(prompts & {CONTROL, BASELINE})

    def _of_the_data(self) -> list[str]:
        data = self.data
        classes = count(len(data.classes), "class", "classes")
        videos, size = count(data.decodable, "video"), size_in_words(self.decoded_bytes)
        lines = [f"Data '{data.name}': {videos} of {classes}, {size} decoded"]
        for values, one in self.divisions.items():
            numbers = ", ".join(f"{split} {number}" for split, number in one.splits.items())
            groups = "" if one.groups is None else f"; groups {', '.join(map(str, one.groups.values()))}"
            lines.append(f"  {values}: {numbers}{groups}")
        for split, number in data.splits.items() if not self.divisions else ():
            counts = data.class_counts.get(split, [])
            if len(counts) <= _CLASSES_SHOWN:
                shown = ", ".join(f"{name} {n}" for name, n in zip(data.classes, counts, strict=True))
            else:
                shown = f"{min(counts)} to {max(counts)} of each class"
            groups = "" if data.groups is None else f"; {count(data.groups[split], 'group')}"
            lines.append(f"  {split:<5} {number:>5}: {shown}{groups}")
        if data.excluded:
            lines.append(f"  {count(len(data.excluded), 'video')} left out")
        lines += [f"  Note: {note}" for note in data.notes]
        return [*lines, *(one.line() for one in self.cost.backbones)]

    @property
    def predictions_bytes(self) -> int:
        """Bytes that the predictions of a cell take on disk at most."""
        videos = self.data.splits.get("val", 0) + self.data.splits.get("test", 0)
        return predictions_bytes(videos, len(self.data.classes))

    @property
    def family(self) -> int:
        """Comparisons that the report will make together to answer the study's question."""
        pairs = len(compared_pairs([arm.factors for arm in self.arms], self.study))
        if self.search is not None and self.race is None:  # its references are the grid's, its arms are still to come
            prompted = sum(arm.factors.get(PROMPT, PROMPTED) == PROMPTED for arm in self.arms)
            pairs += self.search.arms - prompted
        return max(pairs, 1)

    @property
    def smallest_p_value(self) -> float | None:
        """What the sign-flip test cannot go below with these seeds, adjusted for the family; None over divisions."""
        return None if self._overlap else float(sign_flip_floor(len(self.study.seeds), self.family))

    @property
    def _overlap(self) -> float:
        """Test over training videos where the verdict is over divisions of one data set, else 0."""
        others = [name for name in self.study.factors if name.startswith("data.") and name not in RESAMPLINGS]
        if len(self.divisions) < 2 or others:
            return 0.0
        splits = [one.splits for one in self.divisions.values()]
        overlap = overlap_of(*([one.get(split, 0) for one in splits] for split in ("train", "test")))
        return 0.0 if math.isnan(overlap) else overlap

    def _what_divisions_can_show(self) -> list[str]:
        n, family = len(self.divisions), math.ceil(self.family / len(self.divisions))
        shown = [f"{power(n, e, family, overlap=self._overlap).item():.0%} for {e:g} SD" for e in (1.0, 2.0)]
        seeds = count(len(self.study.seeds), "seed")
        return [
            f"The verdict is over {n} divisions of the videos, each the mean of its {seeds}: with "
            f"{count(family, 'comparison')}, a difference is shown with probability {listing(shown)} of the "
            "divisions' differences, at most (their training videos overlap: Nadeau and Bengio, 2003)."
        ]

    def _what_seeds_can_show(self) -> list[str]:
        if self._overlap:
            return self._what_divisions_can_show()
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
            "stop": None if self.study.stop is None else to_plain(self.study.stop),
            "arms": [
                {"factors": arm.factors, "cells": arm.cells, "seconds": arm.seconds}
                | ({"why": arm.why} if arm.why else {})
                for arm in self.arms
            ],
            "cells": [task.planned().model_dump(mode="json") for task in self.tasks],
            "race": self.race and self.race.to_json(),
            "workers": self.workers,
            "seconds": self.seconds,
            "start_seconds": self.cost.start,
            "memory_bytes": self.cost.memory,
            "device_memory_bytes": self.cost.device_memory,
            "decoded_bytes": self.decoded_bytes,
            "predictions_bytes": self.predictions_bytes,
            "backbones": [vars(one) for one in self.cost.backbones],
            "data": self.data.model_dump(mode="json"),
            "comparisons": self.family,
            "smallest_p_value": self.smallest_p_value,
        } | ({} if self.study.is_plain_grid else {"design": to_plain(self.study.design)})


def _cells_of(search: SearchSettings, seeds: int) -> int:
    """Cells of a search's arms, if as many go on from each rung as may."""
    steps, arms, cells = (0, *rungs(search, seeds)), search.arms, 0
    for before, after in itertools.pairwise(steps):
        cells += arms * (after - before)
        arms = max(1, arms // search.factor)
    return cells


def make_forecast(
    study: Study,
    tasks: Sequence[Task],
    cost: Cost,
    *,
    search: SearchSettings | None,
    workers: int,
) -> Forecast:
    """Sum up the estimates of `sweeps.cost` for every cell of the design, or for the arms of a search.

    Raises:
        InputError: The search cannot be made, or so many workers do not fit into memory.
    """
    refuse_too_much(cost, workers)
    if study.stop is not None:
        from sweeps.stop.rule import make_pruner  # a study without one does not wait for Optuna

        make_pruner(study.stop)
    planned = () if study.is_plain_grid else study.planned_arms
    why = {repr(arm.factors): "; ".join(arm.why) for arm in planned}
    arms: dict[str, Arm] = {}
    for task in tasks:
        name, seconds = repr(task.factors), cost.seconds[task.hash]
        new = Arm(factors=task.factors, cells=[], seconds=seconds, why=why.get(name, ""))
        arm = arms.setdefault(name, new)
        arm.cells.append(task.hash)
    total, race = cost.wall_seconds(tasks, workers), None
    if search is not None and search.method != GRID:
        make_proposer(study, search, None)  # says now what would stop the run
        share = _cells_of(search, len(study.seeds)) / len(tasks)
        if search.method == RACE:
            race = forecast_race(study, search, {arm_key(arm.factors): arm.factors for arm in arms.values()})
            own = {arm_key(arm.factors): arm.seconds for arm in arms.values()}
            share = race.seconds(own) / sum(cost.seconds[task.hash] for task in tasks)
        total = cost.start + (total - cost.start) * share
    else:
        search = None
    experiments = experiments_of(tasks)
    data = load_data(data_settings(study, experiments))
    return Forecast(
        study=study,
        tasks=tasks,
        arms=list(arms.values()),
        search=search,
        workers=workers,
        seconds=total,
        race=race,
        cost=cost,
        data=summary_of_data(study, experiments),
        divisions=_divisions(tasks),
        decoded_bytes=data.decoded_bytes,
    )


def _divisions(tasks: Sequence[Task]) -> dict[str, DataSummary]:
    """What each fold, split or seed of a split trains and tests on; empty where no factor varies them."""
    same: dict[str, list[Task]] = {}
    for task in tasks:
        values = {name: task.factors[name] for name in RESAMPLINGS if name in task.factors}
        if values:
            same.setdefault(describe_factors(values), []).append(task)
    experiments = {values: experiments_of(those) for values, those in same.items()}
    return {values: describe_data(load_data(those[0].data), those) for values, those in experiments.items()}
