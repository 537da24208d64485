"""Where the pixels of a clip lie, for kernels that read tensors by address: planes that are evenly strided."""

from __future__ import annotations

import torch
from torch import Tensor

Layout = tuple[int, int, int, int]
"""Strides of batch, channel, time and pixel, in elements."""


def layout_of(tensor: Tensor) -> Layout | None:
    """The layout of a tensor (b, c, t, h, w); None if its planes are not evenly strided."""
    b, c, t, row, pixel = tensor.stride()
    height, width = tensor.shape[3:]
    if height > 1 and width > 1 and row != width * pixel:
        return None
    return b, c, t, pixel if width > 1 else row


def readable(tensor: Tensor) -> tuple[Tensor, Layout]:
    """The tensor, or a copy with evenly strided planes; the caller holds it for as long as the kernel runs.

    A tensor that is negative only by a flag of torch's, as the imaginary part of a conjugate, is copied too.
    """
    layout = layout_of(tensor)
    if layout is None or tensor.is_neg():
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        layout = layout_of(tensor)
        assert layout is not None
    return tensor, layout
