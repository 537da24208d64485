"""A race before it runs: what `vmp sweep plan` says of its rules, its error and the cells to expect, in each block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.describe import describe_factors
from sweeps.propose.race_search import race_rules, race_seeds
from sweeps.propose.settings import SearchSettings
from sweeps.race_state import RaceRules, any_of
from sweeps.racing import race_blocks
from sweeps.records.factors import Factors, Scalar
from sweeps.stats.expected_cells import expected_cells
from sweeps.stats.intervals import in_points
from sweeps.stats.looks import looks_until
from sweeps.study import Study
from vmp.core.text import count, listing


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Simulated races of normal runs without collapse: mean cells, and the share that comes to a decision."""

    case: str
    cells: float
    decided: float


@dataclass(frozen=True, kw_only=True)
class BlockForecast:
    """The race of one block before it runs; `arms` in it, and the rest as in `RaceForecast`."""

    block: dict[str, Scalar]
    arms: tuple[str, ...]
    expected: tuple[Expected, ...]


@dataclass(frozen=True, kw_only=True)
class RaceForecast:
    """A race before it runs.

    Attributes:
        rules: What decides it. seeds: Of the race. looks: Numbers of seeds after which it looks.
        cells: At most, were no arm dropped.
        blocks: The race of each block; a study without blocks has one.
    """

    rules: RaceRules
    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    cells: int
    blocks: tuple[BlockForecast, ...]

    @property
    def expected(self) -> tuple[Expected, ...]:
        """By case, which is then that of each block: cells of all races, and the share of the races that decide."""
        return tuple(
            Expected(
                case=same[0].case,
                cells=min(sum(one.cells for one in same), self.cells),
                decided=sum(one.decided for one in same) / len(same),
            )
            for same in zip(*(block.expected for block in self.blocks), strict=True)
        )

    def lines(self, study: Study) -> list[str]:
        """As text."""
        added = [seed for seed in self.seeds if seed not in study.seeds]
        more = f" (the study's {len(study.seeds)}, then {added[0]} to {added[-1]})" if added else ""
        cases = listing([f"{one.cells:.0f} {one.case} ({one.decided:.0%} decided)" for one in self.expected])
        looks = listing([str(look) for look in self.looks])
        race, alike, over = "The race", "", ""
        if (number := len(self.blocks)) > 1:
            race, alike = "Each race", " over all blocks, each in the same case"
            over = f"; {any_of(number, self.rules.alpha)}"
        return [
            f"race over at most {len(self.seeds)} seeds{more}, with looks after {looks}",
            *self._of_the_blocks(),
            f"expected cells{alike}, SD being that of a paired difference: {cases}; at most {self.cells}",
            f"{race} drops the truly best arm with probability at most {self.rules.alpha:.0%} over all looks, and "
            f"calls arms equal that differ by the margin of {in_points(self.rules.margin)} or more with at most "
            f"{self.rules.alpha:.0%}{over}.",
        ]

    def _of_the_blocks(self) -> list[str]:
        if len(self.blocks) == 1:
            return []
        blocks = [f"{describe_factors(one.block)} ({count(len(one.arms), 'arm')})" for one in self.blocks]
        return [f"{len(blocks)} races side by side, one in each block: {listing(blocks)}"]

    def seconds(self, seconds: Mapping[str, float]) -> float:
        """Computing time of all races where one arm is 1 SD ahead, from that of a cell of each arm, by its key."""
        return sum(
            block.expected[0].cells * sum(seconds[arm] for arm in block.arms) / len(block.arms) for block in self.blocks
        )

    def to_json(self) -> dict[str, Any]:
        several = self.blocks if len(self.blocks) > 1 else ()
        return {
            "max_seeds": len(self.seeds),
            "looks": list(self.looks),
            "alpha": self.rules.alpha,
            "margin": self.rules.margin,
            "max_cells": self.cells,
            "expected": [vars(one) for one in self.expected],
            "blocks": [
                {"block": one.block, "arms": len(one.arms), "expected": [vars(case) for case in one.expected]}
                for one in several
            ],
        }


def forecast_race(study: Study, search: SearchSettings, arms: Mapping[str, Factors]) -> RaceForecast:
    """Simulate races of as many arms as each block has; seeded, so the same study gets the same answer.

    Args:
        study: The definition.
        search: The race's options.
        arms: The study's arms by their keys.
    """
    rules = race_rules(study, search)
    blocks = race_blocks(arms, study.blocks)
    by_size = {size: _expected(size, rules) for size in {len(names) for _, names in blocks}}
    return RaceForecast(
        rules=rules,
        seeds=race_seeds(study, rules.max_seeds),
        looks=looks_until(rules.max_seeds),
        cells=len(arms) * rules.max_seeds,
        blocks=tuple(BlockForecast(block=block, arms=names, expected=by_size[len(names)]) for block, names in blocks),
    )


def _expected(arms: int, rules: RaceRules) -> tuple[Expected, ...]:
    cases = {"with one arm 1 SD ahead": [1.0], "with one 2 SD ahead": [2.0], "with all equal and a margin of 1 SD": []}
    expected = []
    for case, effects in cases.items():
        rng = np.random.default_rng(0)
        cells, decided = expected_cells(arms, cap=rules.max_seeds, effects=effects, rng=rng, alpha=rules.alpha)
        expected.append(Expected(case=case, cells=cells, decided=decided))
    return tuple(expected)
