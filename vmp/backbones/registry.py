"""The backbones that a study can name, and how one is built: `BACKBONES`, `BackboneConfig`, `build_backbone`.

Every backbone takes (b, 3, K, h, w) and returns logits (b, num_classes), never probabilities. Importing this package
imports neither pytorchvideo nor transformers; a builder imports its library when it is called.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from vmp.backbones import cnn3d, custom, pytorchvideo, transformers
from vmp.backbones.stages import UNTIL, frozen_names
from vmp.backbones.weights import check_is_there, load_checkpoint
from vmp.core.choices import find_object, foreign_source
from vmp.core.config import config, to_plain
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.paths import PathField

_log = logging.getLogger(__name__)


Statistics = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Design:
    """How a backbone of the table is built, and what it demands of a clip.

    builder: called with (num_classes, num_frames, size, dropout, **options).
    frames_multiple: K must be a multiple of this. min_frames: and at least this.
    size_multiple: height and width must be multiples of this. min_size: and at least this.
    dropout: in front of the classifier, unless the configuration says otherwise.
    mean, std: channel statistics with which its public weights were trained; None where they are not known to us.
    """

    builder: Callable[..., nn.Module]
    options: dict[str, Any]
    about: str
    frames_multiple: int = 1
    min_frames: int = 1
    size_multiple: int = 1
    min_size: int = 32
    dropout: float = 0.0
    mean: Statistics | None = (0.45, 0.45, 0.45)
    std: Statistics | None = (0.225, 0.225, 0.225)


def _tiny(builder: Callable[..., nn.Module], about: str, options: dict[str, Any], **demands: Any) -> Design:
    return Design(builder=builder, options=options, about=about, **demands)


def _full(builder: Callable[..., nn.Module], about: str, options: dict[str, Any], **demands: Any) -> Design:
    """Full size: as published, with half of the features dropped in front of the classifier."""
    return Design(builder=builder, options=options, about=about, dropout=0.5, **demands)


_UNKNOWN: dict[str, Any] = {"mean": None, "std": None}
_IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_PLANE = {"widths": (16, 32, 64)}
_TINY, _R50 = {"depth": 10, "width": 16}, {"depth": 50, "width": 64}
_X3D_TINY = {"width_factor": 1.0, "depth_factor": 0.2, "stem_stride": 4, "head_dim": 256}
_X3D_M = {"width_factor": 2.0, "depth_factor": 2.2, "stem_stride": 2, "head_dim": 2048}
_VIT_TINY, _VIT_BASE = {"hidden": 96, "layers": 4, "heads": 4}, {"hidden": 768, "layers": 12, "heads": 12}

DESIGNS: dict[str, Design] = {
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
        **_UNKNOWN,
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
        **_IMAGENET,
    ),
}


@config
class BackboneConfig(ABC):
    """Which network stands behind the layer.

    Attributes:
        kind: A key of `BACKBONES`, or the dotted path of a configuration class of one's own.
        checkpoint: A local file with weights (.safetensors, or a torch file of tensors); what does not fit is ignored,
            with a warning.
        freeze: What keeps the checkpoint's values: ``none``; ``all``, so that the prompt alone learns;
            ``all_but_head``, a linear probe; ``until:<stage>``, that stage and those before it, by the names of
            `vmp.backbones.stages.stages`. Frozen parts run in eval mode: BatchNorm keeps its statistics.
    """

    kind: str
    checkpoint: PathField | None = None
    freeze: str = "none"

    def check(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> None:
        """Raise `InputError` if the backbone cannot take such clips. Nothing is built.

        Args:
            num_classes: Length of the logits.
            num_frames: K, the frames that reach the backbone: after the layer, which consumes one.
            size: (height, width) of a clip.
        """
        del num_classes, num_frames, size  # any clip will do, unless a kind says otherwise

    @abstractmethod
    def build(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> nn.Module:
        """The module (b, 3, K, h, w) -> logits (b, num_classes), without the checkpoint."""

    def files(self) -> dict[str, Path]:
        """Files outside this package that decide what is built; a cell's name holds their hashes."""
        if self.checkpoint is None:
            return {}
        check_is_there(self.checkpoint)
        return {"checkpoint": self.checkpoint}


