"""The backbones that a study can name, and how one is built: `BACKBONES`, `BackboneConfig`, `build_backbone`.

Every backbone takes (b, 3, K, h, w) and returns logits (b, num_classes), never probabilities. Importing this package
imports neither pytorchvideo nor transformers; a builder imports its library when it is called.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import nn

from vmp.backbones import cnn3d, custom, pytorchvideo, transformers
from vmp.backbones.weights import check_is_there, load_checkpoint
from vmp.core.choices import lookup
from vmp.core.config import config
from vmp.core.errors import InputError

_log = logging.getLogger(__name__)


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


def _tiny(builder: Callable[..., nn.Module], about: str, options: dict[str, Any], **demands: int) -> Backbone:
    return Backbone(builder=builder, options=options, about=about, **demands)


def _full(builder: Callable[..., nn.Module], about: str, options: dict[str, Any], **demands: int) -> Backbone:
    """Full size: as published, with half of the features dropped in front of the classifier."""
    return Backbone(builder=builder, options=options, about=about, dropout=0.5, **demands)


_PLANE = {"widths": (16, 32, 64)}
_TINY, _R50 = {"depth": 10, "width": 16}, {"depth": 50, "width": 64}
_X3D_TINY = {"width_factor": 1.0, "depth_factor": 0.2, "stem_stride": 4, "head_dim": 256}
_X3D_M = {"width_factor": 2.0, "depth_factor": 2.2, "stem_stride": 2, "head_dim": 2048}
_VIT_TINY, _VIT_BASE = {"hidden": 96, "layers": 4, "heads": 4}, {"hidden": 768, "layers": 12, "heads": 12}

BACKBONES: dict[str, Backbone] = {
    "cnn3d_tiny": _tiny(cnn3d.build, "three 3D convolutions; trains in seconds", _PLANE, min_size=16),
    "c2d_tiny": _tiny(
        pytorchvideo.build_resnet, "C2D, stages (1, 1, 1, 1), width 16", {"kind": "c2d", **_TINY}, min_frames=2
    ),
    "c2d_r50": _full(pytorchvideo.build_resnet, "C2D ResNet-50, 8 x 8", {"kind": "c2d", **_R50}, min_frames=2),
    "i3d_tiny": _tiny(
        pytorchvideo.build_resnet, "I3D, stages (1, 1, 1, 1), width 16", {"kind": "i3d", **_TINY}, min_frames=2
    ),
    "i3d_r50": _full(pytorchvideo.build_resnet, "I3D ResNet-50, 8 x 8", {"kind": "i3d", **_R50}, min_frames=2),
    "slow_tiny": _tiny(pytorchvideo.build_resnet, "Slow, stages (1, 1, 1, 1), width 16", {"kind": "slow", **_TINY}),
    "slow_r50": _full(pytorchvideo.build_resnet, "Slow ResNet-50, 8 x 8", {"kind": "slow", **_R50}),
    "slowfast_tiny": _tiny(
        pytorchvideo.build_slowfast,
        "SlowFast, stages (1, 1, 1, 1), stems (16, 2), alpha 4",
        {"depth": 10, "stems": (16, 2), "alpha": 4},
        frames_multiple=4,
    ),
    "slowfast_r50": _full(
        pytorchvideo.build_slowfast,
        "SlowFast ResNet-50, alpha 4, 32 frames",
        {"depth": 50, "stems": (64, 8), "alpha": 4},
        frames_multiple=4,
    ),
    "x3d_tiny": _tiny(pytorchvideo.build_x3d, "X3D, width 1, depth 0.2", _X3D_TINY),
    "x3d_m": _full(pytorchvideo.build_x3d, "X3D-M, 16 frames at 224", _X3D_M),
    "r2plus1d_tiny": _tiny(
        pytorchvideo.build_resnet, "R(2+1)D-50, width 8", {"kind": "r2plus1d", "depth": 50, "width": 8}
    ),
    "r2plus1d_r50": _full(pytorchvideo.build_resnet, "R(2+1)D-50, 16 x 4", {"kind": "r2plus1d", **_R50}),
    "csn_tiny": _tiny(pytorchvideo.build_resnet, "CSN-50, width 8", {"kind": "csn", "depth": 50, "width": 8}),
    "csn_r101": _full(pytorchvideo.build_resnet, "CSN-101, 32 x 2", {"kind": "csn", "depth": 101, "width": 64}),
    "mvit_tiny": _tiny(
        pytorchvideo.build_mvit,
        "MViT, 4 blocks, width 32",
        {"dim": 32, "depth": 4, "widen_at": (1, 3), "kv_stride": 4},
        frames_multiple=2,
        size_multiple=16,
    ),
    "mvit_base": _full(
        pytorchvideo.build_mvit,
        "MViT-B, 16 x 4 at 224",
        {"dim": 96, "depth": 16, "widen_at": (1, 3, 14), "kv_stride": 8},
        frames_multiple=2,
        size_multiple=32,
    ),
    "timesformer_tiny": _tiny(
        transformers.build_timesformer, "TimeSformer, hidden 96, 4 layers, patch 16", _VIT_TINY, size_multiple=16
    ),
    "timesformer_base": _tiny(
        transformers.build_timesformer,
        "TimeSformer ViT-B/16, divided space-time, 8 frames at 224",
        _VIT_BASE,
        size_multiple=16,
    ),
    "videomae_tiny": _tiny(
        transformers.build_videomae,
        "VideoMAE, hidden 96, 4 layers, patch 16",
        _VIT_TINY,
        frames_multiple=2,
        size_multiple=16,
    ),
    "videomae_base": _tiny(
        transformers.build_videomae,
        "VideoMAE ViT-B/16, 16 frames at 224",
        _VIT_BASE,
        frames_multiple=2,
        size_multiple=16,
    ),
}


@config
class BackboneConfig:
    """Which backbone stands behind the layer.

    name: a key of `BACKBONES`, or "package.module:factory" for one of your own: the factory is called with num_classes,
        num_frames, size = (height, width) and `options`, and returns a module that gives logits.
    layout: of the clips that a module of your own takes, "bcthw" or "btchw".
    options: further keyword arguments of a factory of your own.
    dropout: in front of the classifier, in [0, 1); the table's value if not given. In transformers, in every layer.
    checkpoint: a local file with weights (.safetensors, or a torch file of tensors); what does not fit is left out.
    """

    name: str = "slow_tiny"
    layout: Literal["bcthw", "btchw"] = "bcthw"
    options: dict[str, Any] = Field(default_factory=dict)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        if ":" in self.name:
            return
        lookup(BACKBONES, self.name, "backbone")
        if self.options or self.layout != "bcthw":
            raise InputError(
                f"options and layout are for modules of your own (name = 'package.module:factory'), "
                f"not for {self.name}."
            )


def check_backbone(
    cfg: BackboneConfig, *, num_classes: int, num_frames: int, size: int | tuple[int, int]
) -> tuple[int, int]:
    """The (height, width) to build for; `InputError` if the backbone cannot take such clips. Nothing is built.

    Args:
        num_frames: K, the frames that reach the backbone: after the layer, which consumes one.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if num_classes < 2:
        raise InputError(f"a classifier needs at least 2 classes, got num_classes = {num_classes}.")
    if cfg.checkpoint is not None:
        check_is_there(cfg.checkpoint)
    if ":" in cfg.name:
        custom.find(cfg.name)
        return height, width
    entry = lookup(BACKBONES, cfg.name, "backbone")
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


