"""What a design is: from the factors of a study to arms, each with the reason why it is planned."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sweeps.describe import describe_factors
from sweeps.designs.only_where import Conditions
from sweeps.records.factors import Factors, Scalar
from vmp.core.choices import unknown_key
from vmp.core.config import config, shown
from vmp.core.errors import ConfigError
from vmp.core.fingerprint import canonical_json

KEY = "design"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An arm that a design plans.

    Attributes:
        factors: Without those that do not apply.
        why: Why it is planned, in words; empty in a grid.
        against: The factors of the arm that it is compared with where the study names no comparison; None for none.
    """

    factors: Factors
    why: str = ""
    against: Factors | None = None


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a design chooses from.

    Attributes:
        factors: Factor -> the values that the study lists.
        blocks: Factors whose values are no candidates: each design but the grid is planned anew in each block.
        prompt: The factor that turns the layer on and off, if the study varies it.
        whole: Factors whose setting holds whole numbers.
        conditions: When factors and values apply.
    """

    factors: Mapping[str, tuple[Scalar, ...]]
    blocks: tuple[str, ...] = ()
    prompt: str | None = None
    whole: frozenset[str] = frozenset()
    conditions: Conditions = field(default_factory=lambda: Conditions((), {}))

    @property
    def free(self) -> dict[str, tuple[Scalar, ...]]:
        """The factors that are no blocks."""
        return {name: values for name, values in self.factors.items() if name not in self.blocks}

    @property
    def single(self) -> dict[str, Scalar]:
        """The free factors with one value, and that value."""
        return {name: values[0] for name, values in self.free.items() if len(values) == 1}

    def block_settings(self) -> list[dict[str, Scalar]]:
        """The values of the blocks, crossed; one empty setting where there is none."""
        names = [name for name in self.factors if name in self.blocks]
        crossed = itertools.product(*(self.factors[name] for name in names))
        applied = (self.conditions.applied(dict(zip(names, values, strict=True))) for values in crossed)
        made = {canonical_json(one): one for one in applied if one is not None}
        return list(made.values())

    def check_factors(self, names: Mapping[str, Scalar], key: str) -> None:
        """Refuse a setting of the design that names something else than a factor of the study."""
        for name in names:
            if name not in self.factors:
                raise ConfigError(f"{name} {unknown_key(name, list(self.factors))}", where=(KEY, key))

    def needed(self, factors: Factors, what: str) -> dict[str, Scalar]:
        """The factors of an arm that the design cannot be without. Raises ConfigError where `only_where` forbids it."""
        applied = self.conditions.applied(factors)
        if applied is None:
            raise ConfigError(
                f"needs {what}, {shown(dict(factors))}, and only_where rules it out; change one of the two",
                where=(KEY,),
            )
        return applied

    def in_order(self, factors: Factors) -> dict[str, Scalar]:
        """The factors in the order of the study."""
        return {name: factors[name] for name in self.factors if name in factors}


@config
class Design(ABC):
    """What every design has.

    Attributes:
        kind: A key of `sweeps.designs.registry.DESIGNS`, or the dotted path of a class of one's own.
    """

    kind: str

    @abstractmethod
    def proposals(self, space: Space) -> Iterator[Proposal]:
        """The arms, in order; several may turn out to compute the same. Raises ConfigError where it cannot be made."""

    @abstractmethod
    def summary(self, space: Space) -> str:
        """What is planned, in a few words, for ``vmp sweep plan``."""

    def components(self, space: Space) -> dict[str, tuple[Scalar, Scalar]]:
        """The components of an ablation: factor -> (off, on); none for another design."""
        del space
        return {}

    def notes(self, space: Space) -> list[str]:
        """What the user should know before the arms cost time, a sentence each."""
        del space
        return []


def same(first: Scalar, second: Scalar) -> bool:
    """Whether two values are one, however they are spelled."""
    return canonical_json(first) == canonical_json(second)


def of_block(block: Factors) -> str:
    """The end of a reason that names the block: ``" in backbone=slow_r50"``; empty without blocks."""
    return f" in {describe_factors(block)}" if block else ""