@config
class DesignedBackbone(BackboneConfig):
    """A backbone of the table.

    Attributes:
        dropout: In front of the classifier, in [0, 1); the design's own if not given. In transformers, in every layer.
    """

    design: ClassVar[Design]

    dropout: float | None = Field(default=None, ge=0, lt=1)

    @property
    def dropout_rate(self) -> float:
        """The dropout that is used."""
        return self.design.dropout if self.dropout is None else self.dropout

    def check(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> None:
        design = self.design
        if num_frames < design.min_frames or num_frames % design.frames_multiple:
            nearest = max(design.min_frames, -(-num_frames // design.frames_multiple) * design.frames_multiple)
            raise InputError(
                f"{self.kind} takes at least {design.min_frames} frames, in multiples of {design.frames_multiple}, "
                f"but {num_frames} reach it after the layer. "
                f"Use num_frames = {nearest} (the sampler then draws one more for the layer)."
            )
        for side, value in zip(("height", "width"), size, strict=True):
            if value < design.min_size or value % design.size_multiple:
                nearest = max(design.min_size, -(-value // design.size_multiple) * design.size_multiple)
                raise InputError(
                    f"{self.kind} takes a {side} of at least {design.min_size}, in multiples of "
                    f"{design.size_multiple}, got {value}. Use {nearest}."
                )

    def build(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> nn.Module:
        return self.design.builder(
            num_classes=num_classes,
            num_frames=num_frames,
            size=size,
            dropout=self.dropout_rate,
            **self.design.options,
        )


@config
class CustomBackbone(BackboneConfig):
    """A backbone of one's own, made by a function.

    Attributes:
        factory: ``package.module:function``; called with num_classes, num_frames, size = (height, width) and `options`,
            it returns a module that gives logits.
        layout: Of the clips that the module takes.
        options: Further keyword arguments of the function.
    """

    kind: Literal["custom"] = "custom"
    factory: str = Field(pattern=r"^[\w.]+:\w+$")
    layout: Literal["bcthw", "btchw"] = "bcthw"
    options: dict[str, Any] = Field(default_factory=dict)

    def check(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> None:
        find_object(self.factory, "backbone")

    def build(self, *, num_classes: int, num_frames: int, size: tuple[int, int]) -> nn.Module:
        arguments = {"num_classes": num_classes, "num_frames": num_frames, "size": size, **self.options}
        return custom.build(self.factory, self.layout, arguments)

    def files(self) -> dict[str, Path]:
        find_object(self.factory, "backbone")
        source = foreign_source(self.factory)
        return super().files() | ({"module": source} if source else {})


def _kind(name: str, design: Design) -> type[BackboneConfig]:
    """The configuration class of one design; made here, because 21 classes differ in nothing but their design."""
    content = {
        "__doc__": f"{design.about}.",
        "__annotations__": {"kind": Literal[name]},
        "kind": name,
        "design": design,
    }
    return config(type(name, (DesignedBackbone,), {"__module__": __name__, **content}))


BACKBONES: dict[str, type[BackboneConfig]] = {
    **{name: _kind(name, design) for name, design in DESIGNS.items()},
    "custom": CustomBackbone,
}


def check_backbone(
    cfg: BackboneConfig, *, num_classes: int, num_frames: int, size: int | tuple[int, int]
) -> tuple[int, int]:
    """The (height, width) to build for; `InputError` if the backbone cannot take such clips. Nothing is built.

    Args:
        cfg: The backbone.
        num_classes: Length of the logits, >= 2.
        num_frames: K, the frames that reach the backbone: after the layer, which consumes one.
        size: Side of the square clip, or (height, width).
    """
    sides = (size, size) if isinstance(size, int) else size
    if num_classes < 2:
        raise InputError(f"a classifier needs at least 2 classes, got num_classes = {num_classes}.")
    cfg.files()
    cfg.check(num_classes=num_classes, num_frames=num_frames, size=sides)
    if cfg.freeze != "none":
        _check_freeze(cfg, num_classes, num_frames, sides)
    return sides


def canonical_freeze(cfg: BackboneConfig, *, num_frames: int, size: int) -> str:
    """The one form of every setting of `freeze` that keeps the same parameters of this backbone."""
    names = _frozen(cfg, cfg.freeze, 2, num_frames, (size, size))
    forms = ("all_but_head",) if cfg.freeze.startswith(UNTIL) else ()
    for form in forms:
        try:
            if _frozen(cfg, form, 2, num_frames, (size, size)) == names:
                return form
        except InputError:  # it has no head to be recognised by
            continue
    return cfg.freeze


def _check_freeze(cfg: BackboneConfig, num_classes: int, num_frames: int, size: tuple[int, int]) -> None:
    """Raise `InputError` for a stage that does not exist, or for weights that would be frozen where chance put them."""
    if isinstance(cfg, DesignedBackbone) and cfg.checkpoint is None:
        raise InputError(
            f"backbone.freeze = {cfg.freeze} freezes random weights: give backbone.checkpoint, or freeze none"
        )
    _frozen(cfg, cfg.freeze, num_classes, num_frames, size)


def _frozen(cfg: BackboneConfig, freeze: str, num_classes: int, num_frames: int, size: tuple[int, int]) -> set[str]:
    """Names of the frozen parameters; builds the backbone once, without its checkpoint, for everybody who asks."""
    plain = dataclasses.replace(cfg, checkpoint=None, freeze="none")
    key = (canonical_json(to_plain(plain)), num_classes, num_frames, size)
    if key not in _BUILT:
        with torch.random.fork_rng(devices=[]):
            _BUILT[key] = plain.build(num_classes=num_classes, num_frames=num_frames, size=size).to("meta")
    return frozen_names(_BUILT[key], freeze, num_classes)


_BUILT: dict[tuple[str, int, int, tuple[int, int]], nn.Module] = {}
"""Backbones without their weights, for the names of their stages."""


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
    module = cfg.build(num_classes=num_classes, num_frames=num_frames, size=sides)
    if cfg.checkpoint is not None:
        report = load_checkpoint(module, cfg.checkpoint)
        _log.log(logging.INFO if report.is_complete else logging.WARNING, "%s", report)
        absent = {*report.missing, *report.reshaped} & frozen_names(module, cfg.freeze, num_classes)
        if absent:
            ways = "all_but_head or none" if cfg.freeze == "all" else "less"
            raise InputError(
                f"backbone.freeze = {cfg.freeze} freezes {', '.join(sorted(absent)[:3])}, for which "
                f"{cfg.checkpoint} has no weights that fit (a classifier fits its own number of classes only); "
                f"freeze {ways}"
            )
    return module
