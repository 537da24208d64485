"""What another strategy would have decided and cost, with cells answered from a finished study: `vmp sweep replay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.propose.race_search import RaceOptions
from sweeps.race_state import RACE, RaceRules, RaceState, run_race
from sweeps.record import StudyFolder, arm_key
from sweeps.stats.decisions import MIN_SEEDS
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.text import count


def replay(folder: StudyFolder, method: str = RACE, options: Mapping[str, Any] | None = None) -> RaceState:
    """Race the arms of a study over its seeds, without running anything.

    Args:
        folder: The study; a grid, or any other plan whose arms share seeds.
        method: ``race``.
        options: Of the race; ``max_seeds`` is the number of the study's seeds unless given.

    Raises:
        InputError: No study, no such method or option, fewer than two arms or three seeds, or a cell that the race asks
            for has no record.
    """
    if method != RACE:
        raise InputError(f"--search {method} cannot be replayed; the strategy that can is '{RACE}'")
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
