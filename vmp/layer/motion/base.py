"""What every motion map's configuration has: the frames that it can take, and how it is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import nn

from vmp.core.config import config
from vmp.core.errors import InputError

Statistics = tuple[Sequence[float], Sequence[float], str]  # mean, std, channel_order


@config
class MotionConfig(ABC):
    """A motion map: what the attention looks at.

    Attributes:
        kind: A key of `MOTIONS`, or the dotted path of a class of one's own.
    """

    min_size: ClassVar[int] = 1
    size_multiple: ClassVar[int] = 1

    maps: ClassVar[int] = 1
    """Maps of a pair of frames: one, or one for each colour."""

    is_magnitude: ClassVar[bool] = False
    """Whether the map is a length, >= 0: a sign that a normalisation drops is then none."""

    kind: str

    @abstractmethod
    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        """The module (b, 3, t, h, w) -> (b, [3,] t-1, h, w), for clips normalised with these statistics."""

    def canonical(self, maps: int) -> MotionConfig:
        """The one form of every configuration that gives the same maps for clips of so many."""
        del maps
        return self

    def check(self, size: int) -> None:
        """Raise `InputError` if the map cannot be had of square frames of this size, or its library is missing."""
        if size < self.min_size or size % self.size_multiple:
            nearest = max(self.min_size, -(-size // self.size_multiple) * self.size_multiple)
            raise InputError(
                f"motion {self.kind!r} needs frames of at least {self.min_size} pixels a side, in multiples of "
                f"{self.size_multiple}, got {size}. Use {nearest}."
            )


@config
class GrayMotionConfig(MotionConfig):
    """A motion map of gray levels.

    Attributes:
        channel_order: ``RGB``; ``BGR`` repeats the swapped luma weights of the authors' code.
    """

    channel_order: Literal["RGB", "BGR"] = "RGB"