def backbone_files(cfg: BackboneConfig) -> dict[str, str]:
    """Hashes of the files outside this package that decide what `cfg` builds; a cell's name holds them.

    They are the checkpoint, and the source file of a module of one's own (not of what that imports).

    Raises: `InputError` if one is not there.
    """
    files = {}
    if cfg.checkpoint is not None:
        check_is_there(cfg.checkpoint)
        files["checkpoint"] = cfg.checkpoint
    if ":" in cfg.name:
        custom.find(cfg.name)
        source = getattr(sys.modules[cfg.name.partition(":")[0]], "__file__", None)
        if source:
            files["module"] = Path(source)
    return {name: _content_hash(path, path.stat().st_size, path.stat().st_mtime_ns) for name, path in files.items()}


@cache
def _content_hash(path: Path, size: int, modified: int) -> str:
    del size, modified  # they make a changed file another key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def build_backbone(cfg: BackboneConfig, *, num_classes: int, num_frames: int, size: int | tuple[int, int]) -> nn.Module:
    """The module that `cfg` names, with weights drawn from torch's random stream.

    Args:
        num_classes: length of the logits, >= 2.
        num_frames: K frames that reach the backbone (the layer consumes one more).
        size: side of the square clip, or (height, width).

    Shapes of the module: (b, 3, K, h, w) -> (b, num_classes) logits.

    Raises: `InputError` for an unknown name or clips that the backbone cannot take.
    """
    sides = check_backbone(cfg, num_classes=num_classes, num_frames=num_frames, size=size)
    if ":" in cfg.name:
        module = custom.build(
            cfg.name, cfg.layout, {"num_classes": num_classes, "num_frames": num_frames, "size": sides, **cfg.options}
        )
    else:
        entry = BACKBONES[cfg.name]
        dropout = entry.dropout if cfg.dropout is None else cfg.dropout
        module = entry.builder(
            num_classes=num_classes, num_frames=num_frames, size=sides, dropout=dropout, **entry.options
        )
    if cfg.checkpoint is not None:
        report = load_checkpoint(module, cfg.checkpoint)
        _log.log(logging.INFO if report.is_complete else logging.WARNING, "%s", report)
    return module
