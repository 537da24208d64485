"""Hands torch tensors to the numba kernels: layouts without copies, and work shared among torch's number of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vmp.kernels import numba_cpu
from vmp.kernels.buffers import empty
from vmp.kernels.steps import Backward, Forward, Steps
from vmp.kernels.threads import share

_BLOCK = 8192  # pixels of an item: the frames of a pair and the buffers are then 300 kB, for the second-level cache
_PAST_CACHE = 24 << 20  # bytes of a prompt
_SHARES = 4  # of the work, for each thread
_PIXELS_A_THREAD = 1 << 16  # below this, a second thread would hardly have begun before the first is done


def _layout(tensor: Tensor) -> tuple[int, int, int, int] | None:
    """(batch, channel, time, pixel) strides of a (b, c, t, h, w) tensor, None if its planes are not evenly strided."""
    b, c, t, row, pixel = tensor.stride()
    height, width = tensor.shape[3:]
    if height > 1 and width > 1 and row != width * pixel:
        return None
    return b, c, t, pixel if width > 1 else row


def _flat(tensor: Tensor) -> np.ndarray:
    """The memory from the tensor's first to its last element, as one row."""
    extent = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.detach().as_strided((extent,), (1,)).numpy()


def _readable(tensor: Tensor) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    layout = _layout(tensor)
    if layout is None:
        tensor = tensor.contiguous()
        layout = _layout(tensor)
        assert layout is not None
    return _flat(tensor), layout


def _spread(clip: Tensor, run: Callable[[tuple[int, int], int, np.ndarray], None]) -> np.ndarray:
    """Call run(items, block, sums) until all items are done, on all of torch's threads; add up the sums."""
    samples, pixels = clip.shape[0], clip.shape[3] * clip.shape[4]
    threads = max(1, min(torch.get_num_threads(), samples * pixels * clip.shape[2] // _PIXELS_A_THREAD))
    runs = -(-pixels // _BLOCK)
    block = -(-pixels // runs // 16) * 16  # runs start on a line of memory where planes do
    items = samples * -(-pixels // block)
    shares = 1 if threads == 1 else min(items, _SHARES * threads)
    cuts = [items * i // shares for i in range(shares + 1)]
    sums = np.zeros((shares, 2))
    share(lambda number: run((cuts[number], cuts[number + 1]), block, sums[number]), shares, threads)
    return sums.sum(axis=0)


def forward(clip: Tensor, steps: Steps) -> Forward:
    """The fused forward pass for a float32 clip on the CPU. A channels-last clip gives a channels-last prompt."""
    b, _, t, h, w = clip.shape
    flat, layout = _readable(clip)
    memory = torch.channels_last_3d if layout[1] == 1 and layout[3] == 3 else torch.contiguous_format
    prompt = empty((b, 3, t - 1, h, w), memory)
    attention = empty((b, t - 1, h, w))
    out, out_layout = _readable(prompt)
    maps = _flat(attention)
    # Only for results that no cache would hold until they are read, and where every run starts on a line of memory.
    past_cache = (
        out_layout[3] == 1 and 4 * prompt.numel() >= _PAST_CACHE and (h * w) % 16 == 0 and prompt.data_ptr() % 64 == 0
    )

    def run(items: tuple[int, int], block: int, sums: np.ndarray) -> None:
        numba_cpu.forward(
            flat, layout, (t, h * w), steps.weights, steps.slope, steps.shift, steps.signed, steps.later,
            out, out_layout, past_cache, maps, items, block, sums,
        )  # fmt: skip

    total, squares = _spread(clip, run)
    return Forward(prompt, attention, float(total), float(squares))


def backward(
    clip: Tensor, steps: Steps, grad_prompt: Tensor, grad_attention: Tensor | None, scale: float, need_clip: bool
) -> Backward:
    """The fused backward pass."""
    t, h, w = clip.shape[2:]
    flat, layout = _readable(clip)
    grad, grad_layout = _readable(grad_prompt)
    maps = None if grad_attention is None else _readable(grad_attention.unsqueeze(1))
    grad_clip = empty(clip.shape) if need_clip else None
    out = None if grad_clip is None else grad_clip.view(-1).numpy()

    def run(items: tuple[int, int], block: int, sums: np.ndarray) -> None:
        numba_cpu.backward(
            flat, layout, (t, h * w), steps.weights, steps.slope, steps.shift, steps.signed, steps.later,
            (grad, grad_layout), maps, np.float32(scale), out, items, block, sums,
        )  # fmt: skip

    step, weighted = _spread(clip, run)
    return Backward(float(step), float(weighted) / steps.slope, grad_clip)


def forward_bytes(
    frames: np.ndarray, steps: Steps, mean: Sequence[float], std: Sequence[float], before: Tensor | None
) -> tuple[Tensor, Tensor, np.ndarray]:
    """The fused forward pass for consecutive decoded frames (t, h, w, 3) of uint8, on one thread, without gradients.

    Returns: prompt (3, t-1, h, w), attention (t-1, h, w), and for each map the sum of squared differences to the one
        before it (for the first: to `before`, 0 without it).
    """
    t, h, w, _ = frames.shape
    prompt, attention = empty((3, t - 1, h, w)), empty((t - 1, h, w))
    squares = np.zeros(t - 1)
    numba_cpu.forward_bytes(
        frames.reshape(t, -1),
        tuple(weight / (255 * s) for weight, s in zip(steps.weights, std, strict=True)),
        steps.slope, steps.shift, steps.signed, steps.later,
        tuple(np.float32(1 / (255 * s)) for s in std), tuple(np.float32(m / s) for m, s in zip(mean, std, strict=True)),
        prompt.view(3, t - 1, h * w).numpy(), attention.view(t - 1, h * w).numpy(),
        None if before is None else before.reshape(-1).numpy(), squares, min(_BLOCK, h * w),
    )  # fmt: skip
    return prompt, attention, squares
