"""What motion maps that match the two pictures of a pair share: gray bytes in, the length of a displacement out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vmp.layer import functional as F

Matcher = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Tensor]


@torch.no_grad()
def displacement_maps(
    clip: Tensor, statistics: tuple[Sequence[float], Sequence[float], str], match: Matcher, full_scale: float
) -> Tensor:
    """The length of each pixel's displacement between the frames of a pair, over `full_scale` pixels, at most 1.

    Args:
        clip: a checked clip. statistics: its mean, std and channel order.
        match: gray frames (h, w), the earlier and the later of a pair -> lengths in pixels (h, w), on the CPU.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w).
    """
    gray = (F.gray(clip, *statistics) * 255).round().clamp(0, 255).byte().cpu().numpy()
    maps = torch.empty(gray.shape[0], gray.shape[1] - 1, *gray.shape[2:])
    for sample, frames in enumerate(gray):
        for t in range(len(frames) - 1):
            maps[sample, t] = match(frames[t], frames[t + 1])
    return (maps / full_scale).clamp(max=1).to(clip.device)
