"""Backbones of the user's own, named in a study by a dotted path."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vmp.core.choices import find_object
from vmp.core.errors import InputError


class TimeFirst(nn.Module):
    """Hands (b, t, c, h, w) to a module that wants it so. Shapes: (b, c, t, h, w) -> what the module returns."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, clip: Tensor) -> Any:
        return self.module(clip.transpose(1, 2))


def build(path: str, layout: str, arguments: dict[str, Any]) -> nn.Module:
    """The module that ``package.module:factory`` returns for `arguments`; raises `InputError` if it cannot be had."""
    factory = find_object(path, "backbone")
    try:
        built = factory(**arguments)
    except TypeError as error:
        raise InputError(f"backbone {path!r} cannot be called with {', '.join(arguments)}: {error}.") from error
    if not isinstance(built, nn.Module):
        raise InputError(f"backbone {path!r} must return a torch.nn.Module, got {type(built).__name__}.")
    return TimeFirst(built) if layout == "btchw" else built
