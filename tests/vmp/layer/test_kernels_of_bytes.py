"""Clips of bytes: every kernel gives what their normalised clip gives, in any layout of a decoder."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.vmp.layer.fused import FUSED, MEAN, NATIVE, STD, clip_of
from vmp.core.errors import InputError
from vmp.data.loading import NormalizeConfig, normalize
from vmp.layer.kernels import pixels
from vmp.layer.published import VideoMotionPrompt

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
