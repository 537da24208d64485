"""The family of layers: normalisations, motion maps, camera compensation, presets, and one contract for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmp.layer.layers import MEAN, STD, built, configured
from vmp.core.errors import InputError
from vmp.core.presets import PRESETS, finegym_lambda_table, preset
from vmp.layer import functional as F
from vmp.layer.composed import ComposedPrompt
from vmp.layer.motion.camera import CompensatedDifference, camera_shift, phase_correlation
from vmp.layer.motion.differences import FrameDifference, MultiStepDifference, RGBDifference
from vmp.layer.motion.high_pass import HighPass
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS, OneParameterConfig, asinhe, gamma, maxexp, sigme
from vmp.layer.prompted import prompt_parameters
from vmp.layer.published import VideoMotionPrompt

STATISTICS = (MEAN, STD, "RGB")
ONE_PARAMETER = [name for name, kind in NORMALIZATIONS.items() if issubclass(kind, OneParameterConfig)]


def clip_of(*shape: int, seed: int = 0) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.45) / 0.225


VARIANTS = [
    *({"normalization": name} for name in NORMALIZATIONS),
    *({"motion": name} for name in MOTIONS),
    {"normalization": {"sharing": "channel"}},
    {"normalization": {"sharing": "time"}},
    {"normalization": {"signed": False}},
    {"prompted_frame": "earlier"},
    {"normalization": {"kind": "gamma", "learn": True}},
    {"motion": "rgb_difference", "normalization": {"sharing": "channel"}},
]


@pytest.mark.parametrize("arguments", VARIANTS, ids=lambda a: ",".join(map(str, a.values())))
def test_contract(arguments: dict) -> None:
    if "flow" in arguments.get("motion", ""):
        pytest.importorskip("cv2")
    torch.manual_seed(0)
    cfg = configured(arguments)
    layer, clip = cfg.build(MEAN, STD, maps=4), clip_of(2, 3, 5, 16, 24)
    out = layer(clip)
    assert cfg.extra_frames == layer.extra_frames == 1
    assert out.prompt.shape == (2, 3, 4, 16, 24)
    assert out.attention.shape in {(2, 4, 16, 24), (2, 3, 4, 16, 24)}
    assert ((out.attention >= 0) & (out.attention <= 1)).all()
    assert out.variation.shape == ()
    assert out.variation >= 0
    assert layer.curve(torch.linspace(-1, 1, 5)).shape == (5,)
    learnt = prompt_parameters(layer)
    if learnt:
        (out.prompt.square().sum() + out.variation).backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in layer.parameters() if p.requires_grad)
        assert any(p.grad.abs().sum() > 0 for p in learnt)
    clip[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="NaN or infinite"):
        layer(clip)


@pytest.mark.parametrize("tau", [0.5, 2.0, 10.0])
def test_the_high_pass_is_the_recursive_filter_of_a_signal_library(tau: float) -> None:
    clip = clip_of(2, 3, 12, 4, 5)
    gray = F.gray(clip, MEAN, STD, "RGB").double().numpy()
    weight = math.exp(-1 / tau)
    expected = scipy.signal.lfilter([weight, -weight], [1, -weight], gray, axis=1, zi=-weight * gray[:, :1])[0][:, 1:]
    maps = HighPass(STATISTICS, tau)(clip)
    np.testing.assert_allclose(maps.numpy(), expected, atol=1e-6)
    assert maps.abs().max() <= weight


def test_appended_motion_leaves_the_frames_of_the_control_as_they_are() -> None:
    clip = clip_of(2, 3, 5, 16, 24)
    control = built({"kind": "control"})(clip)
    for motion, channels in (("frame_difference", 1), ("rgb_difference", 3)):
        layer = built({"kind": "appended", "motion": motion})
        prompt, attention, variation = layer(clip)
        torch.testing.assert_close(prompt[:, :3], control.prompt, rtol=0, atol=0)
        assert prompt.shape[1] == 3 + channels
        maps = prompt[:, 3:] * STD[0]
        expected = MOTIONS[motion]().build(MEAN, STD)(clip)
        torch.testing.assert_close(maps.squeeze(1), expected)
        assert attention.eq(1).all()
        assert variation == 0
    with pytest.raises(InputError, match="NaN"):
        layer(torch.full_like(clip, float("nan")))


def test_the_layer_put_together_from_parts_is_the_fused_one() -> None:
    clip = clip_of(2, 3, 5, 9, 8)
    fused = VideoMotionPrompt(MEAN, STD, m=0.3, n=-0.2)
    composed = ComposedPrompt(FrameDifference(STATISTICS), NORMALIZATIONS["sigmoid"]().build(4))
    composed.normalization.m.data.fill_(0.3)
    composed.normalization.n.data.fill_(-0.2)
    for name in ("prompt", "attention", "variation"):
        torch.testing.assert_close(getattr(composed(clip), name), getattr(fused(clip), name), rtol=1e-5, atol=2e-6)
    assert composed.slope == fused.slope


@settings(deadline=None)
@given(x=st.floats(0, 1), p=st.floats(0.1, 20))
def test_the_normalisations_by_their_formulas(x: float, p: float) -> None:
    d, q = torch.tensor([x], dtype=torch.float64), torch.tensor(p, dtype=torch.float64)
    assert gamma(d, q).item() == pytest.approx(x**p, abs=1e-12)
    assert maxexp(d, q).item() == pytest.approx(1 - (1 - x) ** p, abs=1e-12)
    assert sigme(d, q).item() == pytest.approx(2 / (1 + 2.718281828459045 ** (-p * x)) - 1, abs=1e-9)
    assert asinhe(d, q).item() == pytest.approx(float(torch.asinh(torch.tensor(p * x, dtype=torch.float64))), abs=1e-12)


@pytest.mark.parametrize("name", ONE_PARAMETER)
def test_those_of_one_parameter_rise_from_0_and_ignore_the_sign(name: str) -> None:
    normalization = NORMALIZATIONS[name]().build(4)
    values = normalization(torch.linspace(0, 1, 101))
    assert values[0] == 0
    assert (values.diff() >= 0).all()
    torch.testing.assert_close(normalization(-torch.linspace(0, 1, 101)), values)


@pytest.mark.parametrize("name", ONE_PARAMETER)
def test_gradients_of_the_parameter_are_right_and_finite_at_the_ends(name: str) -> None:
    module = NORMALIZATIONS[name](value=0.7, learn=True).build(4).double()
    interior = torch.linspace(0.05, 0.95, 7, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, v: torch.func.functional_call(module, {"log_value": v}, (x,)), (interior, module.log_value)
    )
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    module(ends).sum().backward()
    assert torch.isfinite(ends.grad).all()
    assert torch.isfinite(module.log_value.grad)


def test_polarities_split_the_difference() -> None:
    d = torch.linspace(-1, 1, 21)
    up, down = (NORMALIZATIONS[name]().build(4)(d) for name in ("positive", "negative"))
    torch.testing.assert_close(up - down, d)
    assert (up * down == 0).all()


def test_one_step_is_the_frame_difference_and_a_ramp_adds_up() -> None:
    clip = clip_of(1, 3, 5, 4, 4)
    torch.testing.assert_close(
        MultiStepDifference(STATISTICS, 1)(clip), F.frame_difference(clip, STD), rtol=0, atol=1e-6
    )
    ramp = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 3, 5, 2, 2) / 0.225 / 10  # gray rises by 0.1 a frame
    torch.testing.assert_close(
        MultiStepDifference(STATISTICS, 3)(ramp)[0, :, 0, 0], torch.tensor([0.1, 0.15, 0.2, 0.2])
    )


def test_the_colour_differences_weighted_by_luma_are_the_gray_difference() -> None:
    clip = clip_of(1, 3, 4, 5, 5)
    colours = RGBDifference(STATISTICS)(clip)
    gray = (colours * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1, 1)).sum(1)
    torch.testing.assert_close(gray, F.frame_difference(clip, STD), rtol=1e-5, atol=1e-6)


def moving(dy: int, dx: int, frames: int = 4, size: int = 48) -> torch.Tensor:
    """A window gliding over a larger random scene: true camera motion, with new content at the edge."""
    scene = torch.nn.functional.avg_pool2d(clip_of(1, 3, 120, 120), 3, 1, 1)
    windows = [scene[..., 36 - t * dy : 36 - t * dy + size, 36 - t * dx : 36 - t * dx + size] for t in range(frames)]
    return torch.stack(windows, 2)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (1, 0), (0, -2), (3, 3), (-5, 2)])
def test_phase_correlation_finds_the_camera(dy: int, dx: int) -> None:
    clip = moving(dy, dx)
    gray = F.gray(clip, MEAN, STD)
    shifts = phase_correlation(gray[0, :-1], gray[0, 1:])[:, 0]
    assert (shifts - torch.tensor([dy, dx])).abs().max() < 0.3


@pytest.mark.parametrize("camera", [(0, 0), (2, -1)])
def test_a_large_object_in_the_middle_does_not_pass_for_the_camera(camera: tuple[int, int]) -> None:
    clip = moving(*camera)
    thing = torch.nn.functional.avg_pool2d(clip_of(1, 3, 18, 18, seed=5), 3, 1, 1)
    for t in range(4):  # it moves by (0, 3) a frame, over the middle of the picture
        clip[:, :, t, 15:33, 11 + 3 * t : 29 + 3 * t] = thing
    gray = F.gray(clip, MEAN, STD)
    shifts = camera_shift(gray[0, :-1], gray[0, 1:])
    assert (shifts - torch.tensor(camera)).abs().max() < 0.3


def test_compensation_leaves_what_moves_against_the_camera() -> None:
    clip = moving(2, -1)
    plain = F.frame_difference(clip, STD).abs().mean()
    compensated = CompensatedDifference(STATISTICS)(clip)
    assert compensated.abs().mean() < 0.3 * plain
    static = moving(0, 0)
    torch.testing.assert_close(
        CompensatedDifference(STATISTICS)(static), F.frame_difference(static, STD), rtol=0, atol=1e-6
    )
    clip[:, :, 2, 20:26, 20:26] += 3.0  # something appears
    assert CompensatedDifference(STATISTICS)(clip)[0, 1, 20:26, 20:26].abs().mean() > 5 * compensated.abs().mean()


def test_presets_load_by_name_and_reach_the_layer() -> None:
    layer = built({"normalization": {"start": {"kind": "preset", "name": "hmdb51_drink"}}})
    assert layer.slope.item() == pytest.approx(23.1, abs=0.06)
    assert layer.shift.item() == pytest.approx(PRESETS["hmdb51_drink"].shift, rel=1e-5)
    with pytest.raises(InputError, match=r"unknown preset 'hmdb_drink'. Did you mean 'hmdb51_drink'"):
        preset("hmdb_drink")
    with pytest.raises(InputError, match=r"normalization\.start\.n is an unknown key"):
        configured({"normalization": {"start": {"kind": "preset", "name": "hmdb51_drink", "n": 0.1}}})


def test_the_lambda_table_shows_the_published_jump_to_all_pass() -> None:
    table = {row.lambda_: row for row in finegym_lambda_table()}
    assert list(table) == [0, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0]
    for lambda_, row in table.items():
        layer = VideoMotionPrompt(MEAN, STD, m=row.m, n=row.n)
        least = layer.curve(torch.linspace(-0.5, 1, 100)).min()
        assert (least >= 0.725) == (lambda_ >= 0.5), lambda_


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"normalization": "gama"}, r"normalization\.kind: unknown power normalization 'gama'. Did you mean 'gamma'"),
        ({"motion": "optical_flow"}, "unknown motion map"),
        ({"normalization": {"kind": "linear", "value": 2.0}}, r"normalization\.value is an unknown key"),
        ({"normalization": {"kind": "gamma", "value": -1.0}}, r"normalization\.value must be greater than 0"),
        ({"normalization": {"kind": "gamma", "sharing": "channel"}}, r"normalization\.sharing is an unknown key"),
        ({"motion": {"kind": "multi_step", "steps": 1}}, r"motion\.steps must be greater than or equal to 2"),
        ({"motion": {"kind": "motion_tokens", "heads": 5}}, "width must be a multiple of heads"),
    ],
)
def test_combinations_that_cannot_work_are_refused(arguments: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        configured(arguments)


@pytest.mark.parametrize(("sharing", "pairs"), [("layer", 1), ("channel", 3), ("time", 4)])
def test_the_published_draw_is_one_for_each_pair_and_is_made_when_the_layer_is_built(sharing: str, pairs: int) -> None:
    torch.manual_seed(3)
    drawn = 1e-5 + torch.randn(2, pairs)
    torch.manual_seed(3)
    layer = built({"normalization": {"start": "published", "sharing": sharing}})
    assert torch.equal(layer.m.detach().flatten(), drawn[0])
    assert torch.equal(layer.n.detach().flatten(), drawn[1])


def test_parameters_for_each_point_in_time_know_their_number_of_maps() -> None:
    layer = built({"normalization": {"sharing": "time"}}, maps=4)
    with pytest.raises(InputError, match=r"for 4 maps .* the clip gives 5. Build it for 6 frames"):
        layer(clip_of(1, 3, 6, 8, 8))


@pytest.mark.parametrize("motion", ["flow_dis", "flow_farneback"])
def test_flow_of_a_gray_picture_does_not_hang_on_the_last_bit(motion: str) -> None:
    pytest.importorskip("cv2")
    levels = (moving(1, 2)[:, :1] * 255).round().clamp(0, 255).expand(-1, 3, -1, -1, -1)
    clip = (levels.double() / 255 - 0.45) / 0.225  # gray levels are whole numbers, up to rounding
    flow = MOTIONS[motion]().build(MEAN, STD)
    torch.testing.assert_close(flow(clip.float() - 1e-6), flow(clip.float() + 1e-6), rtol=0, atol=0)
