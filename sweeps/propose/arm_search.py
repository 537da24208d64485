"""Which arm comes next and on how many seeds: Optuna's samplers over arms, successive halving over seeds.

Knows no study, file or clock: `ask` gives a step, `tell` takes its results, and what `ask` gives next is a function of
the settings and of the results taken so far. The caller keeps the order of these calls fixed, see
`sweeps.propose.base.Proposer`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from sweeps.propose.settings import GRID, SearchSettings, rungs
from sweeps.quiet_optuna import create_study
from sweeps.race_state import RACE
from vmp.core.choices import find_object, lookup, unknown_key
from vmp.core.errors import InputError
from vmp.core.seeding import derive_seed

Params = dict[str, Any]
Space = Mapping[str, BaseDistribution]

SEEDS = "seeds"
"""User attribute of a trial: the seeds behind its value."""
_PROPOSALS_PER_ARM = 3  # an arm that is proposed again costs nothing; this bound keeps a tiny space from looping


def short_name(name: str, suffix: str = "sampler") -> str:
    """``TPESampler`` -> ``tpe``, ``NSGAIISampler`` -> ``nsga2``."""
    plain = name.lower().replace("-", "").replace("_", "").removesuffix(suffix)
    return plain.replace("iii", "3").replace("ii", "2")


def _samplers() -> dict[str, type[optuna.samplers.BaseSampler]]:
    names = [name for name in dir(optuna.samplers) if name.endswith("Sampler") and not name.startswith("Base")]
    classes = {short_name(name): getattr(optuna.samplers, name) for name in names}
    return {name: sampler for name, sampler in classes.items() if not required(sampler)}


def required(made: Any) -> list[str]:
    """Arguments that an object of Optuna's cannot be made without, such as another sampler inside."""
    parameters = inspect.signature(made).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


SAMPLERS = _samplers()
"""Short name -> class of every sampler of the installed Optuna that can be made from plain options."""

# They propose from the trials alone; others note in the storage what they have proposed.
_WITHOUT_MEMORY = tuple(SAMPLERS[name] for name in ("tpe", "gp", "random", "bruteforce") if name in SAMPLERS)


@dataclass(frozen=True)
class CellResult:
    """What the search uses of a cell.

    Attributes:
        status: As of its record.
        score: Validation accuracy at the end of training, or where it was stopped; None without one.
        cost: Seconds; None if not known.
    """

    status: str
    score: float | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Step:
    """Run arm number `arm` on the seeds at the places ``first`` to ``last - 1``; `params` is the proposal."""

    arm: int
    params: Params
    first: int
    last: int


@dataclass(eq=False)
class _Arm:
    """A distinct arm: the trials that proposed it, and what is known of it."""

    number: int
    params: Params
    trials: list[int]
    asked: int = 0
    results: list[CellResult] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)  # by seed; None for one that failed or was stopped
    out: TrialState | None = None  # FAIL or PRUNED: it has no mean over all of its seeds so far

    @property
    def known(self) -> int:
        """Seeds whose results are known."""
        return len(self.results)

    def has(self, seeds: int) -> bool:
        """Whether each of the first seeds has a score."""
        return self.known >= seeds and None not in self.scores[:seeds]

    def mean(self, seeds: int) -> float:
        return fmean(score for score in self.scores[:seeds] if score is not None)

    def cost(self) -> float | None:
        costs = [one.cost for one in self.results if one.cost is not None]
        return fmean(costs) if costs else None


