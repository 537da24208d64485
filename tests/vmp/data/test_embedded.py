"""The embedded benchmark: reproducible to the byte, and solvable by motion alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from vmp.data.loading import NormalizeConfig, normalize
from vmp.data.registry import load_data
from vmp.data.sets import embedded
from vmp.data.sets.embedded import CLASSES, CONDITIONS, MotionData
from vmp.layer.config import ControlConfig, NoPromptConfig

FRAMES = np.arange(9)


def pixels(
    settings: MotionData, split: str, frames: NDArray[np.int64] = FRAMES
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Frames ``(videos, t, h, w, 3)`` in [0, 1] and labels of one split."""
    data = load_data(settings)
    chosen = [i for i, video in enumerate(data.videos) if video.split == split]
    labels = np.array([data.videos[i].label for i in chosen])
    return np.stack([data.read(i, frames) for i in chosen]) / 255, labels


def digest(settings: MotionData) -> str:
    data = settings.load()
    return hashlib.sha256(b"".join(data.read(i, np.arange(3)).tobytes() for i in range(len(data.videos)))).hexdigest()


def single_frame_features(frames: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """What a single frame ``(b, h, w, 3)`` can tell: pixels, spectrum, edge energy by direction, colour."""
    grey = frames.mean(-1)
    spectrum = np.log1p(np.abs(np.fft.rfft2(grey - grey.mean((1, 2), keepdims=True))))
    return {
        "pixels": grey.reshape(len(grey), -1),
        "spectrum": spectrum.reshape(len(grey), -1),
        "edges": np.stack([np.abs(np.diff(grey, axis=axis)).mean((1, 2)) for axis in (1, 2)], 1),
        "colour": frames.mean((1, 2)) / frames.mean((1, 2, 3))[:, None],
    }


def probe(settings: MotionData) -> tuple[dict[str, int], int]:
    """Hits on test frames of a ridge classifier for each kind of single-frame feature, and the number of trials."""
    (x, y), (x_test, y_test) = (pixels(settings, split, np.array([4])) for split in ("train", "test"))
    train, test = single_frame_features(x[:, 0]), single_frame_features(x_test[:, 0])
    hits = {}
    for name in train:
        mean, scale = train[name].mean(0), train[name].std(0) + 1e-6
        a, b = (train[name] - mean) / scale, (test[name] - mean) / scale
        weights = np.linalg.solve(a.T @ a + 10 * np.eye(a.shape[1]), a.T @ np.eye(len(CLASSES))[y])
        hits[name] = int(((b @ weights).argmax(1) == y_test).sum())
    return hits, len(y_test)


def test_equal_seeds_give_equal_bytes_whatever_else_is_rendered() -> None:
    small = {"val": 6, "test": 6, "size": 16, "num_frames": 3}
    assert digest(MotionData(train=12, **small)) == digest(MotionData(train=12, **small))
    assert digest(MotionData(train=12, **small)) != digest(MotionData(train=12, seed=1, **small))
    few, many = MotionData(train=12, **small).load(), MotionData(train=90, **small).load()
    np.testing.assert_array_equal(few.read(11, np.arange(3)), many.read(11, np.arange(3)))
    assert few.fingerprint != many.fingerprint


@pytest.mark.parametrize("knobs", [{}, {"camera": 1.0, "occluders": 2, "flicker": 0.1, "decimation": 2}])
def test_a_single_frame_is_at_chance(knobs: dict[str, float]) -> None:
    found, trials = probe(MotionData(train=1200, val=6, test=1200, **knobs))
    for name, hits in found.items():
        low, high = stats.binomtest(hits, trials).proportion_ci(0.99, method="exact")
        assert low < 1 / 6 < high, f"{name}: {hits / trials:.3f}"


def test_the_probe_does_find_an_appearance_shortcut_and_is_misled_where_it_turns() -> None:
    honest, trials = probe(MotionData(train=600, val=6, test=600, shortcut=0.9))
    misled, _ = probe(MotionData(train=600, val=6, test=600, shortcut=0.9, test_shortcut=-0.9))
    assert honest["colour"] > 0.8 * trials
    assert misled["colour"] < 0.1 * trials


def test_the_tag_of_a_clip_says_whose_tint_it_wears() -> None:
    """Hues are read off the pixels here: channel means of a clip against those of its class."""
    settings = MotionData(train=300, val=6, test=300, shortcut=0.5, test_shortcut=-0.5)
    videos = settings.load().videos
    hues = np.cos(2 * np.pi * (np.arange(len(CLASSES))[:, None] / len(CLASSES) + np.arange(3) / 3))
    for split, own in (("train", 0.5 + 0.5 / 6), ("test", 0.5 / 6)):
        frames, labels = pixels(settings, split)
        channels = frames.mean(axis=(1, 2, 3))
        wearers = ((channels - channels.mean(-1, keepdims=True)) @ hues.T).argmax(-1)
        tags = np.array([dict(video.tags)["tint"] for video in videos if video.split == split])
        np.testing.assert_array_equal(tags == "own", wearers == labels)
        assert abs((tags == "own").mean() - own) < 0.08
    assert "tint" not in dict(MotionData(train=12, val=6, test=6).load().videos[0].tags)


def test_frame_differences_tell_the_classes_apart() -> None:
    """The label is in the motion: the disc's displacement, found by cross-correlation, is the class's."""
    settings = MotionData(train=120, val=6, test=6, background="plain", noise=0.0, speed=(2.0, 2.0))
    clips, labels = pixels(settings, "train")
    grey = clips.mean(-1)
    shifts = {"right": (0, 2), "left": (0, -2), "down": (2, 0), "up": (-2, 0)}
    for video, label in zip(grey, labels, strict=True):
        if CLASSES[label] in shifts:
            now, before = (np.fft.fft2(video[t] - video[t].mean()) for t in (1, 0))
            peak = np.unravel_index(np.fft.ifft2(now * np.conj(before)).real.argmax(), video[0].shape)
            assert tuple((np.array(peak) + 16) % 32 - 16) == shifts[CLASSES[label]]


def test_knobs_do_what_they_say() -> None:
    def grey(**knobs: float) -> NDArray[np.float64]:
        base: dict[str, float] = {"train": 60, "val": 6, "test": 6, "noise": 0.0}
        return pixels(MotionData(**(base | knobs)), "train")[0].mean(-1)

    def change(video: NDArray[np.float64]) -> float:
        return float(np.abs(np.diff(video, axis=1)).mean())

    still = grey()
    assert (np.abs(np.diff(still, axis=1)) < 1e-9).mean() > 0.6  # outside the disc nothing moves
    assert change(grey(camera=2.0)) > 2 * change(still)
    assert change(grey(decimation=3)) > 1.3 * change(still)
    assert change(grey(noise=0.1)) > 2 * change(still)
    assert change(grey(flicker=0.2)) > 2 * change(still)
    static = (np.ptp(grey(camera=3.0, occluders=4), axis=1) < 1e-9).mean()
    assert static > 0.05  # occluders stand still before a moving scene
    with pytest.raises(ValueError, match="speed must rise"):
        MotionData(speed=(2.0, 1.0))


def test_still_classes_hold_still_and_differ_in_their_tint_alone() -> None:
    settings = MotionData(train=90, val=9, test=9, noise=0.0, still=3)
    data = settings.load()
    assert data.classes == (*CLASSES, "still red", "still green", "still blue")
    assert {dict(video.tags)["motion"] for video in data.videos} == {"translation", "rotation", "still"}
    frames, labels = pixels(settings, "train")
    frames = np.clip(frames, 0.05, 0.9)  # a gain is none where a channel is at its end
    moving, still = frames[labels < len(CLASSES)], frames[labels >= len(CLASSES)]
    assert np.ptp(still, axis=1).max() < 1e-9
    assert np.ptp(moving, axis=1).max() > 0.2
    assert np.ptp(moving, axis=-1).max() < 1e-9, "classes that move have no colour"
    strongest = still.mean(axis=(1, 2, 3)).argmax(-1)
    np.testing.assert_array_equal(strongest, labels[labels >= len(CLASSES)] - len(CLASSES))
    with pytest.raises(ValueError, match="a video of each of 9 classes, got 8"):
        MotionData(train=90, val=9, test=8, still=3)


def test_a_condition_is_a_name_for_settings() -> None:
    counts = {"train": 12, "val": 9, "test": 9}
    for name, named in CONDITIONS.items():
        one, other = MotionData(**counts, condition=name), MotionData(**counts, **named)  # type: ignore[arg-type]
        assert one.canonical() == other.canonical()
        assert one.load().fingerprint == other.load().fingerprint
        np.testing.assert_array_equal(pixels(one, "test")[0], pixels(other, "test")[0])
    with pytest.raises(ValueError, match=r"condition = noisy stands for noise = 0\.1; leave one of them out"):
        MotionData(condition="noisy", noise=0.3)


def test_pieces_of_a_long_video_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = MotionData(train=6, val=6, test=6, num_frames=40, camera=1.0, occluders=2, flicker=0.1, decimation=2)
    before = pixels(settings, "test")[0]
    monkeypatch.setattr(embedded, "_PIECE", 7)
    monkeypatch.setattr(embedded, "_FRAMES", 80)
    np.testing.assert_array_equal(pixels(settings, "test")[0], before)


def test_the_control_arm_shows_the_later_frames_and_nothing_else() -> None:
    settings = NormalizeConfig()
    frames, _ = pixels(MotionData(train=6, val=6, test=6), "train")
    clip = normalize(torch.from_numpy(np.rint(frames * 255).astype(np.uint8)), settings)
    control = ControlConfig().build(settings.mean, settings.std, maps=8)
    prompt, attention, variation = control(clip)
    torch.testing.assert_close(prompt, clip[:, :, 1:], rtol=0, atol=0)
    assert bool((attention == 1).all())
    assert float(variation) == 0
    bare = NoPromptConfig().build(settings.mean, settings.std, maps=8)
    torch.testing.assert_close(bare(clip).prompt, clip, rtol=0, atol=0)
