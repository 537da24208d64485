"""Differences of frames: what the published layer looks at, and its nearest variants."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig, MotionConfig, Statistics


class FrameDifference(nn.Module):
    """Signed difference of gray levels, D_t = g_{t+1} - g_t. Shapes: (b, 3, t, h, w) -> (b, t-1, h, w)."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.mean, self.std, self.order = statistics

    def forward(self, clip: Tensor) -> Tensor:
        return F.frame_difference(clip, self.std, self.order)


class RGBDifference(nn.Module):
    """Difference of each colour (TSN), so that each has its own attention. (b, 3, t, h, w) -> (b, 3, t-1, h, w)."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.mean, self.std = statistics[:2]

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        wide = clip.to(F.compute_dtype(clip))
        return (wide[:, :, 1:] - wide[:, :, :-1]) * wide.new_tensor(self.std).view(1, 3, 1, 1, 1)


class MultiStepDifference(nn.Module):
    """Mean of the differences to the last `steps` frames, (1/k) sum_j (g_{t+1} - g_{t+1-j}); fewer at the clip's start.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w). Slow motion, lost in one step, adds up over several.
    """

    def __init__(self, statistics: Statistics, steps: int = 3) -> None:
        super().__init__()
        (self.mean, self.std, self.order), self.steps = statistics, steps
        self.context = steps

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        gray = F.gray(clip, self.mean, self.std, self.order)
        frames = gray.shape[1]
        maps = []
        for t in range(1, frames):
            earlier = gray[:, max(0, t - self.steps) : t]
            maps.append(gray[:, t] - earlier.mean(1))
        return torch.stack(maps, 1)


@config
class FrameDifferenceConfig(GrayMotionConfig):
    """The published map: the signed difference of gray levels."""

    kind: Literal["frame_difference"] = "frame_difference"

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return FrameDifference((mean, std, self.channel_order))


@config
class RGBDifferenceConfig(MotionConfig):
    """The difference of each colour, so that each has its own attention."""

    maps = 3

    kind: Literal["rgb_difference"] = "rgb_difference"

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return RGBDifference((mean, std, "RGB"))


@config
class MultiStepConfig(GrayMotionConfig):
    """The mean of the differences to several earlier frames.

    Attributes:
        steps: Earlier frames, >= 2.
    """

    kind: Literal["multi_step"] = "multi_step"
    steps: Annotated[int, Field(ge=2, le=64)] = 3

    def canonical(self, maps: int) -> MultiStepConfig:
        return dataclasses.replace(self, steps=max(2, min(self.steps, maps)))  # a clip has no earlier frames

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return MultiStepDifference((mean, std, self.channel_order), self.steps)
