"""Builders on transformers: TimeSformer, VideoMAE. Square clips of exactly the length and size they were built for."""

from __future__ import annotations

from typing import Any

from torch import nn

from vmp.backbones.fixed import FixedClip
from vmp.core.errors import InputError


def _settings(
    num_classes: int, num_frames: int, size: tuple[int, int], dropout: float, hidden: int, layers: int, heads: int
) -> dict[str, Any]:
    if size[0] != size[1]:
        raise InputError(f"the transformers take square clips, got {size[0]} x {size[1]}. Crop to a square.")
    return {
        "image_size": size[0],
        "patch_size": 16,
        "num_frames": num_frames,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "hidden_dropout_prob": dropout,
        "num_labels": num_classes,
    }


def build_timesformer(
    *, num_classes: int, num_frames: int, size: tuple[int, int], dropout: float, hidden: int, layers: int, heads: int
) -> nn.Module:
    """A TimeSformer with divided space-time attention and patches of 16 pixels."""
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    settings = _settings(num_classes, num_frames, size, dropout, hidden, layers, heads)
    network = TimesformerForVideoClassification(TimesformerConfig(attention_type="divided_space_time", **settings))
    return FixedClip(network, num_frames, size, time_first=True)


def build_videomae(
    *, num_classes: int, num_frames: int, size: tuple[int, int], dropout: float, hidden: int, layers: int, heads: int
) -> nn.Module:
    """A VideoMAE encoder with a classifier, tubes of 2 frames and patches of 16 pixels."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    settings = _settings(num_classes, num_frames, size, dropout, hidden, layers, heads)
    return FixedClip(VideoMAEForVideoClassification(VideoMAEConfig(tubelet_size=2, **settings)), num_frames, size, True)
