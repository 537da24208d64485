"""What each factor of a factorial does by itself, over the other factors: effects, interactions, rates of collapse."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.study.arms import IN_SHORT, Arm, Kind
from analysis.study.cells import Study
from analysis.study.factors import Factor
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.evidence import Evidence
from sweeps.questions import BASELINE, CONTROL, asked_factors, counterparts
from sweeps.stats.collapse import Rate, rate
from sweeps.stats.factorial import Unit, by_seed, difference, halves, sides, single_runs, with_runs
from sweeps.stats.rates import Sided, compare_collapse_rates
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count, listing

ALL_PAIRS_UP_TO = 4
EFFECTS, OTHER_EFFECTS = "effects of the factors asked about", "effects of other factors"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often the runs of both sides of an effect collapsed or diverged.

    Attributes:
        subject, against: Of the runs of each side, all settings and seeds together, each training once.
        p: Of equal rates, adjusted over the family of effects, see `sweeps.stats.rates`; NaN below 3 seeds or 3
            divisions of the data.
    """

    subject: Rate
    against: Rate
    p: float


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one factor does. factor: None for the layer itself against its reference."""

    contrast: Contrast
    factor: Factor | None
    rates: Rates | None


@dataclass(frozen=True, kw_only=True)
class _Levels:
    """Two groups of a factor's levels, by index."""

    factor: Factor
    subject: tuple[int, ...]
    against: tuple[int, ...]

    def difference(self, arms: Sequence[Arm]) -> Unit:
        """The mean over the subject's levels, each the mean of its arms, minus that of the other side; empty unless
        every level has an arm."""
        unit: dict[int, float] = {}
        for sign, levels in ((1, self.subject), (-1, self.against)):
            groups = self._groups(arms, levels)
            if not all(groups):
                return {}
            unit |= {arm.order: sign / (len(groups) * len(group)) for group in groups for arm in group}
        return unit

    def of(self, arms: Sequence[Arm]) -> list[Arm]:
        """The arms with a level of the subject; none unless every level has as many."""
        return self._having(arms, self.subject)

    def opposite(self, arms: Sequence[Arm]) -> list[Arm]:
        """The same of what it is compared with."""
        return self._having(arms, self.against)

    def _having(self, arms: Sequence[Arm], levels: Sequence[int]) -> list[Arm]:
        groups = self._groups(arms, levels)
        return [arm for group in groups for arm in group] if len({len(group) for group in groups}) == 1 else []

    def _groups(self, arms: Sequence[Arm], levels: Sequence[int]) -> list[list[Arm]]:
        return [[arm for arm in arms if self.factor.index(arm) == level] for level in levels]


def effect_family(study: Study, arms: Sequence[Arm], factors: Sequence[Factor]) -> list[tuple[Factor | None, Sides]]:
    """The main effects of a factorial; empty where its arms are no factorial.

    Ordered levels: the upper half against the lower one, without the middle of an odd number. Names: each against the
    one that `study.reference` names, else every two, of more than four each against all others. A factor that applies
    to some values alone, as a rate to one of the samplers, is averaged over within these values. Then the layer itself
    against its reference, over all of its settings.
    """
    made: list[tuple[Factor | None, Sides]] = []
    for factor in factors:
        others = [other for other in factors if other is not factor]
        for levels in _comparisons(study, factor):
            sides_of = {*levels.subject, *levels.against}
            compared = [arm for arm in arms if factor.index(arm) in sides_of]
            fixed = [other for other in others if not _is_nested(other, factor, compared)]
            units = [unit for group in _settings(arms, fixed) if (unit := levels.difference(group))]
            subject, against = factor.text(levels.subject), factor.text(levels.against)
            if units:
                at = _setting_of(study, units[0], fixed) if len(units) == 1 else ""
                of_factor = _sides(study, units, subject, against + at, others)
                over = listing([other.title for other in others]) if fixed != others else of_factor.over
                made.append((factor, replace(of_factor, over=over)))
    for prompt, kind in ((CONTROL, Kind.CONTROL), (BASELINE, Kind.BASELINE)) if made else ():
        gains = [gain for arm in arms if (gain := _gain(study, [arm], prompt))]
        if gains:
            references = {order for gain in gains for order, weight in gain.items() if weight < 0}
            against = IN_SHORT[kind] if len(references) == 1 else f"{IN_SHORT[kind]} of each setting"
            layer = _sides(study, gains, "VMP", against)
            made.append((None, replace(layer, over=f"its {count(len(gains), 'setting')}")))
            break
    return made


