"""Power normalisations: how a motion map becomes attention. One table, `NORMALIZATIONS`; each is a module D -> A.

The learnt sigmoid is the published one; the others are what it is compared with. Those of one parameter act on |D|.
Koniusz, Zhang, Porikli, "A deeper look at power normalizations", CVPR 2018, for Gamma, MaxExp, SigmE and AsinhE.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import Choice, config
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.starts import STARTS, FixedStart, Start


def gamma(x: Tensor, g: Tensor) -> Tensor:
    """x^g for x in [0, 1], g > 0; 0 at x = 0, with gradient 0 there (for g < 1 the true one is infinite)."""
    tiny = torch.finfo(x.dtype).tiny
    return torch.where(x > 0, x.clamp_min(tiny) ** g, torch.zeros_like(x))


def maxexp(x: Tensor, eta: Tensor) -> Tensor:
    """1 - (1 - x)^eta for x in [0, 1], eta > 0."""
    return 1 - gamma((1 - x).clamp_min(0), eta)


def sigme(x: Tensor, eta: Tensor) -> Tensor:
    """2 / (1 + exp(-eta x)) - 1 for x in [0, 1], eta > 0; below 1 at x = 1."""
    return torch.tanh(0.5 * eta * x)


def asinhe(x: Tensor, g: Tensor) -> Tensor:
    """asinh(g x) for x in [0, 1], g > 0; at x = 1 it is asinh(g)."""
    return torch.asinh(g * x)


class Sigmoid(nn.Module):
    """The published normalisation A = 1 / (1 + exp(-a (D - b))), with one pair (m, n) or several.

    Args:
        m, n: initial values, numbers or tensors of `shape`; see `vmp.layer.published.VideoMotionPrompt`.
        shape: of the parameters: () for one pair, (3, 1, 1, 1) one for each channel, (t-1, 1, 1) one for each map.
        learn_slope, learn_shift: whether they receive gradients.
        signed: False takes |D|.

    Shapes: (b, t-1, h, w) or (b, 3, t-1, h, w), as the parameters broadcast to.

    Raises: `InputError` for another number of maps than there are parameters for each point in time.
    """

    def __init__(
        self,
        m: float | Tensor,
        n: float | Tensor,
        shape: tuple[int, ...] = (),
        learn_slope: bool = True,
        learn_shift: bool = True,
        signed: bool = True,
    ) -> None:
        super().__init__()
        self.signed = signed
        first_m, first_n = (torch.as_tensor(v, dtype=torch.float32).expand(shape).clone() for v in (m, n))
        self.m = nn.Parameter(first_m, requires_grad=learn_slope)
        self.n = nn.Parameter(first_n, requires_grad=learn_shift)

    def forward(self, difference: Tensor) -> Tensor:
        difference = difference if self.signed else difference.abs()
        if self.m.ndim == 4 and difference.ndim == 4:  # one curve for each colour, on the same gray difference
            difference = difference.unsqueeze(1)
        if self.m.ndim == 3 and len(self.m) != difference.shape[-3]:
            raise InputError(
                f"this layer has parameters for {len(self.m)} maps (sharing: time), the clip gives "
                f"{difference.shape[-3]}. Build it for {difference.shape[-3] + 1} frames."
            )
        return F.power_normalization(difference, F.slope_from_m(self.m), F.shift_from_n(self.n))

    def curve(self, difference: Tensor) -> Tensor:
        """A of the values `difference`, averaged over the parameter sets."""
        sets = zip(self.m.flatten(), self.n.flatten(), strict=True)
        values = difference if self.signed else difference.abs()
        curves = [F.power_normalization(values, F.slope_from_m(m), F.shift_from_n(n)) for m, n in sets]
        return torch.stack(curves).mean(0)


class OneParameter(nn.Module):
    """A normalisation of |D| in [0, 1] with one positive parameter.

    Args:
        function: (|D|, parameter) -> A.
        value: of the parameter, > 0.
        learn: train the parameter, through its logarithm, so that it stays positive.
        full: divide by the value at |D| = 1, so that A spans [0, 1].

    Shapes: any -> the same.

    Raises: `InputError` for a value that is not positive and finite.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], value: float, learn: bool = False, full: bool = False
    ) -> None:
        super().__init__()
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"the parameter of a power normalisation must be positive and finite, got {value}.")
        self.function, self.full = function, full
        self.log_value = nn.Parameter(torch.tensor(math.log(value)), requires_grad=learn)

    @property
    def value(self) -> Tensor:
        return self.log_value.exp()

    def forward(self, difference: Tensor) -> Tensor:
        magnitude = difference.abs().clamp_max(1)
        attention = self.function(magnitude, self.value)
        return attention / self.function(magnitude.new_ones(()), self.value) if self.full else attention

    def curve(self, difference: Tensor) -> Tensor:
        return self(difference)


