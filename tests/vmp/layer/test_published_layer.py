"""The layer: what it promises about shapes, parameters, gradients and its two controls."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.vmp.layer.layers import built, configured
from vmp.core.errors import InputError
from vmp.layer.base import FramesOnly
from vmp.layer.diagnostics import (
    AttentionStatistics,
    attention_at_zero,
    attention_statistics,
    curve_spread,
    is_collapsed,
)
from vmp.layer.prompted import MotionPrompted, prompt_parameters
from vmp.layer.published import VideoMotionPrompt

MEAN, STD = (0.45,) * 3, (0.225,) * 3


def clip_of(*shape: int, seed: int = 0) -> torch.Tensor:
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return (pixels - 0.45) / 0.225


@settings(deadline=None, max_examples=30)
@given(b=st.integers(1, 3), t=st.integers(3, 6), h=st.integers(1, 9), w=st.integers(1, 9))
def test_frames_in_t_frames_out_t_minus_1(b: int, t: int, h: int, w: int) -> None:
    out = VideoMotionPrompt(MEAN, STD)(clip_of(b, 3, t, h, w))
    assert out.prompt.shape == (b, 3, t - 1, h, w)
    assert out.attention.shape == (b, t - 1, h, w)
    assert out.variation.shape == ()
    assert ((out.attention >= 0) & (out.attention <= 1)).all()
    assert out.variation >= 0


def test_a_static_clip_has_constant_attention_and_no_variation() -> None:
    layer = VideoMotionPrompt(MEAN, STD, n=0.3)
    out = layer(clip_of(1, 3, 1, 5, 5).expand(1, 3, 4, 5, 5))
    assert out.variation.item() == 0.0
    torch.testing.assert_close(out.attention, torch.full((1, 3, 5, 5), attention_at_zero(layer)))


def test_the_parameters_learn_from_the_prompt_and_from_the_variation() -> None:
    for part in ("prompt", "variation"):
        layer = VideoMotionPrompt(MEAN, STD)
        getattr(layer(clip_of(1, 3, 4, 6, 6)), part).sum().backward()
        assert layer.m.grad.abs() > 0
        assert layer.n.grad.abs() > 0


def test_slope_only_and_shift_only_freeze_the_other() -> None:
    layer = VideoMotionPrompt(MEAN, STD, learn_slope=False, m=0.0)
    layer(clip_of(1, 3, 4, 6, 6)).prompt.sum().backward()
    assert layer.m.grad is None
    assert layer.n.grad.abs() > 0
    assert prompt_parameters(layer) == [layer.n]


def test_slope_and_shift_can_be_given_instead_of_m_and_n() -> None:
    layer = VideoMotionPrompt(MEAN, STD, slope=20.0, shift=-0.25)
    assert layer.slope.item() == pytest.approx(20.0, rel=1e-5)
    assert layer.shift.item() == pytest.approx(-0.25, rel=1e-5)


def test_the_published_draw_follows_the_seed() -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(7)
        draws.append([p.item() for p in VideoMotionPrompt(MEAN, STD, init="published").parameters()])
    assert draws[0] == draws[1]
    assert draws[0][0] != draws[0][1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_in_narrow_types_out_close_to_float64(dtype: torch.dtype) -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(1, 3, 4, 8, 8).to(dtype)
    out, exact = layer(clip), copy.deepcopy(layer).double()(clip.double())
    assert out.prompt.dtype == out.attention.dtype == dtype
    assert out.variation.dtype == torch.float32
    torch.testing.assert_close(out.prompt.double(), exact.prompt, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
    out.prompt.float().sum().backward()
    assert torch.isfinite(layer.m.grad)


def test_two_frames_make_a_prompt_and_no_variation() -> None:
    out = VideoMotionPrompt(MEAN, STD)(clip_of(1, 3, 2, 4, 4))
    assert out.prompt.shape == (1, 3, 1, 4, 4)
    out.prompt.sum().backward()
    assert out.attention.shape == (1, 1, 4, 4)
    assert out.variation is None  # one map, nothing to compare it with; the regulariser refuses a weight above 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("build", [lambda: VideoMotionPrompt(MEAN, STD), lambda: FramesOnly(drop_first=True)])
def test_a_single_non_finite_value_is_refused(bad: float, build: object) -> None:
    clip = clip_of(2, 3, 4, 5, 5)
    clip[1, 2, 0, 4, 4] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        build()(clip)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"m": 0.0}, "m = 0 .slope 50. cannot be learnt"),
        ({"slope": 50.0}, "m = 0 .slope 50. cannot be learnt"),
        ({"m": 0.1, "slope": 20.0}, "set the same thing"),
        ({"init": "published", "n": 0.1}, "draws m and n"),
        ({"n": float("nan")}, "n must be a finite number"),
        ({"channel_order": "rgb"}, "Valid: BGR, RGB"),
        ({"prompted_frame": "last"}, "unknown prompted_frame 'last'"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        VideoMotionPrompt(MEAN, STD, **arguments)


@pytest.mark.parametrize(("prompt", "extra", "first"), [("none", 0, 0), ("control", 1, 1)])
def test_the_controls_pass_frames_through_with_attention_1(prompt: str, extra: int, first: int) -> None:
    cfg = configured({"kind": prompt})
    clip = clip_of(2, 3, 4, 5, 5)
    out = cfg.build(MEAN, STD, maps=3)(clip)
    assert cfg.extra_frames == extra
    assert torch.equal(out.prompt, clip[:, :, first:])
    assert out.attention.shape == (2, 4 - first, 5, 5)
    assert (out.attention == 1).all()
    assert out.variation == 0


def test_the_control_is_what_the_layer_does_when_it_lets_everything_pass() -> None:
    clip = clip_of(1, 3, 4, 8, 8) * 0.1
    layer, control = VideoMotionPrompt(MEAN, STD, m=1.0, shift=-0.59), FramesOnly(drop_first=True)
    torch.testing.assert_close(layer(clip).prompt, control(clip).prompt, rtol=0.01, atol=1e-6)


def test_the_configuration_refuses_what_the_layer_refuses() -> None:
    with pytest.raises(InputError, match="cannot be learnt"):
        configured({"normalization": {"start": {"m": 0.0}}})
    with pytest.raises(InputError, match=r"kind: unknown layer 'vpm'. Did you mean 'vmp'"):
        configured({"kind": "vpm"})
    fixed = built({"normalization": {"start": {"m": 0.0}, "learn_slope": False}})
    assert fixed.slope.item() == pytest.approx(50.0)


class Flat(nn.Module):
    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(3, 4))[:, :, 0] if self.layout == "bcthw" else x.mean(dim=(3, 4))[:, 0]


def test_a_backbone_sees_its_own_layout() -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(2, 3, 4, 5, 6)
    logits = [MotionPrompted(Flat(layout), layer, layout)(clip).logits for layout in ("bcthw", "btchw")]
    assert torch.equal(logits[0], logits[1])
    with pytest.raises(InputError, match="Valid: bcthw, btchw"):
        MotionPrompted(Flat("x"), layer, "tbchw")
    with pytest.raises(InputError, match="must return logits"):
        MotionPrompted(nn.Identity(), layer)(clip)


def test_only_the_layer_is_in_the_group_of_m_and_n() -> None:
    model = MotionPrompted(nn.Linear(2, 2), VideoMotionPrompt(MEAN, STD))
    assert prompt_parameters(model) == [model.layer.m, model.layer.n]
    assert prompt_parameters(MotionPrompted(nn.Linear(2, 2), FramesOnly(drop_first=True))) == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), min_size=1, max_size=5))
def test_statistics_do_not_depend_on_how_clips_are_batched(batches: list[list[float]]) -> None:
    whole = torch.tensor([v for batch in batches for v in batch], dtype=torch.float64)
    got = attention_statistics(torch.tensor(batch, dtype=torch.float64) for batch in batches)
    assert got["mean_attention"] == pytest.approx(whole.mean().item())
    assert got["attention_std"] == pytest.approx(whole.std(correction=0).item(), abs=1e-9)
    assert got["log_mean_attention"] == pytest.approx(whole.mean().log().item())
    assert got["mean_log_attention"] == pytest.approx(whole.log().mean().item())


def test_collapse_is_a_constant_map_and_the_control_always_shows_it() -> None:
    clip = clip_of(1, 3, 4, 16, 16)
    spread = {
        n: attention_statistics(VideoMotionPrompt(MEAN, STD, n=n)(clip).attention)["attention_std"] for n in (0.0, -6.0)
    }
    assert not is_collapsed(1.0, spread[0.0])
    assert spread[-6.0] < spread[0.0]
    statistics = AttentionStatistics()
    statistics.update(FramesOnly(drop_first=True)(clip).attention)
    assert statistics.collapsed
    assert curve_spread(FramesOnly(drop_first=True)) == 0.0
    with pytest.raises(InputError, match="at least one batch"):
        attention_statistics([])
