"""The Video Motion Prompt layer and its two controls.

Every layer takes a normalised clip (b, 3, t, h, w) and returns a `MotionPrompt`; it has `extra_frames`, how many frames
more than the backbone it consumes, and `curve`, its attention as a function of the frame difference. No layer logs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vmp.core.choices import lookup
from vmp.core.errors import InputError
from vmp.layer import functional as F


class MotionPrompt(NamedTuple):
    """What a layer makes of a clip.

    prompt: (b, 3, t-1, h, w), in the clip's type. attention: (b, t-1, h, w), in [0, 1].
    variation: V, a scalar that carries gradient; the caller multiplies it by lambda. None for a clip of two frames: it
        has one attention map, and V compares consecutive ones.
    """

    prompt: Tensor
    attention: Tensor
    variation: Tensor | None


class PromptLayer(nn.Module, ABC):
    """What every layer of the family has beside `forward`.

    extra_frames: how many frames more than the backbone it consumes.
    channels_last: lay prompts made of bytes channels last, as some backbones want them; the numbers are the same.
    context: how many frames before a frame its prompt depends on, None if on all of them; for streaming.
    """

    extra_frames: int = 1
    channels_last: bool = False
    context: int | None = 1

    def reads_bytes(self, mean: Sequence[float], std: Sequence[float]) -> bool:
        """Whether `forward` takes clips of bytes, as if they had been normalised with these statistics."""
        del mean, std
        return False

    @abstractmethod
    def curve(self, difference: Tensor) -> Tensor:
        """The attention that the present parameters give to a frame difference, of any shape."""

    def prompt_parameters(self) -> list[nn.Parameter]:
        """The trainable parameters of the attention itself, such as m and n, without those of a learnt motion stem."""
        return [p for p in self.parameters() if p.requires_grad]


def check_finite(total: float | Tensor) -> None:
    """Raise `InputError` if a sum over the clip, or over its frame differences, is NaN or infinite."""
    if not math.isfinite(total):
        raise InputError(
            "the clip holds NaN or infinite values. Look at the decoding and at the normalisation (std > 0)."
        )


def unweighted(prompt: Tensor) -> MotionPrompt:
    """A prompt (b, c, t, h, w) that no attention weighs: A = 1, V = 0."""
    b, _, t, h, w = prompt.shape
    one = torch.ones((), dtype=prompt.dtype, device=prompt.device)
    return MotionPrompt(prompt, one.expand(b, t, h, w), torch.zeros((), device=prompt.device))


class FramesOnly(PromptLayer):
    """Passes frames through with attention 1: the control arm (later T-1 frames) or the bare backbone (all T frames).

        P_t = x_{t+1} (drop_first) or x_t,   A = 1,   V = 0

    Args:
        drop_first: True is the fair control, it sees the frames that the prompt would weight. T -> T-1; False T -> T.
        prompted_frame: "later" or "earlier": which T-1 frames the control sees.

    Shapes: (b, 3, t, h, w) -> prompt (b, 3, t', h, w), attention (b, t', h, w), variation (), with t' = t-1 or t.

    Raises: `InputError` as `VideoMotionPrompt` does.
    """

    def __init__(self, drop_first: bool, check_finite: bool = True, prompted_frame: str = "later") -> None:
        super().__init__()
        self.first_frame = int(
            drop_first and lookup({"later": True, "earlier": False}, prompted_frame, "prompted_frame")
        )
        self.drop_first, self.check_finite = drop_first, check_finite
        self.extra_frames = self.context = int(drop_first)

    def curve(self, difference: Tensor) -> Tensor:
        return torch.ones_like(difference)

    def forward(self, clip: Tensor) -> MotionPrompt:
        F.check_clip(clip, min_frames=1 + self.extra_frames)
        if self.check_finite:
            check_finite(clip.detach().sum(dtype=torch.float64))
        return unweighted(clip[:, :, self.first_frame : clip.shape[2] - self.extra_frames + self.first_frame])
