"""Motion maps that are learnt: a convolutional stem, and attention among patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig, MotionConfig, Statistics
from vmp.layer.motion.differences import FrameDifference

PATCH = 8  # pixels a side of a token


class ConvStem(nn.Module):
    """A learnt stem: two convolutions over pairs of frames, tanh(conv(relu(conv(x)))), in [-1, 1].

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w).
    """

    def __init__(self, statistics: Statistics, width: int = 8) -> None:
        super().__init__()
        self.mean, self.std = statistics[:2]
        self.pairs = nn.Conv3d(3, width, (2, 3, 3), padding=(0, 1, 1))
        self.to_map = nn.Conv3d(width, 1, (1, 3, 3), padding=(0, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        return torch.tanh(self.to_map(torch.relu(self.pairs(clip)))).squeeze(1)


class MotionTokens(nn.Module):
    """Attention among patches of the frame difference: each patch's motion, seen beside that of all the others.

    A patch's difference is embedded, attends to the patches of its pair of frames, and gives one value in [-1, 1],
    spread over the patch by bilinear interpolation.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w), h and w multiples of `patch`.

    Raises: `InputError` for other sizes.
    """

    def __init__(self, statistics: Statistics, patch: int = PATCH, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.patch, self.difference = patch, FrameDifference(statistics)
        self.mean, self.std = statistics[:2]
        self.embed = nn.Conv2d(1, width, patch, stride=patch)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.to_value = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        b, _, t, h, w = clip.shape
        if h % self.patch or w % self.patch:
            raise InputError(f"motion tokens need height and width in multiples of {self.patch}, got {h} x {w}.")
        maps = self.difference(clip).reshape(b * (t - 1), 1, h, w)
        tokens = self.embed(maps.to(self.embed.weight.dtype)).flatten(2).transpose(1, 2)
        mixed = tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]
        values = torch.tanh(self.to_value(self.norm(mixed))).transpose(1, 2)
        coarse = values.reshape(b * (t - 1), 1, h // self.patch, w // self.patch)
        fine = nn.functional.interpolate(coarse, size=(h, w), mode="bilinear", align_corners=False)
        return fine.reshape(b, t - 1, h, w)


@config
class ConvStemConfig(MotionConfig):
    """Two learnt convolutions over pairs of frames.

    Attributes:
        width: Channels between them.
    """

    kind: Literal["conv_stem"] = "conv_stem"
    width: Annotated[int, Field(ge=1, le=1024)] = 8

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return ConvStem((mean, std, "RGB"), self.width)


@config
class MotionTokensConfig(GrayMotionConfig):
    """Learnt attention among patches of 8 pixels of the frame difference.

    Attributes:
        width: Of a token, a multiple of `heads`.
        heads: Of the attention.
    """

    min_size = size_multiple = PATCH

    kind: Literal["motion_tokens"] = "motion_tokens"
    width: Annotated[int, Field(ge=1, le=4096)] = 32
    heads: Annotated[int, Field(ge=1, le=64)] = 4

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return MotionTokens((mean, std, self.channel_order), PATCH, self.width, self.heads)
