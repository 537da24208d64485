"""Builders on pytorchvideo: C2D, I3D, Slow, SlowFast, X3D, R(2+1)D, CSN, MViT.

Each returns logits and, MViT apart, takes clips of any length and size that its strides allow.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from vmp.backbones.fixed import FixedClip
from vmp.core.errors import InputError

_TINY_DEPTH = 10  # stages (1, 1, 1, 1): pytorchvideo's own table begins at 18 (SlowFast) and 50 (ResNet)


def _imported(model: str) -> Any:
    """A module of `pytorchvideo.models`, without what torch says of a decorator in one of its requirements (fvcore)."""
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        return importlib.import_module(f"pytorchvideo.models.{model}")


def build_resnet(
    *, num_classes: int, num_frames: int, size: tuple[int, int], dropout: float, kind: str, depth: int, width: int
) -> nn.Module:
    """A ResNet over clips; `kind` is a key of `_RESNET_KINDS`. Any length and size: the head's pool is adaptive.

    R(2+1)D and CSN have depths 50, 101, 152 only, so a small one is narrow instead of shallow.
    """
    del num_frames, size
    csn, r2plus1d, resnet = map(_imported, ("csn", "r2plus1d", "resnet"))
    resnet._MODEL_STAGE_DEPTH.setdefault(_TINY_DEPTH, (1, 1, 1, 1))
    create = {"r2plus1d": r2plus1d.create_r2plus1d, "csn": csn.create_csn}.get(kind, resnet.create_resnet)
    return create(
        model_num_class=num_classes,
        model_depth=depth,
        stem_dim_out=width,
        dropout_rate=dropout,
        # The default pool (4, 7, 7) fits 224 pixels only; averaging everything equals it there, and fits every size.
        head_pool=nn.AdaptiveAvgPool3d,
        **_RESNET_KINDS[kind],
    )


_FLAT, _DEEP = (1, 1, 1), (3, 1, 1)  # kernels of the first convolution of a block: without and with time
_RESNET_KINDS: dict[str, dict[str, Any]] = {
    "slow": {"stem_conv_kernel_size": (1, 7, 7)},
    "c2d": {
        "stem_conv_kernel_size": (1, 7, 7),
        "stage1_pool": nn.MaxPool3d,
        "stage_conv_a_kernel_size": (_FLAT, _FLAT, _FLAT, _FLAT),
    },
    "i3d": {
        "stem_conv_kernel_size": (5, 7, 7),
        "stage1_pool": nn.MaxPool3d,
        "stage_conv_a_kernel_size": (_DEEP, [_DEEP, _FLAT], [_DEEP, _FLAT], [_FLAT, _DEEP]),
    },
    "r2plus1d": {"head_activation": None},  # a softmax by default
    "csn": {"stem_pool": nn.MaxPool3d},
}


def build_mvit(
    *,
    num_classes: int,
    num_frames: int,
    size: tuple[int, int],
    dropout: float,
    dim: int,
    depth: int,
    widen_at: tuple[int, ...],
    kv_stride: int,
) -> nn.Module:
    """A multiscale vision transformer for clips of exactly this length and size (it learns an embedding of positions).

    widen_at: blocks that double width and heads and halve the resolution. kv_stride: first pooling of keys and values.
    """
    create_multiscale_vision_transformers = _imported("vision_transformers").create_multiscale_vision_transformers

    doubled = [[block, 2.0] for block in widen_at]
    network = create_multiscale_vision_transformers(
        spatial_size=size,
        temporal_size=num_frames,
        depth=depth,
        patch_embed_dim=dim,
        embed_dim_mul=doubled,
        atten_head_mul=doubled,
        pool_q_stride_size=[[block, 1, 2, 2] for block in widen_at],
        pool_kv_stride_adaptive=[1, kv_stride, kv_stride],
        pool_kvq_kernel=[3, 3, 3],
        head_dropout_rate=dropout,
        head_num_classes=num_classes,
    )
    return FixedClip(network, num_frames, size)


def build_x3d(
    *,
    num_classes: int,
    num_frames: int,
    size: tuple[int, int],
    dropout: float,
    width_factor: float,
    depth_factor: float,
    stem_stride: int,
    head_dim: int,
) -> nn.Module:
    """An X3D that takes any length and size."""
    create_x3d = _imported("x3d").create_x3d

    model = create_x3d(
        input_clip_length=num_frames,
        input_crop_size=max(32, *size),
        model_num_class=num_classes,
        dropout_rate=dropout,
        width_factor=width_factor,
        depth_factor=depth_factor,
        stem_conv_stride=(1, stem_stride, stem_stride),
        stage_spatial_stride=(1 if stem_stride == 4 else 2, 2, 2, 2),
        head_dim_out=head_dim,
        head_activation=None,  # the default is a softmax, and cross entropy on probabilities trains badly and silently
    )
    # The head's pool is cut to one clip length and square size; averaging everything is the same there and fits others.
    model.blocks[-1].pool.pool = nn.AdaptiveAvgPool3d(1)
    return model


class TwoPathways(nn.Module):
    """Feeds a SlowFast network from one clip: every frame to the fast pathway, one in alpha to the slow one.

    Args:
        network: takes [slow, fast] and returns logits.
        alpha: ratio of the frame rates; the clip's length is a multiple of it.

    Shapes: (b, 3, t, h, w) -> (b, num_classes); slow sees t / alpha frames, spread from the first to the last.

    Raises: `InputError` for another length.
    """

    def __init__(self, network: nn.Module, alpha: int) -> None:
        super().__init__()
        self.network, self.alpha = network, alpha

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.shape[2]
        if frames % self.alpha:
            raise InputError(
                f"a SlowFast with alpha {self.alpha} takes multiples of {self.alpha} frames, got {frames}."
            )
        # The published frame choice (PackPathway), the first and the last frame included.
        chosen = torch.linspace(0, frames - 1, frames // self.alpha, device=clip.device).long()
        return self.network([clip.index_select(2, chosen), clip])


def build_slowfast(
    *,
    num_classes: int,
    num_frames: int,
    size: tuple[int, int],
    dropout: float,
    depth: int,
    stems: tuple[int, int],
    alpha: int,
) -> nn.Module:
    """A SlowFast network behind `TwoPathways`; the clip's length must be a multiple of `alpha`, any size."""
    del num_frames, size
    slowfast = _imported("slowfast")

    slowfast._MODEL_STAGE_DEPTH.setdefault(_TINY_DEPTH, (1, 1, 1, 1))
    network = slowfast.create_slowfast(
        model_num_class=num_classes,
        model_depth=depth,
        stem_dim_outs=stems,
        slowfast_channel_reduction_ratio=(stems[0] // stems[1],),
        slowfast_fusion_conv_kernel_size=(7, 1, 1),
        slowfast_fusion_conv_stride=(alpha, 1, 1),
        dropout_rate=dropout,
        head_pool=nn.AdaptiveAvgPool3d,
        head_output_size=((1, 1, 1), (1, 1, 1)),
    )
    return TwoPathways(network, alpha)
