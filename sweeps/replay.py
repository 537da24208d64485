"""What another strategy would have decided and cost, with cells answered from a finished study: `vmp sweep replay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeps.describe import describe_factors
from sweeps.propose.race_search import RaceOptions, check_rivals
from sweeps.propose.settings import GRID
from sweeps.race_state import RACE, RaceRules, StudyRace
from sweeps.racing import run_race
from sweeps.records.factors import arm_key
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.means import MIN_SEEDS
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.text import count

if TYPE_CHECKING:
    from sweeps.propose.search_replay import ReplayedSearch


def replay(folder: StudyFolder, method: str, options: Mapping[str, Any] | None = None) -> StudyRace | ReplayedSearch:
    """Race the arms of a study over its seeds, or search among them, without running anything.

    Args:
        folder: The study.
        method: ``race`` or a sampler.
        options: See `replay_race` and `sweeps.propose.search_replay.replay_search`.

    Raises:
        InputError: See there.
    """
    if method == RACE:
        return replay_race(folder, options)
    if method == GRID:
        raise InputError(f"--search {method} is what the study is already; replay a race or a sampler, such as tpe")
    from sweeps.propose.search_replay import replay_search  # a race does not wait for Optuna

    return replay_search(folder, method, options or {})


def replay_race(folder: StudyFolder, options: Mapping[str, Any] | None = None) -> StudyRace:
    """Race the arms of a study over its seeds, in each block where it has some.

    Args:
        folder: The study; a grid, or any other plan whose arms share seeds.
        options: Of the race; ``max_seeds`` is the number of the study's seeds unless given.

    Raises:
        InputError: No study, no such option, fewer than two arms or three seeds, or a cell that the race asks
            for has no record.
    """
    plan = folder.read_plan()
    given = from_plain(RaceOptions, dict(options or {}), source="search.options of a race")
    own = RaceRules.of(plan).max_seeds if plan.search.method == RACE else len(plan.seeds)
    arms = plan.arms()
    max_seeds = given.max_seeds or own
    if max_seeds < MIN_SEEDS:
        raise InputError(f"'{folder.path}' has {count(len(plan.seeds), 'seed')}; a race takes {MIN_SEEDS}")
    check_rivals(arms, plan.study.blocks, f"'{folder.path}'")
    by_place = {(arm_key(record.factors), record.seed): record for record in folder.records(plan)}
    rules = RaceRules(metric=plan.metric, margin=plan.study.margin, max_seeds=max_seeds, alpha=given.alpha)
    state = run_race(arms, plan.seeds, by_place, rules, plan.study.blocks)
    for race in state.races:
        if race.next_look:
            block = f" in {describe_factors(race.block)}" if race.block else ""
            raise InputError(
                f"the race needs {count(race.next_look, 'seed')} of {count(len(race.alive), 'arm')}{block} for its "
                f"next look, and '{folder.path}' has not all of these cells; finish the study, or lower "
                "--search-option max_seeds"
            )
    return state
