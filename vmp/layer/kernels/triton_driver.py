"""The fused steps for CUDA in Triton: one pass over the clip forward, one backward, nothing saved beside the clip.

A program owns a run of pixels of one sample and walks through time with a few frames in registers, so each frame is
read once. The backward pass computes the attention anew: reading it would take longer. Sums are written by program and
added by torch, in an order that does not change from run to run. Differences and their offset from the shift are in
float64, as in C: half a dozen operations a pixel, which even GPUs that are slow at it do while the memory answers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from vmp.layer.kernels.layouts import readable
from vmp.layer.kernels.steps import Steps, result_dtype

BLOCK = 512
"""Pixels of a program."""

# Parameters in capitals are constants of a compiled version. Conditions on what changes in a loop are written as
# vectors, which is how the interpreter wants masks.


@triton.jit
def _load(clip, at, channel, mask, s0, s1, s2, o0, o1, o2, BYTES: tl.constexpr):  # type: ignore[no-untyped-def]
    """The three channels of a run of pixels of one frame, as normalised float32."""
    x0 = tl.load(clip + at, mask=mask, other=0).to(tl.float32)
    x1 = tl.load(clip + at + channel, mask=mask, other=0).to(tl.float32)
    x2 = tl.load(clip + at + 2 * channel, mask=mask, other=0).to(tl.float32)
    if BYTES:
        x0, x1, x2 = tl.fma(x0, s0, o0), tl.fma(x1, s1, o1), tl.fma(x2, s2, o2)
    return x0, x1, x2


@triton.jit
def _gray(x0, x1, x2, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr):  # type: ignore[no-untyped-def]
    return W0 * x0.to(tl.float64) + (W1 * x1.to(tl.float64) + W2 * x2.to(tl.float64))


@triton.jit
def _exponent(old, new, slope, shift, SIGNED: tl.constexpr):  # type: ignore[no-untyped-def]
    """z of a pair of frames, from their gray levels."""
    d = new - old
    return (slope * ((d if SIGNED else tl.abs(d)) - shift)).to(tl.float32)


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    clip, prompt, attention, sums, slope_at, shift_at, maps, pixels, batch, channel, time, pixel,
    s0, s1, s2, o0, o1, o2, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    BYTES: tl.constexpr, SIGNED: tl.constexpr, LATER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sample = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < pixels
    slope, shift = tl.load(slope_at), tl.load(shift_at)
    at = sample * batch + i.to(tl.int64) * pixel
    x0, x1, x2 = _load(clip, at, channel, mask, s0, s1, s2, o0, o1, o2, BYTES)
    old = _gray(x0, x1, x2, W0, W1, W2)
    total = tl.zeros((BLOCK,), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    before = tl.zeros((BLOCK,), tl.float32)
    for t in range(maps):
        at += time
        y0, y1, y2 = _load(clip, at, channel, mask, s0, s1, s2, o0, o1, o2, BYTES)
        new = _gray(y0, y1, y2, W0, W1, W2)
        z = _exponent(old, new, slope, shift, SIGNED)
        a = tl.sigmoid(z)
        total += tl.where(mask, z, 0.0)
        change = tl.where(mask & (tl.full((BLOCK,), t, tl.int32) > 0), a - before, 0.0)
        squares += change * change
        tl.store(attention + (sample * maps + t) * pixels + i, a.to(attention.dtype.element_ty), mask=mask)
        out = prompt + (sample * 3 * maps + t) * pixels + i
        tl.store(out, (a * (y0 if LATER else x0)).to(prompt.dtype.element_ty), mask=mask)
        tl.store(out + maps * pixels, (a * (y1 if LATER else x1)).to(prompt.dtype.element_ty), mask=mask)
        tl.store(out + 2 * maps * pixels, (a * (y2 if LATER else x2)).to(prompt.dtype.element_ty), mask=mask)
        x0, x1, x2, old, before = y0, y1, y2, new, a
    program = sample * tl.num_programs(0) + tl.program_id(0)
    tl.store(sums + 2 * program, tl.sum(total))
    tl.store(sums + 2 * program + 1, tl.sum(squares))


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    clip, grad, grad_maps, grad_clip, sums, slope_at, shift_at, scale_at, maps, pixels, batch, channel, time, pixel,
    grad_batch, grad_channel, grad_time, grad_pixel, maps_batch, maps_time, maps_pixel,
    s0, s1, s2, o0, o1, o2, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    BYTES: tl.constexpr, SIGNED: tl.constexpr, LATER: tl.constexpr, OF_MAPS: tl.constexpr, OF_VARIATION: tl.constexpr,
    FOR_CLIP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sample = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < pixels
    slope, shift = tl.load(slope_at), tl.load(shift_at)
    at = sample * batch + i.to(tl.int64) * pixel
    x0, x1, x2 = _load(clip, at, channel, mask, s0, s1, s2, o0, o1, o2, BYTES)
    at += time
    y0, y1, y2 = _load(clip, at, channel, mask, s0, s1, s2, o0, o1, o2, BYTES)
    old, new = _gray(x0, x1, x2, W0, W1, W2), _gray(y0, y1, y2, W0, W1, W2)
    z = _exponent(old, new, slope, shift, SIGNED)
    a = tl.sigmoid(z)
    before = a  # at both ends the missing neighbour is the map itself, which adds nothing to V
    steps = tl.zeros((BLOCK,), tl.float32)
    weighted = tl.zeros((BLOCK,), tl.float32)
    late = tl.zeros((BLOCK,), tl.float32)  # dL/dD of the pair before
    p0, p1, p2 = late, late, late  # what the pair before gives to its later frame through the prompt
    for t in range(maps):
        has_next = mask & (tl.full((BLOCK,), t + 1, tl.int32) < maps)
        at += time
        n0, n1, n2 = _load(clip, at, channel, has_next, s0, s1, s2, o0, o1, o2, BYTES)
        next = _gray(n0, n1, n2, W0, W1, W2)
        next_z = _exponent(new, next, slope, shift, SIGNED)
        behind = tl.where(has_next, tl.sigmoid(next_z), a)
        from_ = grad + sample * grad_batch + t * grad_time + i.to(tl.int64) * grad_pixel
        g0 = tl.load(from_, mask=mask, other=0).to(tl.float32)
        g1 = tl.load(from_ + grad_channel, mask=mask, other=0).to(tl.float32)
        g2 = tl.load(from_ + 2 * grad_channel, mask=mask, other=0).to(tl.float32)
        step = g0 * (y0 if LATER else x0) + g1 * (y1 if LATER else x1) + g2 * (y2 if LATER else x2)
        if OF_MAPS:
            more = grad_maps + sample * maps_batch + t * maps_time + i.to(tl.int64) * maps_pixel
            step += tl.load(more, mask=mask, other=0).to(tl.float32)
        if OF_VARIATION:
            step += tl.load(scale_at) * ((a - before) + (a - behind))
        # A' = A (1 - A), with 1 - A as sigmoid(-z): it keeps its relative accuracy where A is nearly 1.
        step = tl.where(mask, step * a * tl.sigmoid(-z), 0.0)
        steps += step
        weighted += step * z
        if FOR_CLIP:
            sign = 1.0 if SIGNED else (new > old).to(tl.float32) - (new < old).to(tl.float32)
            early = slope.to(tl.float32) * step * sign
            out = grad_clip + (sample * 3 * (maps + 1) + t) * pixels + i
            q0, q1, q2 = a * g0, a * g1, a * g2
            frame = (maps + 1) * pixels
            both = late - early
            tl.store(out, ((p0 if LATER else q0) + W0 * both).to(grad_clip.dtype.element_ty), mask=mask)
            tl.store(out + frame, ((p1 if LATER else q1) + W1 * both).to(grad_clip.dtype.element_ty), mask=mask)
            tl.store(out + 2 * frame, ((p2 if LATER else q2) + W2 * both).to(grad_clip.dtype.element_ty), mask=mask)
            p0, p1, p2, late = q0, q1, q2, early
        x0, x1, x2, y0, y1, y2 = y0, y1, y2, n0, n1, n2
        before, a, z, old, new = a, behind, next_z, new, next
    if FOR_CLIP:
        out = grad_clip + (sample * 3 * (maps + 1) + maps) * pixels + i
        frame = (maps + 1) * pixels
        nothing = tl.zeros((BLOCK,), tl.float32)
        tl.store(out, ((p0 if LATER else nothing) + W0 * late).to(grad_clip.dtype.element_ty), mask=mask)
        tl.store(out + frame, ((p1 if LATER else nothing) + W1 * late).to(grad_clip.dtype.element_ty), mask=mask)
        tl.store(out + 2 * frame, ((p2 if LATER else nothing) + W2 * late).to(grad_clip.dtype.element_ty), mask=mask)
    program = sample * tl.num_programs(0) + tl.program_id(0)
    tl.store(sums + 2 * program, tl.sum(steps))
    tl.store(sums + 2 * program + 1, tl.sum(weighted))


def works_on(clip: Tensor) -> bool:
    """Whether these kernels take the clip: CUDA, or any device under Triton's interpreter; not float64."""
    on_device = clip.is_cuda or not isinstance(_forward, triton.JITFunction)
    return on_device and clip.dtype in (torch.float32, torch.bfloat16, torch.float16, torch.uint8)


