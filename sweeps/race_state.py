"""Where a race stands: looks, drops and decision, as a pure function of a plan and its records.

The sweep that runs a race, a replay of it, `vmp sweep status` and the report all ask this one function, so no worker,
engine or kill can make them disagree. No torch, no lock.

Arms of different blocks (`sweeps.questions.block_names`) are no rivals. A study with blocks is one race in each, of the
block's own arms and by the rules of a race alone, so that what happens in one changes nothing in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.describe import describe_factors
from sweeps.questions import BASELINE, CONTROL, PROMPT, Factors, arms_by_block, block_names
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from sweeps.stats.intervals import in_points
from sweeps.stats.looks import looks_until
from sweeps.stats.race import ALPHA, ENDINGS, WAYS, Ending, Races, Way, race
from vmp.core.text import count, listing

RACE = "race"
"""The method of ``--search`` that this is about."""
Named = Callable[[Mapping[str, Scalar]], str]
"""What an arm with these factors is called in a sentence."""

_NAMED = 3  # as many dropped arms are named in a sentence


@dataclass(frozen=True, kw_only=True)
class RaceRules:
    """What decides a race beside its runs; all of it is in the plan.

    Attributes:
        metric: ``top1`` or ``mean_class``; arms race on validation.
        margin: Arms that differ by less count as equal, a fraction.
        max_seeds: The cap.
        alpha: The error, over all looks of a race.
    """

    metric: str
    margin: float
    max_seeds: int
    alpha: float = ALPHA

    @classmethod
    def of(cls, plan: Plan) -> RaceRules:
        """Those of a race's plan."""
        options = plan.search.options
        return cls(
            metric=plan.metric,
            margin=plan.study.margin,
            max_seeds=int(options["max_seeds"]),  # type: ignore[arg-type]
            alpha=float(options.get("alpha", ALPHA)),  # type: ignore[arg-type]
        )


@dataclass(frozen=True, kw_only=True)
class RaceArm:
    """One arm of a race; accuracies are fractions of the validation metric.

    Attributes:
        factors: The arm.
        seeds: Seeds that it ran in the race.
        collapsed: Collapsed or diverged runs, of `runs` that could collapse.
        dropped_at: Seeds of the look at which it was dropped; None while it is in the race.
        beaten_by: Factors of the arm that was ahead then.
        way: ``accuracy`` or ``collapse``; empty while it is in the race.
        difference: Mean lead of the leader over all paired runs, at the arm's last look; None for the leader and
            before the first look.
        low, high: Its repeated confidence interval: it holds at all looks together, so it allows for the stopping.
        n: Seeds behind it.
    """

    factors: dict[str, Scalar]
    seeds: int
    collapsed: int
    runs: int
    dropped_at: int | None
    beaten_by: dict[str, Scalar] | None
    way: str
    difference: float | None
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class RaceState:
    """A race as far as it went.

    Attributes:
        block: The values of the study's block factors; empty where all its arms race each other.
        rules: What decides it.
        ending: How it ended, or ``running``.
        looks: Numbers of seeds after which it looks; `seeds` that of the last look taken, 0 before the first.
        next_look: Seeds that the arms in the race need next; None once it has ended.
        arms: In the plan's order. leader: Index of the arm with the highest mean at the last look; None before.
        cells: Runs that the race took. grid_cells: Those of a grid of the same arms with `rules.max_seeds` seeds.
    """

    block: dict[str, Scalar]
    rules: RaceRules
    ending: Ending
    looks: tuple[int, ...]
    seeds: int
    next_look: int | None
    arms: tuple[RaceArm, ...]
    leader: int | None
    cells: int
    grid_cells: int

    @property
    def alive(self) -> tuple[RaceArm, ...]:
        """The arms in the race."""
        return tuple(arm for arm in self.arms if arm.dropped_at is None)

    def sentence(self, named: Named = describe_factors) -> str:
        """The decision in one sentence."""
        names = [named(arm.factors) for arm in self.alive]
        race = f"In {describe_factors(self.block)} the race" if self.block else "The race"
        after = f"after {count(self.seeds, 'seed')} and {count(self.cells, 'cell')}"
        margin = f"the margin of {in_points(self.rules.margin)}"
        match self.ending:
            case Ending.BEST:
                return f"{race} ended {after}: {names[0]} is best, every other arm is shown to be worse."
            case Ending.SET:
                return f"{race} ended {after} with a set: {listing(names)} lie within {margin}{self._others(named)}."
            case Ending.NO_DIFFERENCE:
                return f"{race} ended {after}: no difference, all {len(names)} arms lie within {margin}."
            case Ending.NOT_ENOUGH_SEEDS:
                return (
                    f"{race} ended {after}, at its cap, with not enough seeds to decide between "
                    f"{count(len(names), 'arm')}: {listing(names)}{self._others(named)}."
                )
            case _:
                return f"{race} is running: {len(names)} of {count(len(self.arms), 'arm')} in it {after}."

    def _others(self, named: Named) -> str:
        """A clause on the arms that were dropped; what trains without the prompt is named in any case."""
        dropped = [arm.factors for arm in self.arms if arm.dropped_at is not None]
        if len(dropped) <= _NAMED:
            names = listing([named(factors) for factors in dropped])
            return f"; {names} {'is' if len(dropped) == 1 else 'are'} shown to be worse" if dropped else ""
        by_collapse = sum(arm.way == Way.COLLAPSE for arm in self.arms if arm.dropped_at is not None)
        plain = [named(factors) for factors in dropped if factors.get(PROMPT) in (BASELINE, CONTROL)]
        among = f", {listing(plain)} among them" if plain else ""
        if not by_collapse:
            return f"; the other {len(dropped)} are shown to be worse{among}"
        ways = [
            f"{number} by {'its' if number == 1 else 'their'} {way}"
            for number, way in ((len(dropped) - by_collapse, "accuracy"), (by_collapse, "rate of collapse"))
            if number
        ]
        return f"; the other {len(dropped)} are shown to be worse{among}: {listing(ways)}"

    def drops(self, since: int = 0, named: Named = describe_factors) -> list[str]:
        """A line for each arm that was dropped after look `since`, in the order of the looks."""
        dropped = [arm for arm in self.arms if arm.dropped_at is not None and arm.dropped_at > since]
        return [_drop_line(arm, named) for arm in sorted(dropped, key=lambda arm: arm.dropped_at or 0)]

    def lines(self) -> list[str]:
        """As text."""
        return [self.sentence(), *(f"  {line}" for line in self.drops())]

    def to_json(self) -> dict[str, Any]:
        """The decision and all that led to it, see results/README.md."""
        return {
            "decision": self.ending.value,
            "cells": self.cells,
            "grid_cells": self.grid_cells,
            "arms": [arm.factors for arm in self.alive],
            "looks": [
                {"seeds": look, "dropped": [arm.factors for arm in self.arms if arm.dropped_at == look]}
                for look in self.looks
                if look <= self.seeds
            ],
            "next_look": self.next_look,
            "leader": None if self.leader is None else self.arms[self.leader].factors,
            "alpha": self.rules.alpha,
            "margin": self.rules.margin,
            "max_seeds": self.rules.max_seeds,
            "by_arm": [arm.to_json() for arm in self.arms],
        }


