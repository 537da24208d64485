"""Racing the arms of a plan as far as its records go: a pure function of the two.

The sweep that runs a race, a replay of it, `vmp sweep status` and the report all ask this one function, so no worker,
engine or kill can make them disagree. No torch, no lock.

Arms of different blocks (`sweeps.questions.block_names`) are no rivals. A study with blocks is one race in each, of the
block's own arms and by the rules of a race alone, so that what happens in one changes nothing in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sweeps.questions import arms_by_block, block_names
from sweeps.race_state import RACE, RaceArm, RaceRules, RaceState, StudyRace
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Factors, Scalar, arm_key
from sweeps.records.plan_record import Plan
from sweeps.stats.looks import looks_until
from sweeps.stats.race import ENDINGS, WAYS, Races, race


def race_blocks(
    arms: Mapping[str, Factors], declared: Sequence[str] | None
) -> list[tuple[dict[str, Scalar], tuple[str, ...]]]:
    """Which arms race each other: for each block the values of its factors and the names of its arms.

    One block without factors where the study has none.

    Args:
        arms: Name -> factors, in their order.
        declared: The study's `blocks`.
    """
    listed, keys = list(arms.values()), list(arms)
    names = block_names(listed, list(dict.fromkeys(name for factors in listed for name in factors)), declared)
    groups = arms_by_block(listed, names)
    if len(groups) == 1:
        return [({}, tuple(arms))]
    return [
        (dict(zip(names, values, strict=True)), tuple(keys[i] for i in members)) for values, members in groups.items()
    ]


def read_race(plan: Plan, records: Iterable[CellRecord]) -> StudyRace | None:
    """The race of a plan as its records have it; None for a plan of another method.

    Args:
        plan: The plan.
        records: Records of its cells, any number and order; others are ignored.
    """
    if plan.search.method != RACE:
        return None
    planned = {cell.hash: (arm_key(cell.factors), cell.seed) for cell in plan.cells}
    by_place = {planned[record.hash]: record for record in records if record.hash in planned}
    return run_race(plan.arms(), plan.seeds, by_place, RaceRules.of(plan), plan.study.blocks)


def run_race(
    arms: Mapping[str, Factors],
    seeds: Sequence[int],
    records: Mapping[tuple[str, int], CellRecord],
    rules: RaceRules,
    blocks: Sequence[str] | None,
) -> StudyRace:
    """Race as far as the records go, in each block.

    Args:
        arms: Name -> factors, in their order; the names are `sweeps.records.factors.arm_key` of the factors.
        seeds: In the order of the race.
        records: (name of the arm, seed) -> record, of the cells that have ended. A failed cell has no value; a diverged
            one counts as collapsed, with the lowest accuracy of all.
        rules: See `RaceRules`.
        blocks: Factors that the study declares as its blocks; None for its data and its backbone.
    """
    races = [
        _race_in_block({name: arms[name] for name in names}, seeds, records, rules, block)
        for block, names in race_blocks(arms, blocks)
    ]
    return StudyRace(rules=rules, races=tuple(races))


def _race_in_block(
    arms: Mapping[str, Factors],
    seeds: Sequence[int],
    records: Mapping[tuple[str, int], CellRecord],
    rules: RaceRules,
    block: dict[str, Scalar],
) -> RaceState:
    shape = (len(arms), len(seeds))
    values, flags, recorded = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    for i, name in enumerate(arms):
        for j, seed in enumerate(seeds):
            record = records.get((name, seed))
            if record is None:
                continue
            recorded[i, j] = True
            value, collapsed = record.metrics.get(f"val_{rules.metric}"), record.metrics.get("collapsed")
            if record.status == "complete" and isinstance(value, int | float):
                values[i, j] = value
                flags[i, j] = np.nan if collapsed is None else float(collapsed)
            elif record.status == "diverged":
                flags[i, j] = 1.0
    made = race(values, margin=rules.margin, cap=rules.max_seeds, collapsed=flags, recorded=recorded, alpha=rules.alpha)
    return _state(made, [dict(factors) for factors in arms.values()], rules, block)


def _state(made: Races, factors: Sequence[dict[str, Scalar]], rules: RaceRules, block: dict[str, Scalar]) -> RaceState:
    def number(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    seeds = int(made.seeds[0])
    arms = tuple(
        RaceArm(
            factors=factors[i],
            seeds=int(made.dropped_at[0, i]) or seeds,
            collapsed=int(made.collapsed[0, i]),
            runs=int(made.runs[0, i]),
            dropped_at=int(made.dropped_at[0, i]) or None,
            beaten_by=None if made.alive[0, i] else factors[made.beaten_by[0, i]],
            way=WAYS[made.way[0, i]].value,
            difference=number(made.difference[0, i]),
            low=number(made.low[0, i]),
            high=number(made.high[0, i]),
            n=int(made.n[0, i]),
        )
        for i in range(len(factors))
    )
    return RaceState(
        block=block,
        rules=rules,
        ending=ENDINGS[made.ending[0]],
        looks=looks_until(rules.max_seeds),
        seeds=seeds,
        next_look=int(made.next_look[0]) or None,
        arms=arms,
        leader=None if made.leader[0] < 0 else int(made.leader[0]),
        cells=int(made.cells[0]),
        grid_cells=len(factors) * rules.max_seeds,
    )
