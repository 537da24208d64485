"""Training state on disk: written atomically, read with ``weights_only`` so that a file can never run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from vmp.core.errors import InputError
from vmp.core.files import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts. `path` always holds a whole checkpoint, old or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save_checkpoint` wrote. Raises InputError for a damaged file or one that is not plain state."""
    if not path.is_file():
        raise InputError(f"checkpoint '{path}' does not exist")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise InputError(
            f"cannot read checkpoint '{path}': it is damaged or not a training state; if a sweep left it, delete it"
        ) from error
    if not isinstance(state, dict):
        raise InputError(
            f"checkpoint '{path}' holds a {type(state).__name__}, not training state; if a sweep left it, delete it"
        )
    return state
