"""The grid: every combination of the listed values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

from sweeps.designs.base import Design, Proposal, Space
from vmp.core.config import config


@config
class Grid(Design):
    """The full factorial, in the order of the factors; what `only_where` rules out is left out."""

    kind: Literal["grid"] = "grid"

    def proposals(self, space: Space) -> Iterator[Proposal]:
        for values in itertools.product(*space.factors.values()):
            applied = space.conditions.applied(dict(zip(space.factors, values, strict=True)))
            if applied is not None:
                yield Proposal(factors=applied)

    def summary(self, space: Space) -> str:
        return "every combination of the listed values that only_where allows"
