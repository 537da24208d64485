"""The rules of `only_where`: factors, or values of them, that are planned only where others have certain values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from sweeps.records.factors import Factors, Scalar
from vmp.core.choices import unknown_key
from vmp.core.config import config, shown
from vmp.core.errors import ConfigError
from vmp.core.fingerprint import canonical_json

KEY = "only_where"
Values = Mapping[str, Sequence[Scalar]]


@config
class OnlyWhere:
    """One rule.

    Attributes:
        factor: The factor that it is about.
        values: The values of it that are planned only there; None for the factor as a whole, which has the study's own
            setting elsewhere. A value that several rules name is planned where any of them holds.
        where: Other factors and the value, or the values, that they must have.
    """

    factor: str
    values: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    where: Annotated[dict[str, Scalar | tuple[Scalar, ...]], Field(min_length=1)]

    def holds(self, factors: Factors) -> bool:
        """Whether an arm with these factors has what the rule asks for."""
        return all(name in factors and has(values, factors[name]) for name, values in self.asked().items())

    def asked(self) -> dict[str, tuple[Scalar, ...]]:
        """The values asked for, by factor."""
        return {name: values if isinstance(values, tuple) else (values,) for name, values in self.where.items()}


def has(values: Sequence[Scalar], value: Scalar) -> bool:
    """Whether `value` is one of `values`, 1 and 1.0 being the same."""
    return canonical_json(value) in {canonical_json(one) for one in values}


class Conditions:
    """The rules of a study together.

    Args:
        rules: Its `only_where`.
        factors: The values that it lists.

    Raises:
        ConfigError: A rule names a factor or value that the study does not list, or leaves a factor without a value.
    """

    def __init__(self, rules: Sequence[OnlyWhere], factors: Values) -> None:
        self.rules = tuple(rules)
        for number, rule in enumerate(rules, 1):
            _check(rule, factors, f"{KEY}, rule {number}")
        for name in dict.fromkeys(rule.factor for rule in rules if rule.values):
            self._check_some_value(name, factors)

    def applied(self, factors: Factors) -> dict[str, Scalar] | None:
        """`factors` without those that do not apply; None where a value is not planned beside the others."""
        kept = dict(factors)
        while out := [name for name in kept if not self._applies(name, kept)]:
            for name in out:
                del kept[name]
        return kept if all(self._is_planned(name, value, kept) for name, value in kept.items()) else None

    def allowed(self, name: str, values: Sequence[Scalar], given: Factors) -> list[Scalar]:
        """The values of a factor that are planned beside `given`; none where the factor does not apply."""
        if not self._applies(name, given):
            return []
        return [value for value in values if self._is_planned(name, value, given)]

    def _applies(self, name: str, factors: Factors) -> bool:
        rules = [rule for rule in self.rules if rule.factor == name and rule.values is None]
        return not rules or any(rule.holds(factors) for rule in rules)

    def _is_planned(self, name: str, value: Scalar, factors: Factors) -> bool:
        rules = [rule for rule in self.rules if rule.factor == name and rule.values and has(rule.values, value)]
        return not rules or any(rule.holds(factors) for rule in rules)

    def _check_some_value(self, name: str, factors: Values) -> None:
        """Refuse rules that leave a factor without a value, whose arms would all be missing without a word."""
        asked = list(dict.fromkeys(other for rule in self.rules if rule.factor == name for other in rule.where))
        for values in itertools.product(*(factors[other] for other in asked)):
            given = dict(zip(asked, values, strict=True))
            if self._applies(name, given) and not self.allowed(name, factors[name], given):
                raise ConfigError(
                    f"leaves no value of {name} where {shown(given)}; add a rule with one for it, or a rule for {name} "
                    "as a whole, without values",
                    where=(KEY,),
                )


def _check(rule: OnlyWhere, factors: Values, source: str) -> None:
    """Refuse a rule about what the study does not list."""
    if rule.factor in rule.where:
        raise ConfigError(f"{rule.factor} cannot depend on itself; name another factor in `where`", source=source)
    for name, values in {rule.factor: rule.values or (), **rule.asked()}.items():
        if name not in factors:
            raise ConfigError(f"{name} {unknown_key(name, list(factors))}", source=source)
        for value in values:
            if not has(factors[name], value):
                raise ConfigError(
                    f"{shown(value)} is no value of {name}; it has {shown(list(factors[name]))}", source=source
                )
