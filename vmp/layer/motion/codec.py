"""Motion vectors of a video codec as a motion map: what an encoder finds when it predicts one frame from another.

The vectors stored in a file are not used. They refer to neighbouring frames at the file's own rate, some to frames that
a sampler leaves out, and they are lost as soon as frames are cropped, augmented or cached. Encoding the frames that the
backbone sees gives what a codec says about just those pairs, whatever the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.motion.base import GrayMotionConfig, Statistics
from vmp.layer.motion.displacement import displacement_maps

SMALLEST, LARGEST = 16, 8176  # one macroblock; MPEG-4 allows 8191, rounded down to whole macroblocks
_MACROBLOCK, _BLOCK = 16, 8  # pixels; a vector belongs to one of these
# The quantiser is the finest: coarser ones draw the search towards cheap vectors and give still areas a motion. Four
# vectors a macroblock: with them a moving square of 19 pixels shows 0.8 of its speed, without 0.6. No scene cuts: a
# fast frame would become a key frame, without vectors. `bitexact` keeps to one arithmetic on all processors.
_ENCODER = {"flags": "+mv4+bitexact", "qmin": "1", "qmax": "1", "sc_threshold": str(2**31 - 1)}
_DECODER = {"flags2": "+export_mvs"}


class CodecVectors(nn.Module):
    """Magnitude of a codec's motion vectors for each pair, in pixels over `full_scale`, at most 1. Not differentiable.

    Each pair of gray frames is encoded in memory as MPEG-4 part 2, the earlier one as key frame, the later one
    predicted from it, and decoded with its vectors: one for each block of 8 or 16 pixels, in half pixels. Blocks that
    the encoder prefers to code without prediction (intra), many after a cut, count as 0. Pairs are encoded apart so
    that a map depends on its own two frames alone, as streaming requires; a clip as one stream would take half the
    time, and every map would depend on all the frames before it.

    Takes 0.6 ms a pair at 112 pixels, 0.35 ms at 64. x264 finds no more of the right vectors on shifted textures, takes
    three times as long, and is missing from builds of FFmpeg without GPL parts.

    Args:
        statistics: (mean, std, channel_order) of the clip.
        full_scale: pixels a frame that count as 1.

    Shapes: (b, 3, t, h, w) -> (b, t-1, h, w).

    Raises: `InputError` for frames smaller than 16 or larger than 8176 pixels, or an FFmpeg without MPEG-4 encoder.

    Wu et al., "Compressed video action recognition", 2018, use the vectors of the file itself.
    """

    def __init__(self, statistics: Statistics, full_scale: float = 8.0) -> None:
        super().__init__()
        self.statistics, self.full_scale = statistics, full_scale
        self.mean, self.std = statistics[:2]

    def forward(self, clip: Tensor) -> Tensor:
        F.check_clip(clip)
        h, w = clip.shape[3:]
        if min(h, w) < SMALLEST or max(h, w) > LARGEST:
            raise InputError(f"codec vectors need frames of {SMALLEST} to {LARGEST} pixels a side, got {h} x {w}.")
        return displacement_maps(
            clip, self.statistics, lambda old, new: torch.from_numpy(vector_magnitude(old, new)), self.full_scale
        )


def vector_magnitude(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Length in pixels of the motion vector by which an encoder predicts each pixel of `second` from `first`.

    Frames are continued at the right and at the bottom by their last pixels, to whole macroblocks.

    Args:
        first, second: gray frames.

    Shapes: (h, w), (h, w) -> (h, w).

    Raises: `InputError` for an FFmpeg without MPEG-4 encoder.
    """
    h, w = first.shape
    padding = [(0, -h % _MACROBLOCK), (0, -w % _MACROBLOCK)]
    vectors = _encode_and_decode(np.pad(first, padding, mode="edge"), np.pad(second, padding, mode="edge"))
    blocks = np.zeros((-(-h // _MACROBLOCK) * 2, -(-w // _MACROBLOCK) * 2), np.float32)
    if vectors is not None:
        length = np.hypot(vectors["motion_y"], vectors["motion_x"]) / vectors["motion_scale"]
        top, left = ((vectors[f"dst_{axis}"] - vectors[size] // 2) // _BLOCK for axis, size in (("y", "h"), ("x", "w")))
        for dy in range(_MACROBLOCK // _BLOCK):
            for dx in range(_MACROBLOCK // _BLOCK):
                inside = (vectors["h"] > dy * _BLOCK) & (vectors["w"] > dx * _BLOCK)
                blocks[top[inside] + dy, left[inside] + dx] = length[inside]
    return blocks.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:h, :w]


def _encode_and_decode(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> np.ndarray | None:
    """The vectors of `second` as FFmpeg's decoder exports them; None if it is all intra blocks.

    New contexts each time: an encoder starts its search from the vectors of earlier frames, even past a key frame.
    """
    import av
    from av.sidedata.motionvectors import MotionVectors

    try:
        encoder = av.CodecContext.create("mpeg4", "w")
    except av.codec.codec.UnknownCodecError as error:
        raise InputError(
            "codec vectors need FFmpeg's mpeg4 encoder, which this build of PyAV does not have."
        ) from error
    decoder = av.CodecContext.create("mpeg4", "r")
    encoder.height, encoder.width = first.shape
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    encoder.max_b_frames, encoder.gop_size = 0, 2
    encoder.thread_count = decoder.thread_count = 1
    encoder.options, decoder.options = _ENCODER, _DECODER
    colourless = np.full((first.shape[0] // 2, first.shape[1]), 128, np.uint8)
    packets = []
    for number, gray in enumerate((first, second)):
        frame = av.VideoFrame.from_ndarray(np.concatenate([gray, colourless]), "yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)  # what the encoder still holds, and below the decoder
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    if [frame.pts for frame in frames] != [0, 1]:
        raise RuntimeError(f"two frames were encoded, the decoder gave {[frame.pts for frame in frames]}")
    vectors = frames[1].side_data.get("MOTION_VECTORS")
    return vectors.to_ndarray() if isinstance(vectors, MotionVectors) and len(vectors) else None


@config
class CodecVectorsConfig(GrayMotionConfig):
    """The length of the motion vectors of a video codec.

    Attributes:
        full_scale: Pixels a frame that count as 1, > 0.
    """

    min_size, is_magnitude = SMALLEST, True

    kind: Literal["codec_vectors"] = "codec_vectors"
    full_scale: Annotated[float, Field(gt=0)] = 8.0

    def build(self, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
        return CodecVectors((mean, std, self.channel_order), self.full_scale)
