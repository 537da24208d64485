"""The fused steps without a compiler: eager torch operations, in place, on a few samples' pair of frames at a time.

What belongs to a pair stays in the cache from its difference to its product, and only the results are kept: two to five
times faster than materialising every step. Any floating point type; the fallback where the kernel in C is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vmp.layer.functional import compute_dtype
from vmp.layer.kernels.buffers import empty
from vmp.layer.kernels.steps import Backward, Forward, Steps, Upstream, result_dtype

_PIXELS = 1 << 17  # of a block: with fewer, the calls of torch take longer than their work


def _blocks(clip: Tensor) -> Iterator[slice]:
    samples = max(1, _PIXELS // (clip.shape[3] * clip.shape[4]))
    for first in range(0, clip.shape[0], samples):
        yield slice(first, min(first + samples, clip.shape[0]))


def _gray(frame: Tensor, weights: Sequence[float], out: Tensor) -> None:
    """Weighted sum of the channels of (s, 3, h, w) into `out` (s, h, w)."""
    out.copy_(frame[:, 0]).mul_(weights[0])
    out.add_(frame[:, 1], alpha=weights[1]).add_(frame[:, 2], alpha=weights[2])


def _exponents(frames: Tensor, steps: Steps) -> Iterator[tuple[Tensor, Tensor]]:
    """(z, a D) of each pair of frames (s, 3, t, h, w) in turn, valid until the next, with z = a (D - b) or a (|D| - b).

    a D is in float64 and z is rounded once: the slope, up to 50, would magnify the error of D.
    """
    s, _, t, h, w = frames.shape
    old, new, difference = frames.new_empty(3, s, h, w, dtype=torch.float64).unbind()
    z = frames.new_empty(s, h, w, dtype=compute_dtype(frames))
    weights = [steps.slope * weight for weight in steps.weights]
    _gray(frames[:, :, 0], weights, old)
    for pair in range(t - 1):
        _gray(frames[:, :, pair + 1], weights, new)
        torch.sub(new, old, out=difference)
        yield torch.sub(difference if steps.signed else difference.abs(), steps.slope * steps.shift, out=z), difference
        old, new = new, old


def _new(clip: Tensor, shape: tuple[int, ...]) -> Tensor:
    dtype = result_dtype(clip)
    fast = dtype == torch.float32 and clip.device.type == "cpu"
    return empty(shape) if fast else clip.new_empty(shape, dtype=dtype)


def forward(clip: Tensor, steps: Steps) -> Forward:
    """Prompt and attention in the clip's type; the sums in its compute type, added up in float64."""
    b, _, t, h, w = clip.shape
    dtype = compute_dtype(clip)
    prompt, attention = _new(clip, (b, 3, t - 1, h, w)), _new(clip, (b, t - 1, h, w))
    total = squares = 0.0
    for block in _blocks(clip):
        frames = steps.floats(clip[block])
        weight, before = clip.new_empty(2, frames.shape[0], h, w, dtype=dtype).unbind()
        for pair, (z, _) in enumerate(_exponents(frames, steps)):
            total += z.sum().item()
            torch.sigmoid(z, out=weight)
            prompted = frames[:, :, pair + steps.later]
            if frames.dtype == dtype:
                torch.mul(prompted, weight.unsqueeze(1), out=prompt[block, :, pair])
            else:
                prompt[block, :, pair] = prompted * weight.unsqueeze(1)
            attention[block, pair] = weight
            if pair > 0:
                squares += before.sub_(weight).square_().sum().item()
            weight, before = before, weight
    return Forward(prompt, attention, total, squares)


def backward(clip: Tensor, steps: Steps, attention: Tensor, above: Upstream, need_clip: bool) -> Backward:
    """Recompute D pair by pair, and reduce."""
    t, h, w = clip.shape[2:]
    dtype = compute_dtype(clip)
    grad_clip = clip.new_zeros(clip.shape, dtype=dtype) if need_clip else None
    total = weighted = 0.0
    for block in _blocks(clip):
        frames = steps.floats(clip[block])
        size = frames.shape[0]
        maps = attention[block] if attention.dtype == dtype else _attention(frames, steps)
        step, spare = clip.new_empty(2, size, h, w, dtype=dtype).unbind()
        products = clip.new_empty(size, 3, h, w, dtype=dtype)
        for pair, (z, difference) in enumerate(_exponents(frames, steps)):
            weight = maps[:, pair]
            grads = above.prompt[block, :, pair].to(dtype)
            torch.mul(grads, frames[:, :, pair + steps.later].to(dtype), out=products)
            torch.sum(products, 1, out=step)
            if above.attention is not None:
                step.add_(above.attention[block, pair].to(dtype))
            if above.scale != 0:
                for neighbour in (pair - 1, pair + 1):
                    if 0 <= neighbour < t - 1:
                        step.add_(weight, alpha=above.scale).sub_(maps[:, neighbour], alpha=above.scale)
            # A' = A (1 - A), with 1 - A as sigmoid(-z): it keeps its relative accuracy where A is nearly 1.
            step.mul_(weight).mul_(torch.neg(z, out=spare).sigmoid_())
            total += step.sum(dtype=torch.float64).item()
            weighted += torch.mul(step, z, out=spare).sum(dtype=torch.float64).item()
            if grad_clip is not None:
                if not steps.signed:
                    step.mul_(difference.sign_())
                _add_clip_gradient(grad_clip[block], pair, steps, grads * weight.unsqueeze(1), step)
    return Backward(total, weighted / steps.slope, None if grad_clip is None else grad_clip.to(clip.dtype))


def _attention(frames: Tensor, steps: Steps) -> Tensor:
    """A in the compute type, where the results are in a narrower one. (s, 3, t, h, w) -> (s, t-1, h, w)."""
    return torch.stack([torch.sigmoid(z) for z, _ in _exponents(frames, steps)], 1)


def _add_clip_gradient(grad_clip: Tensor, pair: int, steps: Steps, through_prompt: Tensor, step: Tensor) -> None:
    grad_clip[:, :, pair + steps.later].add_(through_prompt)
    for channel, weight in enumerate(steps.weights):
        grad_clip[:, channel, pair + 1].add_(step, alpha=steps.slope * weight)
        grad_clip[:, channel, pair].sub_(step, alpha=steps.slope * weight)
