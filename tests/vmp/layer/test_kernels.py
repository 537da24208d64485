"""Every kernel gives the numbers of the plain steps in float64: values and gradients, whatever the shape and layout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import ROOT
from tests.vmp.layer.fused import FUSED, MEAN, STD, clip_of
from vmp.core.errors import InputError
from vmp.layer.kernels import buffers, registry
from vmp.layer.kernels.registry import KERNELS, choose_kernel, native_works
from vmp.layer.published import VideoMotionPrompt


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


@pytest.mark.skipif(not native_works(), reason="the kernel in C was not compiled at installation")
def test_the_kernel_was_compiled_after_its_source_was_changed() -> None:
    from vmp.layer.kernels import native

    source, compiled = Path(buffers.__file__).with_name("native.c"), Path(native.__file__)
    if (
        source.parent == ROOT / "vmp" / "layer" / "kernels"
    ):  # installed as editable; a wheel holds what it was built from
        assert compiled.stat().st_mtime >= source.stat().st_mtime, "native.c is newer: run `make install`"


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
