"""The backbones that a study can name, and how one is built: `BACKBONES`, `BackboneConfig`, `build_backbone`.

Every backbone takes (b, 3, K, h, w) and returns logits (b, num_classes), never probabilities. Importing this package
imports neither pytorchvideo nor transformers; a builder imports its library when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from torch import nn

from vmp.backbones import cnn3d, pytorchvideo, transformers
from vmp.config import config
from vmp.errors import InputError
from vmp.lookup import lookup


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One line of the table: how to build it, and what it demands of a clip.

    builder: called with (num_classes, num_frames, size, dropout, **options).
    frames_multiple: K must be a multiple of this. min_frames: and at least this.
    size_multiple: height and width must be multiples of this. min_size: and at least this.
    dropout: in front of the classifier, unless the configuration says otherwise.
    """

    builder: Callable[..., nn.Module]
    options: dict[str, Any]
    about: str
    frames_multiple: int = 1
    min_frames: int = 1
    size_multiple: int = 1
    min_size: int = 32
    dropout: float = 0.0


_RESNET_50: dict[str, Any] = {"depth": 50, "width": 64}
_RESNET_TINY: dict[str, Any] = {"depth": 10, "width": 16}

BACKBONES: dict[str, Backbone] = {
    "cnn3d_tiny": Backbone(
        builder=cnn3d.build,
        options={"widths": (16, 32, 64)},
        about="three 3D convolutions; trains in seconds",
        min_size=16,
    ),
    "slow_tiny": Backbone(
        builder=pytorchvideo.build_resnet,
        options={"kind": "slow", **_RESNET_TINY},
        about="Slow, stages (1, 1, 1, 1), width 16",
    ),
    "slow_r50": Backbone(
        builder=pytorchvideo.build_resnet,
        options={"kind": "slow", **_RESNET_50},
        about="Slow ResNet-50, 8 x 8 published",
        dropout=0.5,
    ),
    "x3d_tiny": Backbone(
        builder=pytorchvideo.build_x3d,
        options={"width_factor": 1.0, "depth_factor": 0.2, "stem_stride": 4, "head_dim": 256},
        about="X3D, width 1, depth 0.2",
    ),
    "x3d_m": Backbone(
        builder=pytorchvideo.build_x3d,
        options={"width_factor": 2.0, "depth_factor": 2.2, "stem_stride": 2, "head_dim": 2048},
        about="X3D-M, 16 frames at 224 published",
        dropout=0.5,
    ),
    "slowfast_tiny": Backbone(
        builder=pytorchvideo.build_slowfast,
        options={"depth": 10, "stems": (16, 2), "alpha": 4},
        about="SlowFast, stages (1, 1, 1, 1), stems (16, 2), alpha 4",
        frames_multiple=4,
    ),
    "slowfast_r50": Backbone(
        builder=pytorchvideo.build_slowfast,
        options={"depth": 50, "stems": (64, 8), "alpha": 4},
        about="SlowFast ResNet-50, alpha 4, 32 frames published",
        frames_multiple=4,
        dropout=0.5,
    ),
    "timesformer_tiny": Backbone(
        builder=transformers.build_timesformer,
        options={"hidden": 96, "layers": 4, "heads": 4},
        about="TimeSformer, divided space-time, hidden 96, 4 layers, patch 16",
        size_multiple=16,
    ),
    "timesformer_base": Backbone(
        builder=transformers.build_timesformer,
        options={"hidden": 768, "layers": 12, "heads": 12},
        about="TimeSformer ViT-B/16, divided space-time, 8 frames at 224 published",
        size_multiple=16,
    ),
}


@config
class BackboneConfig:
    """Which backbone stands behind the layer.

    name: a key of `BACKBONES`. dropout: in front of the classifier, in [0, 1); the table's value if not given.
    """

    name: str = "slow_tiny"
    dropout: float | None = Field(default=None, ge=0, lt=1)

    def __post_init__(self) -> None:
        lookup(BACKBONES, self.name, "backbone")


def check_backbone(
    cfg: BackboneConfig, *, num_classes: int, num_frames: int, size: int | tuple[int, int]
) -> tuple[int, int]:
    """The (height, width) to build for; `InputError` if the backbone cannot take such clips. Nothing is built.

    Args:
        num_frames: K, the frames that reach the backbone: after the layer, which consumes one.
    """
    entry = lookup(BACKBONES, cfg.name, "backbone")
    height, width = (size, size) if isinstance(size, int) else size
    if num_classes < 2:
        raise InputError(f"a classifier needs at least 2 classes, got num_classes = {num_classes}.")
    if num_frames < entry.min_frames or num_frames % entry.frames_multiple:
        nearest = max(entry.min_frames, -(-num_frames // entry.frames_multiple) * entry.frames_multiple)
        raise InputError(
            f"{cfg.name} takes at least {entry.min_frames} frames, in multiples of {entry.frames_multiple}, "
            f"but {num_frames} reach it after the layer. "
            f"Use num_frames = {nearest} (the sampler then draws one more for the layer)."
        )
    for side, value in (("height", height), ("width", width)):
        if value < entry.min_size or value % entry.size_multiple:
            nearest = max(entry.min_size, -(-value // entry.size_multiple) * entry.size_multiple)
            raise InputError(
                f"{cfg.name} takes a {side} of at least {entry.min_size}, in multiples of {entry.size_multiple}, "
                f"got {value}. Use {nearest}."
            )
    return height, width


def build_backbone(cfg: BackboneConfig, *, num_classes: int, num_frames: int, size: int | tuple[int, int]) -> nn.Module:
    """The module that `cfg` names, with weights drawn from torch's random stream.

    Args:
        num_classes: length of the logits, >= 2.
        num_frames: K frames that reach the backbone (the layer consumes one more).
        size: side of the square clip, or (height, width).

    Shapes of the module: (b, 3, K, h, w) -> (b, num_classes) logits.

    Raises: `InputError` for an unknown name or clips that the backbone cannot take.
    """
    entry = lookup(BACKBONES, cfg.name, "backbone")
    sides = check_backbone(cfg, num_classes=num_classes, num_frames=num_frames, size=size)
    dropout = entry.dropout if cfg.dropout is None else cfg.dropout
    return entry.builder(num_classes=num_classes, num_frames=num_frames, size=sides, dropout=dropout, **entry.options)
