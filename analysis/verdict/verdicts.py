"""What is decided about a study: for each block which arm, by how much, which factor matters, and how sure that is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from analysis.study.arms import Arm, Kind, value_text
from analysis.study.cells import Study
from analysis.study.factors import Factor, block_factors, varied_factors
from analysis.verdict.choosing import Bar, Chosen, Excluded, choose_arm
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.effects import Effect, compare_effects, effect_family, interaction_family
from analysis.verdict.evidence import Evidence
from analysis.verdict.summaries import ArmSummary
from sweeps.questions import (
    BASELINE,
    CONTROL,
    candidates_by_block,
    compared_pairs,
    counterpart,
    counterparts,
    main_pair,
)
from sweeps.race_state import RACE
from sweeps.records.factors import Scalar
from sweeps.stats.decisions import Verdict
from sweeps.stats.factorial import trend
from vmp.core.errors import InputError

QUESTION, INTERACTIONS, TRENDS = "arms as the study compares them", "interactions", "trends"
ON_CONTROL, ON_BASELINE = "against the control", "against the backbone alone"


@dataclass(frozen=True, kw_only=True)
class BlockVerdict:
    """Everything decided about one block; a study without blocks is one.

    Attributes:
        block: The values of the block factors in words; empty for a study of one block.
        key: Those values.
        factors: What the candidates vary.
        candidates: The arms to choose from: the prompted ones, else all. By rising value of a single ordered factor.
        contrasts: The comparisons that answer the study's question, as part of one family over all blocks.
        chosen: The choice on validation; None below 3 shared seeds.
        excluded: Candidates that could not be chosen.
        main: The chosen arm's comparison, or where it is the reference itself the runner-up's; None without a choice.
        effects, interactions: In a factorial; see `analysis.verdict.effects`.
        trend: Over the values of a single ordered factor, from the lowest to the highest.
        on_control, on_baseline: Comparisons with the control and with the backbone alone, where the question is
            another one.
        control, baseline: The reference arms of the first candidate, where the study has them.

    What follows from comparisons is empty in a study that was raced.
    """

    block: str
    key: tuple[Scalar, ...]
    factors: tuple[Factor, ...]
    candidates: tuple[ArmSummary, ...]
    control: ArmSummary | None
    baseline: ArmSummary | None
    contrasts: tuple[Contrast, ...] = ()
    chosen: Chosen | None = None
    excluded: tuple[Excluded, ...] = ()
    main: Contrast | None = None
    effects: tuple[Effect, ...] = ()
    interactions: tuple[Contrast, ...] = ()
    trend: Contrast | None = None
    on_control: tuple[Contrast, ...] = ()
    on_baseline: tuple[Contrast, ...] = ()

    @property
    def best(self) -> ArmSummary | None:
        return self.chosen.best if self.chosen else None

    @property
    def choices(self) -> int:
        """Among how many candidates validation chose: those that could be chosen, and in a search those that lost on
        fewer seeds."""
        return len(self.candidates) - sum(one.bar is not Bar.LOST for one in self.excluded)

    @property
    def outcome(self) -> Verdict:
        """Of the main comparison."""
        return self.main.verdict if self.main else Verdict.NONE

    @property
    def axis(self) -> Factor | None:
        """The single factor that the candidates vary, where its values are numbers."""
        return self.factors[0] if len(self.factors) == 1 and self.factors[0].is_ordered else None

    @cached_property
    def points(self) -> tuple[tuple[float, ArmSummary, Contrast | None], ...]:
        """The curve over `axis`: (value, summary, comparison with the reference); empty without an axis."""
        if self.axis is None:
            return ()
        values = [(summary.arm.factors.get(self.axis.name), summary) for summary in self.candidates]
        return tuple((float(v), s, self.contrast_of(s.arm)) for v, s in values if isinstance(v, int | float))

    @property
    def reference_is_best(self) -> bool:
        return bool(self.best and self.main and self.best.arm in self.main.sides.references)

    def contrast_of(self, arm: Arm) -> Contrast | None:
        """The comparison of an arm with its reference."""
        return self._contrast_by_arm.get(arm)

    @cached_property
    def _contrast_by_arm(self) -> dict[Arm, Contrast]:
        pairs = [contrast for contrast in self.contrasts if contrast.is_pair]
        return {contrast.arm: contrast for contrast in reversed(pairs)}  # of several the first


def question_pairs(study: Study) -> list[tuple[Arm, Arm]]:
    """The comparisons that answer the study's question.

    Raises:
        InputError: No planned arm has the factors of `study.reference` or `study.compare`.
    """
    header, arms = study.plan.study, study.arms
    pairs = [(arms[i], arms[j]) for i, j in compared_pairs([arm.factors for arm in arms], header)]
    if not pairs and len(arms) > 1 and (header.reference is not None or header.compare):
        asked = (
            f"study.reference is {header.reference!r}"
            if header.compare is None
            else f"study.compare is {header.compare!r}"
        )
        raise InputError(
            f"'{study.path / 'plan.json'}': {asked} and no planned arms have these factors; "
            f"name factors of arms, for example {dict(arms[0].factors)!r}"
        )
    return pairs


def block_verdicts(evidence: Evidence) -> tuple[BlockVerdict, ...]:
    """Decide on every block of a study. Families reach over all blocks, so that one error bounds the page's answer."""
    study = evidence.study
    names = block_factors(study)
    blocks = _blocks(study, names)
    factors = {key: varied_factors(arms, list(study.plan.factors)) for key, arms in blocks.items()}
    curves = {key: _curve(arms, factors[key]) for key, arms in blocks.items()}
    levels = {
        key: BlockVerdict(
            block=block_in_words(names, key) if len(blocks) > 1 else "",
            key=key,
            factors=factors[key],
            candidates=tuple(evidence.summary(arm) for arm in arms),
            control=_reference(evidence, arms, CONTROL),
            baseline=_reference(evidence, arms, BASELINE),
        )
        for key, (arms, _) in curves.items()
    }
    if study.plan.search.method == RACE:  # it stopped its arms for a reason, so only its own intervals hold
        return tuple(levels.values())
    contrasts = evidence.compare([Sides.pair(*one) for one in question_pairs(study)], QUESTION)
    effects = _effects(evidence, blocks, factors)
    interactions = _by_block(evidence, INTERACTIONS, {
        key: interaction_family(study, arms, factors[key]) if effects[key] else [] for key, arms in blocks.items()
    })  # fmt: skip
    trends = _by_block(evidence, TRENDS, {key: _trend(study, *curve) for key, curve in curves.items()})
    on_control, on_baseline = (_on(evidence, prompt, contrasts) for prompt in (CONTROL, BASELINE))
    verdicts = []
    for key, level in levels.items():
        of_block = {summary.arm.order for summary in level.candidates}
        own = tuple(c for c in contrasts if c.arm.order in of_block or c.reference.order in of_block)
        chosen, excluded = _choose(evidence, level.candidates, own)
        verdicts.append(
            replace(
                level,
                contrasts=own,
                chosen=chosen,
                excluded=excluded,
                main=_main(chosen, own),
                effects=effects[key],
                interactions=interactions[key],
                trend=next(iter(trends[key]), None),
                on_control=tuple(c for c in on_control if c.arm.order in of_block),
                on_baseline=tuple(c for c in on_baseline if c.arm.block(names) == key),
            )
        )
    return tuple(verdicts)


