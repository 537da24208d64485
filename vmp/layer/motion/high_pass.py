"""A recursive high-pass of gray levels: the frame difference with a memory (MCATrack, 2025)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig, Statistics


class HighPass(nn.Module):
    """First-order recursive high-pass, y_t = w (g_{t+1} - g_t) + w y_{t-1} with w = exp(-1 / tau) and y_{-1} = 0.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w) in [-w, w]. What moved some frames ago fades instead of ending; a small
    tau sees the last difference alone.

    Args:
        tau: Frames after which a change has faded to 1/e, > 0.
    """

    def __init__(self, statistics: Statistics, tau: float = 2.0) -> None:
        super().__init__()
        (self.mean, self.std, self.order), self.tau = statistics, tau
        self.context = None  # every frame before

    def forward(self, clip: Tensor) -> Tensor:
        weight = math.exp(-1.0 / self.tau)
        maps: list[Tensor] = []
        for difference in F.frame_difference(clip, self.std, self.order).unbind(1):
            maps.append(weight * (difference + maps[-1] if maps else difference))
        return torch.stack(maps, 1)


@config
class HighPassConfig(GrayMotionConfig):
    """A recursive high-pass of the gray levels: the difference with a memory.

    Attributes:
        tau: Frames after which a change has faded to 1/e.
    """

    kind: Literal["high_pass"] = "high_pass"
    tau: Annotated[float, Field(gt=0, le=1000)] = 2.0

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return HighPass((mean, std, self.channel_order), self.tau)
