"""The published steps of Video Motion Prompts as pure functions on clips (b, c, t, h, w), normalised (p - mean) / std.

    g   = 0.299 R + 0.587 G + 0.114 B                gray, of the de-normalised pixels p in [0, 1]
    D_t = g_{t+1} - g_t                              frame_difference
    A_t = 1 / (1 + exp(-a (D_t - b)))                power_normalization
    P_t = A_t * x_{t+1}                              motion_prompt
    V   = mean (A_{t+1} - A_t)^2                     attention_variation

with slope a = 5 / (0.45 |tanh m| + 0.1) and shift b = 0.6 tanh n of the two learnt scalars m and n.
This is the plain version: every step is materialised, autograd differentiates it, and it is the oracle of the fused
kernels in `vmp.layer.kernels`. Chen, Wang, Koniusz, Gedeon, "Motion meets Attention: Video Motion Prompts", ACML 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vmp.core.choices import lookup
from vmp.core.errors import InputError
from vmp.core.power import SHIFT_LIMIT

# The authors' released code applies the weights of the second row to RGB frames; "BGR" is kept for parity with it.
LUMA: dict[str, tuple[float, float, float]] = {"RGB": (0.299, 0.587, 0.114), "BGR": (0.114, 0.587, 0.299)}


def check_clip(clip: Tensor, min_frames: int = 2, allow_bytes: bool = False) -> None:
    """Raise `InputError` unless `clip` is a floating point (b, 3, t, h, w), t >= `min_frames`, not empty.

    With `allow_bytes` it may be uint8 as well.
    """
    if not isinstance(clip, Tensor):
        raise InputError(f"a clip must be a torch tensor (b, 3, t, h, w), got {type(clip).__name__}.")
    shape = tuple(clip.shape)
    if clip.ndim != 5:
        hint = " Add the batch dimension with clip[None]." if clip.ndim == 4 else ""
        raise InputError(f"a clip must have 5 dimensions (b, 3, t, h, w), got {clip.ndim}: {shape}.{hint}")
    if clip.shape[1] != 3:
        hint = " It looks like (b, t, c, h, w): pass clip.transpose(1, 2)." if clip.shape[2] == 3 else ""
        if clip.shape[4] == 3:
            hint = " It looks like (b, t, h, w, c): pass clip.permute(0, 4, 1, 2, 3), which copies nothing."
        raise InputError(f"a clip (b, 3, t, h, w) must have 3 channels, got {clip.shape[1]}: {shape}.{hint}")
    if not clip.is_floating_point() and not (allow_bytes and clip.dtype == torch.uint8):
        raise InputError(
            f"a clip must be floating point and normalised, got {clip.dtype}: divide by 255, then (p - mean) / std."
        )
    if clip.shape[2] < min_frames:
        raise InputError(
            f"a clip needs at least {min_frames} frames here, got {clip.shape[2]}: {shape}. Sample more frames."
        )
    if 0 in shape:
        raise InputError(f"a clip must not be empty, got {shape}.")


def check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise `InputError` unless `mean` and `std` are three finite numbers each, `std` positive."""
    for name, values in (("mean", mean), ("std", std)):
        if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 3:
            raise InputError(f"{name} must be three numbers, one for each colour channel, got {values!r}.")
        if not all(math.isfinite(v) for v in values):
            raise InputError(f"{name} must be finite, got {tuple(values)}.")
    if any(s <= 0 for s in std):
        raise InputError(f"std must be positive, got {tuple(std)}.")


def difference_weights(std: Sequence[float], channel_order: str = "RGB") -> tuple[float, float, float]:
    """The weights w_c * std_c that turn a difference of normalised frames into a difference of gray levels.

    The mean cancels: g_{t+1} - g_t = sum_c w_c (p_{c,t+1} - p_{c,t}) = sum_c w_c std_c (x_{c,t+1} - x_{c,t}).
    """
    red, green, blue = lookup(LUMA, channel_order, "channel_order")
    return red * std[0], green * std[1], blue * std[2]


def compute_dtype(clip: Tensor) -> torch.dtype:
    """The type in which the layer calculates: float64 for float64, float32 for anything narrower and for bytes."""
    return torch.promote_types(clip.dtype, torch.float32)


def gray(clip: Tensor, mean: Sequence[float], std: Sequence[float], channel_order: str = "RGB") -> Tensor:
    """Gray levels g = sum_c w_c (std_c x_c + mean_c) of a normalised clip. (b, 3, t, h, w) -> (b, t, h, w)."""
    check_clip(clip, min_frames=1)
    luma = lookup(LUMA, channel_order, "channel_order")
    weights = clip.new_tensor(difference_weights(std, channel_order), dtype=compute_dtype(clip))
    offset = sum(w * m for w, m in zip(luma, mean, strict=True))
    return torch.einsum("bcthw,c->bthw", clip.to(weights.dtype), weights) + offset


