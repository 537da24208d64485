"""The published steps against independent answers: numpy on pixels, the published table, numerical gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vmp.core import power
from vmp.core.errors import InputError
from vmp.layer import functional as F

MEAN, STD = (0.45, 0.40, 0.50), (0.225, 0.2, 0.25)


def normalise(pixels: np.ndarray) -> torch.Tensor:
    mean, std = (np.reshape(v, (1, 3, 1, 1, 1)) for v in (MEAN, STD))
    return torch.from_numpy((pixels - mean) / std)


def test_every_step_equals_numpy_on_pixels() -> None:
    pixels = np.random.default_rng(0).random((2, 3, 4, 5, 6))
    gray = 0.299 * pixels[:, 0] + 0.587 * pixels[:, 1] + 0.114 * pixels[:, 2]
    difference = gray[:, 1:] - gray[:, :-1]
    a, b = 5 / (0.45 * abs(math.tanh(-0.3)) + 0.1), 0.6 * math.tanh(0.2)
    attention = 1 / (1 + np.exp(-a * (difference - b)))
    clip = normalise(pixels)
    got_difference = F.frame_difference(clip, STD)
    slope, shift = F.slope_from_m(torch.tensor(-0.3).double()), F.shift_from_n(torch.tensor(0.2).double())
    got_attention = F.power_normalization(got_difference, slope, shift)
    np.testing.assert_allclose(F.gray(clip, MEAN, STD), gray, atol=1e-6)
    np.testing.assert_allclose(got_difference, difference, atol=1e-12)
    np.testing.assert_allclose(got_attention, attention, rtol=1e-6)  # m = -0.3 is rounded to float32 above
    np.testing.assert_allclose(F.motion_prompt(got_attention, clip), got_attention[:, None] * clip[:, :, 1:])
    expected = np.mean((attention[:, 1:] - attention[:, :-1]) ** 2)
    assert F.attention_variation(got_attention).item() == pytest.approx(expected, rel=1e-6)


def test_bgr_swaps_the_luma_of_red_and_blue_as_the_authors_do() -> None:
    clip = torch.zeros(1, 3, 2, 1, 1)
    clip[0, 0, 1] = 1 / STD[0]
    assert F.frame_difference(clip, STD, "RGB").item() == pytest.approx(0.299)
    assert F.frame_difference(clip, STD, "BGR").item() == pytest.approx(0.114)


@pytest.mark.parametrize(
    ("m", "n", "slope", "shift", "at_zero"),
    [
        (0.2646, -0.6615, 23.1, -0.348, 0.9997),
        (0.257, 0.053, 23.5, 0.032, 0.322),
        (0.8916, -0.2543, 11.9, -0.149, 0.855),
        (1.05, -2.67, 11.1, -0.594, 0.999),
    ],
    ids=["drink", "whip", "explosion", "balance beam"],
)
def test_published_parameters_give_the_published_slope_and_shift(
    m: float, n: float, slope: float, shift: float, at_zero: float
) -> None:
    a, b = F.slope_from_m(torch.tensor(m)), F.shift_from_n(torch.tensor(n))
    assert a.item() == pytest.approx(slope, abs=0.06)
    assert b.item() == pytest.approx(shift, abs=6e-4)
    assert F.power_normalization(torch.zeros(()), a, b).item() == pytest.approx(at_zero, abs=2e-3)


@given(slope=st.floats(9.1, 50.0), shift=st.floats(-0.59, 0.59))
def test_slope_and_shift_invert(slope: float, shift: float) -> None:
    assert F.slope_from_m(torch.tensor(power.m_from_slope(slope), dtype=torch.float64)).item() == pytest.approx(
        slope, rel=1e-9
    )
    assert F.shift_from_n(torch.tensor(power.n_from_shift(shift), dtype=torch.float64)).item() == pytest.approx(
        shift, abs=1e-9
    )


def test_gradients_are_right_numerically_in_float64() -> None:
    generator = torch.Generator().manual_seed(1)
    clip = torch.rand(1, 3, 4, 2, 3, dtype=torch.float64, generator=generator).requires_grad_()
    m = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    n = torch.tensor(-0.2, dtype=torch.float64, requires_grad=True)

    def steps(clip: torch.Tensor, m: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        attention = F.power_normalization(F.frame_difference(clip, STD), F.slope_from_m(m), F.shift_from_n(n))
        return F.motion_prompt(attention, clip), F.attention_variation(attention)

    assert torch.autograd.gradcheck(steps, (clip, m, n))


@settings(deadline=None, max_examples=30)
@given(scale=st.sampled_from([1.0, 1e3, 1e30]), dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_extreme_values_and_narrow_types_stay_finite(scale: float, dtype: torch.dtype) -> None:
    clip = (torch.linspace(-1, 1, 3 * 3 * 4).reshape(1, 3, 3, 2, 2) * min(scale, torch.finfo(dtype).max / 8)).to(dtype)
    attention = F.power_normalization(F.frame_difference(clip, STD), torch.tensor(50.0), torch.tensor(0.5))
    assert torch.isfinite(attention).all()
    assert F.motion_prompt(attention, clip).dtype == dtype
    assert torch.isfinite(F.attention_variation(attention))


@pytest.mark.parametrize(
    ("clip", "match"),
    [
        (torch.zeros(3, 4, 8, 8), r"5 dimensions.*got 4.*clip\[None\]"),
        (torch.zeros(1, 4, 3, 8, 8), r"3 channels, got 4.*transpose\(1, 2\)"),
        (torch.zeros(1, 3, 1, 8, 8), "at least 2 frames here, got 1"),
        (torch.zeros(1, 3, 4, 8, 8, dtype=torch.uint8), "floating point and normalised, got torch.uint8"),
        (torch.zeros(0, 3, 4, 8, 8), "must not be empty"),
        ([1, 2], "torch tensor"),
    ],
)
def test_a_bad_clip_is_refused_with_the_rule_and_the_value(clip: torch.Tensor, match: str) -> None:
    with pytest.raises(InputError, match=match):
        F.frame_difference(clip, STD)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.attention_variation(torch.zeros(1, 1, 4, 4)), "at least 2 .3 input frames., got 1"),
        (lambda: power.m_from_slope(9.0), "slope 9.0 cannot be reached"),
        (lambda: power.n_from_shift(0.6), "shift 0.6 cannot be reached"),
        (lambda: F.motion_prompt(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 3, 4, 4)), "does not fit the clip"),
        (lambda: F.difference_weights(STD, "RBG"), "unknown channel_order 'RBG'.*Valid: BGR, RGB"),
        (lambda: F.check_statistics((0.4, 0.4), STD), "mean must be three numbers"),
        (lambda: F.check_statistics(MEAN, (0.2, 0.0, 0.2)), "std must be positive"),
    ],
)
def test_other_bad_input_is_refused(call: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        call()  # type: ignore[operator]