class TritonSteps(torch.autograd.Function):
    """(clip, slope, shift in float64) -> (prompt, attention, V, sum of all z), with gradients for all three inputs.

    Nothing waits for the device: slope, shift and the sums stay tensors. `prompt_dtype` None is the clip's, float32 for
    bytes.
    """

    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, slope: Tensor, shift: Tensor, steps: Steps, prompt_dtype: torch.dtype | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clip, layout = readable(clip)
        b, _, t, h, w = clip.shape
        maps, pixels = t - 1, h * w
        prompt = clip.new_empty(b, 3, maps, h, w, dtype=prompt_dtype or result_dtype(clip))
        attention = clip.new_empty(b, maps, h, w, dtype=result_dtype(clip))
        grid = (triton.cdiv(pixels, BLOCK), b)
        sums = clip.new_empty(grid[0] * b, 2, dtype=torch.float32)
        with torch.cuda.device_of(clip):
            _forward[grid](
                clip, prompt, attention, sums, slope, shift, maps, pixels, *layout,
                *steps.scale, *steps.offset, *steps.weights,
                BYTES=clip.dtype == torch.uint8, SIGNED=steps.signed, LATER=steps.later, BLOCK=BLOCK,
            )  # fmt: skip
        total, squares = sums.sum(0, dtype=torch.float64).unbind()
        ctx.terms = b * (maps - 1) * pixels
        variation = (squares / ctx.terms if ctx.terms else squares * math.nan).float()
        ctx.save_for_backward(clip, slope, shift)
        ctx.steps = steps
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(total)
        return prompt, attention, variation, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_prompt, grad_attention, grad_variation = grads[:3]
        clip, slope, shift = ctx.saved_tensors
        clip, layout = readable(clip)
        b, _, t, h, w = clip.shape
        maps, pixels = t - 1, h * w
        if grad_prompt is None:
            grad_prompt = slope.new_zeros(()).expand(b, 3, maps, h, w)
        grad, grad_layout = readable(grad_prompt)
        of_maps, maps_layout = (grad, (0, 0, 0, 0)) if grad_attention is None else readable(grad_attention[:, None])
        of_variation = grad_variation is not None and ctx.terms > 0
        for_clip = ctx.needs_input_grad[0]
        grad_clip = clip.new_empty(clip.shape) if for_clip else None
        grid = (triton.cdiv(pixels, BLOCK), b)
        sums = slope.new_empty(grid[0] * b, 2, dtype=torch.float32)
        scale = grad_variation * (2.0 / ctx.terms) if grad_variation is not None and ctx.terms else sums
        with torch.cuda.device_of(clip):
            _backward[grid](
                clip, grad, of_maps, clip if grad_clip is None else grad_clip, sums, slope, shift, scale, maps, pixels,
                *layout, *grad_layout, maps_layout[0], maps_layout[2], maps_layout[3],
                *ctx.steps.scale, *ctx.steps.offset, *ctx.steps.weights,
                BYTES=clip.dtype == torch.uint8, SIGNED=ctx.steps.signed, LATER=ctx.steps.later,
                OF_MAPS=grad_attention is not None, OF_VARIATION=of_variation, FOR_CLIP=for_clip, BLOCK=BLOCK,
            )  # fmt: skip
        step, weighted = sums.sum(0, dtype=torch.float64).unbind()
        return grad_clip, weighted / slope, -slope * step, None, None
