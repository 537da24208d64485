"""Adaptive search: an Optuna sampler proposes arms, every arm runs on all its seeds, the sampler receives the mean.

The unit stays the cell, so a search leaves the same records as a grid and a kill costs no finished cell. Arms are asked
for in rounds of `in_flight`, and the sampler receives a round in the order of its arms once all of it has ended. The
sampler is made anew for each arm, seeded with the arm's number: which arms are proposed depends on the study, on
`in_flight` and on the results of earlier rounds, never on which worker was faster or on where a run was interrupted.
"""

from __future__ import annotations

import inspect
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import TrialState

from sweeps.plan import Task, arm_tasks, is_reference
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.race_state import RACE
from sweeps.ranges import Scale
from sweeps.record import CellRecord, Scalar, SearchHeader, StudyFolder
from sweeps.study import Study
from vmp.core.choices import find_object, lookup, unknown_key
from vmp.core.config import to_plain
from vmp.core.errors import InputError
from vmp.core.overrides import get
from vmp.core.seeding import derive_seed

_KIND_OF_LAYER = "layer.kind"

optuna.logging.set_verbosity(optuna.logging.WARNING)


def _short(name: str) -> str:
    """``TPESampler`` -> ``tpe``, ``NSGAIISampler`` -> ``nsga2``."""
    plain = name.lower().replace("-", "").replace("_", "").removesuffix("sampler")
    return plain.replace("iii", "3").replace("ii", "2")


def _samplers() -> dict[str, type[optuna.samplers.BaseSampler]]:
    names = [name for name in dir(optuna.samplers) if name.endswith("Sampler") and not name.startswith("Base")]
    classes = {_short(name): getattr(optuna.samplers, name) for name in names}
    return {name: sampler for name, sampler in classes.items() if not _required(sampler)}


def _required(sampler: Any) -> list[str]:
    """Arguments that a sampler cannot be made without: those of Optuna that need another sampler or space inside."""
    parameters = inspect.signature(sampler).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


SAMPLERS = _samplers()
"""Short name -> class of every sampler of the installed Optuna that can be made from plain options."""