class ArmSearch:
    """A search over a space.

    The sampler is made anew for each proposal, seeded with its number. It sees every arm whose first results are known
    with the mean over the seeds so far (and their number, as the attribute `SEEDS`), those at work as running, those
    that a rule stopped as pruned, and those with a failed seed as failed. A diverged seed counts with the lowest score
    known so far.

    An arm that has run on as many seeds as a rung takes goes on to the next if it is among the best ``1 / factor`` of
    those that are that far, compared on the same seeds; arms that can go on come before new ones. Once no new arm
    comes, at least one goes on from each rung.

    Args:
        settings: Method, budget, rungs.
        space: Of the proposals.
        seeds: Number of seeds.
        name_of: The same text for proposals that are one arm.
        proposals: Those of an earlier run, in their order; they stand, whatever the sampler would now propose.

    Raises:
        InputError: No such method or option, or a space that the method cannot search.
    """

    def __init__(
        self,
        settings: SearchSettings,
        space: Space,
        seeds: int,
        *,
        name_of: Callable[[Params], str] = repr,
        proposals: Sequence[Params] = (),
    ) -> None:
        self.settings, self.space = settings, dict(space)
        self.rungs = rungs(settings, seeds)
        self.proposals: list[tuple[Params, int]] = []  # with the number of the arm
        self._earlier = list(proposals)
        self._name_of = name_of
        self._class = find_sampler(settings)
        self._arms: list[_Arm] = []
        self._by_name: dict[str, _Arm] = {}
        self._worst: float | None = None
        self._trials = self._create()
        self._rehearse()

    @property
    def values(self) -> dict[int, float]:
        """Number of each arm that has a mean over all its seeds so far -> that mean."""
        return {arm.number: arm.mean(arm.known) for arm in self._arms if arm.known and arm.out is None}

    def ask(self) -> Step | None:
        """The next step; None if there is none before more results are known, or none at all."""
        if (arm := self._promoted()) is not None:
            first, arm.asked = arm.asked, self.rungs[self.rungs.index(arm.asked) + 1]
        elif (new := self._new_arm()) is not None:
            arm, first, new.asked = new, 0, self.rungs[0]
        else:
            return None
        return Step(arm.number, arm.params, first, arm.asked)

    def tell(self, step: Step, results: Sequence[CellResult]) -> None:
        """Take the results of a step, in the order of its seeds."""
        arm = self._arms[step.arm]
        seen = [one.score for one in results if one.status == "complete" and one.score is not None]
        self._worst = min([*seen, *([] if self._worst is None else [self._worst])], default=None)
        again = arm.known > 0
        for one in results:
            arm.results.append(one)
            scores = {"complete": one.score, "diverged": self._worst}
            arm.scores.append(scores.get(one.status))
            if arm.scores[-1] is None and arm.out != TrialState.FAIL:
                is_pruned = one.status == "stopped" and one.score is not None and self.settings.against is None
                arm.out = TrialState.PRUNED if is_pruned else TrialState.FAIL
        if again:
            self._rebuild()  # Optuna's trials do not change once they have ended
        else:
            for number in arm.trials:
                self._tell(arm, number)

    def _promoted(self) -> _Arm | None:
        """The best arm that may go on from the highest rung where one may."""
        if len(self.rungs) == 1:
            return None
        at_least = int(self._is_exhausted() and all(arm.known == arm.asked for arm in self._arms))
        for seeds in reversed(self.rungs[:-1]):
            there = [arm for arm in self._arms if arm.has(seeds)]
            ranks = {arm: self._rank(arm, there, seeds) for arm in there}
            number = max(len(there) // self.settings.factor, at_least)
            for arm in sorted(there, key=ranks.__getitem__)[:number]:
                if arm.asked == arm.known == seeds and arm.out is None:
                    return arm
        return None

    def _rank(self, arm: _Arm, others: Sequence[_Arm], seeds: int) -> tuple[int, float]:
        mean = arm.mean(seeds)
        if self.settings.against is None:
            return 0, -mean
        cost = arm.cost() or 0.0
        better = [one for one in others if one.mean(seeds) >= mean and (one.cost() or 0.0) <= cost]
        return sum(one.mean(seeds) > mean or (one.cost() or 0.0) < cost for one in better), -mean

    def _is_exhausted(self) -> bool:
        budget = self.settings.arms
        return len(self._arms) >= budget or len(self.proposals) >= _PROPOSALS_PER_ARM * budget

    def _new_arm(self) -> _Arm | None:
        while not self._is_exhausted():
            number = len(self.proposals)
            trial, params = self._propose(number)
            name = self._name_of(params)
            arm = self._by_name.get(name)
            self.proposals.append((params, len(self._arms) if arm is None else arm.number))
            if arm is None:
                self._arms.append(made := _Arm(len(self._arms), params, [trial]))
                self._by_name[name] = made
                return made
            arm.trials.append(trial)
            if arm.known:
                self._tell(arm, trial)
        return None

    def _propose(self, number: int) -> tuple[int, Params]:
        """Trial and values of a proposal; that of an earlier run where there is one."""
        earlier = self._earlier[number] if number < len(self._earlier) else None
        if earlier is None or not issubclass(self._class, _WITHOUT_MEMORY):
            self._trials.sampler = self._sampler(number)
            with warnings.catch_warnings(action="ignore"):
                asked = self._trials.ask(fixed_distributions=self.space)
            if earlier is None or asked.params == earlier:
                return asked.number, dict(asked.params)
            _tell(self._trials, asked.number, TrialState.FAIL)  # another version of Optuna proposes another arm
        assert earlier is not None
        running = optuna.trial.create_trial(state=TrialState.RUNNING, params=earlier, distributions=self.space)
        self._trials.add_trial(running)
        return len(self._trials.get_trials(deepcopy=False)) - 1, dict(earlier)

    def _tell(self, arm: _Arm, number: int) -> None:
        state, values, middle = self._outcome(arm)
        if middle:
            trial = self._trials.get_trials(deepcopy=False)[number]
            for seeds, mean in middle.items():
                self._storage.set_trial_intermediate_value(trial._trial_id, seeds, mean)
            self._storage.set_trial_user_attr(trial._trial_id, SEEDS, arm.known)
        _tell(self._trials, number, state, values)

    def _outcome(self, arm: _Arm) -> tuple[TrialState, list[float] | None, dict[int, float]]:
        """State and values of an arm's trials, and the mean after each number of seeds."""
        reached = [one.score for one in arm.results if one.score is not None]
        middle = {arm.known: fmean(reached)} if arm.out == TrialState.PRUNED else {}
        if arm.out is not None:
            return arm.out, None, middle
        means = {seeds: arm.mean(seeds) for seeds in self.rungs if seeds <= arm.known}
        if self.settings.against is None:
            return TrialState.COMPLETE, [arm.mean(arm.known)], means
        if (cost := arm.cost()) is None:
            return TrialState.FAIL, None, {}
        return TrialState.COMPLETE, [arm.mean(arm.known), cost], {}

    def _rebuild(self) -> None:
        """Make the trials anew with what is now known of their arms."""
        old = self._trials.get_trials(deepcopy=False)
        attributes = self._storage.get_study_system_attrs(self._trials._study_id)
        arm_of = {number: arm for arm in self._arms for number in arm.trials}
        self._trials = self._create()
        for key, value in attributes.items():
            self._storage.set_study_system_attr(self._trials._study_id, key, value)
        made = []
        for trial in old:
            arm = arm_of.get(trial.number)
            if arm is None or not arm.known:
                made.append(trial)
                continue
            state, values, middle = self._outcome(arm)
            made.append(
                optuna.trial.create_trial(
                    state=state,
                    values=values,
                    params=trial.params,
                    distributions=trial.distributions,
                    intermediate_values=middle,
                    user_attrs={SEEDS: arm.known},
                    system_attrs=trial.system_attrs,
                )
            )
        self._trials.add_trials(made)

    def _create(self) -> optuna.Study:
        self._storage = optuna.storages.InMemoryStorage()
        directions = ["maximize"] if self.settings.against is None else ["maximize", "minimize"]
        return create_study(storage=self._storage, directions=directions)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler for proposal `number`."""
        options = dict(self.settings.options)
        options["seed"] = derive_seed(self.settings.seed, "search", number) % 2**32
        with warnings.catch_warnings(action="ignore"):  # Optuna calls some of them experimental
            if issubclass(self._class, optuna.samplers.QMCSampler):
                # A sequence has one seed, and its place in the storage; it starts after the first arm with a value.
                options["independent_sampler"] = optuna.samplers.RandomSampler(seed=options["seed"])
                options["seed"] = derive_seed(self.settings.seed, "search") % 2**32
            return self._class(**options)

    def _rehearse(self) -> None:
        """Ask twice, so that what the method cannot do is said before anything is written."""
        method = f"search method '{self.settings.method}'"
        try:
            rehearsal = self._trials
            for number in range(2):
                rehearsal.sampler = self._sampler(number)
                with warnings.catch_warnings(action="ignore"):
                    asked = rehearsal.ask(fixed_distributions=self.space).number
                    _tell(rehearsal, asked, TrialState.COMPLETE, [0.0] * len(rehearsal.directions))
        except ImportError as error:
            raise InputError(
                f"{method} needs the package '{error.name}', which is not installed; install it, or take another method"
            ) from error
        except Exception as error:  # whatever a sampler objects to: an option's value, or the space
            raise InputError(
                f"{method} refuses its options {self.settings.options} or the factors: {_one_line(error)}; "
                "give others, or another method"
            ) from error
        self._trials = self._create()


def _tell(trials: optuna.Study, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
    """End a trial."""
    try:
        trials.tell(number, values, state=state)
    except RuntimeError as error:
        # A sampler that has tried everything asks to stop, after the value is stored. The budget of arms ends a search.
        if "Study.stop" not in str(error):
            raise


def find_sampler(settings: SearchSettings) -> Any:
    """The class of the sampler. Raises InputError for an unknown one or an option that it does not have."""
    if ":" in settings.method:
        sampler = find_object(settings.method, "search method")
    else:
        lookup({GRID: None, RACE: None, **SAMPLERS}, short_name(settings.method), "search method")
        sampler = SAMPLERS[short_name(settings.method)]
    valid = [name for name in inspect.signature(sampler).parameters if name != "seed"]
    for option in settings.options:
        if option == "seed":
            raise InputError("search.options.seed: the seed of a search is search.seed")
        if option not in valid:
            raise InputError(f"search.options.{option} {unknown_key(option, valid)}")
    return sampler


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
