"""Which frames of a video make a clip: pure functions of the video's length, the epoch and the video's id.

Every strategy has one definition for training (may draw at random, from a stream named by ``(seed, epoch, video id)``)
and one for testing (no chance involved; `views` of them spread evenly, a single view in the centre). The result does
not depend on the worker, on the order of the videos, or on how many frames another arm of the study asks for.

A layer that turns T frames into T - 1 needs one frame more than its backbone. `frames` says how many frames to return,
`SamplingConfig.num_frames` how many the *baseline* sees: the extra frame is fitted into the time span of the baseline,
so both arms look at the same seconds of video. ``span="authors"`` keeps the stride instead and spans longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.seeding import generator

Indices = NDArray[np.int64]


@config
class SamplingConfig:
    """How clips are cut out of videos.

    Attributes:
        strategy: A key of `SAMPLERS`.
        num_frames: Frames that the backbone gets (K), >= 1. The layer's extra frame is not counted here.
        rate: Stride in frames, > 0, between the frames of a baseline clip. ``random`` alone uses it: ``dense`` has
            `window`, the others always span the whole video. With ``span="baseline"`` and K + 1 frames, a rate below
            (K + 1) / K repeats a frame, because K frames at rate 1 span only K different ones.
        target_fps: Rate at which strides are counted (``random`` alone): a video of 60 fps is strided twice as far as
            one of 30. None counts in the video's own frames.
        span: ``"baseline"`` gives K + 1 frames the time span of the baseline's K; ``"authors"`` keeps the stride, so
            that K + 1 frames span longer (as in the released code of arXiv 2407.03179).
        window: Frames that ``dense`` spans, >= 1.
    """

    strategy: str = "uniform"
    num_frames: int = Field(default=8, ge=1, le=4096)
    rate: float = Field(default=1.0, gt=0, le=4096)
    target_fps: float | None = Field(default=None, gt=0, le=1000)
    span: Literal["baseline", "authors"] = "baseline"
    window: int = Field(default=64, ge=1, le=100_000)

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SAMPLERS:
            raise ValueError(f"unknown sampling strategy {value!r}; valid: {', '.join(SAMPLERS)}")
        return value


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What some strategies must know about one video beside its length.

    Attributes:
        key_frames: Ascending frame numbers that the codec stores whole, ``(k,)``.
        motion: Change from each frame to the next, ``(N - 1,)``, >= 0 (`vmp.data.motion_scores.motion_scores`: 1 - SSIM).
    """

    key_frames: Indices | None = None
    motion: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of a sampler, as `sample_indices` passes it on.

    Attributes:
        cfg: The strategy and its settings.
        length: Frames in the video, N >= 1.
        fps: Frames a second of the video (may be nan where the container does not say).
        frames: Frames to return, T >= 1.
        rng: The video's random stream in this epoch, or None when testing.
        view: Which of `views` test clips, counted from 0.
        timeline: Index of the video for the strategies in `NEEDS_TIMELINE`.
    """

    cfg: SamplingConfig
    length: int
    fps: float
    frames: int
    rng: np.random.Generator | None
    view: int
    views: int
    timeline: Timeline | None

    @property
    def position(self) -> float:
        """Where this test view lies among all, in [0, 1]: i / (V - 1), one view in the centre."""
        return 0.5 if self.views == 1 else self.view / (self.views - 1)


def sample_random(r: Request) -> Indices:
    """A window of K frames at stride `rate`, from anywhere in the video (SlowFast's sampler; dense in time).

    ``L = rate * K * fps / target_fps`` frames long; slack ``D = max(N - L, 0)``. Train: start ~ U(0, D), new in every
    epoch. Test: view i of V starts at ``i D / (V - 1)``, one view in the centre. The frames are
    ``floor(clamp(linspace(start, start + L - 1, T), 0, N - 1))``: a video shorter than L repeats its last frame.

    Raises:
        InputError: `target_fps` is set and the video's frame rate is unknown.
    """
    scale = 1.0
    if r.cfg.target_fps is not None:
        if not np.isfinite(r.fps):
            raise InputError("sampling.target_fps needs videos whose container states a frame rate; leave it unset")
        scale = r.fps / r.cfg.target_fps
    planned = r.frames if r.cfg.span == "authors" else r.cfg.num_frames
    length = max(r.cfg.rate * planned * scale, 1.0)
    slack = max(r.length - length, 0.0)
    start = r.rng.uniform(0, slack) if r.rng is not None else r.position * slack
    return _floor_clamped(np.linspace(start, start + length - 1, r.frames), r.length)


def sample_uniform(r: Request) -> Indices:
    """The middle frame of each of T equal parts of the whole video, in training and testing alike (no chance).

    Frame k is ``floor((k + q) N / T)`` with q = 1/2; test view i of V takes ``q = (i + 1/2) / V``. The contrast to
    ``segment`` is thus temporal jitter in training alone, the contrast to ``random`` is sparse against dense.
    """
    part = (np.arange(r.frames) + (r.view + 0.5) / r.views) * r.length / r.frames
    return _floor_clamped(part, r.length)


def sample_segment(r: Request) -> Indices:
    """One frame of each of T segments of ``N // T`` frames (TSN): sparse, with temporal jitter in training.

    Train: a random frame of every segment, new in every epoch. Test: the centre one; view i of V takes the frame at
    ``(i + 1/2) / V`` of each segment. Up to T - 1 frames at the end belong to no segment. A video with fewer than
    T frames has T equal parts instead, and repeats frames.
    """
    size = r.length // r.frames
    if size == 0:
        return sample_uniform(r)
    if r.rng is not None:
        offset = r.rng.integers(0, size, size=r.frames)
    else:
        offset = np.full(r.frames, int((r.view + 0.5) / r.views * size))
    return np.arange(r.frames, dtype=np.int64) * size + offset


def sample_dense(r: Request) -> Indices:
    """Frames ``window // K`` apart from a start anywhere (TSM's dense sampling); past the end it wraps to the start.

    Train: integer start ~ U{0 .. max(N - window, 0)}. Test: view i of V starts at i / (V - 1) of that range. With
    T = K + 1 the steps shrink to keep the span ``(K - 1) * (window // K)``. In a video shorter than the window the clip
    wraps: a cut that frame differences see as motion.
    """
    step = max(r.cfg.window // r.cfg.num_frames, 1)
    last = max(r.length - r.cfg.window, 0)
    start = int(r.rng.integers(0, last + 1)) if r.rng is not None else int(r.position * last)
    planned = r.frames if r.cfg.span == "authors" else r.cfg.num_frames
    offsets = np.floor(np.linspace(0, (planned - 1) * step, r.frames)).astype(np.int64)
    return (start + offsets) % r.length


def sample_key_frame(r: Request) -> Indices:
    """Frames that the codec stores whole, T of them spread over all that there are.

    K' >= T key frames: they are cut into T runs of equal length; train takes a random one of each run, test the one at
    ``(i + 1/2) / V`` of it. Fewer than T (usual in short clips, which often have one): all of them, and then the middle
    of the widest gap (of key frames, the video's two ends), again and again until there are T; no chance is involved.
    """
    keys = _timeline(r, "key_frames", "key-frame")
    keys = np.unique(keys[(keys >= 0) & (keys < r.length)]).astype(np.int64)
    if len(keys) >= r.frames:
        edges = np.arange(r.frames) * len(keys) // r.frames
        sizes = (np.arange(r.frames) + 1) * len(keys) // r.frames - edges
        share = r.rng.random(r.frames) if r.rng is not None else (r.view + 0.5) / r.views
        return np.asarray(keys[edges + (share * sizes).astype(np.int64)], dtype=np.int64)
    chosen = [int(k) for k in keys]
    while len(chosen) < min(r.frames, r.length):
        ends = np.array([-1, *chosen, r.length])
        gap = int(np.argmax(np.diff(ends)))
        chosen.insert(gap, int(ends[gap] + ends[gap + 1]) // 2)
    chosen += [chosen[-1]] * (r.frames - len(chosen))
    return np.array(chosen, dtype=np.int64)


def sample_motion_guided(r: Request) -> Indices:
    """Frames spread evenly over the video's cumulated motion (MGSampler, arXiv 2104.09952): more where more moves.

    With ``s_i`` the change from frame i to i + 1, ``p = s^0.5 / sum`` and ``C_j = sum_{i<j} p_i``, frame k is the one
    whose ``C_j`` is nearest to ``u_k``: U(k / T, (k + 1) / T) in training, ``(k + (i + 1/2) / V) / T`` in test view i.
    A video without any change counts every step alike.
    """
    motion = _timeline(r, "motion", "motion-guided")
    if len(motion) != r.length - 1:
        raise InputError(f"a motion index has N - 1 entries: got {len(motion)} for {r.length} frames")
    weight = np.sqrt(np.clip(motion, 0, None))
    if not weight.sum() > 0:
        weight = np.ones(r.length - 1)
    curve = np.concatenate([[0.0], np.cumsum(weight / max(weight.sum(), 1e-300))])
    share = r.rng.random(r.frames) if r.rng is not None else (r.view + 0.5) / r.views
    wanted = (np.arange(r.frames) + share) / r.frames
    right = np.clip(np.searchsorted(curve, wanted), 1, max(r.length - 1, 1))
    right = np.minimum(right, r.length - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = wanted - curve[left] <= curve[right] - wanted
    return np.where(nearer_left, left, right).astype(np.int64)


Sampler = Callable[[Request], Indices]
SAMPLERS: dict[str, Sampler] = {
    "uniform": sample_uniform,
    "random": sample_random,
    "segment": sample_segment,
    "dense": sample_dense,
    "key-frame": sample_key_frame,
    "motion-guided": sample_motion_guided,
}
# What a strategy reads from a `Timeline`; a data set builds it only when asked.
NEEDS_TIMELINE: dict[str, Literal["key_frames", "motion"]] = {"key-frame": "key_frames", "motion-guided": "motion"}


def sample_indices(
    cfg: SamplingConfig,
    num_frames_in_video: int,
    fps: float,
    *,
    frames: int,
    train: bool,
    seed: int,
    epoch: int,
    video_id: str,
    view: int = 0,
    views: int = 1,
    timeline: Timeline | None = None,
) -> Indices:
    """Frame numbers of one clip, ``(frames,)``, each in [0, N); a short video repeats frames.

    Args:
        cfg: The strategy and its settings.
        num_frames_in_video: N >= 1.
        fps: Frames a second of the video; nan when unknown.
        frames: T >= 1, frames to return: K, or K + 1 for a layer that takes differences.
        train: Draw from the stream ``(seed, epoch, video_id)``; otherwise `view` of `views`, without chance.
        seed: The cell's seed.
        epoch: Counted from 0; ignored when testing.
        video_id: `vmp.data.base.Video.id`.
        view: Test clip, 0 <= view < views.
        views: Test clips a video.
        timeline: Needed by the strategies in `NEEDS_TIMELINE`; see `VideoSet.timeline`.

    Raises:
        InputError: No frames in the video, `frames` < 1, a view out of range, or the timeline lacks what it takes.
    """
    if num_frames_in_video < 1:
        raise InputError(f"video {video_id!r} has no frames to sample from")
    if frames < 1:
        raise InputError(f"a clip has at least one frame: frames = {frames}")
    if not 0 <= view < views:
        raise InputError(f"view {view} of {views} does not exist: views are counted from 0")
    rng = generator(seed, "sampling", epoch, video_id) if train else None
    request = Request(
        cfg=cfg, length=num_frames_in_video, fps=fps, frames=frames, rng=rng, view=view, views=views, timeline=timeline
    )
    return SAMPLERS[cfg.strategy](request)


def frame_gap_seconds(indices: Indices, fps: float) -> float:
    """Mean time between successive frames of a clip in seconds (repeats count as 0, a wrap backwards by its size).

    The frame difference, and with it the slope that fits, scales with this gap. 0 for a single frame; nan when `fps`
    is unknown.
    """
    if len(indices) < 2:
        return 0.0
    if not (np.isfinite(fps) and fps > 0):
        return float("nan")
    return float(np.abs(np.diff(indices)).mean() / fps)


def duplicate_frame_ratio(indices: Indices) -> float:
    """Share of frames that repeat the frame before them, in [0, 1): there the frame difference is exactly zero."""
    if len(indices) < 2:
        return 0.0
    return float(np.count_nonzero(np.diff(indices) == 0) / (len(indices) - 1))


def _floor_clamped(positions: NDArray[np.float64], length: int) -> Indices:
    return np.floor(np.clip(positions, 0, length - 1)).astype(np.int64)


def _timeline(r: Request, field: Literal["key_frames", "motion"], strategy: str) -> NDArray[np.float64]:
    value = getattr(r.timeline, field) if r.timeline is not None else None
    if value is None:
        raise InputError(f"sampling strategy {strategy!r} needs the video's {field.replace('_', ' ')}: pass a timeline")
    return np.asarray(value)
