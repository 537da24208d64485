"""Taking the camera's own motion out of a frame difference: one global shift for a pair of frames.

A moving camera makes everything differ, and the layer's attention lights up everywhere: its known failure. Phase
correlation finds the shift between two frames; the earlier one is moved by it before the difference is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from vmp.core.config import config
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig


def phase_correlation(first: Tensor, second: Tensor, peaks: int = 1) -> Tensor:
    """Shifts (dy, dx) in pixels by which `second` may be `first` moved: the highest peaks of

        r = F^-1[ F(second) conj F(first) / |F(second) conj F(first)| ]

    each refined by a parabola through the peak and its neighbours.

    Args:
        first, second: gray frames (n, h, w).
        peaks: how many, highest first, none beside another.

    Shapes: (n, peaks, 2), each shift in [-h/2, h/2] x [-w/2, w/2].

    Kuglin, Hines, "The phase correlation image alignment method", 1975.
    """
    h, w = first.shape[-2:]
    window = torch.hann_window(h, False, device=first.device)[:, None] * torch.hann_window(
        w, False, device=first.device
    )
    spectra = [torch.fft.rfft2((x - x.mean((-2, -1), keepdim=True)) * window.to(x.dtype)) for x in (first, second)]
    cross = spectra[1] * spectra[0].conj()
    surface = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-9), s=(h, w))
    left = surface.clone()
    index = torch.arange(len(surface), device=surface.device)
    found = []
    for _ in range(peaks):
        peak = left.flatten(1).argmax(1)
        rows, columns = peak // w, peak % w
        vertical = [surface[index, (rows + d) % h, columns] for d in (-1, 0, 1)]
        horizontal = [surface[index, rows, (columns + d) % w] for d in (-1, 0, 1)]
        found.append(torch.stack([_refined(rows, h, vertical), _refined(columns, w, horizontal)], 1))
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                left[index, (rows + dy) % h, (columns + dx) % w] = -1
    return torch.stack(found, 1)


def _refined(position: Tensor, size: int, around: list[Tensor]) -> Tensor:
    """A peak's position as a signed shift, to a fraction of a pixel."""
    before, top, after = around
    bend = before - 2 * top + after
    offset = torch.where(bend.abs() > 1e-12, 0.5 * (before - after) / bend, torch.zeros_like(bend)).clamp(-0.5, 0.5)
    return torch.where(position > size // 2, position - size, position) + offset


def shift_frames(frames: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (n, h, w) moved by (dy, dx) with bilinear interpolation, and a mask of the pixels that have a source."""
    h, w = frames.shape[-2:]
    y = torch.arange(h, device=frames.device, dtype=frames.dtype) - shift[:, :1]  # (n, h)
    x = torch.arange(w, device=frames.device, dtype=frames.dtype) - shift[:, 1:]
    valid = ((y >= 0) & (y <= h - 1))[:, :, None] & ((x >= 0) & (x <= w - 1))[:, None, :]
    grid = torch.stack(
        torch.broadcast_tensors((2 * x / max(w - 1, 1) - 1)[:, None, :], (2 * y / max(h - 1, 1) - 1)[:, :, None]), -1
    )
    moved = nn.functional.grid_sample(frames[:, None], grid, padding_mode="border", align_corners=True)
    return moved[:, 0], valid


def camera_shift(first: Tensor, second: Tensor, peaks: int = 3, ceiling: float = 0.1) -> Tensor:
    """The shift that explains most of a pair of frames: no shift, or one of the peaks of the phase correlation.

    The highest peak may belong to a large object. Of the candidates that one is taken which leaves the smallest mean of
    min(|difference|, ceiling), so that what most pixels say counts and not how strongly a few say it.

    Args:
        first, second: gray frames (n, h, w) in [0, 1].

    Shapes: (n, 2).
    """
    still = first.new_zeros(len(first), 1, 2)
    candidates = torch.cat([still, phase_correlation(first, second, peaks)], dim=1)
    costs = []
    for shift in candidates.unbind(1):
        moved, valid = shift_frames(first, shift)
        left = (second - moved).abs().clamp_max(ceiling) * valid
        # A large shift leaves few pixels to compare; fewer than a quarter say nothing.
        share = valid.to(first.dtype).mean((1, 2))
        costs.append(torch.where(share > 0.25, left.mean((1, 2)) / share.clamp_min(1e-6), first.new_tensor(1.0)))
    best = torch.stack(costs, 1).argmin(1)
    return candidates[torch.arange(len(first), device=first.device), best]


class CompensatedDifference(nn.Module):
    """Frame difference after undoing the pair's global shift, D_t = g_{t+1} - shifted(g_t); 0 at the bared edge.

    Args:
        statistics: (mean, std, channel_order) of the clip.
        smallest: shifts of fewer pixels than this in both directions are left alone: a camera at rest stays exact.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w). The shift is estimated without gradient.
    """

    def __init__(self, statistics: tuple, smallest: float = 0.5) -> None:
        super().__init__()
        (self.mean, self.std, self.order), self.smallest = statistics, smallest

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        gray = F.gray(clip, self.mean, self.std, self.order)
        b, t, h, w = gray.shape
        first, second = gray[:, :-1].reshape(-1, h, w), gray[:, 1:].reshape(-1, h, w)
        with torch.no_grad():
            shift = camera_shift(first, second)
            still = (shift.abs() < self.smallest).all(1, keepdim=True)
            shift = torch.where(still, torch.zeros_like(shift), shift)
        moved, valid = shift_frames(first, shift)
        difference = torch.where(valid, second - moved, torch.zeros_like(second))
        difference = torch.where(still[:, :, None], second - first, difference)
        return difference.reshape(b, t - 1, h, w)


@config
class CompensatedDifferenceConfig(GrayMotionConfig):
    """The frame difference without the camera's shift."""

    kind: Literal["compensated_difference"] = "compensated_difference"

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return CompensatedDifference((mean, std, self.channel_order))
