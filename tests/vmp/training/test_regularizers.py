"""The regulariser: the default is the published loss, schedules and adaptive weights by their definitions, remedies."""

from __future__ import annotations

import doctest
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.layer.base import MotionPrompt
from vmp.layer.published import VideoMotionPrompt
from vmp.training import regularizers
from vmp.training.regularizers import (
    REMEDIES,
    SCHEDULES,
    ClosedAtRest,
    GradientRatio,
    RegularizerConfig,
    Relative,
    StdFloor,
    Uncertainty,
    WarmUp,
    attention_std,
    relative_variation,
    std_penalty,
)

MEAN, STD = (0.45,) * 3, (0.225,) * 3


def setting(n: float = 0.0, frames: int = 5) -> tuple[VideoMotionPrompt, torch.Tensor, MotionPrompt]:
    clip = (torch.rand(2, 3, frames, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.45) / 0.225
    layer = VideoMotionPrompt(MEAN, STD, n=n)
    out = layer(clip)
    return layer, out.prompt.square().mean(), out


@settings(deadline=None)
@given(st.floats(0, 20), st.floats(0, 1))
def test_the_default_is_task_plus_lambda_v(lambda_: float, progress: float) -> None:
    _, task, out = setting()
    loss, weight = RegularizerConfig(lambda_=lambda_).build()(task, out, progress=progress)
    assert weight == lambda_
    assert loss.item() == pytest.approx((task + lambda_ * out.variation).item(), rel=1e-6)


@given(st.floats(0, 1))
def test_schedules_stay_between_0_and_1_and_end_where_they_say(progress: float) -> None:
    for schedule in SCHEDULES.values():
        assert 0 <= schedule().factor(progress) <= 1
    order = ("constant", "warmup", "cosine", "linear")
    assert [SCHEDULES[name]().factor(0.0) for name in order] == [1, 0, 1, 1]
    assert [SCHEDULES[name]().factor(1.0) for name in order] == pytest.approx([1, 1, 0, 0], abs=1e-12)
    assert WarmUp(share=0.2).factor(0.1) == pytest.approx(0.5)


def test_the_gradient_ratio_makes_the_gradients_keep_to_lambda() -> None:
    layer, task, out = setting()
    parameters = [layer.m, layer.n]
    loss, weight = RegularizerConfig(lambda_=0.5, weight=GradientRatio(max_weight=1e9)).build()(
        task, out, progress=0.0, parameters=parameters
    )
    norm = [torch.stack(torch.autograd.grad(x, parameters, retain_graph=True)).norm() for x in (task, out.variation)]
    assert weight * norm[1].item() == pytest.approx(0.5 * norm[0].item(), rel=1e-4)
    assert loss.item() == pytest.approx((task + weight * out.variation).item(), rel=1e-6)
    capped = RegularizerConfig(lambda_=0.5, weight=GradientRatio(max_weight=0.01)).build()
    assert capped(task, out, progress=0.0, parameters=parameters).weight == 0.01


def test_the_gradient_ratio_is_measured_throughout_the_start_and_then_every_so_often() -> None:
    layer, _, out = setting()
    parameters = [layer.m, layer.n]
    task = out.prompt.square().mean()
    regularizer = RegularizerConfig(lambda_=0.5, weight=GradientRatio(every=3, max_weight=1e9)).build()
    scales = [1.0, 4.0, 16.0, 16.0, 1000.0, 1000.0, 1.0]  # measured: the first three, and numbers 3 and 6
    weights = [regularizer(s * task, out, progress=0.0, parameters=parameters).weight for s in scales]
    # Geometric means, half of the weight on the newest: 1, 2, 2^2.5, 2^3.25, the same twice, 2^1.625.
    wanted = [1, 2, 2**2.5, 2**3.25, 2**3.25, 2**3.25, 2**1.625]
    assert [w / weights[0] for w in weights] == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(InputError, match="there are none: pass parameters"):
        regularizer(task, out, progress=0.0)


def test_the_gradient_ratio_is_restored_from_a_state() -> None:
    layer, task, out = setting()
    first, second = (RegularizerConfig(lambda_=0.5, weight=GradientRatio()).build() for _ in range(2))
    weight = first(task, out, progress=0.0, parameters=[layer.m, layer.n]).weight
    second.load_state_dict(first.state_dict())
    assert second(task, out, progress=0.0, parameters=[layer.m, layer.n]).weight == weight


def test_uncertainty_starts_at_lambda_and_moves_towards_the_inverse_losses() -> None:
    layer, task, out = setting()
    regularizer = RegularizerConfig(lambda_=2.0, weight=Uncertainty()).build()
    assert regularizer(task, out, progress=0.0).weight == pytest.approx(2.0)
    loss, _ = regularizer(task, out, progress=0.0)
    loss.backward()
    expected = 0.5 - torch.tensor([task.item(), 2.0 * out.variation.item()])  # d/ds [exp(-s) L + s / 2]
    torch.testing.assert_close(regularizer.log_variance.grad, expected)
    assert layer.m.grad.abs() > 0


def test_a_spread_above_the_floor_costs_nothing_and_a_constant_map_costs_1() -> None:
    assert std_penalty(torch.linspace(0, 1, 100), 0.15) == 0
    assert std_penalty(torch.full((100,), 0.7), 0.15).item() == pytest.approx(1, abs=1e-4)
    constant = torch.full((10,), 0.5, requires_grad=True)
    std_penalty(constant, 0.15).backward()
    assert torch.isfinite(constant.grad).all()


def test_the_floor_pulls_a_collapsing_layer_back() -> None:
    layer, task, out = setting(n=-1.5)
    assert attention_std(out.attention) < 0.15
    loss, _ = RegularizerConfig(remedy=StdFloor(weight=1e3)).build()(task.detach(), out, progress=0.0)
    loss.backward()
    assert layer.n.grad < 0  # descent raises n: away from the all-pass end


def test_closing_at_rest_bars_the_open_end_and_leaves_a_closed_layer_alone() -> None:
    remedy = RegularizerConfig(remedy=ClosedAtRest()).build()
    for n, pulled in ((-0.5, True), (0.5, False)):
        layer, task, out = setting(n=n)
        loss, _ = remedy(task.detach(), out, progress=0.0, curve=layer.curve)
        assert (loss > task).item() is pulled
        if pulled:
            loss.backward()
            assert layer.n.grad < 0  # descent raises n until a pixel at rest gets at most half attention
        else:
            assert loss.item() == task.item()  # not a digit of a healthy seed changes


@pytest.mark.parametrize("remedy", ["none", "std_floor", "relative"])
def test_the_other_remedies_do_not_look_at_the_curve(remedy: str) -> None:
    def curve(difference: torch.Tensor) -> torch.Tensor:
        raise AssertionError(f"asked for the attention at {difference}")

    _, task, out = setting()
    regularizer = RegularizerConfig(lambda_=1.0, remedy=REMEDIES[remedy]()).build()
    assert regularizer(task, out, progress=0.0, curve=curve).weight == 1.0


@given(scale=st.floats(0.05, 1))
def test_relative_variation_does_not_reward_a_smaller_scale(scale: float) -> None:
    maps = torch.rand(1, 6, 16, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    values = []
    for a in (maps, scale * maps + 0.5 * (1 - scale)):
        values.append(relative_variation((a[:, 1:] - a[:, :-1]).square().mean(), a).item())
    assert values[1] == pytest.approx(values[0], rel=0.02)
    assert values[0] == pytest.approx(1, rel=0.1)  # independent maps


def test_what_cannot_be_regularised_says_why() -> None:
    with pytest.raises(InputError, match=r"lambda must be greater than or equal to 0, got -1"):
        from_plain(RegularizerConfig, {"lambda": -1}, source="here")
    _, task, out = setting(frames=2)
    assert out.variation is None
    for arguments in ({}, {"remedy": Relative()}, {"weight": Uncertainty()}):
        with pytest.raises(InputError, match="undefined for clips of 2 frames"):
            RegularizerConfig(lambda_=1.0, **arguments).build()(task, out, progress=0.0)
    loss, weight = RegularizerConfig().build()(task, out, progress=0.0)
    assert weight == 0
    assert math.isfinite(loss.item())


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(regularizers).attempted > 4
    assert doctest.testmod(regularizers).failed == 0
