"""The kernel in Triton: what it reads and writes of a GPU's memory, counted by the interpreter, and its compilation."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from tests.conftest import ROOT
from tests.vmp.layer.fused import MEAN, STD, TRITON, clip_of
from vmp.layer.published import VideoMotionPrompt


class Traffic:
    """Bytes that kernels in Triton load and store, without masked elements and the few numbers of a program."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from triton.runtime.interpreter import InterpreterBuilder as Builder

        self.loaded = self.stored = 0
        load, store = Builder.create_masked_load, Builder.create_masked_store

        def counted_load(builder: Builder, pointers: Any, mask: Any, *more: Any) -> Any:
            self.loaded += (
                (mask.data.size > 1) * int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8
            )
            return load(builder, pointers, mask, *more)

        def counted_store(builder: Builder, pointers: Any, value: Any, mask: Any, *more: Any) -> Any:
            self.stored += (
                (mask.data.size > 1) * int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8
            )
            return store(builder, pointers, value, mask, *more)

        monkeypatch.setattr(Builder, "create_masked_load", counted_load)
        monkeypatch.setattr(Builder, "create_masked_store", counted_store)


@pytest.mark.parametrize("kernel", [TRITON])
@pytest.mark.parametrize("source", [torch.float32, torch.bfloat16, torch.uint8], ids=str)
def test_the_gpu_reads_the_clip_once_each_way_and_writes_only_results(
    kernel: str, source: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_of(2, 3, 5, 30, 31)
    clip = clip.to(source) if source.is_floating_point else clip.mul(50).abs().to(source)
    traffic, saved = Traffic(monkeypatch), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        out = VideoMotionPrompt(MEAN, STD, kernel=kernel)(clip)
    results = out.prompt.nbytes + out.attention.nbytes
    assert (traffic.loaded, traffic.stored) == (clip.nbytes, results)
    large = [x for x in saved if x.numel() > 1]
    assert [x.data_ptr() for x in large] == [clip.data_ptr()]  # nothing is kept but what was there before
    torch.autograd.backward([out.prompt, out.variation], [torch.ones_like(out.prompt), torch.ones(())])
    assert (traffic.loaded, traffic.stored) == (2 * clip.nbytes + out.prompt.nbytes, results)


@pytest.mark.parametrize("kernel", [TRITON])
def test_the_gpu_writes_what_an_autocast_would_make_of_the_prompt(kernel: str) -> None:
    frames = torch.arange(3 * 3 * 64, dtype=torch.uint8).view(1, 3, 3, 8, 8)
    layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = layer(frames).prompt
    assert narrow.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.float(), layer(frames).prompt, rtol=2**-7, atol=0)  # the interpreter rounds down


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from vmp.layer.kernels import triton_driver
numbers = ("s0", "s1", "s2", "o0", "o1", "o2")
for kernel in (triton_driver._forward, triton_driver._backward):
    for clip in ("*fp32", "*bf16", "*u8"):
        constants = {name: True for name in kernel.arg_names if name.isupper()}
        constants |= {"BYTES": clip == "*u8", "BLOCK": 512, "W0": 0.07, "W1": 0.13, "W2": 0.02}
        tensors = {"clip": clip, "prompt": "*bf16", "attention": "*fp32", "grad": "*bf16", "grad_maps": "*fp32"}
        tensors |= {"grad_clip": clip, "slope_at": "*fp64", "shift_at": "*fp64", "sums": "*fp32", "scale_at": "*fp32"}
        tensors |= dict.fromkeys(constants, "constexpr")
        signature = {name: tensors.get(name, "fp32" if name in numbers else "i32") for name in kernel.arg_names}
        compiled = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 80, 32))
        assert compiled.asm["cubin"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [TRITON])
def test_the_kernels_compile_for_cuda(kernel: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILED]
    done = subprocess.run(command, timeout=300, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
