"""Which frames of a video make a clip: one class for each way to choose, and `SAMPLERS` that lists them.

Every sampler has one definition for training (may draw at random, from a stream named by ``(seed, epoch, video id)``)
and one for testing (no chance involved; `views` of them spread evenly, a single view in the centre). The result does
not depend on the worker, on the order of the videos, or on how many frames another arm of the study asks for.

A layer that turns T frames into T - 1 needs one frame more than its backbone. A request says how many frames to return,
`Sampler.num_frames` how many the *baseline* sees: the extra frame is fitted into the time span of the baseline, so both
arms look at the same seconds of video. ``span: authors`` keeps the stride instead and spans longer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vmp.core.config import Choice, config
from vmp.core.errors import InputError
from vmp.core.seeding import generator

Indices = NDArray[np.int64]
Need = Literal["key_frames", "motion"]
Span = Literal["baseline", "authors"]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What some strategies must know about one video beside its length.

    Attributes:
        key_frames: Ascending frame numbers that the codec stores whole, ``(k,)``.
        motion: Change from each frame to the next, ``(N - 1,)``, >= 0: 1 - SSIM, see `vmp.data.motion_scores`.
    """

    key_frames: Indices | None = None
    motion: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One clip to choose.

    Attributes:
        length: Frames in the video, N >= 1.
        fps: Frames a second of the video (nan where the container does not say).
        frames: Frames to return, T >= 1.
        rng: The video's random stream in this epoch, or None when testing.
        view: Which of `views` test clips, counted from 0.
        timeline: What the sampler's `needs` asks for.
    """

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


@config
class Sampler(ABC):
    """What every sampler reads.

    Attributes:
        kind: A key of `SAMPLERS`, or the dotted path of a class of one's own.
        num_frames: Frames that the backbone gets (K), in [1, 4096]. The layer's extra frame is not counted here.
    """

    needs: ClassVar[Need | None] = None

    kind: str
    num_frames: int = Field(default=8, ge=1, le=4096)

    @abstractmethod
    def indices(self, r: Request) -> Indices:
        """Frame numbers of one clip, ``(r.frames,)``, each in [0, r.length)."""


@config
class Uniform(Sampler):
    """The middle frame of each of T equal parts of the whole video, in training and testing alike (no chance).

    Frame k is ``floor((k + q) N / T)`` with q = 1/2; test view i of V takes ``q = (i + 1/2) / V``. The contrast to
    ``segment`` is thus temporal jitter in training alone, the contrast to ``random`` is sparse against dense.
    """

    kind: Literal["uniform"] = "uniform"

    def indices(self, r: Request) -> Indices:
        return _middle_of_parts(r)


@config
class Random(Sampler):
    """A window of K frames at stride `rate`, from anywhere in the video (SlowFast's sampler; dense in time).

    ``L = rate * K * fps / target_fps`` frames long; slack ``D = max(N - L, 0)``. Train: start ~ U(0, D), new in every
    epoch. Test: view i of V starts at ``i D / (V - 1)``, one view in the centre. The frames are
    ``floor(clamp(linspace(start, start + L - 1, T), 0, N - 1))``: a video shorter than L repeats its last frame.

    Attributes:
        rate: Stride in frames, > 0, between the frames of a baseline clip. With ``span: baseline`` and K + 1 frames, a
            rate below (K + 1) / K repeats a frame, because K frames at rate 1 span only K different ones.
        target_fps: Rate at which strides are counted: a video of 60 fps is strided twice as far as one of 30. None
            counts in the video's own frames.
        span: ``baseline`` gives K + 1 frames the time span of the baseline's K; ``authors`` keeps the stride, so that
            K + 1 frames span longer (as in the released code of arXiv 2407.03179).

    Raises:
        InputError: `target_fps` is set and the video's frame rate is unknown.
    """

    kind: Literal["random"] = "random"
    rate: float = Field(default=1.0, gt=0, le=4096)
    target_fps: float | None = Field(default=None, gt=0, le=1000)
    span: Span = "baseline"

    def indices(self, r: Request) -> Indices:
        scale = 1.0
        if self.target_fps is not None:
            if not np.isfinite(r.fps):
                raise InputError("sampling.target_fps needs videos whose container states a frame rate; leave it unset")
            scale = r.fps / self.target_fps
        planned = r.frames if self.span == "authors" else self.num_frames
        length = max(self.rate * planned * scale, 1.0)
        slack = max(r.length - length, 0.0)
        start = r.rng.uniform(0, slack) if r.rng is not None else r.position * slack
        return _floor_clamped(np.linspace(start, start + length - 1, r.frames), r.length)


@config
class Segment(Sampler):
    """One frame of each of T segments of ``N // T`` frames (TSN): sparse, with temporal jitter in training.

    Train: a random frame of every segment, new in every epoch. Test: the centre one; view i of V takes the frame at
    ``(i + 1/2) / V`` of each segment. Up to T - 1 frames at the end belong to no segment. A video with fewer than
    T frames has T equal parts instead, and repeats frames.
    """

    kind: Literal["segment"] = "segment"

    def indices(self, r: Request) -> Indices:
        size = r.length // r.frames
        if size == 0:
            return _middle_of_parts(r)
        if r.rng is not None:
            offset = r.rng.integers(0, size, size=r.frames)
        else:
            offset = np.full(r.frames, int((r.view + 0.5) / r.views * size))
        return np.arange(r.frames, dtype=np.int64) * size + offset


@config
class Dense(Sampler):
    """Frames ``window // K`` apart from a start anywhere (TSM's dense sampling); past the end it wraps to the start.

    Train: integer start ~ U{0 .. max(N - window, 0)}. Test: view i of V starts at i / (V - 1) of that range. With
    T = K + 1 the steps shrink to keep the span ``(K - 1) * (window // K)``. In a video shorter than the window the clip
    wraps: a cut that frame differences see as motion.

    Attributes:
        window: Frames that the clip spans, >= 1.
        span: See `Random`.
    """

    kind: Literal["dense"] = "dense"
    window: int = Field(default=64, ge=1, le=100_000)
    span: Span = "baseline"

    def indices(self, r: Request) -> Indices:
        step = max(self.window // self.num_frames, 1)
        last = max(r.length - self.window, 0)
        start = int(r.rng.integers(0, last + 1)) if r.rng is not None else int(r.position * last)
        planned = r.frames if self.span == "authors" else self.num_frames
        offsets = np.floor(np.linspace(0, (planned - 1) * step, r.frames)).astype(np.int64)
        return (start + offsets) % r.length


@config
class KeyFrame(Sampler):
    """Frames that the codec stores whole, T of them spread over all that there are.

    K' >= T key frames: they are cut into T runs of equal length; train takes a random one of each run, test the one at
    ``(i + 1/2) / V`` of it. Fewer than T (usual in short clips, which often have one): all of them, and then the middle
    of the widest gap (of key frames, the video's two ends), again and again until there are T; no chance is involved.
    """

    needs = "key_frames"

    kind: Literal["key-frame"] = "key-frame"

    def indices(self, r: Request) -> Indices:
        keys = _timeline(r, self)
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


@config
class MotionGuided(Sampler):
    """Frames spread evenly over the video's cumulated motion (MGSampler, arXiv 2104.09952): more where more moves.

    With ``s_i`` the change from frame i to i + 1, ``p = s^0.5 / sum`` and ``C_j = sum_{i<j} p_i``, frame k is the one
    whose ``C_j`` is nearest to ``u_k``: U(k / T, (k + 1) / T) in training, ``(k + (i + 1/2) / V) / T`` in test view i.
    A video without any change counts every step alike.
    """

    needs = "motion"

    kind: Literal["motion-guided"] = "motion-guided"

    def indices(self, r: Request) -> Indices:
        motion = _timeline(r, self)
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


SAMPLERS: dict[str, type[Sampler]] = {
    "uniform": Uniform,
    "random": Random,
    "segment": Segment,
    "dense": Dense,
    "key-frame": KeyFrame,
    "motion-guided": MotionGuided,
}
SamplingConfig = Annotated[Sampler, Choice(SAMPLERS, "sampler", default="uniform")]
"""The field of a configuration that chooses a sampler."""


def sample_indices(
    sampler: Sampler,
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
        sampler: How to choose.
        num_frames_in_video: N >= 1.
        fps: Frames a second of the video; nan when unknown.
        frames: T >= 1, frames to return: K, or K + 1 for a layer that takes differences.
        train: Draw from the stream ``(seed, epoch, video_id)``; otherwise `view` of `views`, without chance.
        seed: The cell's seed.
        epoch: Counted from 0; ignored when testing.
        video_id: `vmp.data.base.Video.id`.
        view: Test clip, 0 <= view < views.
        views: Test clips a video.
        timeline: What the sampler `needs`; see `VideoSet.timeline`.

    Raises:
        InputError: No frames in the video, `frames` < 1, a view out of range, or a timeline without what it needs.
    """
    if num_frames_in_video < 1:
        raise InputError(f"video {video_id!r} has no frames to sample from")
    if frames < 1:
        raise InputError(f"a clip has at least one frame: frames = {frames}")
    if not 0 <= view < views:
        raise InputError(f"view {view} of {views} does not exist: views are counted from 0")
    rng = generator(seed, "sampling", epoch, video_id) if train else None
    request = Request(
        length=num_frames_in_video, fps=fps, frames=frames, rng=rng, view=view, views=views, timeline=timeline
    )
    return sampler.indices(request)


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


def _middle_of_parts(r: Request) -> Indices:
    part = (np.arange(r.frames) + (r.view + 0.5) / r.views) * r.length / r.frames
    return _floor_clamped(part, r.length)


def _timeline(r: Request, sampler: Sampler) -> NDArray[np.float64]:
    need = sampler.needs or ""
    value = getattr(r.timeline, need, None)
    if value is None:
        raise InputError(f"the sampler {sampler.kind!r} needs the video's {need.replace('_', ' ')}: pass a timeline")
    return np.asarray(value)
