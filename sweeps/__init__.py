"""Study definitions over the settings of `vmp`, and what runs them: plan, execute, record.

Loaded on first use, because `sweeps.record` must be importable without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.plan import grid_tasks as grid_tasks
    from sweeps.propose.optuna_search import SearchSettings as SearchSettings
    from sweeps.record import CellRecord as CellRecord
    from sweeps.record import Plan as Plan
    from sweeps.record import StudyFolder as StudyFolder
    from sweeps.run import run_study as run_study
    from sweeps.study import Study as Study
    from sweeps.study import builtin_studies as builtin_studies
    from sweeps.study import load_study as load_study

_HOME = {
    "Study": "sweeps.study",
    "load_study": "sweeps.study",
    "builtin_studies": "sweeps.study",
    "grid_tasks": "sweeps.plan",
    "run_study": "sweeps.run",
    "SearchSettings": "sweeps.propose.optuna_search",
    "StudyFolder": "sweeps.record",
    "Plan": "sweeps.record",
    "CellRecord": "sweeps.record",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
