"""Every sampler against its definition, worked out by hand, and against the rules that all share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmp.core.config import Choice
from vmp.core.errors import InputError
from vmp.data.sampling import (
    SAMPLERS,
    Random,
    Sampler,
    Timeline,
    duplicate_frame_ratio,
    frame_gap_seconds,
    sample_indices,
)


def sampler(kind: str, **options) -> Sampler:
    """A sampler of the table with those of the options that it reads."""
    return SAMPLERS[kind](**{key: value for key, value in options.items() if hasattr(SAMPLERS[kind](), key)})


def sample(kind: str = "uniform", length: int = 100, frames: int = 8, train: bool = False, **options):
    call = {"fps": 25.0, "seed": 0, "epoch": 0, "video_id": "v", "view": 0, "views": 1, "timeline": None}
    call |= {key: options.pop(key) for key in list(options) if key in call}
    cfg = SAMPLERS[kind](**{"num_frames": frames, **options})
    return sample_indices(cfg, length, call.pop("fps"), frames=frames, train=train, **call)


def timeline(length: int, seed: int = 0) -> Timeline:
    rng = np.random.default_rng(seed)
    keys = np.sort(rng.choice(length, size=rng.integers(1, length + 1), replace=False))
    return Timeline(key_frames=keys, motion=rng.random(length - 1))


cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(sorted(SAMPLERS)),
        "length": st.integers(1, 300),
        "num_frames": st.integers(1, 40),
        "extra": st.integers(0, 1),
        "rate": st.floats(0.25, 9),
        "fps": st.sampled_from([12.5, 25.0, 29.97, 60.0]),
        "target_fps": st.sampled_from([None, 10.0, 30.0]),
        "span": st.sampled_from(["baseline", "authors"]),
        "seed": st.integers(0, 5),
        "epoch": st.integers(0, 5),
        "views": st.integers(1, 4),
    }
)


@settings(max_examples=250, deadline=None)
@given(case=cases)
def test_rules_that_every_sampler_keeps(case: dict) -> None:
    cfg = sampler(**{key: case[key] for key in ("kind", "num_frames", "rate", "target_fps", "span")})
    frames, length = case["num_frames"] + case["extra"], case["length"]
    index = timeline(length, case["seed"])

    def draw(train: bool, seed: int = case["seed"], epoch: int = case["epoch"], video: str = "v", view: int = 0):
        return sample_indices(
            cfg,
            length,
            case["fps"],
            frames=frames,
            train=train,
            seed=seed,
            epoch=epoch,
            video_id=video,
            view=view,
            views=case["views"],
            timeline=index,
        )

    clips = [draw(True), *(draw(False, view=view) for view in range(case["views"]))]
    for clip in clips:
        assert clip.shape == (frames,)
        assert clip.dtype == np.int64
        assert clip.min() >= 0
        assert clip.max() < length
        if cfg.kind != "dense":  # which wraps
            assert (np.diff(clip) >= 0).all()
        if cfg.kind in ("uniform", "segment", "key-frame") and length >= frames:
            assert duplicate_frame_ratio(clip) == 0
    draw(True, video="another one in between")
    assert np.array_equal(clips[0], draw(True))
    assert np.array_equal(clips[1], draw(False, seed=99, epoch=99, video="w")), "testing is without chance"


@pytest.mark.parametrize("kind", ["random", "segment", "dense", "motion-guided"])
def test_training_draws_anew_for_each_seed_epoch_and_video(kind: str) -> None:
    def draw(**options):
        return sample(kind, 300, train=True, timeline=timeline(300), **options).tolist()

    assert draw() != draw(epoch=1)
    assert draw() != draw(seed=1)
    assert draw() != draw(video_id="w")


@given(length=st.integers(1, 200), rate=st.floats(0.5, 8), epoch=st.integers(0, 9))
def test_the_extra_frame_stays_within_the_span_of_the_baseline(length: int, rate: float, epoch: int) -> None:
    cfg = Random(num_frames=8, rate=rate)
    base, more = (
        sample_indices(cfg, length, 25, frames=frames, train=True, seed=1, epoch=epoch, video_id="v")
        for frames in (8, 9)
    )
    assert (base[0], base[-1]) == (more[0], more[-1])


def test_span_authors_spans_longer() -> None:
    def span(**options) -> int:
        return int(np.ptp(sample("random", 300, rate=32, **options)))

    assert span(frames=9, num_frames=8, span="authors") == 9 * 32 - 1  # 9 x 32 against 8 x 32
    assert span(frames=9, num_frames=8) == span(frames=8) == 8 * 32 - 1
    assert sample("dense", 300, frames=9, num_frames=8, span="authors").tolist() == [118 + 8 * k for k in range(9)]


def test_definitions_by_hand() -> None:
    assert sample("random", 20, frames=4, rate=2).tolist() == [6, 8, 10, 13]  # L = 8, D = 12, from 6 to 6 + 7
    assert sample("random", 20, frames=4, rate=2, view=0, views=3).tolist() == [0, 2, 4, 7]
    assert sample("random", 20, frames=4, rate=2, view=2, views=3).tolist() == [12, 14, 16, 19]
    assert sample("random", 3, frames=4, rate=1).tolist() == [0, 1, 2, 2]
    assert sample("random", 100, frames=4, rate=1, fps=50.0, target_fps=25).tolist() == [46, 48, 50, 53]
    assert sample("uniform", 10, frames=4).tolist() == [1, 3, 6, 8]  # (k + 1/2) 10 / 4
    assert sample("segment", 11, frames=4).tolist() == [1, 3, 5, 7]  # segments of 2, the last 3 frames in none
    assert sample("segment", 3, frames=4).tolist() == [0, 1, 1, 2]
    assert sample("dense", 100, frames=8).tolist() == [18 + 8 * k for k in range(8)]
    assert sample("dense", 20, frames=4, window=64).tolist() == [0, 16, 12, 8]  # wraps
    assert sample("key-frame", 30, frames=3, timeline=Timeline(key_frames=np.array([0, 9, 20]))).tolist() == [0, 9, 20]
    assert sample("key-frame", 30, frames=3, timeline=Timeline(key_frames=np.array([0]))).tolist() == [0, 7, 15]
    # All motion between frames 4 and 5: C jumps from 0 to 1 there, the half is as near to 4 as to 5.
    still = np.zeros(9)
    still[4] = 1.0
    assert sample("motion-guided", 10, frames=3, timeline=Timeline(motion=still)).tolist()[-1] == 5
    # Without motion every step counts alike: C_j = j / 9, u = 1/6, 1/2, 5/6.
    assert sample("motion-guided", 10, frames=3, timeline=Timeline(motion=np.zeros(9))).tolist() == [1, 4, 7]


@given(length=st.integers(8, 200), epoch=st.integers(0, 20))
def test_segment_training_takes_one_frame_of_each_segment(length: int, epoch: int) -> None:
    clip = sample("segment", length, frames=8, train=True, epoch=epoch)
    assert (clip // (length // 8)).tolist() == list(range(8))


@given(length=st.integers(1, 200), views=st.integers(2, 5))
def test_views_reach_from_the_first_frame_to_the_last(length: int, views: int) -> None:
    assert sample("random", length, rate=2, view=0, views=views)[0] == 0
    assert sample("random", length, rate=2, view=views - 1, views=views)[-1] == length - 1


def test_motion_guided_goes_where_the_motion_is() -> None:
    motion = np.full(99, 1e-4)
    motion[60:80] = 0.5
    clip = sample("motion-guided", 100, frames=8, timeline=Timeline(motion=motion))
    assert np.count_nonzero((clip >= 60) & (clip <= 80)) >= 6


def test_gap_and_duplicates() -> None:
    clip = np.array([0, 2, 2, 5])
    assert frame_gap_seconds(clip, 10.0) == pytest.approx(5 / 3 / 10)
    assert np.isnan(frame_gap_seconds(clip, float("nan")))
    assert duplicate_frame_ratio(clip) == pytest.approx(1 / 3)
    assert frame_gap_seconds(clip[:1], 10.0) == duplicate_frame_ratio(clip[:1]) == 0
    # K frames at rate 1 span K different ones: the extra frame has to repeat one of them.
    assert duplicate_frame_ratio(sample("random", 100, frames=9, num_frames=8, rate=1)) == pytest.approx(1 / 8)


def test_bad_requests_are_named() -> None:
    with pytest.raises(InputError, match=r"unknown sampler 'unifrom'. Did you mean 'uniform'\?.*random, segment"):
        Choice(SAMPLERS, "sampler").validate("unifrom")
    with pytest.raises(InputError, match="no frames"):
        sample(length=0)
    with pytest.raises(InputError, match="view 3 of 3"):
        sample(view=3, views=3)
    with pytest.raises(InputError, match="frame rate"):
        sample("random", target_fps=10, fps=float("nan"))
    for kind, cls in SAMPLERS.items():
        if cls.needs:
            with pytest.raises(InputError, match=cls.needs.replace("_", " ")):
                sample(kind)
