"""The fused steps without a compiler: eager torch operations, in place, on a few samples' pair of frames at a time.

What belongs to a pair stays in the cache from its difference to its product, and only the results are kept: two to five
times faster than materialising every step. Any floating point type; the fallback where numba cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vmp.functional import compute_dtype
from vmp.kernels.buffers import empty
from vmp.kernels.steps import Backward, Forward, Steps

_PIXELS = 1 << 17  # of a block: with fewer, the calls of torch take longer than their work


def _blocks(clip: Tensor) -> Iterator[slice]:
    samples = max(1, _PIXELS // (clip.shape[3] * clip.shape[4]))
    for first in range(0, clip.shape[0], samples):
        yield slice(first, min(first + samples, clip.shape[0]))


def _offset(frames: Tensor, t: int, steps: Steps, out: Tensor, spare: Tensor) -> Tensor:
    """D_t - b of the pair (t, t+1) of `frames` (s, 3, t, h, w), into `out` (s, h, w); `spare` is (s, 3, h, w)."""
    torch.sub(frames[:, :, t + 1].to(out.dtype), frames[:, :, t].to(out.dtype), out=spare)
    torch.mul(spare[:, 0], steps.weights[0], out=out)
    out.add_(spare[:, 1], alpha=steps.weights[1]).add_(spare[:, 2], alpha=steps.weights[2])
    if not steps.signed:
        out.abs_()
    return out.sub_(steps.shift)


def _new(clip: Tensor, shape: tuple[int, ...]) -> Tensor:
    fast = clip.dtype == torch.float32 and clip.device.type == "cpu"
    return empty(shape) if fast else clip.new_empty(shape)


def forward(clip: Tensor, steps: Steps) -> Forward:
    """Prompt and attention in the clip's type; the sums in its compute type, added up in float64."""
    b, _, t, h, w = clip.shape
    dtype = compute_dtype(clip)
    prompt, attention = _new(clip, (b, 3, t - 1, h, w)), _new(clip, (b, t - 1, h, w))
    total = squares = 0.0
    for block in _blocks(clip):
        frames = clip[block]
        size = frames.shape[0]
        weight, before = clip.new_empty(2, size, h, w, dtype=dtype).unbind()
        spare = clip.new_empty(size, 3, h, w, dtype=dtype)
        for pair in range(t - 1):
            total += _offset(frames, pair, steps, weight, spare).sum().item()
            weight.mul_(steps.slope).sigmoid_()
            attention[block, pair] = weight
            prompted = frames[:, :, pair + steps.later]
            if clip.dtype == dtype:
                torch.mul(prompted, weight.unsqueeze(1), out=prompt[block, :, pair])
            else:
                prompt[block, :, pair] = prompted * weight.unsqueeze(1)
            if pair > 0:
                squares += before.sub_(weight).square_().sum().item()
            weight, before = before, weight
    return Forward(prompt, attention, total, squares)


def backward(
    clip: Tensor, steps: Steps, grad_prompt: Tensor, grad_attention: Tensor | None, scale: float, need_clip: bool
) -> Backward:
    """Recompute A pair by pair, one pair ahead for the gradient of V, and reduce."""
    t, h, w = clip.shape[2:]
    dtype = compute_dtype(clip)
    grad_clip = clip.new_zeros(clip.shape, dtype=dtype) if need_clip else None
    total = weighted = 0.0
    for block in _blocks(clip):
        frames, size = clip[block], clip[block].shape[0]
        offsets, weights = clip.new_empty(2, 3, size, h, w, dtype=dtype).unbind()
        spare, step = clip.new_empty(size, 3, h, w, dtype=dtype), clip.new_empty(size, h, w, dtype=dtype)
        for pair in range(t - 1):
            for new in (0, 1) if pair == 0 else (pair + 1,):
                if new < t - 1:
                    _offset(frames, new, steps, offsets[new % 3], spare)
                    torch.mul(offsets[new % 3], steps.slope, out=weights[new % 3]).sigmoid_()
            weight, offset = weights[pair % 3], offsets[pair % 3]
            grads = grad_prompt[block, :, pair].to(dtype)
            torch.mul(grads, frames[:, :, pair + steps.later].to(dtype), out=spare)
            torch.sum(spare, 1, out=step)
            if grad_attention is not None:
                step.add_(grad_attention[block, pair].to(dtype))
            if scale != 0:
                for neighbour in (pair - 1, pair + 1):
                    if 0 <= neighbour < t - 1:
                        step.add_(weight, alpha=scale).sub_(weights[neighbour % 3], alpha=scale)
            # A' = A (1 - A), with 1 - A as sigmoid(-z): it keeps its relative accuracy where A is nearly 1.
            step.mul_(weight).mul_(torch.mul(offset, -steps.slope, out=spare[:, 0]).sigmoid_())
            total += step.sum().item()
            weighted += torch.mul(step, offset, out=spare[:, 0]).sum().item()
            if grad_clip is not None:
                if not steps.signed:
                    difference = _offset(
                        frames, pair, steps._replace(signed=True, shift=0.0), torch.empty_like(step), spare
                    )
                    step.mul_(difference.sign_())
                _add_clip_gradient(grad_clip[block], pair, steps, grads * weight.unsqueeze(1), step)
    return Backward(total, weighted, None if grad_clip is None else grad_clip.to(clip.dtype))


def _add_clip_gradient(grad_clip: Tensor, pair: int, steps: Steps, through_prompt: Tensor, step: Tensor) -> None:
    grad_clip[:, :, pair + steps.later].add_(through_prompt)
    for channel, weight in enumerate(steps.weights):
        grad_clip[:, channel, pair + 1].add_(step, alpha=steps.slope * weight)
        grad_clip[:, channel, pair].sub_(step, alpha=steps.slope * weight)
