"""Adaptive search: Optuna proposes arms, every arm runs on all its seeds, Optuna is told the mean.

The unit stays the cell, so a search leaves the same records as a grid and a kill costs no finished cell. Proposals are
made one arm at a time by a sampler that is seeded with the arm's number: which arms are proposed depends on the study
and on the results so far, never on the number of workers or on where a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Annotated, Any, Literal

import optuna
from pydantic import Field

from sweeps.plan import Task, arm_tasks
from sweeps.record import CellRecord, Scalar, StudyFolder
from sweeps.study import Study, is_number
from vmp.config import config, to_plain
from vmp.errors import InputError
from vmp.seeding import derive_seed

RunTasks = Callable[[Sequence[Task]], list[CellRecord]]
_LOG_FROM = 10.0  # a factor whose positive values span this ratio is searched on a log scale


@config
class SearchSettings:
    """How arms are proposed.

    Attributes:
        method: ``tpe`` (multivariate Tree-structured Parzen Estimator).
        arms: Arms to propose, beside the reference arms (baseline and control), which always run.
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

    A factor with at least two numeric values is searched between its smallest and largest; on a log scale where they
    span a factor of 10, with exact 0 as a choice of its own where the study lists it. Any other factor is a choice among
    its values. ``prompt: none`` and ``control`` have nothing to search: they run once each, as references.

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
        """Run the references, finish what was interrupted, then propose until the budget is spent."""
        references = [
            task for factors, experiment in self.references for task in arm_tasks(self.study, factors, experiment)
        ]
        trials = self._open()
        finished = trials.get_trials(
            deepcopy=False, states=(optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
        )
        earlier = [self._tasks(trial.params) for trial in finished]
        run(references + [task for tasks in earlier for task in tasks])  # all recorded: this rebuilds the plan
        # We hold the folder, so a trial that is still RUNNING belongs to a run that died: finish its cells and tell.
        for trial in trials.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self._finish(trials, trial.number, run(self._tasks(trial.params)))
        while len(trials.trials) < self.settings.arms:
            trial = self._ask(trials)
            self._finish(trials, trial.number, run(self._tasks(trial.params)))

    def _open(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(
            study_name=self.study.name,
            storage=f"sqlite:///{self.folder.path / 'search.db'}",
            direction="maximize",
            load_if_exists=True,
        )

    def _ask(self, trials: optuna.Study) -> optuna.Trial:
        number = len(trials.trials)
        trials.sampler = optuna.samplers.TPESampler(
            multivariate=True, group=True, seed=derive_seed(self.settings.seed, "search", number) % 2**32
        )
        trial = trials.ask()
        for name, values in self.space.items():
            self._suggest(trial, name, values)
        return trial

    def _suggest(self, trial: optuna.Trial, name: str, values: Sequence[Scalar]) -> None:
        numbers = sorted(float(v) for v in values if is_number(v))  # type: ignore[arg-type]
        if len(numbers) < max(2, len(values)):
            if len(values) > 1:
                trial.suggest_categorical(name, list(values))
            return
        positive = [v for v in numbers if v > 0]
        wide = numbers[0] >= 0 and len(positive) > 1 and positive[-1] / positive[0] >= _LOG_FROM
        if wide and numbers[0] == 0 and trial.suggest_categorical(f"{name} is 0", [False, True]):
            return
        if all(isinstance(v, int) for v in values):
            trial.suggest_int(name, int(positive[0] if wide else numbers[0]), int(numbers[-1]), log=wide)
        else:
            trial.suggest_float(name, positive[0] if wide else numbers[0], numbers[-1], log=wide)

    def _tasks(self, params: dict[str, Any]) -> list[Task]:
        """The cells of a proposed arm."""
        factors: dict[str, Scalar] = {}
        for name, values in self.space.items():
            if params.get(f"{name} is 0"):
                factors[name] = 0.0
            elif name in params:
                factors[name] = params[name]
            elif len(values) == 1:
                factors[name] = values[0]
            else:
                raise InputError(
                    f"'{self.folder.path / 'search.db'}' was made by a study with other factors: it has no '{name}'; "
                    "give another --out"
                )
        factors, experiment = self.study.arm(factors)
        return arm_tasks(self.study, factors, experiment)

    def _finish(self, trials: optuna.Study, number: int, records: list[CellRecord]) -> None:
        """Tell the mean over seeds of the validation metric; an arm with a hole in it has no honest mean."""
        scores = [record.metrics.get(f"val_{self.study.metric}") for record in records]
        if all(isinstance(score, float) for score in scores):
            trials.tell(number, fmean(scores))  # type: ignore[type-var, arg-type]
        else:
            trials.tell(number, state=optuna.trial.TrialState.FAIL)
