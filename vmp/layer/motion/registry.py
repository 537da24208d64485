"""Motion maps: what the attention looks at. One table, `MOTIONS`, of modules (b, 3, t, h, w) -> (b, [3,] t-1, h, w).

The frame difference is the published one. The others answer whether it is enough: each gives one map for a pair of
frames, in [-1, 1] or [0, 1], which a power normalisation then turns into attention.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vmp.core.errors import InputError
from vmp.layer.motion.codec import SMALLEST, CodecVectors
from vmp.layer.motion.differences import FrameDifference, MultiStepDifference, RGBDifference, Statistics
from vmp.layer.motion.learnt import ConvStem, MotionTokens
from vmp.layer.motion.optical_flow import OpticalFlow, opencv

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
        opencv()
