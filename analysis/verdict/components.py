"""What each component of a study brings: in the bare arm, in the full one, over all orders, and along the path."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Arm, factor_name, value_text
from analysis.study.cells import Study
from analysis.study.factors import Factor, block_factors
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.effects import interaction_family
from analysis.verdict.evidence import Evidence
from analysis.verdict.verdicts import INTERACTIONS, BlockVerdict
from sweeps.questions import Factors
from sweeps.race_state import RACE
from sweeps.records.factors import Scalar
from sweeps.stats.components import combined, disagreement, greedy_path, is_complete, shapley
from sweeps.stats.factorial import Unit
from vmp.core.fingerprint import canonical_json

SWITCHED, DISAGREEMENTS = "components switched by themselves", "components in the full and in the bare arm"
SHAPLEY, PATH = "Shapley values of components", "steps of the ablation path"
MAX_COMPONENTS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Component:
    """A factor with a value that is off and one that is on.

    Attributes:
        title, off, on: In words.
        added: The bare arm with it against the bare arm. left_out: The full arm against the full arm without it. None
            where the arm was not planned, or computes the same.
        disagreement: `left_out` minus `added`; an interaction where its interval excludes 0.
        shapley: What it brings over all orders; None unless every set of components was planned.
    """

    title: str
    off: str
    on: str
    added: Contrast | None
    left_out: Contrast | None
    disagreement: Contrast | None
    shapley: Contrast | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the path: a factor switched from one value to another, the arm after it against that before."""

    title: str
    off: str
    on: str
    contrast: Contrast
    before: Arm
    after: Arm


@dataclass(frozen=True, kw_only=True, eq=False)
class ComponentVerdict:
    """The components of one block.

    Attributes:
        block: In words; empty for a study of one block.
        bare, full: The arms with every component off, and on; None where it was not planned.
        components: In the study's order.
        is_design: Whether the study is an ablation by its design; else off is the reference's or the first value, and
            on, of several others, the one with the highest mean on validation.
        best: The arm that validation chooses; None without a choice.
        pairwise: Interactions of two components each, averaged over the others, of an ablation whose arms have them;
            those of a grid are its verdict's.
        path: From the bare arm to the best one; None where arms between them were not planned, empty where the bare arm
            is the best.
    """

    block: str
    bare: Arm | None
    full: Arm | None
    components: tuple[Component, ...]
    is_design: bool
    best: Arm | None
    pairwise: tuple[Contrast, ...]
    path: tuple[Step, ...] | None


@dataclass(frozen=True, kw_only=True)
class _Table:
    """The arms of a block by the levels of its components.

    Attributes:
        names: Of the factors. off, on: The value of each. levels: All its values.
        arms: Arm by the index of each factor's level.
        bare, full: Indices of the values that are off and on.
    """

    verdict: BlockVerdict
    names: tuple[str, ...]
    levels: tuple[tuple[Scalar, ...], ...]
    arms: Mapping[tuple[int, ...], Arm]
    bare: tuple[int, ...]
    full: tuple[int, ...]
    is_design: bool

    def at(self, on: Sequence[int]) -> Arm | None:
        """The arm with these components on and the others off."""
        return self.arms.get(tuple(self.full[i] if i in on else self.bare[i] for i in range(len(self.names))))

    def sets(self) -> dict[frozenset[int], int]:
        """The arms by the set of components that are on."""
        numbers = range(len(self.names))
        all_sets = (frozenset(one) for k in range(len(numbers) + 1) for one in itertools.combinations(numbers, k))
        return {on: arm.order for on in all_sets if (arm := self.at(tuple(on))) is not None}

    def text(self, i: int, level: int) -> str:
        return value_text(self.levels[i][level])


def component_verdicts(evidence: Evidence, verdicts: Sequence[BlockVerdict]) -> tuple[ComponentVerdict, ...]:
    """Decide on the components of every block: of an ablation by design, or of a grid that crosses two factors or more.

    Families over all blocks; a comparison that the study has decided in another family is taken from there.
    """
    if evidence.study.plan.search.method == RACE:  # its arms were stopped for a reason
        return ()
    tables = [table for verdict in verdicts if (table := _table(evidence, verdict)) is not None]
    study = evidence.study
    switched = _decide(evidence, SWITCHED, [_switched(table) for table in tables])
    apart = _decide(evidence, DISAGREEMENTS, [_disagreements(study, table) for table in tables])
    crossed = _decide(evidence, INTERACTIONS, [_pairwise(study, table) for table in tables])
    values = _decide(evidence, SHAPLEY, [_shapley(study, table) for table in tables])
    orders = [_path(evidence, table) for table in tables]
    steps = _decide(evidence, PATH, [_steps(table, order) for table, order in zip(tables, orders, strict=True)])
    made = []
    all_of = zip(tables, switched, apart, crossed, values, orders, steps, strict=True)
    for table, alone, one, pairs, two, order, three in all_of:
        components = tuple(
            Component(
                title=factor_name(name),
                off=table.text(i, table.bare[i]),
                on=table.text(i, table.full[i]),
                added=alone.get(f"added {i}"),
                left_out=alone.get(f"left out {i}"),
                disagreement=one.get(f"{i}"),
                shapley=two.get(f"{i}"),
            )
            for i, name in enumerate(table.names)
        )
        made.append(
            ComponentVerdict(
                block=table.verdict.block,
                bare=table.at(()),
                full=table.at(range(len(table.names))),
                components=components,
                is_design=table.is_design,
                best=table.verdict.best.arm if table.verdict.best else None,
                pairwise=tuple(pair for pair in pairs.values() if pair not in one.values()),
                path=None if order is None else _in_steps(table, order, three),
            )
        )
    return tuple(made)


