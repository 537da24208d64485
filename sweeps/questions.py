"""Which arms a study compares with which: functions on factors alone, for the study, its planner and the report.

An arm here is its factors. The *reference* of an arm agrees with it in everything but the factors that the comparison
is about; a factor that does not apply to the reference (None) is no difference, so that a study over samplers compares
each prompted arm with the control under the same sampler.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sweeps.records.factors import Factors, Scalar, arm_key
from vmp.core.fingerprint import canonical_json

PROMPT = "prompt"
PROMPTED, CONTROL, BASELINE = "vmp", "control", "none"

RESAMPLINGS = ("data.split_seed", "data.fold", "data.split")
"""Settings that divide one data set anew into training and test: never candidates, whatever a study declares."""

Pair = tuple[int, int]


class Question(Protocol):
    """What a study says of its comparisons (`sweeps.study.Study`, `sweeps.records.plan_record.StudyHeader`).

    Attributes:
        reference, blocks, compare: As in a study file.
        design_pairs: The comparisons that follow from the design: factors of an arm and of what it is compared with.
    """

    @property
    def reference(self) -> Factors | None: ...

    @property
    def blocks(self) -> Sequence[str] | None: ...

    @property
    def compare(self) -> str | Sequence[str] | Sequence[tuple[Factors, Factors]] | None: ...

    @property
    def design_pairs(self) -> Sequence[tuple[Factors, Factors]]: ...


def compared_pairs(arms: Sequence[Factors], question: Question) -> list[Pair]:
    """The comparisons that answer the study's question, as indices (arm, reference) into `arms`.

    In this order of precedence: the pairs that `compare` names; every two values of the factor that it names, where the
    prompted arms vary that one alone; the `reference`; the pairs that follow from the design (of an ablation: each arm
    with the bare or the full one); the control of each prompted arm; the backbone alone; the first arm. In a factorial
    the factors that `compare` names are compared by their effects (`analysis.verdict.effects`), and its arms with their
    controls.
    """
    factors = compared_factors(question)
    if factors:
        among = candidates(arms)
        names = list(dict.fromkeys(name for i in among for name in arms[i]))
        blocks = block_names(arms, names, question.blocks)
        varied = [n for n in names if n not in (PROMPT, *blocks) and _varies([arms[i] for i in among], n)]
        if varied == list(factors):
            return [(among[i], among[j]) for i, j in value_pairs([arms[i] for i in among], factors[0])]
    if sides := compared_sides(question):
        return list(dict.fromkeys(pair for first, second in sides for pair in named_pairs(arms, first, second)))
    if question.reference is not None:
        return reference_pairs(arms, question.reference)
    if question.design_pairs:
        place = {arm_key(arm): i for i, arm in enumerate(arms)}
        keys = [(arm_key(arm), arm_key(reference)) for arm, reference in question.design_pairs]
        return [(place[arm], place[reference]) for arm, reference in keys if arm in place and reference in place]
    for prompt in (CONTROL, BASELINE):
        if pairs := prompt_pairs(arms, prompt):
            return pairs
    first: dict[str, int] = {}  # of each division of the videos: never arms that were tested on different ones
    divisions = [canonical_json([arm.get(name) for name in RESAMPLINGS]) for arm in arms]
    return [(i, j) for i, division in enumerate(divisions) if (j := first.setdefault(division, i)) != i]


def compared_factors(question: Question) -> tuple[str, ...]:
    """The factors that `compare` names; empty where it names pairs or nothing."""
    if isinstance(question.compare, str):
        return (question.compare,)
    return tuple(name for name in question.compare or () if isinstance(name, str))


def compared_sides(question: Question) -> list[tuple[Factors, Factors]]:
    """The pairs that `compare` names; empty where it names factors or nothing."""
    if isinstance(question.compare, str):
        return []
    return [(pair[0], pair[1]) for pair in question.compare or () if not isinstance(pair, str)]


def asked_factors(question: Question) -> set[str]:
    """The factors that a study's comparison is about, however it is asked."""
    sides = [question.reference or {}, *(side for pair in compared_sides(question) for side in pair)]
    return {*compared_factors(question), *(name for side in sides for name in side)}