def frame_difference(clip: Tensor, std: Sequence[float], channel_order: str = "RGB", signed: bool = True) -> Tensor:
    """Difference of consecutive gray frames, D_t = g_{t+1} - g_t in [-1, 1]; its absolute value if not `signed`.

    Args:
        clip: normalised clip (b, 3, t, h, w), t >= 2.
        std: standard deviation that the clip was divided by, one for each channel.
        channel_order: "RGB", or "BGR" for parity with the authors' code.
        signed: keep the sign, as published; False takes |D| (TrackNetV4).

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w), float64 for a float64 clip, else float32.

    Raises: `InputError` for a wrong rank, channel count, type, or fewer than 2 frames.
    """
    check_clip(clip)
    return weighted_difference(clip, difference_weights(std, channel_order), signed)


def weighted_difference(clip: Tensor, weights: tuple[float, float, float], signed: bool = True) -> Tensor:
    """`frame_difference` of a checked clip for weights w_c * std_c that are known already."""
    wide = clip.to(compute_dtype(clip))
    # Channel differences first: the error is then relative to D and not to g, which the slope (up to 50) would magnify.
    step = wide[:, :, 1:] - wide[:, :, :-1]
    red, green, blue = weights
    difference = red * step[:, 0] + green * step[:, 1] + blue * step[:, 2]
    return difference if signed else difference.abs()


def slope_from_m(m: Tensor) -> Tensor:
    """Slope a = 5 / (0.45 |tanh m| + 0.1), in (9.09, 50]. It depends on |m| only; its derivative at 0 is 0."""
    return 5.0 / (0.45 * torch.tanh(m).abs() + 0.1)


def shift_from_n(n: Tensor) -> Tensor:
    """Shift b = 0.6 tanh n, in (-0.6, 0.6)."""
    return SHIFT_LIMIT * torch.tanh(n)


def power_normalization(difference: Tensor, slope: Tensor, shift: Tensor) -> Tensor:
    """Attention A = 1 / (1 + exp(-a (D - b))) in (0, 1), by a sigmoid that does not overflow.

    Args:
        difference: D of any shape, usually (b, t-1, h, w) with values in [-1, 1].
        slope, shift: a and b, scalars or broadcastable to `difference`.

    Shapes: as `difference`.
    """
    return torch.sigmoid(slope * (difference - shift))


def motion_prompt(attention: Tensor, clip: Tensor, prompted_frame: str = "later") -> Tensor:
    """Motion prompt P_t = A_t * x_{t+1}, all three channels of the later frame, as published, or of the earlier one.

    The clip is normalised, so zero attention gives mean grey and not black.

    Args:
        attention: (b, t-1, h, w), or (b, 3, t-1, h, w) for attention of its own for each channel.
        clip: (b, 3, t, h, w).
        prompted_frame: "later" or "earlier".

    Shapes: (b, t-1, h, w), (b, 3, t, h, w) -> (b, 3, t-1, h, w), in the clip's type.

    Raises: `InputError` if the attention does not have one map for each pair of frames.
    """
    frames = lookup({"later": slice(1, None), "earlier": slice(None, -1)}, prompted_frame, "prompted_frame")
    if attention.ndim == 4:
        attention = attention.unsqueeze(1)
    chosen = clip[:, :, frames]
    if attention.shape[0] != clip.shape[0] or attention.shape[2:] != chosen.shape[2:]:
        raise InputError(
            f"attention {tuple(attention.shape)} does not fit the clip {tuple(clip.shape)}: "
            "it needs one map of the clip's size for each pair of frames (b, t-1, h, w)."
        )
    return (attention * chosen).to(clip.dtype)


def attention_variation(attention: Tensor) -> Tensor:
    """Temporal attention variation V = mean over (b, t, h, w) of (A_{t+1} - A_t)^2, a scalar >= 0 with gradient.

    Args:
        attention: (..., t-1, h, w) with at least two maps, that is at least three input frames.

    Raises: `InputError` for fewer than two maps, where V is undefined.
    """
    if attention.ndim < 3 or attention.shape[-3] < 2:
        raise InputError(
            f"the attention variation V compares consecutive attention maps and needs at least 2 (3 input frames), "
            f"got {attention.shape[-3] if attention.ndim >= 3 else 0}. Sample more frames, or set lambda to 0."
        )
    wide = attention.to(compute_dtype(attention))
    return (wide[..., 1:, :, :] - wide[..., :-1, :, :]).square().mean()
