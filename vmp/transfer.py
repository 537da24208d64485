"""What a layer brings along: slope and shift learnt on other data first, then frozen or trained further."""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from vmp.core.config import config
from vmp.data.registry import DataConfig
from vmp.training.checkpoint import load_checkpoint, save_checkpoint
from vmp.training.loop import Checkpointing

_FIRST = ".first.pt"


@config
class Transfer(ABC):
    """What the layer brings along.

    Attributes:
        kind: A key of `TRANSFERS`.
    """

    kind: str


@config
class NoTransfer(Transfer):
    """The layer starts as its `start` says."""

    kind: Literal["none"] = "none"


@config
class LearntOn(Transfer):
    """The layer is trained on other data first, by the same settings, with a backbone of its own that is discarded.

    Attributes:
        data: The other data. Its classes, sizes and splits are its own.
        freeze: Keep slope and shift as they were learnt there; else they are where training starts.
    """

    kind: Literal["learnt_on"] = "learnt_on"
    data: DataConfig
    freeze: bool = False


TRANSFERS: dict[str, type[Transfer]] = {"none": NoTransfer, "learnt_on": LearntOn}


def first_checkpoint(checkpoint: Checkpointing) -> Checkpointing:
    """Where the state of the first training is kept, beside the second one's."""
    path = checkpoint.path.with_suffix(_FIRST)
    return dataclasses.replace(checkpoint, path=path, key=f"{checkpoint.key}, first training")


def learnt_layer(
    train: Callable[[Checkpointing | None], dict[str, Tensor]], checkpoint: Checkpointing | None
) -> dict[str, Tensor]:
    """The layer's weights after the first training: from its checkpoint where it had ended, else by training.

    Args:
        train: Runs the first training, going on from a checkpoint, and returns the layer's weights.
        checkpoint: Of the cell; None keeps nothing.
    """
    if checkpoint is None:
        return train(None)
    first = first_checkpoint(checkpoint)
    key = f"{first.key}, ended"
    if first.path.is_file():
        saved = load_checkpoint(first.path)
        if saved.get("key") == key:
            return dict(saved["layer"])
    layer = train(first)
    if first.every_seconds != float("inf"):  # else nothing can be written
        save_checkpoint(first.path, {"key": key, "layer": layer})
    return layer
