"""The factors of a study: which arms vary them, whether their values have an order, and which are blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.study.arms import Arm, factor_name, value_text
from analysis.study.cells import Study
from sweeps.questions import PROMPT, block_names
from sweeps.records.factors import Scalar, is_number
from vmp.core.fingerprint import canonical_json
from vmp.core.text import listing


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor that some arms vary.

    Attributes:
        name: As the study names it.
        levels: Its distinct values there, None left out; numbers rise, names stand in the plan's order.
        is_ordered: Whether they are numbers.
    """

    name: str
    levels: tuple[Scalar, ...]
    is_ordered: bool

    @property
    def title(self) -> str:
        """For people: ``λ``, ``motion``."""
        return factor_name(self.name)

    def index(self, arm: Arm) -> int | None:
        """Which level an arm has; None where the factor does not apply to it."""
        value = arm.factors.get(self.name)
        return self._places[canonical_json(value)] if value is not None else None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {canonical_json(level): i for i, level in enumerate(self.levels)}

    def text(self, levels: Sequence[int]) -> str:
        """Some levels in words: ``n = 0.3 and 0.6``."""
        return f"{self.title} = {listing([value_text(self.levels[i]) for i in levels])}"


def varied_factors(arms: Sequence[Arm], names: Sequence[str]) -> tuple[Factor, ...]:
    """The factors among `names` that take at least two values in `arms`, the prompt left out."""
    factors = []
    for name in names:
        values = {canonical_json(v): v for arm in arms if (v := arm.factors.get(name)) is not None}
        if name != PROMPT and len(values) > 1:
            numbers = [v for v in values.values() if is_number(v)]
            is_ordered = len(numbers) == len(values)
            levels = tuple(sorted(numbers)) if is_ordered else tuple(values.values())
            factors.append(Factor(name=name, levels=levels, is_ordered=is_ordered))
    return tuple(factors)


def block_factors(study: Study) -> tuple[str, ...]:
    """The factors whose values are no candidates, see `sweeps.questions.block_names`."""
    arms = [arm.factors for arm in study.arms]
    return block_names(arms, list(study.plan.factors), study.plan.study.blocks)
