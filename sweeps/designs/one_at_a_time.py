"""One factor at a time: around a base setting, or several, each factor is varied while the others stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from sweeps.describe import describe_factors
from sweeps.designs.base import KEY, Design, Proposal, Space, of_block, same
from sweeps.records.factors import Factors, Scalar
from vmp.core.config import config, shown
from vmp.core.errors import ConfigError
from vmp.core.text import count


@config
class OneAtATime(Design):
    """The base, and for each factor the base with each other value of it; each arm is compared with its base.

    Attributes:
        base: A value for each factor with several, or a list of such settings. It need not be among the listed values.
            A base that names values of blocks is that of these blocks; any other is taken in each block.
        also: Further arms: values of several factors that replace those of the base together, and no blocks.
    """

    kind: Literal["one_at_a_time"] = "one_at_a_time"
    base: dict[str, Scalar] | Annotated[tuple[dict[str, Scalar], ...], Field(min_length=1)]
    also: tuple[Annotated[dict[str, Scalar], Field(min_length=2)], ...] = ()

    def proposals(self, space: Space) -> Iterator[Proposal]:
        bases = self._bases(space)
        for block in space.block_settings():
            own = [base for base in bases if all(same(block[n], v) for n, v in base.items() if n in block)]
            if not own:
                raise ConfigError(f"has none for the block {describe_factors(block)}; add one", where=(KEY, "base"))
            for number, base in enumerate(own, 1):
                yield from self._around(space, block, base, f"base {number}" if len(own) > 1 else "the base")

    def _around(self, space: Space, block: Factors, base: Factors, name: str) -> Iterator[Proposal]:
        center = space.in_order({**space.single, **base, **block})
        where = f"{name}{of_block(block)}"
        against = space.needed(center, name)
        yield Proposal(factors=against, why=where)
        for factor, values in space.free.items():
            for value in values:
                applied = None if same(value, center[factor]) else space.conditions.applied({**center, factor: value})
                if applied is not None:
                    why = f"{factor} from {shown(center[factor])} to {shown(value)}, against {where}"
                    yield Proposal(factors=applied, why=why, against=against)
        for changes in self.also:
            factors = space.needed(space.in_order({**center, **changes}), "an arm of `also`")
            yield Proposal(
                factors=factors, why=f"{describe_factors(changes)} together, against {where}", against=against
            )

    def _bases(self, space: Space) -> tuple[Mapping[str, Scalar], ...]:
        bases = (self.base,) if isinstance(self.base, Mapping) else self.base
        for changes in self.also:
            space.check_factors(changes, "also")
            for name in changes:
                if name in space.blocks:
                    raise ConfigError(f"{name} is a block, and each arm is planned in every block", where=(KEY, "also"))
        for base in bases:
            space.check_factors(base, "base")
            for factor, values in space.free.items():
                if factor not in base and len(values) > 1:
                    raise ConfigError(
                        f"{shown(dict(base))} has no value of {factor}; give it one, such as {shown(values[0])}",
                        where=(KEY, "base"),
                    )
        return bases

    def summary(self, space: Space) -> str:
        varied = sum(len(values) > 1 for values in space.free.values())
        return f"{count(varied, 'factor')} varied one at a time around {count(len(self._bases(space)), 'base')}"