class Fixed(nn.Module):
    """A normalisation without parameters. Shapes: any -> the same."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, difference: Tensor) -> Tensor:
        return self.function(difference)

    def curve(self, difference: Tensor) -> Tensor:
        return self.function(difference)


@config
class NormalizationConfig(ABC):
    """A power normalisation: how a motion map becomes attention.

    Attributes:
        kind: A key of `NORMALIZATIONS`, or the dotted path of a class of one's own.
    """

    attention_at_rest: ClassVar[float | None] = 0.0
    """Attention where nothing moves, whatever the kind's settings; None where they decide it."""

    kind: str

    @property
    def learns(self) -> bool:
        """Whether it has a parameter that is trained."""
        return False

    @abstractmethod
    def build(self, maps: int) -> nn.Module:
        """The module maps -> attention in [0, 1], with a `curve` as `Sigmoid` has.

        Args:
            maps: Attention maps of a clip, one less than its frames.
        """


@config
class SigmoidConfig(NormalizationConfig):
    """1 / (1 + exp(-a (D - b))), with learnt slope a and shift b: the published normalisation.

    Attributes:
        start: Where m and n start.
        learn_slope, learn_shift: Whether m and n receive gradients.
        signed: False puts |D| into the sigmoid.
        sharing: One pair (m, n) for the ``layer``, for each colour ``channel``, or for each map (``time``).
    """

    attention_at_rest = None

    kind: Literal["sigmoid"] = "sigmoid"
    start: Annotated[Start, Choice(STARTS, "start", default="fixed")] = FixedStart()
    learn_slope: bool = True
    learn_shift: bool = True
    signed: bool = True
    sharing: Literal["layer", "channel", "time"] = "layer"

    def __post_init__(self) -> None:
        self.start.check(self.learn_slope)

    @property
    def learns(self) -> bool:
        return self.learn_slope or self.learn_shift

    def build(self, maps: int) -> Sigmoid:
        shape = {"layer": (), "channel": (3, 1, 1, 1), "time": (maps, 1, 1)}[self.sharing]
        m, n = self.start.draw(shape)
        return Sigmoid(m, n, shape, self.learn_slope, self.learn_shift, self.signed)


@config
class OneParameterConfig(NormalizationConfig):
    """A normalisation of |D| with one positive parameter.

    Attributes:
        value: Of the parameter, > 0.
        learn: Train the parameter.
    """

    full: ClassVar[bool] = False

    value: Annotated[float, Field(gt=0)]
    learn: bool = False

    @property
    def learns(self) -> bool:
        return self.learn

    def build(self, maps: int) -> OneParameter:
        del maps
        return OneParameter(self.function, self.value, self.learn, self.full)

    @staticmethod
    @abstractmethod
    def function(magnitude: Tensor, value: Tensor, /) -> Tensor:
        """The attention that the parameter gives to |D| in [0, 1], of any shape."""


@config
class GammaConfig(OneParameterConfig):
    """|D|^value."""

    function = staticmethod(gamma)

    kind: Literal["gamma"] = "gamma"
    value: Annotated[float, Field(gt=0)] = 0.5


@config
class MaxExpConfig(OneParameterConfig):
    """1 - (1 - |D|)^value."""

    function = staticmethod(maxexp)

    kind: Literal["maxexp"] = "maxexp"
    value: Annotated[float, Field(gt=0)] = 10.0


@config
class SigmEConfig(OneParameterConfig):
    """2 / (1 + exp(-value |D|)) - 1."""

    function = staticmethod(sigme)

    kind: Literal["sigme"] = "sigme"
    value: Annotated[float, Field(gt=0)] = 10.0


@config
class AsinhEConfig(OneParameterConfig):
    """asinh(value |D|) / asinh(value)."""

    function = staticmethod(asinhe)
    full = True

    kind: Literal["asinhe"] = "asinhe"
    value: Annotated[float, Field(gt=0)] = 10.0


@config
class LinearConfig(NormalizationConfig):
    """(D + 1) / 2."""

    attention_at_rest = 0.5

    kind: Literal["linear"] = "linear"

    def build(self, maps: int) -> Fixed:
        del maps
        return Fixed(lambda d: ((d + 1) / 2).clamp(0, 1))


@config
class PositiveConfig(NormalizationConfig):
    """max(D, 0): what became brighter."""

    kind: Literal["positive"] = "positive"

    def build(self, maps: int) -> Fixed:
        del maps
        return Fixed(lambda d: d.clamp(0, 1))


@config
class NegativeConfig(NormalizationConfig):
    """max(-D, 0): what became darker."""

    kind: Literal["negative"] = "negative"

    def build(self, maps: int) -> Fixed:
        del maps
        return Fixed(lambda d: (-d).clamp(0, 1))


NORMALIZATIONS: dict[str, type[NormalizationConfig]] = {
    "sigmoid": SigmoidConfig,
    "gamma": GammaConfig,
    "maxexp": MaxExpConfig,
    "sigme": SigmEConfig,
    "asinhe": AsinhEConfig,
    "linear": LinearConfig,
    "positive": PositiveConfig,
    "negative": NegativeConfig,
}
