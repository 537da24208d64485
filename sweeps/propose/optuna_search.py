"""Adaptive search: an Optuna sampler proposes arms within the ranges of a study's factors.

The unit stays the cell, so a search leaves the same records as a grid and a kill costs no finished cell. What is
proposed follows from the study, the settings and the records alone (`sweeps.propose.arm_search`); the plan keeps the
proposals, so that another version of Optuna goes on with the same arms.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence

import optuna

from sweeps.plan import Task, arm_tasks, is_reference
from sweeps.propose.arm_search import ArmSearch, CellResult, Params, Step
from sweeps.propose.settings import GRID, SearchSettings, rungs
from sweeps.questions import BASELINE, CONTROL, PROMPT
from sweeps.race_state import RACE
from sweeps.ranges import Scale
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import Plan, Proposal, SearchHeader
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json


class OptunaSearch:
    """A search over a study's factors.

    A factor with at least two numeric values is searched between its smallest and largest; on a log scale where its
    positive values lie a factor of 10 apart. Where the study lists 0 beside them, the decade below the smallest stands
    for exact 0. Any other factor is a choice among its values. ``prompt: none`` and ``control`` have nothing to search:
    they run once each, as references, at first. A factor that a proposed kind does not read is None in that arm.

    Args:
        study: The definition.
        settings: The method and its budget.
        folder: Whose plan the search goes on from; None to start without one.

    Raises:
        InputError: No such method or option, a space that the method cannot search, no factor to search, more first
            seeds than seeds, or the folder holds a search by other settings.
    """

    def __init__(self, study: Study, settings: SearchSettings, folder: StudyFolder | None) -> None:
        self.study, self.settings = study, settings
        self.depth = settings.in_flight
        self._references = [
            task
            for arm in study.made_arms()
            if is_reference(arm.settings)
            for task in arm_tasks(study, arm.factors, arm.experiment, arm.settings)
        ]
        self._values = {
            name: [v for v in values if not (study.path(name) == study.path(PROMPT) and v in (BASELINE, CONTROL))]
            for name, values in study.factors.items()
        }
        whole = study.whole_numbers()
        self._scales = {name: Scale.of(values, integer=name in whole) for name, values in self._values.items()}
        space = distributions(self._values, self._scales)
        if not space:
            raise InputError(
                f"study '{study.name}' leaves nothing to search: no factor has two values beside the reference arms"
            )
        if settings.first_seeds is not None and settings.first_seeds > len(study.seeds):
            raise InputError(
                f"search.first_seeds is {settings.first_seeds}, and study '{study.name}' has {len(study.seeds)} seeds; "
                "give it at most as many"
            )
        described = {
            name: json.loads(optuna.distributions.distribution_to_json(one)) for name, one in sorted(space.items())
        }
        self._header = search_header(settings, len(study.seeds)).model_copy(update={"space": described})
        earlier: list[Params] = []
        if folder and folder.has_plan():
            earlier = _earlier_proposals(folder, folder.read_plan(), self._header)
        self._tasks: dict[str, list[Task]] = {}  # of each proposal
        self._search = ArmSearch(
            settings, space, len(study.seeds), name_of=lambda params: self._cells(params)[0].hash, proposals=earlier
        )
        self._open: deque[tuple[Step | None, list[Task]]] = deque()
        self._is_first = True

    @property
    def header(self) -> SearchHeader:
        return self._header.model_copy(update={"proposals": self._proposals()})

    def _proposals(self) -> list[Proposal]:
        return [Proposal(params=params, arm=arm) for params, arm in self._search.proposals]

    def known(self) -> list[Task]:
        return []

    def ask(self) -> list[Task]:
        """The cells of an arm on its next seeds; at first those of the references."""
        step, tasks = None, self._references if self._is_first else []
        self._is_first = False
        if not tasks and (step := self._search.ask()) is not None:
            tasks = self._cells(step.params)[step.first : step.last]
        self._open.append((step, tasks))
        return tasks

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Give the sampler the validation scores of the oldest open round."""
        step, tasks = self._open.popleft()
        if step is None:
            return
        by_hash = {record.hash: record for record in records}
        self._search.tell(step, [result_of(by_hash[task.hash], self.study.metric) for task in tasks])

    def news(self) -> list[str]:
        return []

    def _cells(self, params: Params) -> list[Task]:
        """The cells of a proposed arm, in the order of the seeds."""
        key = canonical_json(params)
        if key not in self._tasks:
            factors: dict[str, Scalar] = {}
            for name, values in self._values.items():
                scale = self._scales[name]
                if name not in params:
                    factors[name] = values[0]
                else:
                    factors[name] = params[name] if scale is None else scale.value(params[name])
            self._tasks[key] = arm_tasks(self.study, *self.study.arm(factors))
        return self._tasks[key]


def search_header(settings: SearchSettings, seeds: int) -> SearchHeader:
    """What a plan says of a search before its first arm."""
    return SearchHeader(
        method=settings.method,
        options=settings.options,
        seed=settings.seed,
        arms=settings.arms,
        in_flight=settings.in_flight,
        rungs=list(rungs(settings, seeds)),
        factor=None if settings.first_seeds is None else settings.factor,
        against=settings.against,
    )


def result_of(record: CellRecord, metric: str) -> CellResult:
    """What a search uses of a record."""
    score = record.metrics.get(f"val_{metric}")
    return CellResult(
        status=record.status,
        score=None if score is None else float(score),
        cost=record.provenance.seconds,
    )


def _earlier_proposals(folder: StudyFolder, plan: Plan, header: SearchHeader) -> list[Params]:
    """Those of the search that the folder holds; none where it holds a grid."""
    before = plan.search
    if before.method == GRID:
        return []
    if before.rungs is None:
        what = "a race" if before.method == RACE else "a search that an earlier version began"
        raise InputError(
            f"'{folder.path}' holds {what}; give another --out (--reuse '{folder.path}' takes its cells over)"
        )
    for name in ("method", "options", "seed", "in_flight", "rungs", "factor", "against"):
        old, new = getattr(before, name), getattr(header, name)
        if old != new:
            raise InputError(f"'{folder.path}' holds a search with {name} {old!r}, not {new!r}; give another --out")
    if canonical_json(before.space) != canonical_json(header.space):
        raise InputError(
            f"'{folder.path}' holds a search of other factors or ranges ({', '.join(before.space)}); give another --out"
        )
    return [dict(one.params) for one in before.proposals]


def distributions(
    values: Mapping[str, Sequence[Scalar]], scales: Mapping[str, Scale | None]
) -> dict[str, optuna.distributions.BaseDistribution]:
    """The space that is searched: a range for each factor with a scale, a choice for each other one with two values."""
    space: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, choices in values.items():
        scale = scales[name]
        if scale is not None:
            space[name] = optuna.distributions.FloatDistribution(scale.low, scale.high, log=scale.log)
        elif len(choices) > 1:
            space[name] = optuna.distributions.CategoricalDistribution(list(choices))
    return space
