"""Backbones of the user's own, named in a study by a dotted path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vmp.core.errors import InputError


class TimeFirst(nn.Module):
    """Hands (b, t, c, h, w) to a module that wants it so. Shapes: (b, c, t, h, w) -> what the module returns."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, clip: Tensor) -> Any:
        return self.module(clip.transpose(1, 2))


def find(path: str) -> Callable[..., Any]:
    """The factory that ``package.module:factory`` names; raises `InputError` if there is none."""
    if (here := str(Path.cwd())) not in sys.path and "" not in sys.path:
        sys.path.append(here)  # a program's own folder is there and the user's is not; workers are started with both
    module_name, _, factory_name = path.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"backbone {path!r}: cannot import {module_name!r} ({error}). "
            "Give 'package.module:factory', importable from here."
        ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        known = ", ".join(sorted(n for n in vars(module) if callable(getattr(module, n)) and not n.startswith("_")))
        raise InputError(f"backbone {path!r}: {module_name} has no callable {factory_name!r}. It has: {known}.")
    return factory


def build(path: str, layout: str, arguments: dict[str, Any]) -> nn.Module:
    """The module that ``package.module:factory`` returns for `arguments`; raises `InputError` if it cannot be had."""
    factory = find(path)
    try:
        built = factory(**arguments)
    except TypeError as error:
        raise InputError(f"backbone {path!r} cannot be called with {', '.join(arguments)}: {error}.") from error
    if not isinstance(built, nn.Module):
        raise InputError(f"backbone {path!r} must return a torch.nn.Module, got {type(built).__name__}.")
    return TimeFirst(built) if layout == "btchw" else built
