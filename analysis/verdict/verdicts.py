"""What is decided about a study: for each block which arm, by how much, which factor matters, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.study.arms import Arm, Kind, value_text
from analysis.study.cells import Study
from analysis.study.factors import Factor, block_factors, varied_factors
from analysis.verdict.choosing import Chosen, choose_arm
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.effects import Effect, compare_collapse, effect_family, interaction_family
from analysis.verdict.evidence import Evidence
from analysis.verdict.summaries import ArmSummary
from sweeps.questions import BASELINE, CONTROL, asked_factors, compared_pairs, counterpart, main_pair
from sweeps.race_state import RACE
from sweeps.record import Scalar
from sweeps.stats.decisions import Verdict
from sweeps.stats.factorial import trend
from vmp.core.errors import InputError

QUESTION, INTERACTIONS, TRENDS = "arms as the study compares them", "interactions", "trends"
EFFECTS, OTHER_EFFECTS = "effects of the factors asked about", "effects of other factors"
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
        excluded: Candidates that could not be chosen, with the reason in words.
        main: The chosen arm's comparison, or where it is the reference itself the runner-up's; None without a choice.
        effects, interactions: In a factorial; see `analysis.verdict.effects`.
        trend: Over the values of a single ordered factor, from the lowest to the highest.
        on_control, on_baseline: Comparisons with the control and with the backbone alone, where the question is
            another one.
        control, baseline: The reference arms of the first candidate, where the study has them.
    """

    block: str
    key: tuple[Scalar, ...]
    factors: tuple[Factor, ...]
    candidates: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    chosen: Chosen | None
    excluded: tuple[tuple[Arm, str], ...]
    main: Contrast | None
    effects: tuple[Effect, ...]
    interactions: tuple[Contrast, ...]
    trend: Contrast | None
    on_control: tuple[Contrast, ...]
    on_baseline: tuple[Contrast, ...]
    control: ArmSummary | None
    baseline: ArmSummary | None

    @property
    def best(self) -> ArmSummary | None:
        return self.chosen.best if self.chosen else None

    @property
    def outcome(self) -> Verdict:
        """Of the main comparison."""
        return self.main.verdict if self.main else Verdict.NONE

    @property
    def axis(self) -> Factor | None:
        """The single factor that the candidates vary, where its values are numbers."""
        return self.factors[0] if len(self.factors) == 1 and self.factors[0].is_ordered else None

    @property
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
        return next((c for c in self.contrasts if c.is_pair and c.arm == arm), None)


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
    if study.plan.search.method == RACE:
        return _undecided(evidence, blocks)
    pairs = question_pairs(study)
    contrasts = evidence.compare([Sides.pair(*one) for one in pairs], QUESTION)
    factors = {key: varied_factors(arms, list(study.plan.factors)) for key, arms in blocks.items()}
    effects = _effects(evidence, blocks, factors)
    interactions = _by_block(evidence, INTERACTIONS, {
        key: interaction_family(study, arms, factors[key]) if effects[key] else [] for key, arms in blocks.items()
    })  # fmt: skip
    curves = {key: _curve(arms, factors[key]) for key, arms in blocks.items()}
    trends = _by_block(evidence, TRENDS, {key: _trend(study, *curve) for key, curve in curves.items()})
    on_control, on_baseline = (_on(evidence, prompt, contrasts) for prompt in (CONTROL, BASELINE))
    verdicts = []
    for key in blocks:
        arms = curves[key][0]
        of_block = {arm.order for arm in arms}
        verdicts.append(
            _decide(
                evidence,
                block=_in_words(names, key) if len(blocks) > 1 else "",
                key=key,
                factors=factors[key],
                arms=arms,
                contrasts=tuple(c for c in contrasts if c.arm.order in of_block or c.reference.order in of_block),
                effects=effects[key],
                interactions=interactions[key],
                trend=next(iter(trends[key]), None),
                on_control=tuple(c for c in on_control if c.arm.order in of_block),
                on_baseline=tuple(c for c in on_baseline if c.arm.block(names) == key),
            )
        )
    return tuple(verdicts)


