"""Frames with their motion map beside them, as further channels: motion as information, not as attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmp.layer import functional as F
from vmp.layer.base import MotionPrompt, PromptLayer, check_finite, unweighted


class AppendedMotion(PromptLayer):
    """The motion map as channels 4 (and 5, 6) of the frames that a prompt would weight.

        P_t = [x_{t+1}, D_t / s],   A = 1,   V = 0

    A backbone behind it takes that many channels (`vmp.backbones.stems.widen_stems`). s, the mean of the standard
    deviations of the clip's channels, brings the map to the scale of the frames.

    Args:
        motion: (b, 3, t, h, w) -> maps (b, t-1, h, w) or (b, 3, t-1, h, w); see `vmp.layer.motion.registry.MOTIONS`.
        std: Of the clip's channels, in units of [0, 1].

    Shapes: (b, 3, t, h, w) -> prompt (b, 3 + c, t-1, h, w) with c = 1 or 3, attention (b, t-1, h, w), variation ().

    Raises: `InputError` as `VideoMotionPrompt` does.
    """

    def __init__(self, motion: nn.Module, std: tuple[float, ...]) -> None:
        super().__init__()
        self.motion, self.scale = motion, sum(std) / len(std)
        self.context = getattr(motion, "context", 1)

    def curve(self, difference: Tensor) -> Tensor:
        return torch.ones_like(difference)

    def prompt_parameters(self) -> list[nn.Parameter]:
        return []

    def forward(self, clip: Tensor) -> MotionPrompt:
        F.check_clip(clip)
        maps = self.motion(clip)
        if not torch.compiler.is_compiling():
            check_finite(clip.detach().sum(dtype=torch.float64))
        maps = maps if maps.ndim == 5 else maps.unsqueeze(1)
        return unweighted(torch.cat([clip[:, :, 1:], (maps / self.scale).to(clip.dtype)], 1))
