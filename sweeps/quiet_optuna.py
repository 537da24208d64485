"""Optuna's studies without the line that each of them logs: a search makes one anew for every proposal."""

from __future__ import annotations

from typing import Any

import optuna
from optuna import logging


def create_study(**options: Any) -> optuna.Study:
    """`optuna.create_study`, of which the log says no more than warnings. The process may use Optuna itself, at a level
    of its own, which stays."""
    level = logging.get_verbosity()
    logging.set_verbosity(max(level, logging.WARNING))
    try:
        return optuna.create_study(**options)
    finally:
        logging.set_verbosity(level)
