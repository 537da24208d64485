"""What a fused kernel reads beside the clip, and what it returns."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vmp.layer.kernels.pixels import Triple, normalize


class Steps(NamedTuple):
    """weights: w_c std_c. signed: D or |D|. later: prompt the later frame of a pair, or the earlier.

    scale, offset: of clips of bytes, x = byte * scale + offset. channels_last: how the prompt of such a clip is to lie
        on the CPU, whichever way the bytes lie.
    slope, shift: a, b as numbers, for kernels that differentiate themselves; the others read the tensors.
    """

    weights: Triple
    signed: bool
    later: bool
    scale: Triple = (1.0, 1.0, 1.0)
    offset: Triple = (0.0, 0.0, 0.0)
    channels_last: bool = False
    slope: float = 1.0
    shift: float = 0.0

    def floats(self, clip: Tensor) -> Tensor:
        """The clip itself if it is floating point, or its bytes normalised."""
        return clip if clip.is_floating_point() else normalize(clip, self.scale, self.offset)


def result_dtype(clip: Tensor) -> torch.dtype:
    """The type of prompt and attention: the clip's, or float32 for bytes."""
    return clip.dtype if clip.is_floating_point() else torch.float32


class Forward(NamedTuple):
    """total: a sum of all D, not finite exactly when the clip is not. squares: sum of all (A_{t+1} - A_t)^2."""

    prompt: Tensor
    attention: Tensor
    total: float
    squares: float


class Backward(NamedTuple):
    """With z = a (D - b): step = sum of dL/dz, step_offset = sum of dL/dz (D - b)."""

    step: float
    step_offset: float
    clip: Tensor | None


class Upstream(NamedTuple):
    """What arrives from above: dL/d prompt, dL/d attention if there is any, and dL/dV * 2 / (number of terms of V)."""

    prompt: Tensor
    attention: Tensor | None
    scale: float


class Kernel(Protocol):
    """The two functions that a kernel module has. `attention` is what `forward` gave; `need_clip` only for floats."""

    def forward(self, clip: Tensor, steps: Steps) -> Forward: ...

    def backward(self, clip: Tensor, steps: Steps, attention: Tensor, above: Upstream, need_clip: bool) -> Backward: ...