def matches(arm: Factors, part: Factors) -> bool:
    """Whether an arm has the factors of `part`."""
    return all(canonical_json(arm.get(name)) == canonical_json(value) for name, value in part.items())


def named_pairs(arms: Sequence[Factors], first: Factors, second: Factors) -> list[Pair]:
    """The pairs of an arm with the factors `first` and one with `second` that agree in all factors of neither."""
    named = first.keys() | second.keys()
    return [
        (i, j)
        for i, arm in enumerate(arms)
        if matches(arm, first)
        for j, other in enumerate(arms)
        if i != j and matches(other, second) and matches(_without(arm, named), _without(other, named))
    ]


def value_pairs(arms: Sequence[Factors], factor: str) -> list[Pair]:
    """Every two arms that differ in `factor` alone, the later one against the earlier."""
    return [
        (j, i)
        for i, arm in enumerate(arms)
        for j in range(i + 1, len(arms))
        if arm.get(factor) is not None
        and arms[j].get(factor) is not None
        and matches(_without(arm, {factor}), _without(arms[j], {factor}))
    ]


def reference_pairs(arms: Sequence[Factors], reference: Factors) -> list[Pair]:
    """Each arm with the one that has the factors `reference` and the arm's own others; where none has, with the only
    arm that has `reference`."""
    having = [j for j, arm in enumerate(arms) if matches(arm, reference)]
    others = [i for i in range(len(arms)) if i not in having]
    pairs = []
    for i in others:
        same = _without(arms[i], reference.keys())
        counterparts = [j for j in having if _agrees(_without(arms[j], reference.keys()), same)]
        pairs += [(i, counterparts[0])] if counterparts else []
    return pairs or [(i, having[0]) for i in others if len(having) == 1]


def prompt_pairs(arms: Sequence[Factors], prompt: str) -> list[Pair]:
    """Each prompted arm with the arm of `prompt` (control, none) that agrees in every other factor that applies."""
    found = counterparts(arms, arms, prompt)
    return [(i, j) for i, j in enumerate(found) if j is not None and arms[i].get(PROMPT, PROMPTED) == PROMPTED]


def counterpart(arm: Factors, arms: Sequence[Factors], prompt: str) -> int | None:
    """Index of the arm with `prompt` that differs from `arm` in nothing but what that prompt rules out."""
    return counterparts([arm], arms, prompt)[0]


def counterparts(of: Sequence[Factors], arms: Sequence[Factors], prompt: str) -> list[int | None]:
    """The `counterpart` among `arms` of each arm of `of`."""
    others = [(j, _without(arm, {PROMPT})) for j, arm in enumerate(arms) if arm.get(PROMPT) == prompt]
    same = [_without(arm, {PROMPT}) for arm in of] if others else [{}] * len(of)
    return [next((j for j, other in others if _agrees(other, one)), None) for one in same]


def candidates(arms: Sequence[Factors]) -> list[int]:
    """The arms that can be chosen: the prompted ones, or all where none is."""
    prompted = [i for i, arm in enumerate(arms) if arm.get(PROMPT, PROMPTED) == PROMPTED]
    return prompted or list(range(len(arms)))


def same_on_validation(arms: Sequence[Factors]) -> list[int]:
    """The arms that differ from an earlier one in settings of `test` alone, which validation never sees.

    Their figures on validation are those of the earlier arm, so nothing chooses between the two.
    """
    seen: set[str] = set()
    found = []
    for i, arm in enumerate(arms):
        trained = training_key(arm)
        if trained in seen:
            found.append(i)
        seen.add(trained)
    return found


