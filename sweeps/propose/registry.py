"""Everything that ``--search`` and the `search` section of a study file can name."""

from __future__ import annotations

import math

from sweeps.propose.base import Proposer
from sweeps.propose.grid import Grid
from sweeps.propose.race_search import RaceSearch
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.race_state import RACE
from sweeps.record import StudyFolder
from sweeps.study import Study


def make_proposer(
    study: Study, settings: SearchSettings | None, folder: StudyFolder | None, *, workers: int = 1
) -> Proposer:
    """What proposes the arms of `study`.

    Args:
        study: The definition.
        settings: The method: ``grid``, ``race`` or a sampler; None for the grid.
        folder: The study's folder, where a search has its state; None for memory. Nothing is written before `ask`.
        workers: Cells at a time, which decides how many arms are in flight if neither the settings nor an earlier run
            in the folder does.

    Raises:
        InputError: No such method or option, or the study has nothing to search.
    """
    if settings is None or settings.method == GRID:
        return Grid(study)
    if settings.method == RACE:
        return RaceSearch(study, settings, folder)
    from sweeps.propose.optuna_search import OptunaSearch  # a grid does not wait for Optuna

    return OptunaSearch(study, settings, folder, in_flight=math.ceil(workers / len(study.seeds)))
