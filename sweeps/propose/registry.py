"""Everything that ``--search`` and the `search` section of a study file can name."""

from __future__ import annotations

from sweeps.propose.base import Proposer
from sweeps.propose.grid import Grid
from sweeps.propose.race_search import RaceSearch
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.race_state import RACE
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from vmp.core.errors import InputError


def make_proposer(study: Study, settings: SearchSettings | None, folder: StudyFolder | None) -> Proposer:
    """What proposes the arms of `study`.

    Args:
        study: The definition.
        settings: The method: ``grid``, ``race`` or a sampler; None for the grid.
        folder: The study's folder, whose plan and records a search goes on from; None to start from none. Nothing is
            written.

    Raises:
        InputError: No such method or option, the study has nothing to search, or its design says which arms to run.
    """
    if settings is None or settings.method == GRID:
        return Grid(study)
    if settings.method == RACE:
        if study.stop is not None:
            raise InputError(
                "a race decides between cells that have trained to their end, and `stop` ends them early; leave out one"
            )
        return RaceSearch(study, settings, folder)
    if not study.is_plain_grid:
        what = "only_where" if study.only_where else f"the design {study.design.kind}"
        raise InputError(
            f"study '{study.name}' has {what}, which says what arms there are, and the search {settings.method} "
            "proposes arms of its own; leave one of the two out"
        )
    from sweeps.propose.optuna_search import OptunaSearch  # a grid does not wait for Optuna

    return OptunaSearch(study, settings, folder)
