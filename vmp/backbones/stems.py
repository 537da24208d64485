"""Backbones that take more channels than three: their first convolutions, widened."""

from __future__ import annotations

import torch
from torch import nn

from vmp.core.errors import InputError

RGB = 3
"""Channels of a frame."""


def widen_stems(backbone: nn.Module, channels: int) -> None:
    """Let a backbone of three channels take `channels`, in place.

    Every convolution that reads frames gets weights of zero for the new channels: the backbone computes what it did
    until training moves them (as I3D's inflation does for time), whatever weights it was given.

    Args:
        backbone: With at least one convolution of three channels in; SlowFast has two.
        channels: Of the clips to come, >= 3.

    Raises: `InputError` where no convolution reads three channels.
    """
    stems = [
        (owner, name, part)
        for owner in backbone.modules()
        for name, part in owner.named_children()
        if isinstance(part, nn.Conv2d | nn.Conv3d) and part.in_channels == RGB and part.groups == 1
    ]
    if not stems:
        raise InputError(
            f"{type(backbone).__name__} has no convolution that reads three channels, so it cannot take {channels}; "
            "leave layer.kind: appended out for it"
        )
    for owner, name, stem in stems:
        setattr(owner, name, _widened(stem, channels))
        if getattr(owner, "num_channels", None) == RGB:  # transformers' patch embeddings check it
            owner.num_channels = channels  # type: ignore[assignment]


def _widened(stem: nn.Conv2d | nn.Conv3d, channels: int) -> nn.Module:
    options = {"stride": stem.stride, "padding": stem.padding, "dilation": stem.dilation}
    wide = torch.nn.utils.skip_init(
        type(stem), channels, stem.out_channels, stem.kernel_size, bias=stem.bias is not None,
        padding_mode=stem.padding_mode, **options,
    )  # fmt: skip
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, :RGB] = stem.weight
        if stem.bias is not None:
            wide.bias.copy_(stem.bias)
    return wide.to(stem.weight)