def _choose(
    evidence: Evidence, candidates: Sequence[ArmSummary], contrasts: Sequence[Contrast]
) -> tuple[Chosen | None, tuple[Excluded, ...]]:
    """The choice among the candidates of a block, on validation."""
    values = evidence.values(evidence.study.val)[[summary.arm.order for summary in candidates]]
    reference = {c.arm: c.reference for c in contrasts if c.is_pair}
    return choose_arm(evidence, candidates, values, [reference.get(summary.arm) for summary in candidates])


def _main(chosen: Chosen | None, contrasts: Sequence[Contrast]) -> Contrast | None:
    """The comparison of the chosen arm, see `sweeps.questions.main_pair`."""
    if chosen is None:
        return None
    pairs = {(contrast.arm.order, contrast.reference.order): contrast for contrast in contrasts}
    pair = main_pair(list(pairs), [summary.arm.order for summary in chosen.ranking])
    if pair is None:
        return None
    return pairs[pair] if pair in pairs else pairs[pair[::-1]].flipped()


def _blocks(study: Study, names: Sequence[str]) -> dict[tuple[Scalar, ...], list[Arm]]:
    """The candidates of each block."""
    groups = candidates_by_block([arm.factors for arm in study.arms], names)
    return {key: [study.arms[i] for i in group] for key, group in groups.items()}


