"""A study: one typed, validated definition of factors, seeds, data, backbone, budget and metric.

A YAML file and a Python call make the same object::

    Study(name="lambda", factors={"prompt": ["control", "vmp"], "lambda": [0, 1, 10]}, seeds=[0, 1, 2])
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from sweeps.cell_needs import CellNeeds
from sweeps.designs.base import Proposal, Space
from sweeps.designs.drawn import Drawn
from sweeps.designs.full_factorial import Grid
from sweeps.designs.only_where import Conditions, OnlyWhere
from sweeps.designs.registry import DesignConfig
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.questions import (
    PROMPT,
    RESAMPLINGS,
    asked_factors,
    block_names,
    compared_factors,
    compared_sides,
    matches,
    named_pairs,
    value_pairs,
)
from sweeps.race_state import RACE
from sweeps.records.factors import Factors, Scalar, is_number
from sweeps.stop.config import Stop
from vmp.core.choices import unknown_key
from vmp.core.collector import collector_paused
from vmp.core.config import config, from_plain, keys_of, shown, to_plain
from vmp.core.errors import ConfigError, InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.overrides import NotReadError, get, kinds_first, put
from vmp.experiment import Experiment, Settings
from vmp.identity import canonical, is_read

FACTOR_NAMES = {
    "prompt": "layer.kind",
    "motion": "layer.motion.kind",
    "normalization": "layer.normalization.kind",
    "m": "layer.normalization.start.m",
    "n": "layer.normalization.start.n",
    "slope": "layer.normalization.start.slope",
    "shift": "layer.normalization.start.shift",
    "learn_slope": "layer.normalization.learn_slope",
    "learn_shift": "layer.normalization.learn_shift",
    "signed": "layer.normalization.signed",
    "prompted_frame": "layer.prompted_frame",
    "lambda": "regularizer.lambda",
    "remedy": "regularizer.remedy.kind",
    "transfer": "transfer.kind",
    "sampling": "sampling.kind",
    "backbone": "backbone.kind",
}
"""Short names of the factors that the method's questions are about. Any other factor is a dotted path of a setting."""

_COMBINATIONS_LOOKED_AT = 5000  # for the type of a setting; a factor that none of them reads is taken as any number

_Key = tuple[str, ...]  # canonical JSON of each section of the settings

Arm = tuple[dict[str, Scalar], Experiment]
"""``(factors, experiment)``; a factor that does nothing in the arm is None."""