def training_key(arm: Factors) -> str:
    """What an arm trains: equal for arms that differ in settings of `test` alone, which share their trainings."""
    return canonical_json({name: value for name, value in arm.items() if name.split(".")[0] != "test"})


def candidates_by_block(arms: Sequence[Factors], blocks: Sequence[str]) -> dict[tuple[Scalar, ...], list[int]]:
    """The candidates of each block, by its values of the factors `blocks`, in the order of their first arms."""
    groups: dict[tuple[Scalar, ...], list[int]] = {}
    for i in candidates(arms):
        groups.setdefault(tuple(arms[i].get(name) for name in blocks), []).append(i)
    return groups


def arms_by_block(arms: Sequence[Factors], blocks: Sequence[str]) -> dict[tuple[Scalar, ...], list[int]]:
    """The arms of each block, its references among them, in their order.

    A reference to which a factor of `blocks` does not apply (None) belongs to every block that agrees in the others.
    """
    groups = candidates_by_block(arms, blocks)
    among = set(candidates(arms))
    keys = list(groups)
    for i in [i for i in range(len(arms)) if i not in among]:
        values = tuple(arms[i].get(name) for name in blocks)
        fits = [key for key in keys if all(own in (None, its) for own, its in zip(values, key, strict=True))]
        for key in fits or [values]:
            groups.setdefault(key, []).append(i)
    return {key: sorted(members) for key, members in groups.items()}


def block_names(arms: Sequence[Factors], names: Sequence[str], declared: Sequence[str] | None) -> tuple[str, ...]:
    """The factors whose values are no candidates: those that the study declares, else its data and its backbone.

    Undeclared ones are none where nothing else is compared: a study of backbones alone compares backbones. Divisions
    of one data set (`RESAMPLINGS`) always are: no setting is better for having been tested on easier videos.

    Args:
        arms: The study's.
        names: Its factors.
        declared: Its `blocks`.
    """
    varied = [name for name in names if name != PROMPT and _varies(arms, name)]
    if declared is not None:
        return tuple(name for name in varied if name in declared or name in RESAMPLINGS)
    blocks = tuple(filter(is_block_by_default, varied))
    if len(blocks) < len(varied) or _varies(arms, PROMPT):
        return blocks
    return tuple(name for name in varied if name in RESAMPLINGS)


def is_block_by_default(name: str) -> bool:
    """Whether the values of a factor are no candidates unless a study declares its blocks: data and backbone."""
    return name in ("backbone", "backbone.kind") or name.split(".")[0] == "data"


def main_pair(pairs: Sequence[Pair], ranking: Sequence[int]) -> Pair | None:
    """The comparison of the best arm: with the best of the others where it has several.

    Args:
        pairs: (arm, reference) that answer the question.
        ranking: The candidates by falling accuracy on validation.

    Returns:
        (arm, reference), also where `pairs` has it the other way round. Where the best arm is what all others are
        compared with, the pair of the best other one; None where no candidate is compared.
    """
    best = ranking[0]
    rank = {arm: place for place, arm in enumerate(ranking)}
    own = [pair for pair in pairs if pair[0] == best]
    others = {reference for arm, reference in pairs if arm != best}
    if own or len(others) > 1:  # else the best arm is the one reference
        own += [(best, arm) for arm, reference in pairs if reference == best]
    if own:
        return min(own, key=lambda pair: rank.get(pair[1], len(rank)))
    return min((pair for pair in pairs if pair[0] in rank), key=lambda pair: rank[pair[0]], default=None)


def _varies(arms: Sequence[Factors], name: str) -> bool:
    return len({canonical_json(value) for arm in arms if (value := arm.get(name)) is not None}) > 1


def _without(arm: Factors, names: Collection[str]) -> Factors:
    return {name: value for name, value in arm.items() if name not in names}


def _agrees(reference: Factors, arm: Factors) -> bool:
    """Whether the factors that apply to the reference are those of the arm."""
    return matches(arm, {name: value for name, value in reference.items() if value is not None})