def _setting_of(study: Study, unit: Unit, fixed: Sequence[Factor]) -> str:
    """Where alone both sides have arms: `` at g = 1``; empty where nothing else varies."""
    arm = study.arms[next(iter(unit))]
    known = [factor.text([level]) for factor in fixed if (level := factor.index(arm)) is not None]
    return f" at {', '.join(known)}" if known else ""


def compare_effects(
    evidence: Evidence, family: Sequence[tuple[Factor | None, Sides]], *, over: str = ""
) -> list[Effect]:
    """The effects of `family`, in its order: of the factors that the study asks about as one family, others as another.

    Args:
        evidence: Of the study.
        family: See `effect_family`.
        over: What all of them are averaged over, in the names of the two families.
    """
    made: dict[int, Effect] = {}
    for name, asked in ((EFFECTS, True), (OTHER_EFFECTS, False)):
        some = [i for i, (factor, _) in enumerate(family) if is_asked(evidence.study, factor) is asked]
        contrasts = evidence.compare([family[i][1] for i in some], f"{name}, {over}" if over else name)
        for i, contrast, rates in zip(some, contrasts, compare_collapse(evidence, contrasts), strict=True):
            made[i] = Effect(contrast=contrast, factor=family[i][0], rates=rates)
    return [made[i] for i in range(len(family))]


def is_asked(study: Study, factor: Factor | None) -> bool:
    """Whether the study asks about `factor`: about each where it names none; None is the layer itself."""
    asked = asked_factors(study.plan.study)
    return not asked or (factor is not None and factor.name in asked)


def interaction_family(study: Study, arms: Sequence[Arm], factors: Sequence[Factor]) -> list[Sides]:
    """How much the effect of one factor depends on another one, and what the layer gains on each factor."""
    made = []
    for one, two in itertools.combinations(factors, 2):
        others = [factor for factor in factors if factor not in (one, two)]
        for a, b in itertools.product(_comparisons(study, one), _comparisons(study, two)):
            units = [unit for group in _settings(arms, others) if (unit := _interaction(group, a, b))]
            if units:
                subject = f"the effect of {one.text(a.subject)} against {one.text(a.against)} at {two.text(b.subject)}"
                made.append(_sides(study, units, subject, f"at {two.text(b.against)}", others, is_shape=True))
    for factor in factors:
        others = [other for other in factors if other is not factor]
        for levels in _comparisons(study, factor):
            units = []
            for group in _settings(arms, others):
                gains = [_gain(study, side, CONTROL) for side in (levels.of(group), levels.opposite(group))]
                units += (
                    [difference(gains[0], gains[1])]
                    if all(gains) and _negative(gains[0]) != _negative(gains[1])
                    else []
                )
            if units:
                subject = f"what VMP gains at {factor.text(levels.subject)}"
                made.append(_sides(study, units, subject, f"at {factor.text(levels.against)}", others, is_shape=True))
    return made


def compare_collapse(evidence: Evidence, contrasts: Sequence[Contrast]) -> list[Rates | None]:
    """The rates of collapse on both sides of each effect; None where they cannot differ.

    That is where a side cannot collapse, and where both sides are the same trainings, tested in two ways.
    """
    able = {i: sided for i, contrast in enumerate(contrasts) if (sided := _sided(evidence, contrast.sides))}
    if not able:
        return [None] * len(contrasts)
    divisions = contrasts[0].sides.divisions
    p_values = compare_collapse_rates(list(able.values()), divisions.overlap if divisions else None)
    made: list[Rates | None] = [None] * len(contrasts)
    for (i, sided), p in zip(able.items(), p_values.tolist(), strict=True):
        made[i] = Rates(subject=sided.subject, against=sided.against, p=p)
    return made


def _sided(evidence: Evidence, sides: Sides) -> Sided | None:
    # Settings in which no run can collapse, such as those of the control, have no say.
    parts = [with_runs(evidence.collapsed, part) or part for part in sides.parts]
    subject, against = (_rate(evidence, parts, sign) for sign in (1, -1))
    are_same = {arm.training for arm in sides.arms} == {arm.training for arm in sides.references}
    if are_same or not subject.n or not against.n:
        return None
    differences = np.stack([by_seed(evidence.collapsed, part) for part in parts])
    return Sided(differences=differences, subject=subject, against=against)


