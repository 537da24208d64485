"""Motion maps: what the attention looks at. One table, `MOTIONS`, of modules (b, 3, t, h, w) -> (b, [3,] t-1, h, w).

The frame difference is the published one. The others answer whether it is enough: each gives one map for a pair of
frames, in [-1, 1] or [0, 1], which a power normalisation then turns into attention.
"""

from __future__ import annotations

from vmp.layer.motion.base import MotionConfig
from vmp.layer.motion.camera import CompensatedDifferenceConfig
from vmp.layer.motion.codec import CodecVectorsConfig
from vmp.layer.motion.differences import FrameDifferenceConfig, MultiStepConfig, RGBDifferenceConfig
from vmp.layer.motion.high_pass import HighPassConfig
from vmp.layer.motion.learnt import ConvStemConfig, MotionTokensConfig
from vmp.layer.motion.optical_flow import DISFlowConfig, FarnebackFlowConfig

MOTIONS: dict[str, type[MotionConfig]] = {
    "frame_difference": FrameDifferenceConfig,
    "compensated_difference": CompensatedDifferenceConfig,
    "rgb_difference": RGBDifferenceConfig,
    "multi_step": MultiStepConfig,
    "high_pass": HighPassConfig,
    "flow_dis": DISFlowConfig,
    "flow_farneback": FarnebackFlowConfig,
    "codec_vectors": CodecVectorsConfig,
    "conv_stem": ConvStemConfig,
    "motion_tokens": MotionTokensConfig,
}