def _undecided(evidence: Evidence, blocks: Mapping[tuple[Scalar, ...], list[Arm]]) -> tuple[BlockVerdict, ...]:
    """The arms of a race without comparisons: it stopped them for a reason, so only its own intervals hold."""
    names = list(evidence.study.plan.factors)
    curves = {key: _curve(arms, varied_factors(arms, names)) for key, arms in blocks.items()}
    return tuple(
        BlockVerdict(
            block="",
            key=key,
            factors=varied_factors(arms, names),
            candidates=tuple(evidence.summary(arm) for arm in arms),
            contrasts=(),
            chosen=None,
            excluded=(),
            main=None,
            effects=(),
            interactions=(),
            trend=None,
            on_control=(),
            on_baseline=(),
            control=_reference(evidence, arms, CONTROL),
            baseline=_reference(evidence, arms, BASELINE),
        )
        for key, (arms, _) in curves.items()
    )


def _decide(
    evidence: Evidence,
    *,
    arms: Sequence[Arm],
    contrasts: tuple[Contrast, ...],
    **facts: object,
) -> BlockVerdict:
    candidates = tuple(evidence.summary(arm) for arm in arms)
    values = evidence.values(evidence.study.val)[[arm.order for arm in arms]]
    reference = {c.arm: c.reference for c in contrasts if c.is_pair}
    chosen, excluded = choose_arm(evidence, candidates, values, [reference.get(arm) for arm in arms])
    main = _main(chosen, contrasts)
    control, baseline = (_reference(evidence, arms, prompt) for prompt in (CONTROL, BASELINE))
    return BlockVerdict(
        candidates=candidates,
        contrasts=contrasts,
        chosen=chosen,
        excluded=excluded,
        main=main,
        control=control,
        baseline=baseline,
        **facts,  # type: ignore[arg-type]
    )


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
    """The candidates of each block: its prompted arms, or all where it has none."""
    groups: dict[tuple[Scalar, ...], list[Arm]] = {}
    for arm in study.arms:
        groups.setdefault(arm.block(names), []).append(arm)
    prompted = {key: [arm for arm in arms if arm.kind is Kind.VMP] for key, arms in groups.items()}
    if any(prompted.values()):  # a reference to which a block factor does not apply stands in no block of its own
        return {key: arms for key, arms in prompted.items() if arms}
    return groups


def _effects(
    evidence: Evidence,
    blocks: Mapping[tuple[Scalar, ...], list[Arm]],
    factors: Mapping[tuple[Scalar, ...], Sequence[Factor]],
) -> dict[tuple[Scalar, ...], tuple[Effect, ...]]:
    """The effects of every block that crosses two factors or more: those that the study asks about are one family, over
    all blocks, and the others another."""
    families = {
        key: effect_family(evidence.study, arms, factors[key]) if len(factors[key]) > 1 else []
        for key, arms in blocks.items()
    }
    asked = asked_factors(evidence.study.plan.study)
    made: dict[tuple[object, ...], Effect] = {}
    every = [one for family in families.values() for one in family]
    for name, is_asked in ((EFFECTS, True), (OTHER_EFFECTS, False)):
        some = [(f, sides) for f, sides in every if (not asked or (f is not None and f.name in asked)) is is_asked]
        contrasts = evidence.compare([sides for _, sides in some], name)
        for (factor, sides), contrast, rates in zip(
            some, contrasts, compare_collapse(evidence, contrasts), strict=True
        ):
            made[sides.units_key] = Effect(contrast=contrast, factor=factor, rates=rates)
    return {key: tuple(made[sides.units_key] for _, sides in family) for key, family in families.items()}


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
    ranks = (Kind.BASELINE, Kind.CONTROL, Kind.VMP)
    pairs = [
        (arm, study.arms[index])
        for arm in study.arms
        if ranks.index(arm.kind) > ranks.index(kind)
        and (index := counterpart(arm.factors, factors, prompt)) is not None
    ]
    if {tuple(pair) for pair in pairs} & {(c.arm, c.reference) for c in asked}:
        return ()
    return evidence.compare([Sides.pair(*pair) for pair in pairs], ON_CONTROL if prompt == CONTROL else ON_BASELINE)


def _reference(evidence: Evidence, arms: Sequence[Arm], prompt: str) -> ArmSummary | None:
    index = counterpart(arms[0].factors, [arm.factors for arm in evidence.study.arms], prompt)
    return None if index is None else evidence.summary(evidence.study.arms[index])


def _in_words(names: Sequence[str], key: Sequence[Scalar]) -> str:
    return ", ".join(
        f"{name} = {value_text(value)}" for name, value in zip(names, key, strict=True) if value is not None
    )