@dataclass(frozen=True, kw_only=True)
class StudyRace:
    """The race of a study: one of all its arms, or one in each of its blocks, side by side.

    Attributes:
        rules: What decides each of them; the error is that of each race, whatever their number.
        races: At least one.
    """

    rules: RaceRules
    races: tuple[RaceState, ...]

    @property
    def is_over(self) -> bool:
        return all(one.next_look is None for one in self.races)

    @property
    def seeds_by_arm(self) -> dict[str, int]:
        """Seeds that each arm ran, by its key; an arm that races in several blocks ran those of the longest."""
        seeds: dict[str, int] = {}
        for arm in (arm for one in self.races for arm in one.arms):
            seeds[arm_key(arm.factors)] = max(seeds.get(arm_key(arm.factors), 0), arm.seeds)
        return seeds

    @property
    def cells(self) -> int:
        """Runs that the races took together."""
        return sum(self.seeds_by_arm.values())

    @property
    def grid_cells(self) -> int:
        """Runs of a grid of the same arms with `rules.max_seeds` seeds."""
        return len(self.seeds_by_arm) * self.rules.max_seeds

    def error_sentence(self) -> str:
        """For how many races the error is stated; empty for one."""
        if len(self.races) == 1:
            return ""
        number, alpha = len(self.races), self.rules.alpha
        each = f"The error of {100 * alpha:g}% holds in each of the {number} races, one a block"
        return f"{each}; {any_of(number, alpha)}."

    def lines(self) -> list[str]:
        """As text."""
        if len(self.races) == 1:
            return self.races[0].lines()
        return [self.error_sentence(), *(line for one in self.races for line in one.lines())]

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep replay --json`` and ``vmp sweep status --json`` print.

        Over several blocks what only a single race has is None, and `blocks` holds each of them.
        """
        if len(self.races) == 1:
            return self.races[0].to_json() | {"blocks": []}
        made = [{"block": one.block, **one.to_json()} for one in self.races]
        endings = {one.ending.value for one in self.races}
        if not self.is_over:
            endings = {Ending.RUNNING.value}
        alive = {arm_key(arm.factors): arm.factors for one in self.races for arm in one.alive}
        return dict.fromkeys(self.races[0].to_json()) | {
            "decision": endings.pop() if len(endings) == 1 else None,
            "cells": self.cells,
            "grid_cells": self.grid_cells,
            "arms": list(alive.values()),
            "next_look": min((one.next_look for one in self.races if one.next_look), default=None),
            "alpha": self.rules.alpha,
            "margin": self.rules.margin,
            "max_seeds": self.rules.max_seeds,
            "blocks": made,
        }


def any_of(races: int, alpha: float) -> str:
    """What the error of each of several races bounds over them (Bonferroni)."""
    return f"that any of the {races} races drops its best arm has probability at most {100 * min(races * alpha, 1):g}%"


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


def _drop_line(arm: RaceArm, named: Named) -> str:
    """``after 5 seeds: lambda=10 is dropped, 4.2 points (1.1 to 7.3) behind lambda=0.1; 4 of 5 runs collapsed``."""
    assert arm.difference is not None
    assert arm.low is not None
    assert arm.high is not None
    assert arm.beaten_by is not None
    lead, low, high = (f"{100 * value:.1f}".replace("-", "−") for value in (arm.difference, arm.low, arm.high))
    line = (
        f"after {count(arm.dropped_at or 0, 'seed')}: {named(arm.factors)} is dropped, {lead} points ({low} to {high}) "
        f"behind {named(arm.beaten_by)}"
    )
    why = "; dropped for its rate of collapse" if arm.way == Way.COLLAPSE else ""
    return line + (f"; {arm.collapsed} of {arm.runs} runs collapsed" if arm.collapsed else "") + why
