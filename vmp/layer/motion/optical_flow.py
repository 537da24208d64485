"""Optical flow as a motion map, by OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig, Statistics
from vmp.layer.motion.displacement import Matcher, displacement_maps


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
        opencv()

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        if min(clip.shape[3:]) < self.smallest:
            raise InputError(
                f"optical flow needs frames of at least {self.smallest} pixels, got {tuple(clip.shape[3:])}."
            )
        return displacement_maps(clip, self.statistics, self._matcher(), self.full_scale)

    def _matcher(self) -> Matcher:
        cv2 = opencv()
        if self.method == "dis":
            dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            return lambda old, new: torch.from_numpy(dis.calc(old, new, None)).norm(dim=-1)
        return lambda old, new: torch.from_numpy(
            cv2.calcOpticalFlowFarneback(old, new, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        ).norm(dim=-1)


def opencv():  # type: ignore[no-untyped-def]
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            "optical flow needs OpenCV, which is not installed: pip install 'video-motion-prompts[flow]'."
        ) from error
    return cv2


@config
class OpticalFlowConfig(GrayMotionConfig):
    """The length of the optical flow, by OpenCV.

    Attributes:
        full_scale: Pixels a frame that count as 1, > 0.
    """

    min_size, is_magnitude = OpticalFlow.smallest, True

    full_scale: Annotated[float, Field(gt=0)] = 8.0

    def check(self, size: int) -> None:
        super().check(size)
        opencv()

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return OpticalFlow((mean, std, self.channel_order), self.kind.removeprefix("flow_"), self.full_scale)


@config
class DISFlowConfig(OpticalFlowConfig):
    """Optical flow by dense inverse search: 1 ms a pair at 112 pixels."""

    kind: Literal["flow_dis"] = "flow_dis"


@config
class FarnebackFlowConfig(OpticalFlowConfig):
    """Optical flow by Farneback's polynomials: 2 ms a pair at 112 pixels."""

    kind: Literal["flow_farneback"] = "flow_farneback"
