"""How cells are ended early: the `stop` section of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vmp.core.config import config

PATIENCE = "patience"
_WITHOUT_OTHERS = ("threshold", "nop")  # pruners that look at a cell's own curve


@config
class StopSettings:
    """A rule that may end a cell after any epoch, by its validation accuracy so far.

    Attributes:
        kind: ``patience``, or one of Optuna's pruners by name (`sweeps.stop.rule.PRUNERS`), or the dotted path of a
            pruner of your own.
        options: Of the rule, such as ``{epochs: 5, min_delta: 0.01}`` of patience or ``{n_startup_trials: 3}``.
    """

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)


def is_comparing(settings: StopSettings) -> bool:
    """Whether the rule compares a cell with cells of other arms."""
    if settings.kind == PATIENCE:
        inner = settings.options.get("wrapped")
        return inner is not None and is_comparing(_settings(inner))
    return settings.kind.lower().replace("_", "").removesuffix("pruner") not in _WITHOUT_OTHERS


def _settings(value: Any) -> Any:
    if isinstance(value, str):
        return StopSettings(kind=value)
    return StopSettings(**value) if isinstance(value, Mapping) else value


def _of_a_name(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Stop = Annotated[StopSettings, BeforeValidator(_of_a_name)]
"""The name of a rule alone stands for its defaults."""
