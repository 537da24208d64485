"""Where the two parameters m and n of the sigmoid start: one table, `STARTS`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from vmp.core.choices import lookup
from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.power import m_from_slope, n_from_shift
from vmp.core.presets import PRESETS

DEFAULT_M, DEFAULT_N = 0.1, 0.0  # the first author's later code; slope 34.6, shift 0
Pair = tuple[float, float]


@config
class Start(ABC):
    """Where m and n start."""

    kind: str

    @abstractmethod
    def pair(self) -> Pair | None:
        """The starting (m, n); None if they are drawn."""

    def check(self, learn_slope: bool) -> None:
        """Raise `InputError` for a start from which the slope could never be learnt."""
        pair = self.pair()
        if learn_slope and pair is not None and pair[0] == 0.0:
            raise InputError(
                "m = 0 (slope 50) cannot be learnt: the slope depends on |m| and its gradient is exactly 0 there, so "
                "m would never move. Start at a small m such as 0.1, or fix the slope with learn_slope: false."
            )

    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
        """The starting m and n as float32 tensors of `shape`; each of several pairs has its own draw."""
        pair = self.pair()
        if pair is None:
            normal = 1e-5 + torch.randn(2, *shape, dtype=torch.float32)
            return normal[0].clone(), normal[1].clone()
        return torch.full(shape, pair[0], dtype=torch.float32), torch.full(shape, pair[1], dtype=torch.float32)


@config
class FixedStart(Start):
    """Start at given values.

    Attributes:
        m, n: The parameters; 0.1 and 0 if neither they nor slope and shift are given. m must not be 0 when learnt.
        slope, shift: The same given as a in (9.0909, 50] and b in (-0.6, 0.6), instead of m and n.
    """

    kind: Literal["fixed"] = "fixed"
    m: float | None = None
    n: float | None = None
    slope: float | None = None
    shift: float | None = None

    def __post_init__(self) -> None:
        for first, second in (("m", "slope"), ("n", "shift")):
            values = getattr(self, first), getattr(self, second)
            if None not in values:
                raise InputError(
                    f"{first} = {values[0]} and {second} = {values[1]} set the same thing: give one of them."
                )
        self.pair()

    def pair(self) -> Pair:
        m = m_from_slope(self.slope) if self.slope is not None else DEFAULT_M if self.m is None else float(self.m)
        n = n_from_shift(self.shift) if self.shift is not None else DEFAULT_N if self.n is None else float(self.n)
        if not (math.isfinite(m) and math.isfinite(n)):
            raise InputError(f"m and n must be finite, got m = {m}, n = {n}.")
        return m, n


@config
class PublishedStart(Start):
    """Draw m, n ~ Normal(1e-5, 1) from torch's random stream, as the paper does."""

    kind: Literal["published"] = "published"

    def pair(self) -> None:
        return None


@config
class PresetStart(Start):
    """Start at published values.

    Attributes:
        name: A key of `vmp.core.presets.PRESETS`.
    """

    kind: Literal["preset"] = "preset"
    name: str

    def __post_init__(self) -> None:
        lookup(PRESETS, self.name, "preset")

    def pair(self) -> Pair:
        return PRESETS[self.name].m, PRESETS[self.name].n


STARTS: dict[str, type[Start]] = {"fixed": FixedStart, "published": PublishedStart, "preset": PresetStart}
