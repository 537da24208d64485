"""A search whose cells are answered from a finished study: what it would have proposed, and what it would have cost."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sweeps.describe import describe_factors
from sweeps.propose.arm_search import ArmSearch, Params, Step
from sweeps.propose.optuna_search import distributions, result_of
from sweeps.propose.settings import SearchSettings
from sweeps.questions import PROMPT, PROMPTED
from sweeps.ranges import Scale
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from sweeps.records.study_folder import StudyFolder
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.text import count

_OF_SEARCH = [field.name for field in dataclasses.fields(SearchSettings) if field.name not in ("method", "options")]


@dataclass(frozen=True, kw_only=True)
class ReplayedSearch:
    """What a search would have done.

    Attributes:
        method: The sampler.
        arms: Each proposed arm in its order: factors, seeds, and its mean on validation over them, None
            where a seed has none.
        best: The one with the highest mean among those with the most seeds; None without any.
        best_of_grid: Mean over all seeds of the best arm of the study.
        cells, grid_cells: What it took, and what the prompted arms of the study have.
    """

    method: str
    arms: tuple[tuple[dict[str, Scalar], int, float | None], ...]
    best: tuple[dict[str, Scalar], int, float | None] | None
    best_of_grid: tuple[dict[str, Scalar], float] | None
    cells: int
    grid_cells: int

    def lines(self) -> list[str]:
        """As text."""
        if self.best is None or self.best_of_grid is None:
            return [f"The search ({self.method}) has no arm with a mean."]
        factors, seeds, mean = self.best
        grid, grid_mean = self.best_of_grid
        return [
            f"The search ({self.method}) proposed {count(len(self.arms), 'arm')} and ends with "
            f"{describe_factors(factors)}: validation {mean:.3f} over {count(seeds, 'seed')}; the best of the study is "
            f"{describe_factors(grid)} with {grid_mean:.3f} over all of its seeds."
        ]

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep replay --json`` prints."""
        return {
            "method": self.method,
            "cells": self.cells,
            "grid_cells": self.grid_cells,
            "arms": [{"factors": factors, "seeds": seeds, "mean": mean} for factors, seeds, mean in self.arms],
            "best": self.best and {"factors": self.best[0], "seeds": self.best[1], "mean": self.best[2]},
            "best_of_grid": self.best_of_grid and {"factors": self.best_of_grid[0], "mean": self.best_of_grid[1]},
        }


def replay_search(folder: StudyFolder, method: str, options: Mapping[str, Any]) -> ReplayedSearch:
    """Search among the prompted arms of a study without running anything.

    A number is proposed within its range, as in a real search, and the nearest of the study's values answers.

    Args:
        folder: The study; a grid.
        method: A sampler.
        options: Of the sampler, and of the search (``arms``, ``first_seeds``, ``factor``, ``in_flight``, ``seed``).

    Raises:
        InputError: No such method or option, nothing to search, or a cell has no record.
    """
    plan = folder.read_plan()
    own = {name: value for name, value in options.items() if name in _OF_SEARCH}
    rest = {name: value for name, value in options.items() if name not in _OF_SEARCH}
    settings = from_plain(SearchSettings, {"method": method, "options": rest, **own}, source="--search-option")
    arms = [factors for factors in plan.arms().values() if factors.get(PROMPT, PROMPTED) == PROMPTED]
    if "arms" not in own:
        settings = dataclasses.replace(settings, arms=min(settings.arms, max(len(arms), 1)))
    if settings.first_seeds is not None and settings.first_seeds > len(plan.seeds):
        raise InputError(f"first_seeds is {settings.first_seeds}, and the study has {len(plan.seeds)} seeds")
    results = {
        (arm_key(record.factors), record.seed): result_of(record, plan.metric) for record in folder.records(plan)
    }
    space = _Values(plan, arms)
    search = ArmSearch(settings, space.distributions, len(plan.seeds), name_of=lambda p: arm_key(space.arm(p)))
    rounds: deque[Step | None] = deque()
    seeds: dict[int, tuple[dict[str, Scalar], int]] = {}
    while True:
        if len(rounds) == settings.in_flight and (step := rounds.popleft()) is not None:
            arm = space.arm(step.params)
            cells = [(arm_key(arm), seed) for seed in plan.seeds[step.first : step.last]]
            if absent := [seed for one, seed in cells if (one, seed) not in results]:
                raise InputError(
                    f"the search asks for {describe_factors(arm)} with seed {absent[0]}, and '{folder.path}' has no "
                    "record of it; finish the study"
                )
            search.tell(step, [results[cell] for cell in cells])
            seeds[step.arm] = (arm, step.last)
        rounds.append(search.ask())
        if len(rounds) == settings.in_flight and not any(rounds):
            break
    made = tuple((arm, number, search.values.get(i)) for i, (arm, number) in sorted(seeds.items()))
    full = [one for one in made if one[2] is not None and one[1] == max(m for _, m, v in made if v is not None)]
    means = [(factors, _mean(factors, plan, results)) for factors in arms]
    known = [(factors, mean) for factors, mean in means if mean is not None]
    return ReplayedSearch(
        method=method,
        arms=made,
        best=max(full, key=lambda one: one[2] or 0.0, default=None),
        best_of_grid=max(known, key=lambda one: one[1], default=None),
        cells=sum(number for _, number, _ in made),
        grid_cells=len(arms) * len(plan.seeds),
    )


class _Values:
    """The space of a study's arms, and the arm that is nearest to a proposal."""

    def __init__(self, plan: Plan, arms: Sequence[dict[str, Scalar]]) -> None:
        self._arms = arms
        self._values = {
            name: [v for v in values if any(arm.get(name) == v for arm in arms)]
            for name, values in plan.factors.items()
        }
        self._scales = {name: Scale.of(values, integer=False) for name, values in self._values.items()}
        self.distributions = distributions(self._values, self._scales)
        if not self.distributions:
            raise InputError("the study leaves nothing to search: no factor has two values in its prompted arms")

    def arm(self, params: Params) -> dict[str, Scalar]:
        """The arm of a proposal. Raises InputError where the study has none, as in a fraction of a factorial."""
        chosen = {name: self._nearest(name, value) for name, value in params.items()}
        for arm in self._arms:
            if all(arm.get(name) is None or arm[name] == value for name, value in chosen.items()):
                return arm
        raise InputError(f"the study has no arm {describe_factors(chosen)}; only a full factorial can be replayed")

    def _nearest(self, name: str, proposed: Any) -> Scalar:
        scale = self._scales[name]
        if scale is None:
            value: Scalar = proposed
            return value
        if proposed < scale.zero_below:
            return min(self._values[name], key=lambda v: abs(float(v or 0)))

        def distance(value: Scalar) -> float:
            number = float(value or 0)
            if not scale.log:
                return abs(number - proposed)
            return math.inf if number <= 0 else abs(math.log(number / proposed))

        return min(self._values[name], key=distance)


def _mean(factors: Mapping[str, Scalar], plan: Plan, results: Mapping[tuple[str, int], Any]) -> float | None:
    found = [results.get((arm_key(factors), seed)) for seed in plan.seeds]
    scores = [one.score for one in found if one is not None and one.status == "complete"]
    return fmean(scores) if scores and len(scores) == len(found) else None
