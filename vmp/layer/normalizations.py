"""Power normalisations: how a motion map becomes attention. One table, `NORMALIZATIONS`; each is a module D -> A.

The learnt sigmoid is the published one; the others are what it is compared with. Those of one parameter act on |D|.
Koniusz, Zhang, Porikli, "A deeper look at power normalizations", CVPR 2018, for Gamma, MaxExp, SigmE and AsinhE.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vmp.core.choices import lookup
from vmp.core.errors import InputError
from vmp.layer import functional as F

SHARING = ("layer", "channel", "time")


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
        m, n: initial values, numbers or tensors of `shape`; see `vmp.layer.base.VideoMotionPrompt`.
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
                f'this layer has parameters for {len(self.m)} maps (sharing = "time"), the clip gives '
                f"{difference.shape[-3]}. Build it with maps = {difference.shape[-3]}, one less than the clip's frames."
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


@dataclass(frozen=True, kw_only=True)
class Entry:
    """about: the equation. default: value of the one parameter, None if there is none."""

    about: str
    default: float | None = None
    function: Callable[..., Tensor] | None = None
    full: bool = False


NORMALIZATIONS: dict[str, Entry] = {
    "sigmoid": Entry(about="1 / (1 + exp(-a (D - b))), learnt slope a and shift b (published)"),
    "gamma": Entry(about="|D|^g", default=0.5, function=gamma),
    "maxexp": Entry(about="1 - (1 - |D|)^eta", default=10.0, function=maxexp),
    "sigme": Entry(about="2 / (1 + exp(-eta |D|)) - 1", default=10.0, function=sigme),
    "asinhe": Entry(about="asinh(g |D|) / asinh(g)", default=10.0, function=asinhe, full=True),
    "linear": Entry(about="(D + 1) / 2", function=lambda d: ((d + 1) / 2).clamp(0, 1)),
    "positive": Entry(about="max(D, 0): what became brighter", function=lambda d: d.clamp(0, 1)),
    "negative": Entry(about="max(-D, 0): what became darker", function=lambda d: (-d).clamp(0, 1)),
    "constant": Entry(about="1", function=torch.ones_like),
}


def build_normalization(
    name: str, *, parameter: float | None = None, learn: bool = False, sigmoid: Sigmoid | None = None
) -> nn.Module:
    """The normalisation `name`; `sigmoid` is returned for "sigmoid".

    Raises: `InputError` for an unknown name, or a parameter for a normalisation that has none.
    """
    entry = lookup(NORMALIZATIONS, name, "normalization")
    if entry.default is None and (parameter is not None or learn):
        with_one = ", ".join(n for n, e in NORMALIZATIONS.items() if e.default is not None)
        raise InputError(f"normalization {name!r} has no parameter to set or learn. Those with one: {with_one}.")
    if name == "sigmoid":
        return sigmoid if sigmoid is not None else Sigmoid(0.1, 0.0)
    assert entry.function is not None
    if entry.default is None:
        return Fixed(entry.function)
    return OneParameter(entry.function, entry.default if parameter is None else parameter, learn, entry.full)