def _table(evidence: Evidence, verdict: BlockVerdict) -> _Table | None:
    design = evidence.study.plan.study.design
    if design is not None and design.components:
        return _by_design(evidence.study, verdict, design.components)
    return _by_grid(evidence, verdict)


def _by_design(study: Study, verdict: BlockVerdict, components: Mapping[str, tuple[Scalar, Scalar]]) -> _Table | None:
    """The arms of an ablation; a factor that does nothing in an arm has any of its values there."""
    names = block_factors(study)
    own = [arm for arm in study.arms if arm.block(names) == verdict.key]
    arms: dict[tuple[int, ...], Arm] = {}
    for levels in itertools.product((0, 1), repeat=len(components)) if len(components) <= MAX_COMPONENTS else ():
        requested = {name: two[level] for (name, two), level in zip(components.items(), levels, strict=True)}
        fitting = [arm for arm in own if _has(arm.factors, requested)]
        if fitting:  # the one that has most of them said
            arms[levels] = max(fitting, key=lambda arm: sum(arm.factors.get(name) is not None for name in components))
    k = len(components)
    return _Table(
        verdict=verdict,
        names=tuple(components),
        levels=tuple(components.values()),
        arms=arms,
        bare=(0,) * k,
        full=(1,) * k,
        is_design=True,
    ) if arms else None  # fmt: skip


def _has(factors: Factors, requested: Factors) -> bool:
    return all(
        (value := factors.get(name)) is None or canonical_json(value) == canonical_json(one)
        for name, one in requested.items()
    )


def _by_grid(evidence: Evidence, verdict: BlockVerdict) -> _Table | None:
    """The candidates of a block, where they cross two factors or more fully."""
    factors, candidates = verdict.factors, [summary.arm for summary in verdict.candidates]
    keys = [tuple(factor.index(arm) for factor in factors) for arm in candidates]
    known = {tuple(i for i in key if i is not None): arm for key, arm in zip(keys, candidates, strict=True)}
    size = int(np.prod([len(factor.levels) for factor in factors]))
    is_full = all(None not in key for key in keys) and len(known) == len(keys) == size
    if not is_full or not 2 <= len(factors) <= MAX_COMPONENTS:
        return None
    val = evidence.values(evidence.study.val)[[arm.order for arm in candidates]]
    shared = ~np.isnan(val).any(axis=0)
    if not shared.any():
        return None
    means = dict(zip(known, val[:, shared].mean(axis=1).tolist(), strict=True))
    bare = tuple(_off(evidence.study, factor) for factor in factors)
    full = []
    for i, factor in enumerate(factors):
        by_level = {
            level: np.mean([mean for key, mean in means.items() if key[i] == level])
            for level in range(len(factor.levels))
            if level != bare[i]
        }
        full.append(max(by_level, key=lambda level: by_level[level]))
    return _Table(
        verdict=verdict,
        names=tuple(factor.name for factor in factors),
        levels=tuple(factor.levels for factor in factors),
        arms=known,
        bare=bare,
        full=tuple(full),
        is_design=False,
    )


def _off(study: Study, factor: Factor) -> int:
    """The level that the study's reference has, else the first one that it lists."""
    keys = [canonical_json(level) for level in factor.levels]
    named = (study.plan.study.reference or {}).get(factor.name)
    listed = [canonical_json(value) for value in study.plan.factors[factor.name]]
    if named is not None and canonical_json(named) in keys:
        return keys.index(canonical_json(named))
    return next((keys.index(key) for key in listed if key in keys), 0)


def _decide(evidence: Evidence, name: str, families: Sequence[Mapping[str, Sides]]) -> list[dict[str, Contrast]]:
    """The comparisons of every block as one family; those that stand in another family are taken from there."""
    known = {_key(one.sides): one for family in evidence.families.values() for one in family
             if one.metric == evidence.study.test}  # fmt: skip
    new: dict[tuple[tuple[int, float], ...], Sides] = {}
    for family in families:
        for sides in family.values():
            key = _key(sides)
            if not {key, _negative(key)} & (known.keys() | new.keys()):
                new[key] = sides
    known |= dict(zip(new, evidence.compare(list(new.values()), name), strict=True)) if new else {}
    return [
        {
            place: known[key] if (key := _key(sides)) in known else known[_negative(key)].flipped()
            for place, sides in family.items()
        }
        for family in families
    ]


