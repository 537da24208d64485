"""From a data set and a sampler to batches of clips, identically for every worker count.

Which frames a clip holds, how it is augmented and where it stands in the epoch depend on (seed, epoch, video id) alone.
Frames travel as uint8 and become normalised floats on the device that trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.seeding import generator
from vmp.data.augment import AugmentConfig, augment_clip, view_crop
from vmp.data.base import SplitName, VideoSet
from vmp.data.sampling import Sampler, duplicate_frame_ratio, frame_gap_seconds, sample_indices
from vmp.layer.kernels import registry


@config
class NormalizeConfig:
    """Channel statistics in units of [0, 1]: a clip is ``(pixel / 255 - mean) / std``. The layer gets the same.

    Attributes:
        mean, std: One value for each of R, G, B. Default: the published 0.45 and 0.225.
    """

    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.225, 0.225, 0.225)

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {list(self.std)}")


@config
class TestConfig:
    """How a test video is looked at: `views` clips along time, `crops` squares across each; probabilities are averaged.

    Validation always takes one centre view. Published: 1 x 3 (TimeSformer), 5 x 3 (VideoMAE), 10 x 3 (SlowFast).

    Attributes:
        views: Clips spread evenly over the video, one in the centre.
        crops: Squares along the longer side; more than one needs ``data.fit: short``.
        order: ``reversed`` shows each clip from its last frame to its first: what a network says of it then shows how
            much it goes by the direction of time.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    views: Annotated[int, Field(ge=1, le=100)] = 1
    crops: Annotated[int, Field(ge=1, le=9)] = 1
    order: Literal["forward", "reversed"] = "forward"


class Batch(NamedTuple):
    """One batch of `b` videos with `v` clips each.

    frames: uint8 ``(b * v, t, h, w, 3)``, the clips of a video together. labels: int64 ``(b,)``.
    gap_seconds, duplicate_ratio: sampling figures of each clip, ``(b * v,)``.
    """

    frames: Tensor
    labels: Tensor
    gap_seconds: Tensor
    duplicate_ratio: Tensor


class ClipLoader:
    """Batches of one split.

    Args:
        data: The videos.
        split: ``train`` shuffles, samples at random and augments; ``val`` and ``test`` do neither.
        sampling: How frames are chosen.
        frames: Frames in a clip: what the backbone takes plus what the layer consumes.
        size: Height and width of the clip in pixels.
        batch_size: Clips in a batch; the last one may be smaller.
        seed: The cell's seed.
        augment: What happens to training clips.
        test: Views and crops of a test video.
        workers: Loader processes; 0 reads in this one. Changes speed, never a number.

    Raises:
        InputError: The split holds no video.
    """

    def __init__(
        self,
        data: VideoSet,
        split: SplitName,
        *,
        sampling: Sampler,
        frames: int,
        size: int,
        batch_size: int,
        seed: int,
        augment: AugmentConfig | None = None,
        test: TestConfig | None = None,
        workers: int = 0,
    ) -> None:
        self.split = split
        self.indices = [i for i, video in enumerate(data.videos) if video.split == split]
        if not self.indices:
            raise InputError(f"data set '{data.name}' has no {split} videos; check its split column or split fractions")
        views = test if test is not None and split == "test" else TestConfig()
        self.batch_size = max(batch_size // (views.views * views.crops), 1)
        self.seed, self.workers = seed, workers
        augmented = augment if split == "train" else None
        self._clips = _Clips(data, split == "train", sampling, frames, size, seed, augmented, views)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.indices) // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0. Evaluation splits are the same in every epoch."""
        order = np.array(self.indices)
        if self.split == "train":
            generator(self.seed, "order", epoch).shuffle(order)
        else:
            epoch = 0
        keys = [(epoch, int(i)) for i in order]
        batches = [keys[i : i + self.batch_size] for i in range(0, len(keys), self.batch_size)]
        yield from DataLoader(self._clips, batch_sampler=batches, collate_fn=_collate, num_workers=self.workers)

    def strata(self) -> dict[str, list[int]]:
        """Tag -> positions within an evaluation epoch of the videos that carry it; tags of all or none are left out."""
        members: dict[str, list[int]] = {}
        for position, index in enumerate(self.indices):
            for name, value in self._clips.data.videos[index].tags:
                members.setdefault(f"{name}={value}", []).append(position)
        return {tag: found for tag, found in sorted(members.items()) if len(found) < len(self.indices)}


class _Item(NamedTuple):
    clips: list[NDArray[np.uint8]]
    label: int
    gaps: list[float]
    duplicates: list[float]


class _Clips(Dataset[_Item]):
    def __init__(
        self,
        data: VideoSet,
        train: bool,
        sampling: Sampler,
        frames: int,
        size: int,
        seed: int,
        augment: AugmentConfig | None,
        views: TestConfig,
    ) -> None:
        self.data, self.train, self.sampling, self.frames = data, train, sampling, frames
        self.size, self.seed, self.augment, self.views = size, seed, augment, views

    def __getitem__(self, key: tuple[int, int]) -> _Item:
        epoch, index = key
        video = self.data.videos[index]
        item = _Item([], video.label, [], [])
        for chosen in self.frame_indices(index, epoch):
            indices = np.array(chosen, dtype=np.int64)
            frames = self.data.read(index, indices)
            if self.views.order == "reversed":
                frames = frames[::-1]
            if self.augment is not None:
                item.clips.append(
                    augment_clip(frames, self.augment, self.size, seed=self.seed, epoch=epoch, video_id=video.id)
                )
            else:
                crops = self.views.crops
                item.clips.extend(view_crop(frames, self.size, crop=crop, crops=crops) for crop in range(crops))
            item.gaps.append(frame_gap_seconds(indices, video.fps))
            item.duplicates.append(duplicate_frame_ratio(indices))
        return item

    def frame_indices(self, index: int, epoch: int) -> list[list[int]]:
        return [self._sample(index, epoch, view).tolist() for view in range(self.views.views)]

    def _sample(self, index: int, epoch: int, view: int) -> NDArray[np.int64]:
        video, need = self.data.videos[index], self.sampling.needs
        return sample_indices(
            self.sampling,
            video.num_frames,
            video.fps,
            frames=self.frames,
            train=self.train,
            seed=self.seed,
            epoch=epoch,
            video_id=video.id,
            view=view,
            views=self.views.views,
            timeline=self.data.timeline(index, need) if need else None,
        )


def _collate(items: list[_Item]) -> Batch:
    return Batch(
        torch.from_numpy(np.stack([clip for item in items for clip in item.clips])),
        torch.tensor([item.label for item in items]),
        torch.tensor([gap for item in items for gap in item.gaps]),
        torch.tensor([ratio for item in items for ratio in item.duplicates]),
    )


def normalize(frames: Tensor, settings: NormalizeConfig) -> Tensor:
    """uint8 frames ``(b, t, h, w, 3)`` to a normalised float32 clip ``(b, 3, t, h, w)`` on the same device."""
    return registry.normalize(frames.permute(0, 4, 1, 2, 3), settings.mean, settings.std)
