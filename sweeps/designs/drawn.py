"""Arms drawn from the ranges of numeric factors: at random, by Latin hypercube, or along a Sobol sequence."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sweeps.designs.base import KEY, Design, Proposal, Space, of_block
from sweeps.questions import BASELINE, CONTROL
from sweeps.ranges import Scale
from sweeps.records.factors import Scalar, is_number
from sweeps.stats.stepdown import Floats
from vmp.core.config import config
from vmp.core.errors import ConfigError
from vmp.core.seeding import generator
from vmp.core.text import count, listing

ScaleName = Literal["log", "linear", "choices"]


@config
class Drawn(Design):
    """Arms between the smallest and the largest listed value of each numeric factor; other factors take their values
    equally often (up to one arm).

    ``prompt: none`` and ``control`` are not drawn: they stand beside each arm at its other settings, once where they do
    not read these. Each block gets as many arms of its own.

    Attributes:
        arms: How many are drawn.
        seed: Of the design; no seed of an arm.
        scale: For some factors whether they are drawn on a ``log`` or ``linear`` scale, or as ``choices`` among the
            listed values. Others are drawn on a log scale where their positive values span a factor of ten; the decade
            below the smallest stands for 0 where that is listed.
    """

    arms: Annotated[int, Field(ge=2)] = 20
    seed: Annotated[int, Field(ge=0)] = 0
    scale: dict[str, ScaleName] = Field(default_factory=dict)

    @abstractmethod
    def points(self, dimensions: int, rng: np.random.Generator) -> Floats:
        """`arms` points of the unit cube, (arms, dimensions)."""

    def proposals(self, space: Space) -> Iterator[Proposal]:
        self._check(space)
        drawn, references = self._split(space)
        varied = [name for name, values in drawn.items() if len(values) > 1]
        names = _dependents_last(list(drawn), space)
        for number, block in enumerate(space.block_settings()):
            points = self.points(len(varied), generator(self.seed, "design", number))
            columns = {name: points[:, i] for i, name in enumerate(varied)}
            arms = []
            for row in range(self.arms):
                factors: dict[str, Scalar] = dict(block)
                for name in names:
                    self._draw(space, factors, name, drawn[name], columns.get(name), row)
                arms.append(factors)
            for prompt in references:
                assert space.prompt is not None
                for factors in arms:
                    reference = space.conditions.applied(space.in_order({**factors, space.prompt: prompt}))
                    if reference is not None:
                        yield Proposal(factors=reference, why=f"{prompt}, beside the arms drawn{of_block(block)}")
            for row, factors in enumerate(arms, 1):
                yield Proposal(factors=space.in_order(factors), why=f"drawn, number {row}{of_block(block)}")

    def _draw(
        self,
        space: Space,
        factors: dict[str, Scalar],
        name: str,
        values: Sequence[Scalar],
        column: Floats | None,
        row: int,
    ) -> None:
        """Give an arm its value of one factor; none where the factor does not apply."""
        allowed = space.conditions.allowed(name, values, factors)
        if not allowed:
            return
        scale = self._scale(space, name, allowed)
        if column is None or len(allowed) == 1:
            factors[name] = allowed[0]
        elif scale is None:  # by its rank, so that all values are as frequent, whatever the points
            rank = int((column < column[row]).sum())
            factors[name] = allowed[rank * len(allowed) // len(column)]
        else:
            factors[name] = scale.at(float(column[row]))

    def _split(self, space: Space) -> tuple[dict[str, tuple[Scalar, ...]], list[str]]:
        """The factors that are drawn with their values, and the prompts that stand beside each arm."""
        free = dict(space.free)
        prompts = free.get(space.prompt, ()) if space.prompt else ()
        references = [str(prompt) for prompt in prompts if prompt in (BASELINE, CONTROL)]
        if space.prompt and references and len(references) < len(prompts):
            free[space.prompt] = tuple(prompt for prompt in prompts if prompt not in references)
            return free, references
        return free, []

    def _scale(self, space: Space, name: str, values: Sequence[Scalar]) -> Scale | None:
        chosen = self.scale.get(name)
        if chosen == "choices":
            return None
        return Scale.of(values, integer=name in space.whole, log=None if chosen is None else chosen == "log")

    def _check(self, space: Space) -> None:
        """Refuse what cannot be drawn."""
        space.check_factors(self.scale, "scale")
        if all(len(values) < 2 for values in self._split(space)[0].values()):
            raise ConfigError("has nothing to draw: give at least one factor two values", where=(KEY,))
        for name, scale in self.scale.items():
            values = space.factors[name]
            if scale == "choices":
                continue
            numbers = sorted(float(value) for value in values if is_number(value))  # type: ignore[arg-type]
            if len(numbers) < max(2, len(values)):
                raise ConfigError(
                    "a scale needs two numbers at least and nothing else; leave it out", where=(KEY, "scale", name)
                )
            if scale == "log" and (numbers[0] < 0 or sum(number > 0 for number in numbers) < 2):
                raise ConfigError(
                    "log needs two positive values and no negative one; use linear", where=(KEY, "scale", name)
                )
        for rule in space.conditions.rules:
            for name in rule.where:
                if name in space.free and self._scale(space, name, space.factors[name]) is not None:
                    raise ConfigError(
                        f"only_where asks for values of {name}, which are drawn from a range; "
                        f"add {name}: choices to design.scale",
                        where=(KEY,),
                        is_sentence=True,
                    )

    def summary(self, space: Space) -> str:
        drawn, references = self._split(space)
        parts = []
        for name, values in drawn.items():
            if len(values) < 2:
                continue
            scale = self._scale(space, name, values)
            if scale is None:
                parts.append(f"{name} among {count(len(values), 'value')}")
            else:
                of = f"{scale.low:g} to {scale.high:g}{' (log)' if scale.log else ''}"
                zero = f", below {scale.zero_below:g} standing for 0" if math.isfinite(scale.zero_below) else ""
                parts.append(f"{name} in {of}{zero}")
        blocks = len(space.block_settings())
        each = f" in each of {blocks} blocks" if blocks > 1 else ""
        beside = f", beside {listing(references)}" if references else ""
        return f"{count(self.arms, 'arm')} drawn{each} with seed {self.seed}: {listing(parts)}{beside}"


def _dependents_last(names: Sequence[str], space: Space) -> list[str]:
    """The factors in an order in which each comes after those that rules on it ask for."""
    asked = {name: {n for rule in space.conditions.rules if rule.factor == name for n in rule.where} for name in names}
    try:
        return list(TopologicalSorter({name: sorted(of & set(names)) for name, of in asked.items()}).static_order())
    except CycleError as error:
        circle = listing(sorted(set(error.args[1])))
        raise ConfigError(
            f"rules make {circle} depend on each other in a circle; take one of them out", where=("only_where",)
        ) from error


@config
class RandomDraw(Drawn):
    """Independent and even over the ranges."""

    kind: Literal["random"] = "random"

    def points(self, dimensions: int, rng: np.random.Generator) -> Floats:
        return rng.random((self.arms, dimensions))


@config
class LatinHypercube(Drawn):
    """Each factor's range in as many equal parts as there are arms, one arm in each (scipy.stats.qmc)."""

    kind: Literal["latin_hypercube"] = "latin_hypercube"

    def points(self, dimensions: int, rng: np.random.Generator) -> Floats:
        from scipy.stats import qmc  # half a second, which every worker of a grid would wait for

        return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(self.arms), dtype=np.float64)


@config
class Sobol(Drawn):
    """A scrambled Sobol sequence (scipy.stats.qmc), even over all factors together at a power of 2 of arms."""

    kind: Literal["sobol"] = "sobol"

    def points(self, dimensions: int, rng: np.random.Generator) -> Floats:
        from scipy.stats import qmc

        with warnings.catch_warnings(action="ignore"):  # `notes` says it
            return np.asarray(qmc.Sobol(dimensions, rng=rng).random(self.arms), dtype=np.float64)

    def notes(self, space: Space) -> list[str]:
        del space
        low = 2 ** int(math.log2(self.arms))
        if low == self.arms:
            return []
        better = f"{low} or {2 * low} arms cover the ranges better than {self.arms}"
        return [f"a Sobol sequence is even at powers of 2: {better}"]
