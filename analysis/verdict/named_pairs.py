"""Any two arms of a study, named by factors: the comparison that a reader asks for."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.study.arms import Arm, factor_name, value_text
from analysis.study.cells import Study
from sweeps.record import Scalar
from vmp.core.choices import unknown_key
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.overrides import parse_override

_FLAG, _EXAMPLE = "--compare", "lambda=0.1"


@dataclass(frozen=True, kw_only=True)
class NamedPair:
    """Two arms that differ in what was named; `setting` says in words what they share."""

    arm: Arm
    reference: Arm
    setting: str


def named_pairs(study: Study, arm: str, reference: str) -> list[NamedPair]:
    """The pairs of arms that differ in what the two texts name, and agree in every other factor.

    Args:
        study: The study.
        arm, reference: Factors of the two sides: ``remedy=none``, or several, ``remedy=none,lambda=1``.

    Raises:
        InputError: A factor or value that the study does not have, or no pair.
    """
    sides = _factors(study, arm), _factors(study, reference)
    shared = [name for name in study.plan.factors if name not in sides[0].keys() | sides[1].keys()]
    pairs = [
        NamedPair(arm=a, reference=b, setting=_setting(a, shared))
        for a in _matching(study, sides[0])
        for b in _matching(study, sides[1])
        if a != b and a.block(shared) == b.block(shared)
    ]
    if not pairs:
        raise InputError(
            f"{_FLAG}: no arm with {arm} and arm with {reference} agree in all other factors; name more of each side"
        )
    return pairs


def _factors(study: Study, text: str) -> dict[str, Scalar]:
    named = dict(parse_override(part, flag=_FLAG, example=_EXAMPLE) for part in text.split(","))
    for name, value in named.items():
        if name not in study.plan.factors:
            raise InputError(f"{_FLAG} {text!r}: {name} {unknown_key(name, list(study.plan.factors))}")
        values = [one for one in study.plan.factors[name] if one is not None]
        if all(canonical_json(value) != canonical_json(one) for one in values):
            raise InputError(f"{_FLAG} {text!r}: {name} has the values {', '.join(map(value_text, values))}")
    return named


def _matching(study: Study, factors: dict[str, Scalar]) -> list[Arm]:
    wanted = {name: canonical_json(value) for name, value in factors.items()}
    return [a for a in study.arms if all(canonical_json(a.factors.get(n)) == value for n, value in wanted.items())]


def _setting(arm: Arm, shared: list[str]) -> str:
    values = {name: arm.factors.get(name) for name in shared}
    return ", ".join(f"{factor_name(name)} = {value_text(v)}" for name, v in values.items() if v is not None)
