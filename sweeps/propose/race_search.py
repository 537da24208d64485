"""The race as a proposer: all arms of a study, seed by seed, until it is certain which are worse.

What is asked for next is read off `sweeps.race_state`, from the records alone. A round holds the cells of the next look
of every arm in the race, so workers share arms and seeds alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from sweeps.plan import Task, arm_tasks, is_reference
from sweeps.propose.settings import SearchSettings
from sweeps.race_state import RACE, RaceRules, RaceState, run_race
from sweeps.record import CellRecord, Plan, SearchHeader, StudyFolder, arm_key
from sweeps.stats.decisions import MIN_SEEDS
from sweeps.stats.race import ALPHA, LOOKS
from sweeps.study import Study
from vmp.core.config import config, from_plain, to_plain
from vmp.core.errors import InputError


@config
class RaceOptions:
    """What ``--search-option`` may say of a race.

    Attributes:
        max_seeds: The cap; None for 36, or as many as the study lists if those are more.
        alpha: The error.
    """

    max_seeds: Annotated[int, Field(ge=MIN_SEEDS)] | None = None
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = ALPHA


def race_rules(study: Study, settings: SearchSettings) -> RaceRules:
    """What decides a race of `study`. Raises InputError for an option that a race does not have."""
    options = from_plain(RaceOptions, settings.options, source="search.options of a race")
    return RaceRules(
        metric=study.metric,
        margin=study.margin,
        max_seeds=options.max_seeds or max(LOOKS[-1], len(study.seeds)),
        alpha=options.alpha,
    )


def race_seeds(study: Study, max_seeds: int) -> tuple[int, ...]:
    """The seeds of a race in their order: those of the study, then the numbers after its largest."""
    more = range(max(study.seeds) + 1, max(study.seeds) + 1 + max_seeds)
    return (*study.seeds, *more)[:max_seeds]


class RaceSearch:
    """A race over a study's arms; see `sweeps.propose.base.Proposer`.

    Args:
        study: The definition. Its first seeds are the first ones of the race.
        settings: The cap and the error.
        folder: Whose records the race goes on from; None to start from none.

    Raises:
        InputError: No such option, fewer than two arms, arms on different data or backbones, or the folder holds a race
            by other rules.
    """

    depth = 1

    def __init__(self, study: Study, settings: SearchSettings, folder: StudyFolder | None) -> None:
        self.rules = race_rules(study, settings)
        _check_arms(study)
        self.seeds = race_seeds(study, self.rules.max_seeds)
        longer = dataclasses.replace(study, seeds=self.seeds)
        arms = [(factors, to_plain(experiment), experiment) for factors, experiment in study.arms()]
        self._factors = {arm_key(factors): factors for factors, *_ in arms}
        self._tasks = {arm_key(factors): arm_tasks(longer, factors, made) for factors, _, made in arms}
        self._places = {task.hash: (name, task.seed) for name, tasks in self._tasks.items() for task in tasks}
        self._records: dict[str, CellRecord] = {}
        self._asked: set[str] = set()
        self._folder = folder
        self._said = 0
        self.header = SearchHeader(
            method=RACE,
            options={"max_seeds": self.rules.max_seeds, "alpha": self.rules.alpha},
            arms=sum(not is_reference(plain) for _, plain, _ in arms),
        )
        if folder and folder.has_plan():
            _check_plan(folder, folder.read_plan(), self.header, self.rules)

    def state(self) -> RaceState:
        """Where the race stands."""
        by_place = {self._places[record.hash]: record for record in self._records.values()}
        return run_race(self._factors, self.seeds, by_place, self.rules)

    def known(self) -> list[Task]:
        return []

    def ask(self) -> list[Task]:
        """The cells up to the next look; the first time also those of all looks that an earlier run took."""
        if not self._asked and self._folder:
            # A failed cell gets another chance before anything is decided without it.
            read = [self._folder.find_cell(one, on_damage=lambda _: None) for one in self._places]  # the sweep says so
            self._records = {record.hash: record for record in read if record and record.status != "failed"}
        state = self.state()
        tasks = [
            task
            for arm, tasks in zip(state.arms, self._tasks.values(), strict=True)
            for task in tasks[: arm.dropped_at or state.next_look or state.seeds]
            if task.hash not in self._asked
        ]
        self._asked |= {task.hash for task in tasks}
        return tasks

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Take the records of the last round."""
        self._records |= {record.hash: record for record in records}

    def news(self) -> list[str]:
        """The arms that were dropped since the last call; the decision once the race has ended."""
        state = self.state()
        lines = state.drops(self._said)
        self._said = state.seeds
        return lines if state.next_look else [*lines, state.sentence()]


def _check_arms(study: Study) -> None:
    """Refuse arms whose race would say nothing."""
    if len(list(study.arms())) < 2:
        raise InputError(f"study '{study.name}' has one arm, and a race needs two; give a factor two values")
    for name, values in study.factors.items():
        if len(values) > 1 and study.path(name).split(".")[0] in ("data", "backbone"):
            raise InputError(
                f"factors.{name}: arms on different data or backbones do not race each other; "
                f"run a race for each, e.g. --set factors.{name}=null --set {study.path(name)}={values[0]}"
            )


def _check_plan(folder: StudyFolder, plan: Plan, header: SearchHeader, rules: RaceRules) -> None:
    """A race by rules that were changed on the way has not the error that it states."""
    if plan.search.method != RACE:
        return
    pairs = [(name, plan.search.options.get(name), header.options[name]) for name in header.options]
    pairs.append(("margin", plan.study.margin, rules.margin))
    for name, old, new in pairs:
        if old != new:
            raise InputError(f"'{folder.path}' holds a race with {name} {old!r}, not {new!r}; give another --out")
