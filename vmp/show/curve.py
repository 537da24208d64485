"""The attention curve of a layer, over the frame differences that a clip really has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vmp.core.errors import InputError
from vmp.layer.base import PromptLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class CurveData:
    """attention: A of the values `difference`, in [-1, 1]. shift: where A is 1/2, None for other normalisations.

    density: share of a clip's pixels in each bin between consecutive differences, None without a clip.
    """

    difference: np.ndarray
    attention: np.ndarray
    shift: float | None = None
    density: np.ndarray | None = None


@torch.no_grad()
def prepare_curve(layer: PromptLayer, clip: Tensor | None = None, points: int = 401) -> CurveData:
    """The power normalisation of a layer, and how often each difference occurs in a clip.

    Args:
        layer: any layer of the family.
        clip: normalised (b, 3, t, h, w); its frame differences show which part of the curve matters.
        points: of the curve, >= 2.
    """
    if points < 2:
        raise InputError(f"a curve needs at least 2 points, got {points}.")
    device = next((p.device for p in layer.parameters()), torch.device("cpu"))
    difference = torch.linspace(-1, 1, points, device=device)
    shift = getattr(layer, "shift", None)
    density = None
    if clip is not None:
        values = frame_differences(layer, clip).flatten()
        counts = torch.histc(values.float().cpu().clamp(-1, 1), bins=points - 1, min=-1, max=1)
        density = (counts / counts.sum()).numpy()
    return CurveData(
        difference=difference.cpu().numpy(),
        attention=layer.curve(difference).cpu().numpy(),
        shift=None if shift is None else float(shift.detach().mean()),
        density=density,
    )


def frame_differences(layer: PromptLayer, clip: Tensor) -> Tensor:
    """The maps that the layer's normalisation sees: its own motion maps, or the gray frame difference."""
    from vmp.layer.functional import frame_difference

    if hasattr(layer, "motion"):
        return layer.motion(clip)  # type: ignore[operator]
    std = getattr(layer, "std", None)
    if std is None:
        raise InputError("this layer passes frames through and looks at no difference: give a layer with a prompt.")
    return frame_difference(clip, std, getattr(layer, "channel_order", "RGB"))


def draw_curve(data: CurveData, *, ax: Axes) -> Axes:
    """Attention against frame difference, over the density of the clip's differences where it is known."""
    if data.density is not None:
        share = ax.twinx()
        share.fill_between(data.difference[1:], data.density, step="pre", alpha=0.2, color="gray")
        share.set_yscale("log")
        share.set_ylabel("share of pixels")
        ax.set_zorder(share.get_zorder() + 1)  # the curve in front of the density
        ax.patch.set_visible(False)
    ax.plot(data.difference, data.attention)
    if data.shift is not None:
        ax.axvline(data.shift, linestyle=":", color="gray")
    ax.set(xlabel="frame difference D", ylabel="attention A", xlim=(-1, 1), ylim=(-0.02, 1.02))
    return ax
