"""Ways to compute the published steps, in one table: `KERNELS`. All give the numbers of `vmp.layer.functional`.

"plain" materialises every step and lets autograd differentiate it: the reference, for any device, differentiable twice.
"blocked" and "native" are one autograd function that recomputes in its backward pass and keeps nothing beside the clip
and its results: eager operations on blocks that stay in the cache, and a kernel in C. "triton" is the same for CUDA.
"compiled" gives the plain steps to `torch.compile`; on a CPU its first call costs half a minute, and it agrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable

from vmp.core import power
from vmp.core.choices import lookup
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.kernels import blocked, pixels
from vmp.layer.kernels.steps import Kernel, Steps, Upstream

try:  # now and not when it is needed: it has to see forks
    from vmp.layer.kernels import native_driver
except ImportError:
    native_driver = None  # type: ignore[assignment]


class _Fused(torch.autograd.Function):
    """(clip, m, n) -> (prompt, attention, V, a sum of all D) by a `Kernel`, with gradients for all three inputs."""

    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, m: Tensor, n: Tensor, steps: Steps, kernel: Kernel
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        slope, ctx.slope_by_m = power.slope_and_derivative(m.item())
        shift, ctx.shift_by_n = power.shift_and_derivative(n.item())
        steps = steps._replace(slope=slope, shift=shift)
        prompt, attention, total, squares = kernel.forward(clip, steps)
        b, maps, h, w = attention.shape
        terms = b * (maps - 1) * h * w
        mean = squares / terms if terms else math.nan
        variation = torch.scalar_tensor(mean, dtype=F.compute_dtype(clip), device=clip.device)
        ctx.save_for_backward(clip, m, n, attention)
        ctx.steps, ctx.kernel, ctx.terms = steps, kernel, terms
        ctx.set_materialize_grads(False)
        return prompt, attention, variation, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_prompt, grad_attention, grad_variation = grads[:3]
        clip, m, n, attention = ctx.saved_tensors
        if grad_prompt is None:
            b, _, t, h, w = clip.shape
            grad_prompt = attention.new_zeros(()).expand(b, 3, t - 1, h, w)
        scale = 0.0 if grad_variation is None or not ctx.terms else 2.0 * grad_variation.item() / ctx.terms
        step, step_offset, grad_clip = ctx.kernel.backward(
            clip, ctx.steps, attention, Upstream(grad_prompt, grad_attention, scale), ctx.needs_input_grad[0]
        )
        grad_m = torch.scalar_tensor(step_offset * ctx.slope_by_m, dtype=m.dtype, device=m.device)
        grad_n = torch.scalar_tensor(-ctx.steps.slope * step * ctx.shift_by_n, dtype=n.dtype, device=n.device)
        return grad_clip, grad_m, grad_n, None, None


class Result(NamedTuple):
    """variation is NaN for two frames. total: a sum that is not finite exactly when the clip is not."""

    prompt: Tensor
    attention: Tensor
    variation: Tensor
    total: float | Tensor


def plain(clip: Tensor, m: Tensor, n: Tensor, steps: Steps) -> Result:
    """The steps of `vmp.layer.functional`, one after the other."""
    clip = steps.floats(clip)
    slope, shift = (f(v.to(F.compute_dtype(clip))) for f, v in ((F.slope_from_m, m), (F.shift_from_n, n)))
    difference = F.weighted_difference(clip, steps.weights, steps.signed)
    attention = F.power_normalization(difference, slope, shift)
    prompt = F.motion_prompt(attention, clip, "later" if steps.later else "earlier")
    squares = (attention[:, 1:] - attention[:, :-1]).square()
    return Result(prompt, attention.to(clip.dtype), squares.mean(), difference.detach().sum())


@cache
def _compile() -> Callable[..., Result]:
    return torch.compile(plain, dynamic=True)


def compiled(clip: Tensor, m: Tensor, n: Tensor, steps: Steps) -> Result:
    """`plain` through `torch.compile`."""
    return _compile()(clip, m, n, steps)


def fused_eager(clip: Tensor, m: Tensor, n: Tensor, steps: Steps) -> Result:
    """`vmp.layer.kernels.blocked`: eager operations on blocks that stay in the cache. Not differentiable twice."""
    return Result(*_Fused.apply(clip, m, n, steps, blocked))


def fused_native(clip: Tensor, m: Tensor, n: Tensor, steps: Steps) -> Result:
    """`vmp.layer.kernels.native_driver`, a kernel in C: float32 or bytes on the CPU. Not differentiable twice."""
    return Result(*_Fused.apply(clip, m, n, steps, native_driver))


def fused_triton(clip: Tensor, m: Tensor, n: Tensor, steps: Steps) -> Result:
    """`vmp.layer.kernels.triton_driver`, for CUDA. Not differentiable twice.

    From bytes the prompt is float32, or bfloat16 under an autocast to bfloat16, as what reads it would round it.
    """
    slope, shift = (f(v.double()) for f, v in ((F.slope_from_m, m), (F.shift_from_n, n)))
    device, dtype = clip.device.type, None
    if clip.dtype == torch.uint8 and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    triton = triton_driver()
    assert triton is not None
    return Result(*triton.TritonSteps.apply(clip, slope, shift, steps, dtype))


KERNELS: dict[str, Callable[[Tensor, Tensor, Tensor, Steps], Result]] = {
    "plain": plain,
    "blocked": fused_eager,
    "native": fused_native,
    "triton": fused_triton,
    "compiled": compiled,
}


_NATIVE_TYPES = (torch.float32, torch.uint8)


def native_works() -> bool:
    """Whether the kernel in C is there: it is compiled when the package is installed on a machine with a compiler."""
    return native_driver is not None


@cache
def triton_driver() -> ModuleType | None:
    """The module with the kernels in Triton, imported when it is first needed; None where Triton is not installed."""
    try:
        from vmp.layer.kernels import triton_driver
    except ImportError:
        return None
    return triton_driver


def normalize(frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """A clip of bytes (b, 3, t, h, w), of any strides, as contiguous float32 (byte / 255 - mean) / std."""
    scale, offset = pixels.scale_and_offset(mean, std)
    if frames.dtype == torch.uint8 and frames.device.type == "cpu" and native_works():
        return native_driver.normalize(frames, scale, offset)
    return pixels.normalize(frames, scale, offset)


def is_transformed() -> bool:
    """Whether `torch.func` or forward-mode differentiation wants more of a call than its values and gradients."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def choose_kernel(clip: Tensor) -> str:
    """The fastest kernel that works on this clip: the key of `KERNELS` that "auto" stands for."""
    if torch.compiler.is_compiling() or is_transformed():
        return "plain"  # which a compiler fuses with what stands around it
    if clip.device.type != "cpu":
        triton = triton_driver() if clip.is_cuda else None
        return "triton" if triton is not None and triton.works_on(clip) else "plain"
    return "native" if clip.dtype in _NATIVE_TYPES and native_works() else "blocked"


