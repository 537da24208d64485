"""From a data set and a sampler to batches of clips, identically for every worker count.

Which frames a clip holds, whether it is flipped and where it stands in the epoch depend on (seed, epoch, video id)
alone. Frames travel as uint8 and become normalised floats on the device that trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vmp.config import config
from vmp.data.base import SplitName, VideoSet
from vmp.errors import InputError
from vmp.sampling import SamplingConfig, duplicate_frame_ratio, frame_gap_seconds, sample_indices
from vmp.seeding import derive_seed, generator


@config
class NormalizeConfig:
    """Channel statistics in units of [0, 1]: a clip is ``(pixel / 255 - mean) / std``. The layer is told the same.

    Attributes:
        mean, std: One value for each of R, G, B. Default: the published 0.45 and 0.225.
    """

    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.225, 0.225, 0.225)

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {list(self.std)}")


class Batch(NamedTuple):
    """One batch: ``frames`` uint8 ``(b, t, h, w, 3)``, ``labels`` int64 ``(b,)``, sampling figures ``(b,)`` each."""

    frames: Tensor
    labels: Tensor
    gap_seconds: Tensor
    duplicate_ratio: Tensor


class ClipLoader:
    """Batches of one split.

    Args:
        data: The videos.
        split: ``train`` shuffles, samples and flips at random; ``val`` and ``test`` do neither.
        sampling: How frames are chosen.
        frames: Frames in a clip: what the backbone takes plus what the layer consumes.
        batch_size: Clips in a batch; the last one may be smaller.
        seed: The cell's seed.
        flip: Probability of a horizontal flip of a whole training clip.
        workers: Loader processes; 0 reads in this one. Changes speed, never a number.

    Raises:
        InputError: The split holds no video.
    """

    def __init__(
        self,
        data: VideoSet,
        split: SplitName,
        *,
        sampling: SamplingConfig,
        frames: int,
        batch_size: int,
        seed: int,
        flip: float = 0.0,
        workers: int = 0,
    ) -> None:
        self.split = split
        self.indices = [i for i, video in enumerate(data.videos) if video.split == split]
        if not self.indices:
            raise InputError(f"data set '{data.name}' has no {split} videos; check its split column or split fractions")
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self._clips = _Clips(data, split == "train", sampling, frames, seed, flip)

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


class _Clips(Dataset[tuple[NDArray[np.uint8], int, float, float]]):
    def __init__(
        self, data: VideoSet, train: bool, sampling: SamplingConfig, frames: int, seed: int, flip: float
    ) -> None:
        self.data, self.train, self.sampling = data, train, sampling
        self.frames, self.seed, self.flip = frames, seed, flip

    def __getitem__(self, key: tuple[int, int]) -> tuple[NDArray[np.uint8], int, float, float]:
        epoch, index = key
        video = self.data.videos[index]
        indices = sample_indices(
            self.sampling,
            video.num_frames,
            video.fps,
            frames=self.frames,
            train=self.train,
            seed=self.seed,
            epoch=epoch,
            video_id=video.id,
        )
        frames = self.data.read(index, indices)
        if self.train and self.flip:
            draw = derive_seed(self.seed, "flip", epoch, video.id) / 2**63
            if draw < self.flip:
                frames = frames[:, :, ::-1]
        return frames, video.label, frame_gap_seconds(indices, video.fps), duplicate_frame_ratio(indices)


def _collate(items: list[tuple[NDArray[np.uint8], int, float, float]]) -> Batch:
    frames, labels, gaps, duplicates = zip(*items, strict=True)
    return Batch(torch.from_numpy(np.stack(frames)), torch.tensor(labels), torch.tensor(gaps), torch.tensor(duplicates))


def normalize(frames: Tensor, settings: NormalizeConfig) -> Tensor:
    """uint8 frames ``(b, t, h, w, 3)`` to a normalised float32 clip ``(b, 3, t, h, w)`` on the same device."""
    scale = 1 / (255 * frames.new_tensor(settings.std, dtype=torch.float32))
    shift = frames.new_tensor(settings.mean, dtype=torch.float32) / frames.new_tensor(settings.std, dtype=torch.float32)
    return torch.addcmul(-shift, frames.float(), scale).permute(0, 4, 1, 2, 3).contiguous()
