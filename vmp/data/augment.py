"""Augmentation of whole clips: every frame gets the same change, so that no difference between frames is made.

All of it happens before the frame difference. Parameters come from the stream ``(seed, "augment", epoch, video id)``,
so an arm of a study, a worker or a repetition cannot see other pictures. The work is done by torchvision's v2
transforms; only the drawing of the parameters is ours, because theirs draw from torch's global generator. They are
imported where a picture is changed: that takes as long as torch itself, and most cells change none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.seeding import generator


@config
class AugmentConfig:
    """What happens to training clips. The defaults change nothing: frames are cut to size in the centre.

    Attributes:
        scale: Range of the short side, as multiples of the network's size, >= 1, from which each clip draws one scale
            (scale jitter; the published 256 to 320 for a crop of 224 is 1.143 to 1.429).
        crop: ``"random"`` cuts anywhere, ``"center"`` in the middle.
        flip: Probability of mirroring left and right, in [0, 1]. Leave 0 where direction is part of the label.
        brightness: Factor drawn from 1 - b to 1 + b, b in [0, 1].
        contrast: The same for contrast.
        saturation: The same for saturation.
        hue: Shift drawn from -h to h of the colour circle, h in [0, 0.5].
    """

    scale: tuple[float, float] = (1.0, 1.0)
    crop: Literal["random", "center"] = "center"
    flip: float = Field(default=0.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 1 <= low <= high <= 4:
            raise ValueError(f"scale must be two numbers with 1 <= lowest <= highest <= 4, got {list(self.scale)}")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The parameters of one clip. `top` and `left` are shares of the room that the crop has, in [0, 1]."""

    scale: float
    top: float
    left: float
    flip: bool
    brightness: float
    contrast: float
    saturation: float
    hue: float


def draw(cfg: AugmentConfig, *, seed: int, epoch: int, video_id: str) -> Draw:
    """The parameters of a training clip; the same for the same arguments, whatever else is configured or drawn."""
    rng = generator(seed, "augment", epoch, video_id)
    share = rng.random(8)  # all at once: switching one augmentation on moves none of the others
    signed = 2 * share - 1
    random_crop = cfg.crop == "random"
    return Draw(
        scale=cfg.scale[0] + share[0] * (cfg.scale[1] - cfg.scale[0]),
        top=share[1] if random_crop else 0.5,
        left=share[2] if random_crop else 0.5,
        flip=bool(share[3] < cfg.flip),
        brightness=1 + signed[4] * cfg.brightness,
        contrast=1 + signed[5] * cfg.contrast,
        saturation=1 + signed[6] * cfg.saturation,
        hue=signed[7] * cfg.hue,
    )


def augment_clip(
    frames: NDArray[np.uint8], cfg: AugmentConfig, size: int, *, seed: int, epoch: int, video_id: str
) -> NDArray[np.uint8]:
    """A training clip, ``(t, size, size, 3)`` uint8, from working frames ``(t, h, w, 3)`` uint8.

    Raises:
        InputError: The working frames are smaller than `size`.
    """
    return apply(frames, draw(cfg, seed=seed, epoch=epoch, video_id=video_id), size)


def view_crop(frames: NDArray[np.uint8], size: int, *, crop: int = 0, crops: int = 1) -> NDArray[np.uint8]:
    """Square number `crop` of `crops` along the longer side, ``(t, size, size, 3)``: one crop is the centre.

    Working frames are first scaled to the short side `size`, so several crops see more than one only where frames keep
    their aspect ratio (``fit: short``).

    Raises:
        InputError: A crop that does not exist, or working frames smaller than `size`.
    """
    if not 0 <= crop < crops:
        raise InputError(f"crop {crop} of {crops} does not exist: crops are counted from 0")
    along = 0.5 if crops == 1 else crop / (crops - 1)
    plain = Draw(scale=1, top=along, left=along, flip=False, brightness=1, contrast=1, saturation=1, hue=0)
    return apply(frames, plain, size)


def apply(frames: NDArray[np.uint8], d: Draw, size: int) -> NDArray[np.uint8]:
    """Scale, crop, flip and colour all frames alike: ``(t, h, w, 3)`` to ``(t, size, size, 3)``, uint8."""
    height, width = frames.shape[1:3]
    if min(height, width) < size:
        raise InputError(f"working frames of {width} x {height} are smaller than the network's size {size}")
    if (height, width) == (size, size) and d.scale == 1 and _colourless(d):
        return np.ascontiguousarray(frames[:, :, ::-1]) if d.flip else frames
    from torchvision.transforms.v2 import functional as tv

    clip: Tensor = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    target = round(size * d.scale)
    if min(height, width) != target:
        clip = tv.resize(clip, [target], antialias=True)
    room = clip.shape[-2] - size, clip.shape[-1] - size
    clip = tv.crop(clip, int(d.top * room[0] + 0.5), int(d.left * room[1] + 0.5), size, size)
    if d.flip:
        clip = tv.horizontal_flip(clip)
    return np.ascontiguousarray(_colour(clip, d).permute(0, 2, 3, 1).numpy())


def _colourless(d: Draw) -> bool:
    return d.brightness == d.contrast == d.saturation == 1 and d.hue == 0


def _colour(clip: Tensor, d: Draw) -> Tensor:
    from torchvision.transforms.v2 import functional as tv

    if d.brightness != 1:
        clip = tv.adjust_brightness(clip, d.brightness)
    if d.contrast != 1:
        clip = _contrast(clip, d.contrast)
    if d.saturation != 1:
        clip = tv.adjust_saturation(clip, d.saturation)
    return tv.adjust_hue(clip, d.hue) if d.hue != 0 else clip


def _contrast(clip: Tensor, factor: float) -> Tensor:
    """Contrast about the mean grey of the *clip*: torchvision's takes each frame's own mean, which makes flicker."""
    from torchvision.transforms.v2 import functional as tv

    mean = tv.rgb_to_grayscale(clip).float().mean()
    return (mean + factor * (clip.float() - mean)).clamp(0, 255).to(torch.uint8)