def _effects(
    evidence: Evidence,
    blocks: Mapping[tuple[Scalar, ...], list[Arm]],
    factors: Mapping[tuple[Scalar, ...], Sequence[Factor]],
) -> dict[tuple[Scalar, ...], tuple[Effect, ...]]:
    """The effects of every block that crosses two factors or more: those that the study asks about are one family, over
    all blocks, and the others another."""
    # The arms of a design that says itself what is compared cross nothing.
    is_grid = not evidence.study.plan.study.design_pairs
    families = {
        key: effect_family(evidence.study, arms, factors[key]) if is_grid and len(factors[key]) > 1 else []
        for key, arms in blocks.items()
    }
    made = iter(compare_effects(evidence, [one for family in families.values() for one in family]))
    return {key: tuple(itertools.islice(made, len(family))) for key, family in families.items()}


def _by_block(
    evidence: Evidence, name: str, families: Mapping[tuple[Scalar, ...], Sequence[Sides]]
) -> dict[tuple[Scalar, ...], tuple[Contrast, ...]]:
    """One family over all blocks, split by block again."""
    made = list(evidence.compare([sides for family in families.values() for sides in family], name))
    split = {}
    for key, family in families.items():
        split[key], made = tuple(made[: len(family)]), made[len(family) :]
    return split


def _curve(arms: Sequence[Arm], factors: Sequence[Factor]) -> tuple[list[Arm], Factor | None]:
    """The candidates by rising value of their single factor, where it is ordered."""
    if len(factors) != 1 or not factors[0].is_ordered:
        return list(arms), None
    factor = factors[0]
    return sorted(arms, key=lambda arm: -1 if (level := factor.index(arm)) is None else level), factor


def _trend(study: Study, arms: Sequence[Arm], factor: Factor | None) -> list[Sides]:
    if factor is None or len(arms) < 3 or len(factor.levels) != len(arms):
        return []
    unit = {study.arms[order]: weight for order, weight in trend([arm.order for arm in arms]).items() if weight}
    last, first = factor.text([len(arms) - 1]), factor.text([0])
    return [Sides(units=(unit,), subject=last, against=first, is_shape=True)]


def _on(evidence: Evidence, prompt: str, asked: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """Every other arm with the control or the backbone alone of its own settings, where that is not the question."""
    study = evidence.study
    kind = Kind.BASELINE if prompt == BASELINE else Kind.CONTROL
    if any(contrast.reference.kind is kind for contrast in asked):
        return ()
    factors = [arm.factors for arm in study.arms]
    ranks = (Kind.BASELINE, Kind.CONTROL, Kind.VMP, Kind.OTHER)
    pairs = [
        (arm, study.arms[index])
        for arm, index in zip(study.arms, counterparts(factors, factors, prompt), strict=True)
        if ranks.index(arm.kind) > ranks.index(kind) and index is not None
    ]
    if {tuple(pair) for pair in pairs} & {(c.arm, c.reference) for c in asked}:
        return ()
    return evidence.compare([Sides.pair(*pair) for pair in pairs], ON_CONTROL if prompt == CONTROL else ON_BASELINE)


def _reference(evidence: Evidence, arms: Sequence[Arm], prompt: str) -> ArmSummary | None:
    index = counterpart(arms[0].factors, [arm.factors for arm in evidence.study.arms], prompt)
    return None if index is None else evidence.summary(evidence.study.arms[index])


def block_in_words(names: Sequence[str], key: Sequence[Scalar]) -> str:
    """A block by its factors and their values: ``backbone = slow``."""
    return ", ".join(
        f"{name} = {value_text(value)}" for name, value in zip(names, key, strict=True) if value is not None
    )
