"""Hands torch tensors to the kernel in C: addresses with layouts, on torch's number of threads, without copies."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vmp.layer.kernels import native  # after torch, whose OpenMP it then shares
from vmp.layer.kernels.buffers import empty
from vmp.layer.kernels.layouts import Layout, readable
from vmp.layer.kernels.pixels import Triple
from vmp.layer.kernels.steps import Backward, Forward, Steps, Upstream

_PAST_CACHE = 8 << 20  # bytes of a prompt: with clip and attention more than a cache would hold until it is read
_PIXELS_A_THREAD = 1 << 16  # below this, a second thread would hardly have begun before the first is done

_forked = False


def _note_fork() -> None:
    # OpenMP's threads do not survive a fork (a data loader's worker), and it would wait for them for ever.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _threads(clip: Tensor) -> int:
    return 1 if _forked else max(1, min(torch.get_num_threads(), clip.numel() // (3 * _PIXELS_A_THREAD)))


def _of(steps: Steps) -> tuple[tuple[float, float, float], float, float, bool, bool]:
    return steps.weights, steps.slope, steps.shift, steps.signed, steps.later


def _clip(clip: Tensor, layout: Layout, steps: Steps) -> tuple[int, Layout, bool, Triple, Triple]:
    return clip.data_ptr(), layout, clip.dtype == torch.uint8, steps.scale, steps.offset


def normalize(clip: Tensor, scale: Triple, offset: Triple) -> Tensor:
    """A clip of bytes on the CPU as contiguous float32, rounded as torch rounds."""
    b, _, t, h, w = clip.shape
    clip, layout = readable(clip)
    out = empty(clip.shape)
    native.normalize((b, t, h * w), (clip.data_ptr(), layout, True, scale, offset), out.data_ptr(), _threads(clip))
    return out


def forward(clip: Tensor, steps: Steps) -> Forward:
    """The fused forward pass for a clip of float32 or uint8 on the CPU.

    A channels-last clip of floats gives a channels-last prompt. Bytes lie that way because a decoder wrote them so,
    which says nothing about what reads the prompt: there `steps` decides.
    """
    b, _, t, h, w = clip.shape
    clip, layout = readable(clip)
    is_last = layout[1] == 1 and layout[3] == 3 if clip.is_floating_point() else steps.channels_last
    memory = torch.channels_last_3d if is_last else torch.contiguous_format
    prompt, attention = empty((b, 3, t - 1, h, w), memory), empty((b, t - 1, h, w))
    _, out = readable(prompt)
    past_cache = out[3] == 1 and 4 * prompt.numel() >= _PAST_CACHE and _may_pass_cache(prompt)
    total, squares = native.forward(
        (b, t, h * w), _of(steps), _clip(clip, layout, steps), prompt.data_ptr(), out, attention.data_ptr(),
        past_cache, _threads(clip),
    )  # fmt: skip
    return Forward(prompt, attention, total, squares)


def backward(clip: Tensor, steps: Steps, attention: Tensor, above: Upstream, need_clip: bool) -> Backward:
    """The fused backward pass."""
    b, _, t, h, w = clip.shape
    clip, layout = readable(clip)
    grad, grad_layout = readable(above.prompt)
    maps, maps_layout = (None, (0, 0, 0, 0)) if above.attention is None else readable(above.attention.unsqueeze(1))
    attention = attention.contiguous()  # torch's hooks on saved tensors may have given it another layout
    grad_clip = empty(clip.shape) if need_clip else None
    step, weighted = native.backward(
        (b, t, h * w), _of(steps), _clip(clip, layout, steps), attention.data_ptr(), grad.data_ptr(), grad_layout,
        0 if maps is None else maps.data_ptr(), maps_layout, above.scale,
        0 if grad_clip is None else grad_clip.data_ptr(), _threads(clip),
    )  # fmt: skip
    return Backward(step, weighted / steps.slope, grad_clip)


def forward_frames(
    frames: Sequence[np.ndarray], steps: Steps, before: Tensor | None
) -> tuple[Tensor, Tensor, np.ndarray]:
    """The fused forward pass for t consecutive decoded frames (h, w, 3) of uint8, on one thread, without gradients.

    Returns: prompt (3, t-1, h, w), attention (t-1, h, w), and for each map the sum of squared differences to the one
        before it (for the first: to `before`, 0 without it).
    """
    frames = [np.ascontiguousarray(frame) for frame in frames]
    t, (h, w, _) = len(frames), frames[0].shape
    prompt, attention = empty((3, t - 1, h, w)), empty((t - 1, h, w))
    squares = np.zeros(t - 1)
    native.forward_frames(
        (1, t, h * w), _of(steps), tuple(frame.ctypes.data for frame in frames), steps.scale, steps.offset,
        prompt.data_ptr(), attention.data_ptr(),
        0 if before is None else before.data_ptr(), squares.ctypes.data, _may_pass_cache(prompt),
    )  # fmt: skip
    return prompt, attention, squares


def _may_pass_cache(prompt: Tensor) -> bool:
    """Whether every part of a contiguous prompt starts on 16 bytes and holds a multiple of four numbers."""
    return prompt.shape[-1] * prompt.shape[-2] % 4 == 0 and prompt.data_ptr() % 16 == 0
