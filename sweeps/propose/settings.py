"""How a study's arms are proposed: the `search` section of a study file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from sweeps.race_state import RACE
from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.overrides import parse_override

GRID = "grid"


@config
class SearchSettings:
    """How arms are proposed.

    Attributes:
        method: ``grid``, ``race``, a key of `sweeps.propose.arm_search.SAMPLERS`, or the dotted path of an Optuna
            sampler of your own.
        arms: Different arms to propose, beside the reference arms (baseline and control), which always run; a race runs
            all arms of the study.
        seed: Of the proposals.
        options: Of the method, such as ``{n_startup_trials: 5}``, or ``{max_seeds: 20}`` of a race.
        in_flight: Arms at work at a time: each is proposed knowing the results of all but so many arms before it. The
            proposals depend on it, so it is a number of the study and not of the workers. The grid proposes everything
            at once.
        first_seeds: Seeds that each arm starts on; None for all of the study's.
        factor: With `first_seeds`, one in so many arms goes on, to so many times as many seeds, until all.
        against: What the search keeps low beside a high accuracy: ``seconds`` of a cell; None for accuracy alone.
    """

    method: str = "tpe"
    arms: Annotated[int, Field(ge=1)] = 20
    seed: int = 0
    options: dict[str, Any] = Field(default_factory=dict)
    in_flight: Annotated[int, Field(ge=1)] = 4
    first_seeds: Annotated[int, Field(ge=1)] | None = None
    factor: Annotated[int, Field(ge=2)] = 2
    against: Literal["seconds"] | None = None


def rungs(settings: SearchSettings, seeds: int) -> tuple[int, ...]:
    """Numbers of seeds after which an arm goes on or does not; the last one is `seeds`."""
    if settings.first_seeds is None:
        return (seeds,)
    steps = [settings.first_seeds]
    while steps[-1] < seeds:
        steps.append(steps[-1] * settings.factor)
    return tuple(dict.fromkeys(min(step, seeds) for step in steps))


def change_search(
    settings: SearchSettings | None, method: str | None, arms: int | None, options: Sequence[str]
) -> SearchSettings | None:
    """A study's search with what the command line changes; None for the grid.

    Args:
        settings: Of the study.
        method: ``--search``; another method than the study's starts without options.
        arms: ``--arms``.
        options: ``--search-option KEY=VALUE``.

    Raises:
        InputError: An option without a search, or not of this form.
    """
    if method is not None:
        changed = settings or SearchSettings()
        if changed.method != method:
            changed = dataclasses.replace(changed, method=method, options={})
        settings = changed
    if settings is None or settings.method == GRID:
        for name, is_set in (("--arms", arms is not None), ("--search-option", bool(options))):
            if is_set:
                raise InputError(f"{name} belongs to a search; add --search NAME, or leave {name} out")
        return settings
    if settings.method == RACE and arms is not None:
        raise InputError(
            "--arms belongs to a search that proposes arms, and a race runs those of the study; leave it out"
        )
    more = dict(parse_override(option, flag="--search-option", example="n_startup_trials=5") for option in options)
    changed = dataclasses.replace(settings, options={**settings.options, **more})
    return changed if arms is None else dataclasses.replace(changed, arms=arms)
