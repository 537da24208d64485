"""Every kernel gives the numbers of the plain steps in float64: values and gradients, whatever the shape and layout."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import ROOT
from vmp.core.errors import InputError
from vmp.data.loading import NormalizeConfig, normalize
from vmp.layer.kernels import buffers, pixels, registry
from vmp.layer.kernels.registry import KERNELS, choose_kernel, native_works
from vmp.layer.published import VideoMotionPrompt

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


def outcome(
    layer: VideoMotionPrompt, clip: Tensor, upstream: tuple[Tensor, Tensor, float], m: Tensor, n: Tensor
) -> dict[str, Tensor]:
    """Results and gradients under fixed upstream gradients of prompt, attention and variation."""
    leaf = clip.detach().requires_grad_()
    out = torch.func.functional_call(layer, {"m": m, "n": n}, (leaf,))
    to_prompt, to_attention, to_variation = upstream
    loss = (out.prompt * to_prompt.to(clip.dtype)).sum() + (out.attention * to_attention.to(clip.dtype)).sum()
    loss = loss + to_variation * out.variation
    grads = torch.autograd.grad(loss, [leaf, m, n])
    return dict(zip(("prompt", "attention", "variation", "clip", "m", "n"), [*out, *grads], strict=True))


def compare(kernel: str, clip: Tensor, **arguments: object) -> None:
    b, _, t, h, w = clip.shape
    generator = torch.Generator().manual_seed(1)
    upstream = (
        torch.randn(b, 3, t - 1, h, w, generator=generator),
        torch.randn(b, t - 1, h, w, generator=generator),
        10.0,
    )
    layer = VideoMotionPrompt(MEAN, STD, kernel=kernel, **arguments)  # type: ignore[arg-type]
    got = outcome(layer, clip, upstream, layer.m, layer.n)
    exact_layer = copy.deepcopy(layer).double()
    exact_layer.kernel = "plain"
    # With an m and an n for each pixel of a map, their gradients are the terms that the layer's gradients are sums of.
    maps = [p.detach().expand(b, t - 1, h, w).clone().requires_grad_() for p in (exact_layer.m, exact_layer.n)]
    exact = outcome(exact_layer, clip.double().contiguous(), upstream, *maps)
    for name, value in got.items():
        expected = exact[name].sum() if name in "mn" else exact[name]
        # The error of a sum of terms that cancel is that of the terms: compare with their root sum of squares.
        scale = max(1.0, expected.abs().max().item(), exact[name].norm().item() if name in "mn" else 0.0)
        error = (value.double() - expected).abs().max().item()
        assert error <= 1e-6 * scale, (kernel, name, error, scale)


@pytest.mark.parametrize("kernel", FUSED)
@settings(deadline=None, max_examples=25)
@given(
    b=st.integers(1, 3), t=st.integers(3, 6), h=st.integers(1, 40), w=st.integers(1, 40), seed=st.integers(0, 99),
    m=st.sampled_from([-1.5, 0.02, 0.1, 0.7]), n=st.sampled_from([-3.0, -0.3, 0.0, 0.4]), signed=st.booleans(),
    later=st.booleans(),
)  # fmt: skip
@example(b=2, t=3, h=101, w=97, seed=0, m=0.1, n=0.0, signed=True, later=True)  # more than one run of pixels a plane
def test_float32_agrees_with_float64_to_1e_6(
    kernel: str, b: int, t: int, h: int, w: int, seed: int, m: float, n: float, signed: bool, later: bool
) -> None:
    prompted = "later" if later else "earlier"
    compare(kernel, clip_of(b, 3, t, h, w, seed=seed), m=m, n=n, signed=signed, prompted_frame=prompted)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last_3d),
    "(b, t, c, h, w)": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "every second frame": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
    "cropped": lambda x: torch.nn.functional.pad(x, (3, 2, 1, 2))[..., 1:-2, 3:-2],
    "transposed planes": lambda x: x.transpose(3, 4).contiguous().transpose(3, 4),
    "one sample repeated": lambda x: x[:1].expand(3, -1, -1, -1, -1),
    "one frame repeated": lambda x: x[:, :, :1].expand(-1, -1, 4, -1, -1),
    "negative by a flag": lambda x: torch.complex(x, -x).conj().imag,
}


@pytest.mark.parametrize("kernel", FUSED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_clips_are_read_where_they_lie(kernel: str, layout: str) -> None:
    clip = LAYOUTS[layout](clip_of(2, 3, 5, 13, 11))
    compare(kernel, clip)


BYTES: dict[str, Callable[[Tensor], Tensor]] = {
    "(b, t, h, w, 3)": lambda x: x,
    "(b, 3, t, h, w)": lambda x: x.contiguous(),
    "cropped": lambda x: torch.nn.functional.pad(x, (3, 2, 1, 2))[..., 1:-2, 3:-2],
    "every second frame": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
    "transposed planes": lambda x: x.transpose(3, 4).contiguous().transpose(3, 4),
}


@pytest.mark.parametrize("kernel", ["plain", *FUSED])
@pytest.mark.parametrize("layout", BYTES)
@settings(deadline=None, max_examples=5)
@given(
    b=st.integers(1, 3), t=st.integers(3, 6), h=st.integers(1, 40), w=st.integers(1, 40), seed=st.integers(0, 99),
    signed=st.booleans(), later=st.booleans(),
)  # fmt: skip
@example(b=2, t=3, h=101, w=97, seed=0, signed=True, later=True)
def test_bytes_give_what_their_normalised_clip_gives(
    kernel: str, layout: str, b: int, t: int, h: int, w: int, seed: int, signed: bool, later: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (b, t, h, w, 3), dtype=torch.uint8, generator=generator).permute(0, 4, 1, 2, 3)
    upstream = torch.randn(b, 3, t - 1, h, w, generator=generator)
    by_statistics = [torch.tensor(v).view(3, 1, 1, 1) for v in (MEAN, STD)]
    floats = (frames / 255 - by_statistics[0]) / by_statistics[1]
    prompted, results = "later" if later else "earlier", []
    for clip in (floats, BYTES[layout](frames)):
        layer = VideoMotionPrompt(MEAN, STD, n=0.1, kernel=kernel, signed=signed, prompted_frame=prompted)
        out = layer(clip)
        assert out.prompt.dtype == out.attention.dtype == torch.float32
        ((out.prompt * upstream).sum() + out.attention.square().sum() + 10 * out.variation).backward()
        results.append([*out, layer.m.grad, layer.n.grad])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", ["plain", *FUSED])
def test_bytes_are_rounded_as_the_loader_rounds_them(kernel: str) -> None:
    """So that a training from bytes is the training from floats to the last digit."""
    if kernel == "triton" and tuple(int(part) for part in version("triton").split(".")[:2]) < (3, 9):
        pytest.skip("Triton's interpreter below 3.9 rounds the last digit otherwise")
    frames = torch.arange(256, dtype=torch.uint8).repeat(2, 1).view(1, 2, 16, 16, 1).expand(-1, -1, -1, -1, 3)
    layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
    from_bytes = layer(frames.permute(0, 4, 1, 2, 3)).prompt
    floats = normalize(frames, NormalizeConfig(mean=MEAN, std=STD))
    assert torch.equal(from_bytes, layer(floats).prompt)
    assert torch.equal(floats, pixels.normalize(frames.permute(0, 4, 1, 2, 3), *pixels.scale_and_offset(MEAN, STD)))


def test_bytes_that_lie_otherwise_are_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match=r"pass clip.permute\(0, 4, 1, 2, 3\), which copies nothing"):
        VideoMotionPrompt(MEAN, STD)(torch.zeros(1, 4, 8, 8, 3, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"must be floating point and normalised, got torch.int64"):
        VideoMotionPrompt(MEAN, STD)(torch.zeros(1, 3, 4, 8, 8, dtype=torch.int64))


@pytest.mark.parametrize("kernel", [NATIVE])
def test_a_channels_last_clip_gives_a_channels_last_prompt(kernel: str) -> None:
    clip = clip_of(2, 3, 4, 8, 8).contiguous(memory_format=torch.channels_last_3d)
    layer, frames = VideoMotionPrompt(MEAN, STD, kernel=kernel), (clip * 50).to(torch.uint8)
    assert layer(clip).prompt.is_contiguous(memory_format=torch.channels_last_3d)
    plain = layer(frames).prompt
    layer.channels_last = True  # of bytes the backbone decides: decoders always write them so
    assert plain.is_contiguous()
    assert layer(frames).prompt.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(layer(frames).prompt, plain)


@pytest.mark.parametrize("kernel", FUSED)
@pytest.mark.parametrize("upstream", ["sum", "transposed", "prompt only", "variation only"])
def test_any_upstream_gradient_is_understood(upstream: str, kernel: str) -> None:
    clip, grads = clip_of(2, 3, 4, 9, 8), []
    for name in ("plain", kernel):
        layer = VideoMotionPrompt(MEAN, STD, kernel=name)
        out = layer(clip)
        loss = {
            "sum": out.prompt.sum() + out.variation,
            "transposed": (out.prompt.transpose(1, 2) * torch.arange(8.0)).sum(),
            "prompt only": out.prompt.square().sum(),
            "variation only": out.variation,
        }[upstream]
        loss.backward()
        grads.append(torch.stack([layer.m.grad, layer.n.grad]))
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", FUSED)
def test_hooks_on_saved_tensors_may_change_their_layout(kernel: str) -> None:
    layer, clip, grads = VideoMotionPrompt(MEAN, STD, kernel=kernel), clip_of(2, 3, 4, 9, 8), []
    for unpack in (lambda x: x, lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.ndim else x):
        with torch.autograd.graph.saved_tensors_hooks(lambda x: x, unpack):
            variation = layer(clip).variation
        grads.append(torch.autograd.grad(variation, layer.n)[0])
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-5, atol=0)


def test_gradcheck_of_the_fused_function_in_float64() -> None:
    layer = VideoMotionPrompt(MEAN, STD, kernel="blocked", n=0.2).double()
    clip = clip_of(1, 3, 4, 2, 3).double().requires_grad_()

    def steps(clip: Tensor, m: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.func.functional_call(layer, {"m": m, "n": n}, (clip,)))

    assert torch.autograd.gradcheck(steps, (clip, layer.m, layer.n))


def test_autocast_does_not_change_the_numbers() -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(1, 3, 4, 16, 16)
    plain = layer(clip)
    with torch.autocast("cpu", torch.bfloat16):
        under = layer(clip)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(plain, under, strict=True))


@pytest.mark.parametrize("kernel", FUSED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_type_of_torch_does_not_change_the_numbers(dtype: torch.dtype, kernel: str) -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD, kernel=kernel), clip_of(1, 3, 4, 16, 16)
    before, expected = torch.get_default_dtype(), layer(clip)
    try:
        torch.set_default_dtype(dtype)
        assert buffers.empty((1, 2)).dtype == torch.float32  # or the kernel would write past the end
        got = layer(clip)
    finally:
        torch.set_default_dtype(before)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(got, expected, strict=True))


@pytest.mark.skipif(not native_works(), reason="the kernel in C was not compiled at installation")
def test_the_kernel_was_compiled_after_its_source_was_changed() -> None:
    from vmp.layer.kernels import native

    source, compiled = Path(buffers.__file__).with_name("native.c"), Path(native.__file__)
    if (
        source.parent == ROOT / "vmp" / "layer" / "kernels"
    ):  # installed as editable; a wheel holds what it was built from
        assert compiled.stat().st_mtime >= source.stat().st_mtime, "native.c is newer: run `make install`"


def test_a_second_derivative_is_refused_and_the_plain_kernel_has_it() -> None:
    clip = clip_of(1, 3, 4, 4, 4)
    for kernel in ("plain", "blocked"):
        layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
        (grad,) = torch.autograd.grad(layer(clip).prompt.sum(), layer.n, create_graph=True)
        if kernel == "plain":
            assert torch.isfinite(torch.autograd.grad(grad, layer.n)[0])
        else:
            with pytest.raises(RuntimeError, match="does not require grad"):
                torch.autograd.grad(grad, layer.n)


def test_transforms_of_torch_take_the_plain_steps() -> None:
    layer, clips = VideoMotionPrompt(MEAN, STD), clip_of(2, 3, 4, 6, 5)

    def loss(m: Tensor, clip: Tensor, kernel: str = "auto") -> Tensor:
        layer.kernel = kernel
        out = torch.func.functional_call(layer, {"m": m, "n": layer.n}, (clip[None],))
        return out.prompt.square().sum() + out.variation

    m = layer.m.detach()
    per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(m, clips)
    for gradient, clip in zip(per_sample, clips, strict=True):
        (expected,) = torch.autograd.grad(loss(layer.m, clip), layer.m)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)
        _, along = torch.func.jvp(lambda m, clip=clip: loss(m, clip), (m,), (torch.ones(()),))
        torch.testing.assert_close(along, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r'kernel "blocked" has gradients, but not the transforms of torch\.func'):
        torch.func.grad(loss)(m, clips[0], "blocked")


def test_an_exported_layer_gives_the_numbers_of_the_layer() -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(2, 3, 4, 6, 5)
    exported = torch.export.export(layer, (clip,)).module()
    for got, expected in zip(exported(clip), layer(clip), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


def test_the_choice_of_kernel() -> None:
    clip = clip_of(1, 3, 3, 4, 4)
    assert choose_kernel(clip) == ("native" if native_works() else "blocked")
    assert choose_kernel(clip.double()) == "blocked"
    assert choose_kernel(clip.to("meta")) == "plain"
    with pytest.raises(InputError, match=r"takes clips of float32 or uint8 on the CPU, got torch.float64"):
        VideoMotionPrompt(MEAN, STD, kernel="native")(clip.double())
    with pytest.raises(InputError, match=r"unknown kernel 'nativ'. Did you mean 'native'"):
        VideoMotionPrompt(MEAN, STD, kernel="nativ")
    assert set(KERNELS) == {"plain", "blocked", "native", "triton", "compiled"}


def test_without_a_compiler_the_layer_takes_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "native_driver", None)
    clip = clip_of(1, 3, 3, 4, 4)
    assert choose_kernel(clip) == "blocked"
    compare("auto", clip)
    with pytest.raises(InputError, match=r"was not compiled when this package was installed"):
        VideoMotionPrompt(MEAN, STD, kernel="native")(clip)


@pytest.mark.parametrize("kernel", [NATIVE])
@pytest.mark.parametrize("shape", [(3, 3, 6, 120, 130), (1, 3, 4, 256, 200)], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(shape: tuple[int, ...], kernel: str) -> None:
    clip, results, before = clip_of(*shape), [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
            out = layer(clip)
            (out.prompt.square().sum() + 10 * out.variation).backward()
            results.append([*out, layer.m.grad, layer.n.grad])
    finally:
        torch.set_num_threads(before)
    for more in results[1:]:
        for one, other in zip(results[0][:3], more[:3], strict=True):
            assert torch.equal(one, other)
    # The gradient that comes from above is torch's, whose sums may depend on the number of threads.
    torch.testing.assert_close(results[0][3:], results[1][3:], rtol=1e-6, atol=0)


def test_memory_is_used_again_only_when_nothing_refers_to_it() -> None:
    shape = (1, 3, 4, 320, 320)
    first = buffers.empty(shape)
    address = first.data_ptr()
    kept = first[0, 1].numpy()  # a view of a view, through numpy
    kept[:] = 7.0
    del first
    assert buffers.empty(shape).data_ptr() != address
    assert (kept == 7.0).all()
    del kept
    assert address in {buffers.empty(shape).data_ptr() for _ in range(3)}


def test_calls_from_several_threads_do_not_disturb_each_other() -> None:
    layer = VideoMotionPrompt(MEAN, STD)
    clips = [clip_of(2, 3, 4, 200, 200, seed=i) for i in range(4)]
    expected = [layer(clip).prompt.clone() for clip in clips]
    wrong = []

    def work(i: int) -> None:
        for _ in range(5):
            if not torch.equal(layer(clips[i]).prompt, expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORKED = """
import os, signal, sys, torch
from vmp.layer.published import VideoMotionPrompt
torch.set_num_threads(2)
layer, clip = VideoMotionPrompt((0.45,) * 3, (0.225,) * 3), torch.rand(2, 3, 4, 256, 256).exp()
expected = layer(clip).prompt.detach() if sys.argv[1] == "called" else None
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # a child that waits for threads which are not there
    prompt = layer(clip).prompt.detach()
    os._exit(0 if expected is None or (prompt.numpy() == expected.numpy()).all() else 1)  # torch itself would hang
assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork") or not native_works(), reason="needs fork, and the kernel in C")
@pytest.mark.parametrize("before", ["called", "only imported"])
def test_a_forked_child_can_use_the_layer(before: str) -> None:
    assert subprocess.run([sys.executable, "-c", FORKED, before], timeout=60).returncode == 0


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
