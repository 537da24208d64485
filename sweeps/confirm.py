"""Fresh seeds for the arm that a finished study chooses and for its reference: `vmp sweep run --confirm`.

The choice is the report's (`sweeps.chosen`). It is made once and written into the plan, so that the same command
continues from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from sweeps.chosen import Accuracies
from sweeps.plan import Task, arm_tasks
from sweeps.questions import compared_pairs
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import ConfirmationHeader
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.choice import winners_curse
from sweeps.stats.means import MIN_SEEDS, moments
from sweeps.stats.planner import seeds_by_t
from sweeps.stats.stepdown import Floats
from sweeps.study import Study
from vmp.core.errors import InputError
from vmp.core.text import count

POWER = 0.8
DEFAULT_SEEDS, MAX_SEEDS = 10, 30


def plan_confirmation(
    folder: StudyFolder, study: Study, seeds: int | None, note: Callable[[str], None]
) -> tuple[ConfirmationHeader, list[Task]]:
    """Which arms are run on which fresh seeds.

    Args:
        folder: Of the study, which has been run.
        study: Its definition; what it says beyond the arms' factors must be what the plan says.
        seeds: Fresh seeds; None for the planner's number, or for those of an earlier confirmation.
        note: Receives a sentence on what was chosen and on how many seeds.

    Raises:
        InputError: The study is not finished, nothing can be chosen in it, or `seeds` is below 3.
    """
    if seeds is not None and seeds < MIN_SEEDS:
        raise InputError(f"--seeds must be at least {MIN_SEEDS}, got {seeds}: a verdict needs {MIN_SEEDS} seeds")
    finished = _read(folder)
    plan, earlier = finished.plan, finished.plan.confirmation
    if earlier is not None:
        pairs, chosen_on, fresh = earlier.pairs, earlier.chosen_on, list(earlier.seeds)
        missing = (seeds or 0) - len(fresh)
        fresh += _fresh([*plan.seeds, *fresh], missing)
        note(f"Confirmation of {_names(pairs)}, chosen before, on {count(len(fresh), 'fresh seed')}.")
    else:
        pairs, chosen_on, needed = _choose(finished)
        number = seeds or needed or DEFAULT_SEEDS
        fresh = _fresh(plan.seeds, number)
        why = (
            f"; {count(needed, 'seed')} show the difference seen with {POWER:.0%} probability"
            if seeds is None and needed
            else ""
        )
        note(f"Confirmation of {_names(pairs)}, on {count(number, 'fresh seed')}{why}.")
    again = dataclasses.replace(study, seeds=tuple(fresh))
    arms = {arm_key(arm): arm for pair in pairs for arm in pair}
    tasks = [task for factors in arms.values() for task in arm_tasks(again, factors, again.arm(_applied(factors))[1])]
    header = ConfirmationHeader(pairs=pairs, chosen_on=chosen_on, seeds=fresh, cells=[task.planned() for task in tasks])
    return header, tasks


def _read(folder: StudyFolder) -> Accuracies:
    plan = folder.read_plan()
    finished = Accuracies.of(plan, folder.records(plan))
    open_cells = len(plan.cells) - int(finished.final.sum())
    if open_cells:
        raise InputError(
            f"'{folder.path}' still has {count(open_cells, 'cell')} to run; choose after the study has ended: run it "
            "without --confirm first"
        )
    return finished


def _choose(finished: Accuracies) -> tuple[list[tuple[dict[str, Scalar], dict[str, Scalar]]], list[int], int | None]:
    """(chosen arm, its reference) of each block, the seeds behind the choice, and how many fresh ones it needs."""
    plan, arms = finished.plan, finished.arms
    reference = dict(compared_pairs(arms, plan.study))
    chosen, seeds, needed = [], set(), []
    for pair, rows, made in finished.chosen_pairs():
        chosen.append((arms[pair[0]], arms[pair[1]]))
        seeds |= {finished.seeds[j] for j in made.seeds}
        differences = [finished.test[i] - finished.test[reference.get(i, pair[1])] for i in rows]
        curse = winners_curse(finished.val[rows], np.stack(differences), np.random.default_rng(0))
        needed.append(_needed(finished.test[pair[0]] - finished.test[pair[1]], curse))
    if not chosen:
        raise InputError(
            f"nothing can be chosen in '{plan.study.name}': it takes {MIN_SEEDS} seeds that all candidates share and "
            "an arm to compare the best one with"
        )
    known = [number for number in needed if number is not None]
    return chosen, sorted(seeds), max(known) if len(known) == len(needed) else None


def _needed(differences: Floats, curse: float) -> int | None:
    """Seeds for 80% power at the difference seen, less what the choice flatters it by; None where that is no gain."""
    n, mean, sd = moments(differences)
    honest = abs(float(mean)) - max(curse, 0.0)
    if n < MIN_SEEDS or not sd > 0 or not honest > 0:
        return None
    return min(seeds_by_t(honest, float(sd), 1, POWER) or MAX_SEEDS, MAX_SEEDS)


def _fresh(used: Sequence[int], number: int) -> list[int]:
    return [max(used) + 1 + i for i in range(number)]


def _applied(factors: dict[str, Scalar]) -> dict[str, Scalar]:
    return {name: value for name, value in factors.items() if value is not None}


def _names(pairs: Sequence[tuple[dict[str, Scalar], dict[str, Scalar]]]) -> str:
    texts = [
        " against ".join(" ".join(f"{name}={value}" for name, value in _applied(side).items()) for side in pair)
        for pair in pairs
    ]
    return "; ".join(texts)