class OptunaSearch:
    """A search over a study's factors, with its state in an Optuna storage in the study's folder.

    A factor with at least two numeric values is searched between its smallest and largest; on a log scale where its
    positive values lie a factor of 10 apart. Where the study lists 0 beside them, the decade below the smallest stands
    for exact 0. Any other factor is a choice among its values. ``prompt: none`` and ``control`` have nothing to search:
    they run once each, as references, beside the first round. A factor that a proposed kind does not read is None in
    that arm.

    Args:
        study: The definition.
        settings: The method and its budget.
        folder: Where ``search.db`` is, made by the first `ask`; None to search in memory.
        in_flight: Arms in a round, unless the settings or an earlier run in the folder say how many.

    Raises:
        InputError: No such method or option, a space that the method cannot search, no factor to search, or the folder
            holds a search by other settings.
    """

    def __init__(
        self, study: Study, settings: SearchSettings, folder: StudyFolder | None, *, in_flight: int = 1
    ) -> None:
        self.study, self.settings, self.folder = study, settings, folder
        arms = [(factors, to_plain(experiment), experiment) for factors, experiment in study.arms()]
        self._references = [
            task
            for factors, plain, experiment in arms
            if is_reference(plain)
            for task in arm_tasks(study, factors, experiment)
        ]
        self._values = {
            name: [v for v in values if not (study.path(name) == _KIND_OF_LAYER and v in ("none", "control"))]
            for name, values in study.factors.items()
        }
        self._scales = {
            # epochs are whole numbers, a lambda that was written as 1 is not
            name: Scale.of(
                values, integer=any(_is_int(get(p, study.path(name))) for f, p, _ in arms if f[name] is not None)
            )
            for name, values in self._values.items()
        }
        self._space = _space(self._values, self._scales)
        if not self._space:
            raise InputError(
                f"study '{study.name}' leaves nothing to search: no factor has two values beside the reference arms"
            )
        self.header = self._header(in_flight)
        self._sampler_class = _find_sampler(settings)
        self._rehearse()
        self._arms: list[str] = []  # every proposed arm by the hash of its first cell, repeats included
        self._round: list[tuple[optuna.trial.FrozenTrial, list[Task]]] = []
        self._trials: optuna.Study | None = None

    def ask(self) -> list[Task]:
        """The next round; the first one also holds the references and all arms of an earlier, interrupted run."""
        if self._trials is None:
            self._trials = self._open()
            stored = deque(self._stored())
            rounds = self._next_round(stored)
            while stored:
                rounds += self._next_round(stored)
            self._round = rounds
            return [*self._references, *(task for _, tasks in rounds for task in tasks)]
        self._round = self._next_round(deque())
        return [task for _, tasks in self._round for task in tasks]

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Give the sampler the mean validation score of each arm, in the order in which they were asked."""
        assert self._trials is not None
        by_hash = {record.hash: record for record in records}
        key = f"val_{self.study.metric}"
        for trial, tasks in self._round:
            if trial.state != TrialState.RUNNING:
                continue  # its value is stored by an earlier run
            cells = [by_hash[task.hash] for task in tasks]
            scores = [cell.metrics.get(key) for cell in cells if cell.status == "complete"]
            if len(scores) == len(cells) and all(isinstance(score, float | int) for score in scores):
                _tell(self._trials, trial.number, fmean(scores))  # type: ignore[arg-type]
            else:  # an arm without some of its seeds has no mean to compare
                _tell(self._trials, trial.number, None)

    def news(self) -> list[str]:
        return []

    def _next_round(self, stored: deque[optuna.trial.FrozenTrial]) -> list[tuple[optuna.trial.FrozenTrial, list[Task]]]:
        """As many arms as are in flight, `stored` ones first; fewer where the budget ends."""
        budget = self.settings.arms
        # An arm that is proposed twice tells nothing new and costs nothing; the bound keeps a tiny space from looping.
        size = min(self.header.in_flight or 1, budget - len(set(self._arms)), 3 * budget - len(self._arms))
        first = len(self._arms)
        arms = []
        for number in range(first, first + max(size, 0)):
            trial = stored.popleft() if stored else self._ask(number)
            arms.append((trial, self._tasks(trial.params)))
            self._arms.append(arms[-1][1][0].hash)
        if size <= 0:
            stored.clear()  # an earlier run had a larger budget
        return arms

    def _ask(self, number: int) -> optuna.trial.FrozenTrial:
        assert self._trials is not None
        self._trials.sampler = self._sampler(number)
        with warnings.catch_warnings(action="ignore"):
            asked = self._trials.ask(fixed_distributions=self._space)
        return self._trials.get_trials(deepcopy=False)[asked.number]

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler for the arm after `number` others."""
        options = dict(self.settings.options)
        options["seed"] = derive_seed(self.settings.seed, "search", number) % 2**32
        with warnings.catch_warnings(action="ignore"):  # Optuna calls some of them experimental
            if issubclass(self._sampler_class, optuna.samplers.QMCSampler):
                # A sequence has one seed, and its place in the storage; it starts after the first arm with a value.
                options["independent_sampler"] = optuna.samplers.RandomSampler(seed=options["seed"])
                options["seed"] = derive_seed(self.settings.seed, "search") % 2**32
            return self._sampler_class(**options)

    def _rehearse(self) -> None:
        """Ask twice in memory, so that what the method cannot do is said before anything is written."""
        method = f"search method '{self.settings.method}'"
        try:
            rehearsal = optuna.create_study(direction="maximize")
            for number in range(2):
                rehearsal.sampler = self._sampler(number)
                with warnings.catch_warnings(action="ignore"):
                    _tell(rehearsal, rehearsal.ask(fixed_distributions=self._space).number, 0.0)
        except ImportError as error:
            raise InputError(
                f"{method} needs the package '{error.name}', which is not installed; install it, or take another method"
            ) from error
        except Exception as error:  # whatever a sampler objects to: an option's value, or the space
            raise InputError(
                f"{method} refuses its options {self.settings.options} or the factors of '{self.study.name}': "
                f"{_one_line(error)}; give others, or another method"
            ) from error

    def _header(self, in_flight: int) -> SearchHeader:
        settings = self.settings
        header = SearchHeader(method=settings.method, options=settings.options, seed=settings.seed, arms=settings.arms)
        wish = settings.in_flight
        if self.folder and self.folder.has_plan() and (before := self.folder.read_plan().search).method != GRID:
            wish = wish or before.in_flight
            header = header.model_copy(update={"in_flight": wish})
            for name in ("method", "options", "seed", "in_flight"):
                old, new = getattr(before, name), getattr(header, name)
                if old != new:
                    raise InputError(
                        f"'{self.folder.path}' holds a search with {name} {old!r}, not {new!r}; give another --out"
                    )
        return header.model_copy(update={"in_flight": wish or in_flight})

    def _open(self) -> optuna.Study:
        return optuna.create_study(
            study_name=self.study.name,
            storage=f"sqlite:///{self.folder.path / 'search.db'}" if self.folder else None,
            direction="maximize",
            load_if_exists=True,
        )

    def _stored(self) -> list[optuna.trial.FrozenTrial]:
        """Arms of an earlier run, in order. We hold the folder, so one that is RUNNING belongs to a run that died."""
        assert self._trials is not None
        stored = []
        for trial in self._trials.get_trials():
            if set(trial.params) < set(self._space) and trial.state in (TrialState.RUNNING, TrialState.FAIL):
                if trial.state == TrialState.RUNNING:  # killed while it was asked for: its factors were never settled
                    _tell(self._trials, trial.number, None)
                continue
            if set(trial.params) != set(self._space):
                raise InputError(
                    f"the search.db in --out was made by a study with other factors ({', '.join(trial.params)}); "
                    "give another --out"
                )
            stored.append(trial)
        return stored

    def _tasks(self, params: Mapping[str, Any]) -> list[Task]:
        """The cells of a proposed arm."""
        factors: dict[str, Scalar] = {}
        for name, values in self._values.items():
            scale = self._scales[name]
            if name not in params:
                factors[name] = values[0]
            else:
                factors[name] = params[name] if scale is None else scale.value(params[name])
        return arm_tasks(self.study, *self.study.arm(factors))