def _key(sides: Sides) -> tuple[tuple[int, float], ...]:
    return combined([{arm.order: weight for arm, weight in unit.items()} for unit in sides.units])


def _negative(key: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    return tuple((arm, -weight) for arm, weight in key)


def _switched(table: _Table) -> dict[str, Sides]:
    k = len(table.names)
    bare, full = table.at(()), table.at(range(k))
    made = {}
    for i in range(k):
        added, left_out = table.at((i,)), table.at([j for j in range(k) if j != i])
        if bare and added and bare != added:
            made[f"added {i}"] = Sides.pair(added, bare)
        if full and left_out and full != left_out:
            made[f"left out {i}"] = Sides.pair(full, left_out)
    return made


def _disagreements(study: Study, table: _Table) -> dict[str, Sides]:
    k = len(table.names)
    bare, full = table.at(()), table.at(range(k))
    made = {}
    for i, name in enumerate(table.names):
        added, left_out = table.at((i,)), table.at([j for j in range(k) if j != i])
        if bare and full and added and left_out:
            unit = disagreement(bare.order, added.order, full.order, left_out.order)
            if unit:
                what = f"what {factor_name(name)} = {table.text(i, table.full[i])} brings in the full arm"
                made[f"{i}"] = Sides(
                    units=(_of_arms(study, unit),), subject=what, against="in the bare arm", is_shape=True
                )
    return made


def _pairwise(study: Study, table: _Table) -> dict[str, Sides]:
    """Two components each; a grid's are decided beside its effects."""
    candidates = [summary.arm for summary in table.verdict.candidates]
    made = interaction_family(study, candidates, table.verdict.factors) if table.is_design else []
    return {f"{i}": sides for i, sides in enumerate(made)}


def _shapley(study: Study, table: _Table) -> dict[str, Sides]:
    """Over all orders; no recommendation, so that no collapse stands in the way."""
    k, arms = len(table.names), table.sets()
    if k < 2 or not is_complete(arms, k):
        return {}
    units = {i: shapley(arms, i, k) for i in range(k)}
    return {
        f"{i}": Sides(
            units=(_of_arms(study, unit),),
            subject=f"{factor_name(table.names[i])} = {table.text(i, table.full[i])}",
            against=f"{factor_name(table.names[i])} = {table.text(i, table.bare[i])}",
            over="all orders of switching the components on",
            is_shape=True,
        )
        for i, unit in units.items()
        if unit
    }


def _of_arms(study: Study, unit: Unit) -> dict[Arm, float]:
    return {study.arms[order]: weight for order, weight in unit.items()}


def _path(evidence: Evidence, table: _Table) -> list[tuple[int, ...]] | None:
    """The levels of each arm of the path, first the bare one; None where it cannot be gone."""
    chosen = table.verdict.chosen
    if chosen is None or table.bare not in table.arms:
        return None
    end = next((levels for levels, arm in table.arms.items() if arm == chosen.best.arm), None)
    if end is None:
        return None
    val = evidence.values(evidence.study.val)
    columns = [i for i, seed in enumerate(evidence.seeds) if seed in chosen.seeds]
    score = {levels: float(val[arm.order, columns].mean()) for levels, arm in table.arms.items()}
    order = greedy_path(table.bare, end, {levels: mean for levels, mean in score.items() if not np.isnan(mean)})
    if order is None:
        return None
    path = [table.bare]
    for i in order:
        path.append((*path[-1][:i], end[i], *path[-1][i + 1 :]))
    return path


def _steps(table: _Table, path: Sequence[tuple[int, ...]] | None) -> dict[str, Sides]:
    pairs = [(table.arms[before], table.arms[after]) for before, after in itertools.pairwise(path or ())]
    return {f"{i}": Sides.pair(after, before) for i, (before, after) in enumerate(pairs) if after != before}


def _in_steps(table: _Table, path: Sequence[tuple[int, ...]], contrasts: Mapping[str, Contrast]) -> tuple[Step, ...]:
    steps = []
    for number, (before, after) in enumerate(itertools.pairwise(path)):
        i = next(i for i in range(len(before)) if before[i] != after[i])
        if f"{number}" in contrasts:
            steps.append(
                Step(
                    title=factor_name(table.names[i]),
                    off=table.text(i, before[i]),
                    on=table.text(i, after[i]),
                    contrast=contrasts[f"{number}"],
                    before=table.arms[before],
                    after=table.arms[after],
                )
            )
    return tuple(steps)
