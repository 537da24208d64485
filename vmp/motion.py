"""Motion maps: what the attention looks at. One table, `MOTIONS`, of modules (b, 3, t, h, w) -> (b, [3,] t-1, h, w).

The frame difference is the published one. The others answer whether it is enough: each gives one map for a pair of
frames, in [-1, 1] or [0, 1], which a power normalisation then turns into attention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vmp import functional as F
from vmp.codec_motion import SMALLEST, CodecVectors
from vmp.displacement import Matcher, displacement_maps
from vmp.errors import InputError

Statistics = tuple[Sequence[float], Sequence[float], str]  # mean, std, channel_order


class FrameDifference(nn.Module):
    """Signed difference of gray levels, D_t = g_{t+1} - g_t. Shapes: (b, 3, t, h, w) -> (b, t-1, h, w)."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.mean, self.std, self.order = statistics

    def forward(self, clip: Tensor) -> Tensor:
        return F.frame_difference(clip, self.std, self.order)


class RGBDifference(nn.Module):
    """Difference of each colour (TSN), so that each has its own attention. (b, 3, t, h, w) -> (b, 3, t-1, h, w)."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.mean, self.std = statistics[:2]

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        wide = clip.to(F.compute_dtype(clip))
        return (wide[:, :, 1:] - wide[:, :, :-1]) * wide.new_tensor(self.std).view(1, 3, 1, 1, 1)


class MultiStepDifference(nn.Module):
    """Mean of the differences to the last `steps` frames, (1/k) sum_j (g_{t+1} - g_{t+1-j}); fewer at the clip's start.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w). Slow motion, lost in one step, adds up over several.
    """

    def __init__(self, statistics: Statistics, steps: int = 3) -> None:
        super().__init__()
        (self.mean, self.std, self.order), self.steps = statistics, steps
        self.context = steps

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        gray = F.gray(clip, self.mean, self.std, self.order)
        frames = gray.shape[1]
        maps = []
        for t in range(1, frames):
            earlier = gray[:, max(0, t - self.steps) : t]
            maps.append(gray[:, t] - earlier.mean(1))
        return torch.stack(maps, 1)


class ConvStem(nn.Module):
    """A learnt stem: two convolutions over pairs of frames, tanh(conv(relu(conv(x)))), in [-1, 1].

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w).
    """

    def __init__(self, statistics: Statistics, width: int = 8) -> None:
        super().__init__()
        self.mean, self.std = statistics[:2]
        self.pairs = nn.Conv3d(3, width, (2, 3, 3), padding=(0, 1, 1))
        self.to_map = nn.Conv3d(width, 1, (1, 3, 3), padding=(0, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        return torch.tanh(self.to_map(torch.relu(self.pairs(clip)))).squeeze(1)


class MotionTokens(nn.Module):
    """Attention among patches of the frame difference: each patch's motion, seen beside that of all the others.

    A patch's difference is embedded, attends to the patches of its pair of frames, and gives one value in [-1, 1],
    spread over the patch by bilinear interpolation.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w), h and w multiples of `patch`.

    Raises: `InputError` for other sizes.
    """

    def __init__(self, statistics: Statistics, patch: int = 8, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.patch, self.difference = patch, FrameDifference(statistics)
        self.mean, self.std = statistics[:2]
        self.embed = nn.Conv2d(1, width, patch, stride=patch)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.to_value = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        b, _, t, h, w = clip.shape
        if h % self.patch or w % self.patch:
            raise InputError(f"motion tokens need height and width in multiples of {self.patch}, got {h} x {w}.")
        maps = self.difference(clip).reshape(b * (t - 1), 1, h, w)
        tokens = self.embed(maps.to(self.embed.weight.dtype)).flatten(2).transpose(1, 2)
        mixed = tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]
        values = torch.tanh(self.to_value(self.norm(mixed))).transpose(1, 2)
        coarse = values.reshape(b * (t - 1), 1, h // self.patch, w // self.patch)
        fine = nn.functional.interpolate(coarse, size=(h, w), mode="bilinear", align_corners=False)
        return fine.reshape(b, t - 1, h, w)


class OpticalFlow(nn.Module):
    """Magnitude of the optical flow of each pair, in pixels over `full_scale`, at most 1. Not differentiable.

    Args:
        method: "dis" (1 ms a pair at 112 pixels) or "farneback" (2 ms); both by OpenCV, an extra.
        full_scale: pixels a frame that count as 1.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w).

    Raises: `InputError` if OpenCV is not installed, or frames are smaller than 16 pixels.
    """

    smallest = 16

    def __init__(self, statistics: Statistics, method: str = "dis", full_scale: float = 8.0) -> None:
        super().__init__()
        self.statistics, self.method, self.full_scale = statistics, method, full_scale
        self.mean, self.std = statistics[:2]
        _opencv()

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        if min(clip.shape[3:]) < self.smallest:
            raise InputError(
                f"optical flow needs frames of at least {self.smallest} pixels, got {tuple(clip.shape[3:])}."
            )
        return displacement_maps(clip, self.statistics, self._matcher(), self.full_scale)

    def _matcher(self) -> Matcher:
        cv2 = _opencv()
        if self.method == "dis":
            dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            return lambda old, new: torch.from_numpy(dis.calc(old, new, None)).norm(dim=-1)
        return lambda old, new: torch.from_numpy(
            cv2.calcOpticalFlowFarneback(old, new, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        ).norm(dim=-1)


def _opencv():  # type: ignore[no-untyped-def]
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            "optical flow needs OpenCV, which is not installed: pip install 'video-motion-prompts[flow]'."
        ) from error
    return cv2


MOTIONS: dict[str, Callable[[Statistics], nn.Module]] = {
    "frame_difference": FrameDifference,
    "rgb_difference": RGBDifference,
    "multi_step": MultiStepDifference,
    "flow_dis": lambda statistics: OpticalFlow(statistics, "dis"),
    "flow_farneback": lambda statistics: OpticalFlow(statistics, "farneback"),
    "codec_vectors": CodecVectors,
    "conv_stem": ConvStem,
    "motion_tokens": MotionTokens,
}

_DEMANDS = {  # (smallest, multiple of)
    "flow_dis": (OpticalFlow.smallest, 1),
    "flow_farneback": (OpticalFlow.smallest, 1),
    "codec_vectors": (SMALLEST, 1),
    "motion_tokens": (8, 8),
}


def check_motion(name: str, size: int) -> None:
    """Raise `InputError` if the motion map cannot be had of square frames of this size, or its library is missing."""
    smallest, multiple = _DEMANDS.get(name, (1, 1))
    if size < smallest or size % multiple:
        nearest = max(smallest, -(-size // multiple) * multiple)
        raise InputError(
            f"motion {name!r} needs frames of at least {smallest} pixels a side, in multiples of {multiple}, "
            f"got {size}. Use {nearest}."
        )
    if name.startswith("flow_"):
        _opencv()
