"""A streamed video gives what the whole clip gives, however it is cut, in memory that does not grow with its length."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.vmp.layer.layers import built
from vmp.core.errors import InputError
from vmp.layer.prompted import MotionPrompted
from vmp.layer.streaming import classify_stream, stream

MEAN, STD = (0.45, 0.4, 0.5), (0.225, 0.2, 0.25)
LAYERS = [
    {},
    {"kind": "control"},
    {"kind": "control", "prompted_frame": "earlier"},
    {"kind": "none"},
    {"normalization": "gamma"},
    {"motion": "multi_step"},
    {"normalization": {"sharing": "channel"}},
    {"motion": "compensated_difference"},
    {"prompted_frame": "earlier"},
]


def clip_of(t: int, h: int = 6, w: int = 5, seed: int = 0) -> Tensor:
    return (torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(seed)) - 0.45) / 0.225


@pytest.mark.parametrize("arguments", LAYERS, ids=str)
@settings(deadline=None, max_examples=8)
@given(t=st.integers(3, 14), run=st.integers(1, 6), read_ahead=st.booleans())
def test_the_stream_is_the_whole_clip(arguments: dict, t: int, run: int, read_ahead: bool) -> None:
    layer, clip = built(arguments, mean=MEAN, std=STD), clip_of(t)
    whole = layer(clip)
    steps = list(stream(clip[0].unbind(1), layer, run=run, read_ahead=read_ahead))
    assert [s.number for s in steps] == list(range(t - layer.extra_frames))
    prompts = torch.stack([s.prompt for s in steps], 1)
    if not arguments:
        assert torch.equal(prompts, whole.prompt[0])
    # A Fourier transform of one pair rounds otherwise than one of many, which moves the camera's shift by 1e-5 pixels.
    rtol, atol = (1e-3, 1e-4) if arguments.get("motion") == "compensated_difference" else (1e-5, 1e-6)
    torch.testing.assert_close(prompts, whole.prompt[0], rtol=rtol, atol=atol)
    attention = torch.stack([s.attention for s in steps], -3)
    torch.testing.assert_close(attention, whole.attention[0], rtol=rtol, atol=atol)
    assert steps[-1].variation == pytest.approx(whole.variation.item(), rel=rtol, abs=1e-9)


@pytest.mark.parametrize("run", [1, 3, 64])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"normalization": {"signed": False, "start": {"n": 0.2}}},
        {"prompted_frame": "earlier"},
        {"motion": "multi_step"},
    ],
    ids=str,
)
def test_uint8_frames_are_normalised_as_a_clip_is(arguments: dict, run: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 60, 170, 3), dtype=np.uint8)
    layer = built(arguments, mean=MEAN, std=STD)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in (MEAN, STD))
    clip = (torch.from_numpy(frames).permute(3, 0, 1, 2)[None] / 255 - mean) / std
    steps, whole = list(stream(frames, layer, run=run)), layer(clip)
    torch.testing.assert_close(torch.stack([s.prompt for s in steps], 1), whole.prompt[0], rtol=1e-5, atol=1e-5)
    assert steps[-1].variation == pytest.approx(whole.variation.item(), rel=1e-5)


class Sum(nn.Module):
    def forward(self, prompt: Tensor) -> Tensor:
        return prompt.sum((3, 4))[:, 0]  # (b, t): the logits show which prompts were seen


@pytest.mark.parametrize(("stride", "firsts"), [(None, [0, 4]), (1, list(range(6))), (3, [0, 3])])
def test_windows_see_the_prompts_they_say(stride: int | None, firsts: list[int]) -> None:
    clip, layer = clip_of(10), built(mean=MEAN, std=STD)
    model = MotionPrompted(Sum(), layer)
    windows = list(classify_stream(clip[0].unbind(1), model, num_frames=4, stride=stride))
    sums = layer(clip).prompt.sum((3, 4))[0, 0]
    assert [w.first for w in windows] == firsts
    for first, logits in windows:
        torch.testing.assert_close(logits, sums[first : first + 4], rtol=1e-4, atol=1e-4)


def test_frames_are_drawn_as_they_are_needed_and_the_reader_ends_with_its_consumer() -> None:
    drawn = 0

    def endless() -> Iterator[Tensor]:
        nonlocal drawn
        while True:
            drawn += 1
            yield torch.zeros(3, 4, 4)

    before = threading.active_count()
    steps = stream(endless(), built(mean=MEAN, std=STD), run=4)
    for _ in range(10):
        next(steps)
    steps.close()
    assert drawn <= 40
    assert threading.active_count() <= before


def test_gradients_are_as_they_were_in_the_loop_that_takes_the_prompts() -> None:
    layer, frames = built(mean=MEAN, std=STD), list(clip_of(5)[0].unbind(1))
    model = MotionPrompted(Sum(), layer)
    for taken in (stream(frames, layer), classify_stream(frames, model, num_frames=2, stride=1)):
        for result in taken:
            assert torch.is_grad_enabled()
            assert not result[1].requires_grad


def test_what_cannot_be_streamed_says_why() -> None:
    layer = built(mean=MEAN, std=STD)
    with pytest.raises(InputError, match=r"for a file pass video_frames\('clip.mp4'\)"):
        next(stream("clip.mp4", layer))
    with pytest.raises(InputError, match="frame 0 must be a tensor or an array, got list"):
        next(stream([[0.0]], layer))  # type: ignore[list-item]
    for run in (0, -1):
        with pytest.raises(InputError, match=f"run must be at least 1 frame, got {run}"):
            next(stream(clip_of(3)[0].unbind(1), layer, run=run))

    def failing() -> Iterator[Tensor]:
        yield from clip_of(3)[0].unbind(1)
        raise InputError("frame 3 is damaged")

    for frames, match in (
        ([torch.zeros(4, 4)], r"must be normalised float \(3, h, w\), or uint8 \(h, w, 3\), got \(4, 4\)"),
        ([torch.zeros(3, 0, 4)], r"got \(3, 0, 4\)"),
        ([torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)], r"frame 1 is \(3, 5, 4\)"),
        ([torch.zeros(3, 4, 4)], "at least 2 frames"),
        ([], "at least 2 frames"),
        (failing(), "frame 3 is damaged"),
    ):
        with pytest.raises(InputError, match=match):
            list(stream(frames, layer))
    with pytest.raises(InputError, match="cannot be streamed"):
        list(stream([], built({"normalization": {"sharing": "time"}})))
    with pytest.raises(InputError, match="need mean and std"):
        list(stream(np.zeros((3, 4, 4, 3), np.uint8), built({"kind": "control"})))
    for mean, std, match in (
        ((0.5, 0.5), STD, "mean must be three numbers"),
        (MEAN, (0, 1, 1), "std must be positive"),
    ):
        with pytest.raises(InputError, match=match):
            list(stream(np.zeros((3, 4, 4, 3), np.uint8), layer, mean=mean, std=std))
    with pytest.raises(InputError, match="gives 2 prompts, fewer than one window of 4"):
        list(classify_stream(clip_of(3)[0].unbind(1), MotionPrompted(Sum(), layer), num_frames=4))
