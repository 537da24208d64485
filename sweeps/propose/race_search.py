"""The race as a proposer: all arms of a study, seed by seed, until it is certain which are worse in each block.

What is asked for next is read off `sweeps.racing`, from the records alone. A round holds the cells of the next look
of every arm in a race, of all blocks, so workers share blocks, arms and seeds alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from sweeps.describe import describe_factors
from sweeps.plan import Task, arm_tasks, is_reference
from sweeps.propose.settings import SearchSettings
from sweeps.race_state import RACE, RaceRules, StudyRace
from sweeps.racing import race_blocks, run_race
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Factors, arm_key
from sweeps.records.plan_record import Plan, SearchHeader
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.looks import LOOKS
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.race import ALPHA
from sweeps.study import Study
from vmp.core.config import config, from_plain
from vmp.core.errors import InputError
from vmp.core.text import listing


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
        InputError: No such option, a block of fewer than two arms, or the folder holds a race by other rules.
    """

    depth = 1

    def __init__(self, study: Study, settings: SearchSettings, folder: StudyFolder | None) -> None:
        self.rules = race_rules(study, settings)
        self.seeds = race_seeds(study, self.rules.max_seeds)
        longer = dataclasses.replace(study, seeds=self.seeds)
        arms = study.made_arms()
        self._factors = {arm_key(arm.factors): arm.factors for arm in arms}
        check_rivals(self._factors, study.blocks, f"study '{study.name}'")
        self._blocks = study.blocks
        self._tasks = {
            arm_key(arm.factors): arm_tasks(longer, arm.factors, arm.experiment, arm.settings) for arm in arms
        }
        self._places = {task.hash: (name, task.seed) for name, tasks in self._tasks.items() for task in tasks}
        self._records: dict[str, CellRecord] = {}
        self._asked: set[str] = set()
        self._folder = folder
        self._said: dict[int, int] = {}  # by the place of a race: seeds of the last look that `news` spoke of
        self.header = SearchHeader(
            method=RACE,
            options={"max_seeds": self.rules.max_seeds, "alpha": self.rules.alpha},
            arms=sum(not is_reference(arm.settings) for arm in arms),
        )
        if folder and folder.has_plan():
            _check_plan(folder, folder.read_plan(), self.header, self.rules)
            _check_blocks(folder, folder.read_plan(), study, self._factors)

    def state(self) -> StudyRace:
        """Where the race of each block stands."""
        by_place = {self._places[record.hash]: record for record in self._records.values()}
        return run_race(self._factors, self.seeds, by_place, self.rules, self._blocks)

    def known(self) -> list[Task]:
        return []

    def ask(self) -> list[Task]:
        """The cells up to the next look; the first time also those of all looks that an earlier run took."""
        if not self._asked and self._folder:
            # A failed cell gets another chance before anything is decided without it.
            read = [self._folder.find_cell(one, on_damage=lambda _: None) for one in self._places]  # the sweep says so
            self._records = {record.hash: record for record in read if record and record.status != "failed"}
        upto = dict.fromkeys(self._tasks, 0)
        for race in self.state().races:
            for arm in race.arms:
                name = arm_key(arm.factors)
                upto[name] = max(upto[name], arm.dropped_at or race.next_look or race.seeds)
        tasks = [
            task for name, tasks in self._tasks.items() for task in tasks[: upto[name]] if task.hash not in self._asked
        ]
        self._asked |= {task.hash for task in tasks}
        return tasks

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Take the records of the last round."""
        self._records |= {record.hash: record for record in records}

    def news(self) -> list[str]:
        """The arms that were dropped since the last call; the decision of each race that has ended since."""
        lines = []
        for place, race in enumerate(self.state().races):
            said = self._said.get(place, 0)
            if race.seeds > said:
                lines += [*race.drops(said), *([] if race.next_look else [race.sentence()])]
            self._said[place] = race.seeds
        return lines


def check_rivals(arms: Mapping[str, Factors], blocks: Sequence[str] | None, where: str) -> None:
    """Refuse a race of one arm. `where` names the study. Raises InputError, which names the block."""
    made = race_blocks(arms, blocks)
    for block, names in made:
        if len(names) < 2 and not block:
            raise InputError(f"{where} has one arm, and a race needs two; give a factor two values")
        if len(names) < 2:
            raise InputError(
                f"{where} has one arm in {describe_factors(block)}, and each block ({listing(list(block))}) is a race "
                "that needs two; give another factor two values, or say `blocks: []` in the study, by which these arms "
                "race each other"
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


def _check_blocks(folder: StudyFolder, plan: Plan, study: Study, arms: Mapping[str, Factors]) -> None:
    """Nor has one whose arms were given other rivals on the way."""
    if plan.search.method == RACE and race_blocks(arms, plan.study.blocks) != race_blocks(arms, study.blocks):
        raise InputError(
            f"'{folder.path}' holds a race with blocks {_shown(plan.study.blocks)}, not {_shown(study.blocks)}; "
            "give another --out"
        )


def _shown(blocks: Sequence[str] | None) -> str:
    return "by default" if blocks is None else str(list(blocks))