def _rate(evidence: Evidence, parts: Sequence[Sequence[Unit]], sign: int) -> Rate:
    """How often the runs on one side collapsed, those of seeds that are complete, each training once."""
    flags: dict[tuple[str, int], float] = {}
    for units in parts:
        runs, rows = single_runs(evidence.collapsed, units, sign)
        for run, row in zip(runs.T, rows.tolist(), strict=True):
            training = evidence.study.arms[row].training
            flags |= {(training, i): evidence.collapsed[row, i] for i in np.flatnonzero(~np.isnan(run)).tolist()}
    return rate(int(sum(flags.values())), len(flags))


def _comparisons(study: Study, factor: Factor) -> list[_Levels]:
    k = len(factor.levels)
    if factor.is_ordered:
        lower, upper = halves(k)
        return [_Levels(factor=factor, subject=tuple(upper), against=tuple(lower))]
    named = (study.plan.study.reference or {}).get(factor.name)
    keys = [canonical_json(level) for level in factor.levels]
    if named is not None and canonical_json(named) in keys:
        reference = keys.index(canonical_json(named))
        return [_Levels(factor=factor, subject=(i,), against=(reference,)) for i in range(k) if i != reference]
    if k <= ALL_PAIRS_UP_TO:
        return [_Levels(factor=factor, subject=(j,), against=(i,)) for i, j in itertools.combinations(range(k), 2)]
    return [_Levels(factor=factor, subject=(i,), against=tuple(j for j in range(k) if j != i)) for i in range(k)]


def _is_nested(other: Factor, factor: Factor, arms: Sequence[Arm]) -> bool:
    """Whether `other` applies to some of the values of `factor` and not to others."""
    having = [arm for arm in arms if factor.index(arm) is not None]
    applies = {factor.index(arm) for arm in having if other.index(arm) is not None}
    return 0 < len(applies) < len({factor.index(arm) for arm in having})


def _settings(arms: Sequence[Arm], others: Sequence[Factor]) -> list[list[Arm]]:
    """The arms of each setting of `others`."""
    groups: dict[tuple[int | None, ...], list[Arm]] = {}
    for arm in arms:
        groups.setdefault(tuple(other.index(arm) for other in others), []).append(arm)
    return list(groups.values())


def _interaction(group: Sequence[Arm], a: _Levels, b: _Levels) -> Unit | None:
    """The effect of `a` at the subject of `b` minus that at what it is compared with; None where an arm is missing."""
    halves_ = [(a.of(part), a.opposite(part)) for part in (b.of(group), b.opposite(group))]
    if not all(a_ and b_ for a_, b_ in halves_):
        return None
    first, second = (sides(_orders(a_), _orders(b_)) for a_, b_ in halves_)
    return difference(first, second)


def _gain(study: Study, arms: Sequence[Arm], prompt: str) -> Unit:
    """The mean of prompted arms minus that of their references; empty where one has none."""
    unit: dict[int, float] = {}
    found = counterparts([arm.factors for arm in arms], [arm.factors for arm in study.arms], prompt)
    for arm, index in zip(arms, found, strict=True):
        if index is None or arm.kind is not Kind.VMP:
            return {}
        unit[arm.order] = 1 / len(arms)
        unit[index] = unit.get(index, 0.0) - 1 / len(arms)
    return unit


def _negative(unit: Unit) -> set[int]:
    return {order for order, weight in unit.items() if weight < 0}


def _orders(arms: Sequence[Arm]) -> list[int]:
    return [arm.order for arm in arms]


def _sides(
    study: Study,
    units: Sequence[Unit],
    subject: str,
    against: str,
    others: Sequence[Factor] = (),
    *,
    is_shape: bool = False,
) -> Sides:
    weighted = tuple({study.arms[order]: weight for order, weight in unit.items() if weight} for unit in units)
    over = listing([factor.title for factor in others]) if len(units) > 1 else ""
    return Sides(units=weighted, subject=subject, against=against, over=over, is_shape=is_shape)
