"""Adaptive search: Optuna proposes arms, every arm runs on all its seeds, Optuna is told the mean.

The unit stays the cell, so a search leaves the same records as a grid and a kill costs no finished cell. Proposals are
made one arm at a time by a sampler that is seeded with the arm's number: which arms are proposed depends on the study
and on the results so far, never on the number of workers or on where a run was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any, Literal

import optuna
from pydantic import Field

from sweeps.plan import Task, arm_tasks
from sweeps.record import CellRecord, Scalar, StudyFolder
from sweeps.study import Study, is_number
from vmp.core.config import config, to_plain
from vmp.core.errors import InputError
from vmp.core.seeding import derive_seed

RunTasks = Callable[[Sequence[Task]], list[CellRecord]]
_LOG_FROM = 10.0  # a factor whose positive values span this ratio is searched on a log scale


@config
class SearchSettings:
    """How arms are proposed.

    Attributes:
        method: ``tpe`` (Optuna's Tree-structured Parzen Estimator).
        arms: Different arms to propose, beside the reference arms (baseline and control), which always run.
        seed: Of the proposals.
    """

    method: Literal["tpe"] = "tpe"
    arms: Annotated[int, Field(ge=1)] = 20
    seed: int = 0

    def to_plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        return plain


class Search:
    """A search over a study's factors, kept in an Optuna storage in the study's folder.

    A factor with at least two numeric values is searched between its smallest and largest; on a log scale where its
    positive values span a factor of 10. Where the study lists 0 beside them, the decade below the smallest stands for
    exact 0. Any other factor is a choice among its values. ``prompt: none`` and ``control`` have nothing to search:
    they run once each, as references.

    Args:
        study: The definition.
        settings: The method and its budget.
        folder: Where ``search.db`` is kept.

    Raises:
        InputError: No factor leaves anything to search.
    """

    def __init__(self, study: Study, settings: SearchSettings, folder: StudyFolder) -> None:
        self.study, self.settings, self.folder = study, settings, folder
        self.references = [a for a in study.arms() if a[1].layer.prompt in ("none", "control")]
        self.space = {
            name: [v for v in values if not (study.path(name) == "layer.prompt" and v in ("none", "control"))]
            for name, values in study.factors.items()
        }
        if all(len(values) < 2 for values in self.space.values()):
            raise InputError(
                f"study '{study.name}' leaves nothing to search: no factor has two values beside the reference arms"
            )

    def drive(self, run: RunTasks) -> None:
        """Run the references, finish what was interrupted, propose until the budget or the space is exhausted."""
        tasks = [task for factors, experiment in self.references for task in arm_tasks(self.study, factors, experiment)]
        run(tasks)
        trials = self._open()
        earlier = trials.get_trials(deepcopy=False)
        for trial in earlier:  # a kill between asking for an arm and settling its factors leaves a trial without them
            if not trial.params and trial.state == optuna.trial.TrialState.RUNNING:
                trials.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        # All cells of earlier arms are there, so this only rebuilds the plan. We hold the folder: an arm that is still
        # RUNNING belongs to a run that died, and its missing cells are run now.
        asked = [trial for trial in earlier if trial.params]
        arms = [self._arm(trials, trial, run) for trial in asked]
        # An arm that is proposed twice tells nothing new and costs nothing; the bound keeps a tiny space from looping.
        while len(set(arms)) < self.settings.arms and len(arms) < 3 * self.settings.arms:
            arms.append(self._arm(trials, self._ask(trials, number=len(arms)), run))

    def _arm(self, trials: optuna.Study, trial: optuna.Trial | optuna.trial.FrozenTrial, run: RunTasks) -> str:
        """Bring a proposed arm to its end and tell the result, if that is still to do; returns the arm's name."""
        tasks = self._tasks(trial.params)
        records = run(tasks)
        if isinstance(trial, optuna.Trial) or trial.state == optuna.trial.TrialState.RUNNING:
            scores = [record.metrics.get(f"val_{self.study.metric}") for record in records]
            if all(isinstance(score, float) for score in scores):
                trials.tell(trial.number, fmean(scores))  # type: ignore[arg-type]
            else:  # an arm with a hole in it has no honest mean
                trials.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return tasks[0].hash

    def _open(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(
            study_name=self.study.name,
            storage=f"sqlite:///{self.folder.path / 'search.db'}",
            direction="maximize",
            load_if_exists=True,
        )

    def _ask(self, trials: optuna.Study, *, number: int) -> optuna.Trial:
        """Propose the arm after `number` others."""
        trials.sampler = optuna.samplers.TPESampler(seed=derive_seed(self.settings.seed, "search", number) % 2**32)
        space: dict[str, optuna.distributions.BaseDistribution] = {}
        for name, values in self.space.items():
            scale = self._scale(name)
            if scale is not None:
                space[name] = optuna.distributions.FloatDistribution(scale.low, scale.high, log=scale.log)
            elif len(values) > 1:
                space[name] = optuna.distributions.CategoricalDistribution(list(values))
        return trials.ask(fixed_distributions=space)

    def _scale(self, name: str) -> Scale | None:
        whole = isinstance(self.study.setting(name), int)  # epochs are whole, a lambda written as 1 is not
        return Scale.of(self.space[name], whole=whole)

    def _tasks(self, params: dict[str, Any]) -> list[Task]:
        """The cells of a proposed arm."""
        factors: dict[str, Scalar] = {}
        for name, values in self.space.items():
            scale = self._scale(name)
            if scale is None and len(values) == 1:
                factors[name] = values[0]
            elif name not in params:
                raise InputError(
                    f"'{self.folder.path / 'search.db'}' was made by a study with other factors: it has no '{name}'; "
                    "give another --out"
                )
            else:
                factors[name] = params[name] if scale is None else scale.value(params[name])
        factors, experiment = self.study.arm(factors)
        return arm_tasks(self.study, factors, experiment)


@dataclass(frozen=True)
class Scale:
    """How a numeric factor is searched: between `low` and `high`, linearly or in the logarithm.

    Attributes:
        low, high: Bounds of what is proposed.
        log: Whether proposals are even in the logarithm.
        zero_below: Proposals below it stand for exact 0.
        whole: Whether values are whole numbers.
    """

    low: float
    high: float
    log: bool
    zero_below: float
    whole: bool

    @classmethod
    def of(cls, values: Sequence[Scalar], *, whole: bool) -> Scale | None:
        """The scale that the listed values span, or None where they are choices."""
        numbers = sorted(float(v) for v in values if is_number(v))  # type: ignore[arg-type]
        if len(numbers) < max(2, len(values)):
            return None
        positive = [number for number in numbers if number > 0]
        log = numbers[0] >= 0 and len(positive) > 1 and positive[-1] >= _LOG_FROM * positive[0]
        zero = log and numbers[0] == 0
        low = positive[0] / 10 if zero else numbers[0]
        return cls(low, numbers[-1], log, zero_below=positive[0] if zero else -math.inf, whole=whole)

    def value(self, proposed: float) -> Scalar:
        """The factor's value for a proposal."""
        if proposed < self.zero_below:
            return 0.0
        return round(proposed) if self.whole else proposed