def run_steps(clip: Tensor, m: Tensor, n: Tensor, steps: Steps, kernel: str = "auto") -> Result:
    """Prompt, attention, V of a checked clip by one of `KERNELS`, or by the fastest that works on it ("auto").

    Raises: `InputError` for an unknown kernel, or one that cannot take the clip.
    """
    if kernel == "auto":
        return KERNELS[choose_kernel(clip)](clip, m, n, steps)
    if kernel in ("blocked", "native", "triton") and is_transformed():
        raise InputError(
            f'kernel "{kernel}" has gradients, but not the transforms of torch.func or forward mode: use "auto", which '
            "takes the plain steps there."
        )
    if kernel == "native" and (clip.dtype not in _NATIVE_TYPES or clip.device.type != "cpu"):
        raise InputError(
            f'kernel "native" takes clips of float32 or uint8 on the CPU, got {clip.dtype} on {clip.device}: '
            'use "auto".'
        )
    if kernel == "native" and not native_works():
        raise InputError(
            'kernel "native" was not compiled when this package was installed: install it again on a machine with a '
            'C compiler and Python\'s headers, or use "auto".'
        )
    if kernel == "triton" and ((triton := triton_driver()) is None or not triton.works_on(clip)):
        raise InputError(
            f'kernel "triton" takes clips of at most 32 bits on CUDA, where Triton is installed, got {clip.dtype} on '
            f'{clip.device}: use "auto".'
        )
    return lookup(KERNELS, kernel, "kernel")(clip, m, n, steps)
