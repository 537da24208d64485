"""Ablation of components: each switched on in the bare arm, and each switched off in the full one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from sweeps.designs.base import KEY, Design, Proposal, Space, of_block, same
from sweeps.designs.only_where import has
from sweeps.records.factors import Factors, Scalar
from vmp.core.config import config, shown
from vmp.core.errors import ConfigError
from vmp.core.text import count, listing

Direction = Literal["add_one", "leave_one_out"]
IN_WORDS: dict[str, str] = {"add_one": "switched on in the bare arm", "leave_one_out": "switched off in the full arm"}


@config
class Ablation(Design):
    """Every factor with two values is a component, off with the first and on with the second.

    Attributes:
        directions: ``add_one``: the bare arm, and each component switched on in it, compared with the bare arm.
            ``leave_one_out``: the full arm, and each component switched off in it, compared with the full arm.
        base: Values that are off, where that is not the first one listed.
        full: Values that are on.
    """

    kind: Literal["ablation"] = "ablation"
    directions: Annotated[tuple[Direction, ...], Field(min_length=1)] = ("add_one", "leave_one_out")
    base: dict[str, Scalar] = Field(default_factory=dict)
    full: dict[str, Scalar] = Field(default_factory=dict)

    def proposals(self, space: Space) -> Iterator[Proposal]:
        components = self.components(space)
        for block in space.block_settings():
            for direction in dict.fromkeys(self.directions):
                places = (0, 1) if direction == "add_one" else (1, 0)  # from off to on, or back
                start, switched = ({name: two[place] for name, two in components.items()} for place in places)
                center = space.in_order({**space.single, **block, **start})
                yield from self._around(space, center, switched, direction, block)

    def _around(
        self, space: Space, center: Factors, switched: Factors, direction: Direction, block: Factors
    ) -> Iterator[Proposal]:
        name = "the bare arm" if direction == "add_one" else "the full arm"
        against = space.needed(center, name)
        yield Proposal(factors=against, why=f"{name}{of_block(block)}")
        for component, value in switched.items():
            applied = space.needed({**center, component: value}, f"an arm with {component} = {shown(value)}")
            yield Proposal(factors=applied, why=f"{component} {IN_WORDS[direction]}{of_block(block)}", against=against)

    def components(self, space: Space) -> dict[str, tuple[Scalar, Scalar]]:
        """Factor -> (off, on). Raises ConfigError where a factor has more than two values, or none has two."""
        for key, named in (("base", self.base), ("full", self.full)):
            space.check_factors(named, key)
            for name, value in named.items():
                if not has(space.factors[name], value):
                    raise ConfigError(
                        f"{name}: {shown(value)} is none of the listed values {shown(list(space.factors[name]))}",
                        where=(KEY, key),
                    )
        made = {}
        for name, values in space.free.items():
            if len(values) > 2:
                raise ConfigError(
                    f"switches each component off or on, and {name} lists {shown(list(values))}; list two values, or "
                    f"name {name} in blocks to repeat the ablation at each",
                    where=(KEY,),
                )
            if len(values) == 2:
                made[name] = self._off_and_on(name, (values[0], values[1]))
        if not made:
            raise ConfigError("needs a component: give at least one factor two values, off and on", where=(KEY,))
        return made

    def _off_and_on(self, name: str, values: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        first, second = values
        off = self.base.get(name, _other(values, self.full[name]) if name in self.full else first)
        on = self.full.get(name, _other(values, off) if name in self.base else second)
        if same(off, on):
            raise ConfigError(
                f"base and full both have {name} = {shown(on)}, so it is no component; give them different values",
                where=(KEY,),
                is_sentence=True,
            )
        return off, on

    def summary(self, space: Space) -> str:
        directions = listing([IN_WORDS[direction] for direction in dict.fromkeys(self.directions)])
        return f"{count(len(self.components(space)), 'component')}, each {directions}"


def _other(values: tuple[Scalar, Scalar], one: Scalar) -> Scalar:
    return values[1] if same(values[0], one) else values[0]