def _tell(trials: optuna.Study, number: int, value: float | None) -> None:
    """Store an arm's value, or that it has none."""
    try:
        trials.tell(number, value, state=TrialState.FAIL if value is None else None)
    except RuntimeError as error:
        # A sampler that has tried everything asks to stop, after the value is stored. The budget of arms ends a search.
        if "Study.stop" not in str(error):
            raise


def _find_sampler(settings: SearchSettings) -> Any:
    """The sampler's class, checked for the names of the options."""
    if ":" in settings.method:
        sampler = find_object(settings.method, "search method")
    else:
        lookup({GRID: None, RACE: None, **SAMPLERS}, _short(settings.method), "search method")
        sampler = SAMPLERS[_short(settings.method)]
    valid = [name for name in inspect.signature(sampler).parameters if name != "seed"]
    for option in settings.options:
        if option == "seed":
            raise InputError("search.options.seed: the seed of a search is search.seed")
        if option not in valid:
            raise InputError(f"search.options.{option} {unknown_key(option, valid)}")
    return sampler


def _space(
    values: Mapping[str, Sequence[Scalar]], scales: Mapping[str, Scale | None]
) -> dict[str, optuna.distributions.BaseDistribution]:
    space: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, choices in values.items():
        scale = scales[name]
        if scale is not None:
            space[name] = optuna.distributions.FloatDistribution(scale.low, scale.high, log=scale.log)
        elif len(choices) > 1:
            space[name] = optuna.distributions.CategoricalDistribution(list(choices))
    return space


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
