"""How cells are ended early: the `stop` section of a study file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vmp.core.config import config

PATIENT = "patient"
_OWN_CURVE = ("patience", "threshold", "nop")  # rules that look at nothing but a cell's own epochs


@config
class StopSettings:
    """A rule that may end a cell after any epoch, by its validation accuracy so far.

    Attributes:
        kind: ``patience`` (validation has not improved for some epochs), or one of Optuna's pruners by name
            (`sweeps.stop.rule.RULES`), or the dotted path of a pruner of your own.
        options: Of the rule, such as ``{epochs: 5, min_delta: 0.01}`` of patience, ``{n_startup_trials: 3}`` of median,
            or ``{patience: 2, wrapped: median}`` of patient.
    """

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)


def is_comparing(settings: StopSettings) -> bool:
    """Whether the rule compares a cell with cells of other arms."""
    name = settings.kind.lower().replace("_", "").removesuffix("pruner")
    return name not in _OWN_CURVE and not (name == PATIENT and settings.options.get("wrapped") is None)


def _of_a_name(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Stop = Annotated[StopSettings, BeforeValidator(_of_a_name)]
"""The name of a rule alone stands for its defaults."""
