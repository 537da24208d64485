"""Layers from the plain form that a study file has, for tests of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmp.core.config import Choice
from vmp.layer.base import PromptLayer
from vmp.layer.config import LAYERS, LayerConfig

MEAN, STD = (0.45,) * 3, (0.225,) * 3


def configured(plain: dict[str, Any]) -> LayerConfig:
    """The configuration of a ``layer`` section; the motion prompt unless it names another kind."""
    return Choice(LAYERS, "layer", default="vmp").validate(plain)  # type: ignore[no-any-return]


def built(
    plain: dict[str, Any] | None = None, maps: int = 4, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> PromptLayer:
    """The layer of a ``layer`` section, for clips with so many attention maps."""
    return configured(plain or {}).build(mean, std, maps)
