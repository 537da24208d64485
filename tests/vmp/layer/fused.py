"""Shared by the tests of kernels: which there are on this machine, and clips with statistics of their own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vmp.layer.kernels import registry
from vmp.layer.kernels.registry import native_works

MEAN, STD = (0.45, 0.4, 0.5), (0.225, 0.2, 0.25)

NATIVE = pytest.param(
    "native", marks=pytest.mark.skipif(not native_works(), reason="the kernel in C was not compiled at installation")
)

TRITON = pytest.param(
    "triton", marks=pytest.mark.skipif(registry.triton_driver() is None, reason="Triton is not installed")
)

FUSED = ["blocked", NATIVE, TRITON]


def clip_of(*shape: int, seed: int = 0) -> Tensor:
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return (pixels - 0.45) / 0.225
