"""Codec motion vectors as a motion map, against scenes whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from vmp.core.errors import InputError
from vmp.layer.motion.codec import CodecVectors, vector_magnitude

MEAN, STD = (0.45, 0.4, 0.5), (0.225, 0.2, 0.25)
FULL_SCALE = 8.0


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Gray levels with a spectrum of 1/f, like those of natural pictures, around 0.5."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    scene = np.fft.irfft2(noise / frequency, s=(height, width))
    return np.clip(0.5 + 0.2 * scene / scene.std(), 0, 1)


def panned(dy: int, dx: int, height: int = 64, width: int = 64, frames: int = 3, seed: int = 0) -> np.ndarray:
    """A window gliding over a larger scene: its content moves by (dy, dx) a frame. (t, h, w)"""
    scene = texture(height + 80, width + 80, seed)
    starts = [(40 - t * dy, 40 - t * dx) for t in range(frames)]
    return np.stack([scene[y : y + height, x : x + width] for y, x in starts])


def motion(frames: np.ndarray) -> np.ndarray:
    """The module's map of gray frames (t, h, w), handed over as a normalised clip, in pixels (t-1, h, w)."""
    return CodecVectors((MEAN, STD, "RGB"), FULL_SCALE)(clip_of(frames))[0].numpy() * FULL_SCALE


def clip_of(frames: np.ndarray) -> Tensor:
    colour = torch.from_numpy(frames).float().expand(3, *frames.shape)
    return ((colour - torch.tensor(MEAN).view(3, 1, 1, 1)) / torch.tensor(STD).view(3, 1, 1, 1))[None]


@pytest.mark.parametrize("size", [(64, 64), (49, 71)])
@pytest.mark.parametrize("shift", [(1, 0), (0, -2), (3, 4), (-5, 2)])
def test_a_shift_of_the_whole_picture_is_found_in_most_places(shift: tuple[int, int], size: tuple[int, int]) -> None:
    found = motion(panned(*shift, *size))
    assert found.shape == (2, *size)
    inside = found[:, 8:-8, 8:-8]  # what comes in at the edge was not in the frame before
    assert (np.abs(inside - np.hypot(*shift)) < 0.1).mean() > 0.9


def test_half_a_pixel_is_half_a_pixel() -> None:
    fine = texture(200, 200)
    fine = (fine + np.roll(fine, 1, 1) + np.roll(fine, 1, 0) + np.roll(fine, (1, 1), (0, 1))) / 4
    frames = np.stack([fine[40:168:2, 40 - t : 168 - t : 2] for t in range(2)])  # one pixel of the finer grid
    assert np.median(motion(frames)) == 0.5


def test_faster_than_full_scale_counts_as_full_scale() -> None:
    found = motion(panned(0, 12))
    assert found.max() == FULL_SCALE
    assert (found == FULL_SCALE).mean() > 0.6


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_square_moves_over_a_still_background(noise: float) -> None:
    scene, square = texture(96, 96, seed=1), texture(32, 32, seed=2)
    frames, inside = np.stack([scene] * 4), np.zeros((4, 96, 96), bool)
    for t in range(4):
        here = np.s_[t, 20 + 2 * t : 52 + 2 * t, 24 + 3 * t : 56 + 3 * t]
        frames[here], inside[here] = square, True
    frames += noise * np.random.default_rng(0).standard_normal(frames.shape)
    found = motion(frames)
    assert found[inside[1:]].mean() == pytest.approx(np.hypot(2, 3), rel=0.2)
    assert found[~inside[1:]].mean() < 0.25
    assert np.median(found[~inside[1:]]) == 0


def test_a_still_clip_has_no_motion() -> None:
    assert (motion(panned(0, 0)) == 0).all()
    assert (motion(np.full((2, 32, 32), 0.5)) == 0).all()


def test_a_map_depends_on_its_own_two_frames_alone() -> None:
    module = CodecVectors((MEAN, STD, "RGB"))
    clip = torch.cat([clip_of(panned(*shift, frames=5, seed=seed)) for seed, shift in enumerate([(2, 3), (0, -6)])])
    maps = module(clip)
    assert torch.equal(module(clip), maps)
    for sample in range(2):
        for t in range(4):
            alone = module(clip[sample : sample + 1, :, t : t + 2])
            assert torch.equal(alone[0, 0], maps[sample, t])


def test_the_content_at_the_right_and_the_bottom_lies_where_it_was() -> None:
    first = texture(50, 70)
    second = first.copy()
    second[32:48, 48:64] = panned(0, 3, 16, 16, seed=4)[1]
    first[32:48, 48:64] = panned(0, 3, 16, 16, seed=4)[0]
    found = vector_magnitude(*(np.round(frame * 255).astype(np.uint8) for frame in (first, second)))
    assert found[32:48, 48:64].mean() > 1
    found[32:48, 48:64] = 0
    assert (found == 0).all()


def test_frames_smaller_than_a_block_of_the_codec_are_refused() -> None:
    with pytest.raises(InputError, match=r"16 to 8176 pixels a side, got 15 x 64"):
        motion(panned(0, 1, height=15))
