"""Explanations are data first: the figures draw what was prepared, and what was prepared can be checked."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.vmp.layer.layers import built
from vmp.core.errors import InputError
from vmp.layer.base import FramesOnly
from vmp.layer.published import VideoMotionPrompt
from vmp.show.curve import draw_curve, prepare_curve
from vmp.show.explain import (
    anchor_labels,
    draw_overlay,
    draw_trajectories,
    prepare_overlay,
    prepare_trajectories,
)

mpl.use("Agg")
MEAN, STD = (0.45,) * 3, (0.225,) * 3


def clip_of(t: int = 4) -> torch.Tensor:
    return (torch.rand(3, t, 8, 10, generator=torch.Generator().manual_seed(0)) - 0.45) / 0.225


def test_the_curve_passes_one_half_at_the_shift_and_the_density_is_the_clips() -> None:
    layer = VideoMotionPrompt(MEAN, STD, shift=0.25)
    still = clip_of(1).expand(3, 4, 8, 10)[None]
    data = prepare_curve(layer, still)
    assert np.interp(data.shift, data.difference, data.attention) == pytest.approx(0.5, abs=0.01)
    assert data.density.sum() == pytest.approx(1)
    assert abs(data.difference[data.density.argmax()]) < 0.01  # a still clip has D = 0 everywhere
    ax = draw_curve(data, ax=Figure().subplots())
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), data.attention)
    assert prepare_curve(built({"normalization": "gamma"})).shift is None
    with pytest.raises(InputError, match="looks at no difference"):
        prepare_curve(FramesOnly(drop_first=True), still)


@pytest.mark.parametrize(
    "arguments", [{}, {"kind": "control"}, {"kind": "none"}, {"normalization": {"sharing": "channel"}}], ids=str
)
def test_an_overlay_shows_the_prompted_frames_as_pictures(arguments: dict) -> None:
    layer, clip = built(arguments), clip_of()
    data = prepare_overlay(layer, clip, MEAN, STD)
    pairs = 4 - layer.extra_frames
    assert data.frames.shape == data.prompts.shape == (pairs, 8, 10, 3)
    assert data.attention.shape == (pairs, 8, 10)
    pixels = (clip[:, layer.extra_frames :] * 0.225 + 0.45).permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(data.frames, pixels, atol=1e-5)
    assert data.statistics["mean_attention"] == pytest.approx(data.attention.mean(), rel=1e-5)
    axes = draw_overlay(data, axes=Figure().subplots(1, 3), number=-1)
    assert len(axes[1].images) == 2
    with pytest.raises(InputError, match="one clip, got a batch of 2"):
        prepare_overlay(layer, torch.stack([clip, clip]), MEAN, STD)
    with pytest.raises(InputError, match="pair 9 does not exist"):
        draw_overlay(data, axes=axes, number=9)


def test_trajectories_end_where_training_ended() -> None:
    runs = {
        "seed 0": {"slope": [30.0, 25.0], "shift": [0.0, 0.2]},
        "seed 1": {"slope": [30.0, 12.0], "shift": [0.0, -0.5]},
    }
    data = prepare_trajectories(runs, published=True)
    ax = draw_trajectories(data, ax=Figure().subplots())
    ends = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert ends == [[0.2, 25.0], [-0.5, 12.0]]
    assert len(data.published) == 9
    with pytest.raises(InputError, match=r"run 'x' needs curves slope and shift of one length, got \{'slope': 1\}"):
        prepare_trajectories({"x": {"slope": [1.0]}})


def test_published_ends_that_lie_together_share_a_label() -> None:
    published = prepare_trajectories({"a": {"slope": [30.0], "shift": [0.0]}}, published=True).published
    assert [text for text, _, _ in anchor_labels(published)] == ["λ 0 to 0.1", "λ 0.5 to 10"]
    apart = np.array([[0, 20.0, 0.0], [1, 10.0, 0.0], [2, 10.0, 0.5]])
    assert anchor_labels(apart) == [("λ 0", 20.0, 0.0), ("λ 1", 10.0, 0.0), ("λ 2", 10.0, 0.5)]
