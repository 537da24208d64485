"""What another strategy would have decided and cost, with cells answered from a finished study: `vmp sweep replay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeps.propose.race_search import RaceOptions
from sweeps.propose.settings import GRID
from sweeps.race_state import RACE, RaceRules, RaceState, run_race
from sweeps.record import StudyFolder, arm_key
from sweeps.stats.decisions import MIN_SEEDS
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.text import count

if TYPE_CHECKING:
    from sweeps.propose.search_replay import ReplayedSearch


def replay(folder: StudyFolder, method: str, options: Mapping[str, Any] | None = None) -> RaceState | ReplayedSearch:
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


def replay_race(folder: StudyFolder, options: Mapping[str, Any] | None = None) -> RaceState:
    """Race the arms of a study over its seeds.

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
    if len(arms) < 2 or max_seeds < MIN_SEEDS:
        raise InputError(
            f"'{folder.path}' has {count(len(arms), 'arm')} and {count(len(plan.seeds), 'seed')}; "
            f"a race takes two arms and {MIN_SEEDS} seeds"
        )
    by_place = {(arm_key(record.factors), record.seed): record for record in folder.records(plan)}
    rules = RaceRules(metric=plan.metric, margin=plan.study.margin, max_seeds=max_seeds, alpha=given.alpha)
    state = run_race(arms, plan.seeds, by_place, rules)
    if state.next_look:
        raise InputError(
            f"the race needs {count(state.next_look, 'seed')} of {count(len(state.alive), 'arm')} for its next look, "
            f"and '{folder.path}' has not all of these cells; finish the study, or lower --search-option max_seeds"
        )
    return state
