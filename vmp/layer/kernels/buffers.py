"""Memory for large results that is used again once nothing refers to it.

The system hands out fresh memory page by page and clears each page first. For a prompt of 40 MB that took three times
as long as computing it, and every step anew, since blocks of that size go back to the system when they are freed.
Here a block stays until the next call of its size. It is free when its only references are this module's own: a
tensor, a view, a saved gradient or a numpy array on it all hold one.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from threading import Lock

import torch
from torch import Tensor

_SMALLEST = 1 << 20  # bytes; below this the C library keeps blocks by itself
_MOST_BLOCKS = 6  # prompt and attention of two steps, and the clip's gradient if that is asked for
_HUGE_PAGE = 2 << 20

_blocks: list[mmap.mmap] = []
_lock = Lock()


def empty(shape: Sequence[int], memory: torch.memory_format = torch.contiguous_format) -> Tensor:
    """An uninitialised float32 tensor on the CPU, in a free block of about that size or a new one."""
    size = 4 * prod(shape)
    if size < _SMALLEST or not hasattr(mmap, "MAP_ANONYMOUS"):
        return torch.empty(tuple(shape), dtype=torch.float32, device="cpu", memory_format=memory)
    with _lock:
        flat = torch.frombuffer(_block(size), dtype=torch.float32, count=size // 4)
    if memory == torch.channels_last_3d:
        b, c, t, h, w = shape
        return flat.view(b, t, h, w, c).permute(0, 4, 1, 2, 3)
    return flat.view(tuple(shape))


def release() -> None:
    """Give the free blocks back to the system."""
    with _lock:
        for index in reversed(range(len(_blocks))):
            if _is_free(index):
                del _blocks[index]


def _is_free(index: int) -> bool:
    return sys.getrefcount(_blocks[index]) == 2  # the list's reference, and the one of this call's argument


def _block(size: int) -> mmap.mmap:
    free = [index for index in range(len(_blocks)) if _is_free(index)]
    for index in free:
        if size <= len(_blocks[index]) <= 2 * size + _HUGE_PAGE:
            return _blocks[index]
    if len(_blocks) >= _MOST_BLOCKS:
        del _blocks[free[0] if free else 0]  # one in use lives on with its tensors
    block = mmap.mmap(-1, -(-size // _HUGE_PAGE) * _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # only a hint, which some systems refuse
            block.madvise(mmap.MADV_HUGEPAGE)
    _blocks.append(block)
    return block
