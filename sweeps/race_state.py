"""Where a race stands: its rules, looks, drops and decision, as an object, in sentences and as JSON.

`sweeps.racing` makes it of a plan and its records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.describe import describe_factors
from sweeps.questions import BASELINE, CONTROL, PROMPT
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from sweeps.stats.intervals import in_points
from sweeps.stats.race import ALPHA, Ending, Way
from vmp.core.text import count, listing

RACE = "race"
"""The method of ``--search`` that this is about."""
Named = Callable[[Mapping[str, Scalar]], str]
"""What an arm with these factors is called in a sentence."""

_MAX_NAMED = 3  # of the arms that were dropped, in a sentence


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
        looks: Numbers of seeds after which it looks.
        seeds: That of the last look taken; 0 before the first.
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
        if len(dropped) <= _MAX_NAMED:
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
        """Whether the race of every block has ended."""
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