@config
class Study(Settings):
    """The definition of a study: the settings that its factors vary (`vmp.experiment.Settings`), and how.

    Attributes:
        name: Short name, for titles.
        question: What the study is to answer, in one sentence.
        factors: Setting -> values. A key is a short name (`FACTOR_NAMES`) or a dotted path such as
            ``train.optimizer.lr``.
        design: Which combinations of their values are planned: the grid is the full factorial, in this order; see
            `sweeps.designs.registry.DESIGNS`.
        only_where: Factors, or values of them, that are planned only where other factors have certain values.
        seeds: Every arm runs all of them. Arms are compared within a seed: it fixes the start, the order of clips and
            the sampling for all arms alike.
        metric: ``top1`` or ``mean_class``; arms are chosen on validation and reported on test.
        reference: Factors of the arm that the others are compared with, each at its own other settings, e.g.
            ``{lambda: 0}``; None takes what follows from the design, or the control, the baseline or the first arm.
        compare: Instead of a reference: pairs of factors, ``[[{remedy: relative}, {remedy: none}]]``, or the name of
            one factor or several whose values are compared with each other, at the same other settings.
        blocks: Factors whose values are no candidates: each gets a verdict, then one over all. None takes every
            setting of the data, and the backbone.
        search: Propose arms within the ranges of the factors' values; None runs the arms of the design.
        margin: Difference in `metric` below which two arms count as practically equal; set before the run.
        tries: How often a run tries a cell whose worker dies under it.
        resources: What a cell takes of a machine; no part of its identity.
        stop: A rule that ends cells early; None lets each train to its end. A stopped cell is out of every comparison.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    question: str = ""
    factors: dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = Field(default_factory=dict)
    design: DesignConfig = Grid()
    only_where: tuple[OnlyWhere, ...] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2)
    metric: Literal["top1", "mean_class"] = "top1"
    reference: dict[str, Scalar] | None = None
    compare: str | tuple[str, ...] | tuple[tuple[dict[str, Scalar], dict[str, Scalar]], ...] | None = None
    blocks: tuple[str, ...] | None = None
    search: SearchSettings | None = None
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    tries: Annotated[int, Field(ge=1)] = 2
    resources: CellNeeds = CellNeeds()
    stop: Stop | None = None

    def __post_init__(self) -> None:
        for name, values in [("seeds", self.seeds), *((f"factors.{k}", v) for k, v in self.factors.items())]:
            if len(set(map(canonical_json, values))) < len(values):
                raise ValueError(f"{name} lists a value twice: {shown(values)}")
        arms = [factors for factors, _ in self.arms()]  # each a valid experiment, before any of them costs an hour
        self._check_question(arms)

    def _check_question(self, arms: Sequence[Factors]) -> None:
        """Refuse a comparison that no two arms can make."""
        if self.reference is not None and self.compare is not None:
            raise ValueError("reference and compare both say what is compared; give one of them")
        for name in RESAMPLINGS:
            if name in asked_factors(self):
                raise ValueError(
                    f"{name} divides the videos into training and test, and one division is not better than another: "
                    "compare other factors; each is compared within every division"
                )
            if name in self.factors and self.search is not None and self.search.method not in (GRID, RACE):
                raise ValueError(
                    f"a search would choose among the values of {name}, and none is a candidate; run a grid, or "
                    f"search with one of them: --set factors.{name}=null --set {name}={shown(self.factors[name][0])}"
                )
        if self.reference is not None and not any(matches(factors, self.reference) for factors in arms):
            raise ValueError(
                f"reference {shown(self.reference)} is none of the arms; give factors of one, such as {shown(arms[0])}"
            )
        for name in [*(self.blocks or ()), *compared_factors(self)]:
            if name not in self.factors:
                raise ValueError(f"{name} {unknown_key(name, list(self.factors))}: blocks and compare name factors")
        if compared_factors(self) and self.design_pairs:
            raise ValueError(
                "compare names factors, whose effects take a grid, and the design names its own comparisons; leave "
                "compare out, or give pairs of factors"
            )
        for name in compared_factors(self):
            if not value_pairs(arms, name):
                raise ValueError(f"compare: no two arms differ in {name} alone; give pairs of factors instead")
        for first, second in compared_sides(self):
            if not named_pairs(arms, first, second):
                raise ValueError(
                    f"compare: no arm with {shown(first)} and arm with {shown(second)} agree in all other factors; "
                    f"name factors of arms, such as {shown(arms[0])}"
                )

    def arms(self) -> Iterator[Arm]:
        """The arms of the design: ``(factors, experiment)``, without repeats, in its order.

        A factor that does nothing in an arm is None there: a control has no lambda, so the factorial of
        ``prompt: [control, vmp]`` with five lambdas has six arms.
        """
        return ((arm.factors, arm.experiment) for arm in self.made_arms())

    def made_arms(self) -> Iterable[MadeArm]:
        """The arms of the design as they are made once, without repeats, in its order."""
        arms: dict[_Key, MadeArm] = {}
        for arm in self._proposed:
            arms.setdefault(arm.key, arm)
        return arms.values()

    @cached_property
    @collector_paused()
    def _proposed(self) -> tuple[MadeArm, ...]:
        """The arms of the design, with repeats where a factor does nothing."""
        arms = []
        spelt = _Spelt()
        for proposal in self.design.proposals(self.space()):
            factors, experiment = self.arm(proposal.factors)
            form = canonical(experiment)
            sections = {name: spelt(getattr(form, name)) for name in keys_of(Experiment)}
            arms.append(
                MadeArm(
                    proposal=proposal,
                    factors={name: factors.get(name) for name in self.factors},
                    experiment=experiment,
                    settings={name: plain for name, (plain, _) in sections.items()},
                    key=tuple(text for _, text in sections.values()),
                )
            )
        return tuple(arms)

    def space(self) -> Space:
        """What the design chooses from. Raises ConfigError for a rule of `only_where` that cannot be."""
        single: list[Factors] = [{name: value} for name, values in self.factors.items() for value in values]
        return Space(
            factors=self.factors,
            blocks=block_names(single, list(self.factors), self.blocks),
            prompt=next((name for name in self.factors if self.path(name) == self.path(PROMPT)), None),
            whole=frozenset() if isinstance(self.design, Grid) else self.whole_numbers(),
            conditions=Conditions(self.only_where, self.factors),
        )

    @property
    def is_plain_grid(self) -> bool:
        """Whether every combination of the listed values is planned."""
        return isinstance(self.design, Grid) and not self.only_where

    def whole_numbers(self) -> frozenset[str]:
        """The factors whose setting holds whole numbers: epochs do, a lambda that was written as 1 does not."""
        unknown = {name for name, values in self.factors.items() if any(map(is_number, values))}
        whole = set()
        combinations = itertools.product(*self.factors.values())
        for values in itertools.islice(combinations, _COMBINATIONS_LOOKED_AT):
            if not unknown:
                break
            factors, experiment = self.arm(dict(zip(self.factors, values, strict=True)))
            plain = to_plain(experiment)
            for name in [name for name in unknown if factors[name] is not None]:
                value = get(plain, self.path(name))
                whole |= {name} if isinstance(value, int) and not isinstance(value, bool) else set()
                unknown.remove(name)
        return frozenset(whole)

    @property
    def design_pairs(self) -> list[tuple[Factors, Factors]]:
        """The comparisons that follow from the design, as factors of an arm and of what it is compared with."""
        if isinstance(self.design, Grid):
            return []
        return [(arm.factors, reference) for arm in self.planned_arms for reference in arm.references]

    @cached_property
    def planned_arms(self) -> tuple[PlannedArm, ...]:
        """The arms with what the design says of each."""
        arms: dict[_Key, PlannedArm] = {}
        made: dict[str, _Key] = {}  # factors as proposed -> the arm that computes them
        against: list[tuple[_Key, _Key]] = []
        for one in self._proposed:
            key, proposal = one.key, one.proposal
            name = canonical_json(dict(proposal.factors))
            is_new, made[name] = name not in made, key
            arm = arms.setdefault(key, PlannedArm(factors=one.factors, why=(), references=(), settings=0))
            more = () if proposal.why in arm.why else (proposal.why,)
            arms[key] = dataclasses.replace(arm, why=(*arm.why, *more), settings=arm.settings + is_new)
            if proposal.against is not None:
                against.append((key, made[canonical_json(dict(proposal.against))]))
        compared: set[frozenset[_Key]] = set()
        for key, reference in against:
            if key != reference and frozenset((key, reference)) not in compared:
                compared.add(frozenset((key, reference)))
                references = (*arms[key].references, arms[reference].factors)
                arms[key] = dataclasses.replace(arms[key], references=references)
        return tuple(arms.values())

    def arm(self, factors: Mapping[str, Scalar]) -> Arm:
        """One arm: the study's settings with `factors` put in. Raises InputError for a factor or value that is none."""
        plain = dict(self._settings)  # `put` copies the sections that it changes
        names = {self.path(name): name for name in factors}
        unread = set()
        for path in kinds_first(names):
            try:
                put(Settings, plain, path, factors[names[path]])
            except NotReadError:
                unread.add(names[path])
            except ConfigError as error:
                if "." not in path:
                    keys = [*FACTOR_NAMES, *(field.name for field in dataclasses.fields(Settings))]
                    raise InputError(f"factors.{names[path]} {unknown_key(path, keys)}") from error
                raise InputError(f"factors.{names[path]}: {error}") from error
        text = ", ".join(f"{name}={value!r}" for name, value in factors.items())
        changed = {path.partition(".")[0] for path in names}
        sections = {name: value if name in changed else getattr(self, name) for name, value in plain.items()}
        experiment = from_plain(Experiment, sections, source=f"arm {text}" if text else "settings")
        read = {name for path, name in names.items() if name not in unread and is_read(experiment, path)}
        return {name: value if name in read else None for name, value in factors.items()}, experiment

    def idle_factors(self) -> list[str]:
        """The factors that do nothing in any arm."""
        arms = [arm.factors for arm in self._proposed]
        return [
            name
            for name, values in self.factors.items()
            if any(value is not None for value in values) and all(factors[name] is None for factors in arms)
        ]

    def design_notes(self) -> list[str]:
        """What the user should know of the design before it costs time, a sentence each."""
        if isinstance(self.design, Grid):
            return []
        notes = self.design.notes(self.space())
        several = [arm for arm in self.planned_arms if arm.settings > 1]
        if isinstance(self.design, Drawn):
            repeats = sum(len(arm.why) - 1 for arm in self.planned_arms)
            return [*notes, f"{repeats} of the arms drawn repeat what another one computes"] if repeats else notes
        same = "one arm stands for several of the design, which compute the same"
        return [*notes, *(f"{same}: {'; '.join(arm.why)}" for arm in several)]

    @staticmethod
    def path(factor: str) -> str:
        """The dotted path of the setting that a factor varies."""
        return FACTOR_NAMES.get(factor, factor)

    def setting(self, factor: str) -> Any:
        """What the setting that a factor varies is in the study itself; None where its kind does not read it."""
        sections = {section.name: to_plain(getattr(self, section.name)) for section in dataclasses.fields(Settings)}
        return get(sections, self.path(factor))

    def settings(self) -> dict[str, Any]:
        """The settings that factors vary, as plain nested data; what has its default value is left out."""
        return copy.deepcopy(self._settings)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        names = [section.name for section in dataclasses.fields(Settings)]
        return {name: to_plain(getattr(self, name), defaults=False) for name in names}

    def to_plain(self) -> dict[str, Any]:
        """The whole definition as plain data; ``load_study`` reads it back."""
        return to_plain(self)


class _Spelt:
    """Sections as plain data and as text, those that arms have in common made once and shared."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Any, str]] = {}

    def __call__(self, section: Any) -> tuple[Any, str]:
        try:
            found = self._known.get(section)
        except TypeError:  # options of one's own class, say, that have no hash
            return _spelt(section)
        if found is None:
            found = self._known[section] = _spelt(section)
        return found


def _spelt(section: Any) -> tuple[Any, str]:
    plain = to_plain(section)
    return plain, canonical_json(plain)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """An arm of a design.

    Attributes:
        factors: As in `Study.arms`.
        why: Why it is planned, in words; several where several arms of the design compute the same.
        references: The factors of the arms that it is compared with, by the design; two arms are compared once.
        settings: How many different combinations of the design compute it.
    """

    factors: dict[str, Scalar]
    why: tuple[str, ...]
    references: tuple[dict[str, Scalar], ...]
    settings: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeArm:
    """What the design proposed, and what became of it.

    Attributes:
        proposal: The proposal.
        factors, experiment: The arm.
        settings: Of the canonical form of `experiment`.
        key: Arms with equal keys compute the same.
    """

    proposal: Proposal
    factors: dict[str, Scalar]
    experiment: Experiment
    settings: dict[str, Any]
    key: _Key
