"""Any two arms of a study, named by factors: the comparison that a reader asks for."""

from __future__ import annotations

from analysis.study.arms import factor_name, value_text
from analysis.study.cells import Study
from analysis.verdict.contrasts import Sides
from sweeps.questions import Factors
from sweeps.questions import named_pairs as pairs_of
from sweeps.records.factors import Scalar
from vmp.core.choices import unknown_key
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.overrides import parse_override

_FLAG, _EXAMPLE = "--compare", "lambda=0.1"
NAMED = "the comparisons asked for"


def named_pairs(study: Study, arm: str, reference: str) -> list[tuple[Sides, str]]:
    """The pairs of arms that differ in what the two texts name and agree in every other factor, with what they share.

    Args:
        study: The study.
        arm, reference: Factors of the two sides: ``remedy=none``, or several, ``remedy=none,lambda=1``.

    Raises:
        InputError: A factor or value that the study does not have, or no pair.
    """
    first, second = _factors(study, arm), _factors(study, reference)
    pairs = pairs_of([one.factors for one in study.arms], first, second)
    if not pairs:
        raise InputError(
            f"{_FLAG}: no arm with {arm} and arm with {reference} agree in all other factors; name more of each side"
        )
    shared = [name for name in study.plan.factors if name not in first.keys() | second.keys()]
    return [(Sides.pair(study.arms[i], study.arms[j]), _setting(study.arms[i].factors, shared)) for i, j in pairs]


def _factors(study: Study, text: str) -> dict[str, Scalar]:
    named = dict(parse_override(part, flag=_FLAG, example=_EXAMPLE) for part in text.split(","))
    for name, value in named.items():
        if name not in study.plan.factors:
            raise InputError(f"{_FLAG} {text!r}: {name} {unknown_key(name, list(study.plan.factors))}")
        values = [one for one in study.plan.factors[name] if one is not None]
        if all(canonical_json(value) != canonical_json(one) for one in values):
            raise InputError(f"{_FLAG} {text!r}: {name} has the values {', '.join(map(value_text, values))}")
    return named


def _setting(factors: Factors, shared: list[str]) -> str:
    values = {name: factors.get(name) for name in shared}
    return ", ".join(f"{factor_name(name)} = {value_text(v)}" for name, v in values.items() if v is not None)
