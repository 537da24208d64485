"""The training curves of a study's cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.study.arms import Arm
from analysis.study.cells import ARM, COLLAPSED, HASH, SEED, Study


def curve_table(study: Study, arms: Sequence[Arm] | None = None) -> pd.DataFrame:
    """The training curves as one long table: a row for each cell and epoch, a column for each measured quantity.

    Args:
        study: The study.
        arms: Whose cells; None for all.
    """
    frames = []
    shown = study.arms if arms is None else arms
    of_arms = study.cells[study.cells[ARM].isin([arm.label for arm in shown])]
    for row in of_arms[[HASH, ARM, SEED, COLLAPSED]].itertuples(index=False):
        if row[0] not in study.records or not study.records[row[0]].epochs.get("epoch"):
            continue
        curves = {
            name: [math.nan if value is None else value for value in values]
            for name, values in study.read(row[0]).curves.items()
            if name != COLLAPSED  # how the run ended divides the lines, not how each epoch did
        }
        frames.append(pd.DataFrame({HASH: row[0], ARM: row[1], SEED: row[2], COLLAPSED: row[3] is True, **curves}))
    if not frames:
        return pd.DataFrame(columns=[HASH, ARM, SEED, COLLAPSED, "epoch"])
    return pd.concat(frames, ignore_index=True)
