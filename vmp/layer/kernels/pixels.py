"""Decoded bytes as normalised floats: x = (byte / 255 - mean) / std = byte * scale + offset, rounded once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

Triple = tuple[float, float, float]


def scale_and_offset(mean: Sequence[float], std: Sequence[float]) -> tuple[Triple, Triple]:
    """Scale and offset of each channel in float32, for statistics in units of [0, 1]; `std` > 0."""
    return _scale_and_offset(tuple(mean), tuple(std))


@cache
def _scale_and_offset(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Triple, Triple]:
    wide = torch.tensor(std, dtype=torch.float32, device="cpu")
    offset = -(torch.tensor(mean, dtype=torch.float32, device="cpu") / wide)
    return tuple((1 / (255 * wide)).tolist()), tuple(offset.tolist())


def normalize(clip: Tensor, scale: Triple, offset: Triple) -> Tensor:
    """A clip of bytes (b, 3, t, h, w), of any strides, as contiguous float32; every kernel rounds as this does."""
    factor, shift = (torch.tensor(v, dtype=torch.float32, device=clip.device) for v in (scale, offset))
    # Channels last for the arithmetic: it is how decoders write, and a multiplication by planes takes twice as long.
    return torch.addcmul(shift, clip.movedim(1, -1).float(), factor).movedim(-1, 1).contiguous()
