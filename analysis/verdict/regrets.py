"""The same settings in several blocks: what each loses to the best of a block, and how they rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.study.factors import block_factors
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.over_blocks import common_settings
from sweeps.stats.choice import shared_seeds
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.regret import MIN_BLOCKS, MIN_SETTINGS, Ranks, Regret, ranks, regrets


@dataclass(frozen=True, kw_only=True, eq=False)
class Regrets:
    """Regrets of a study's settings over its blocks, as fractions.

    Attributes:
        blocks: In words.
        settings: In words; those that all blocks have.
        test: On the test accuracy, with the setting that validation chooses as its best.
        ranks: None for too few blocks or settings.
        hashes: The cells behind each setting.
    """

    blocks: tuple[str, ...]
    settings: tuple[str, ...]
    test: Regret
    ranks: Ranks | None
    hashes: tuple[tuple[str, ...], ...]


def regrets_over_blocks(conclusions: Conclusions) -> Regrets | str:
    """The regrets, or why the study has none."""
    study, evidence, verdicts = conclusions.study, conclusions.evidence, conclusions.verdicts
    if len(verdicts) < 2:
        return "the study has one block"
    if conclusions.race:
        return "a race stops arms that are worse, so settings differ in their seeds"
    names = block_factors(study)
    common = common_settings(verdicts, names)
    if len(common) < 2:
        return "fewer than two settings are in all blocks"
    orders = [[arms[block].order for arms in common] for block in range(len(verdicts))]
    tables = {metric: [evidence.values(metric)[rows] for rows in orders] for metric in (study.val, study.test)}
    if any(shared_seeds(block).sum() < MIN_SEEDS for of_metric in tables.values() for block in of_metric):
        return f"it takes {MIN_SEEDS} seeds that all settings of a block share"
    test = regrets(tables[study.test], best=regrets(tables[study.val]).best)
    has_ranks = len(verdicts) >= MIN_BLOCKS and len(common) >= MIN_SETTINGS
    return Regrets(
        blocks=tuple(verdict.block for verdict in verdicts),
        settings=tuple(arms[0].label_without(names) for arms in common),
        test=test,
        ranks=ranks(test.means) if has_ranks else None,
        hashes=tuple(
            tuple(one for arm in arms for one in study.hashes(study.rows(arm, study.test))) for arms in common
        ),
    )


def rank_groups(made: Regrets) -> list[tuple[float, float]]:
    """The first and last mean rank of each largest set of settings that lie within the critical difference."""
    if made.ranks is None:
        return []
    mean = np.sort(made.ranks.mean)
    groups: list[tuple[float, float]] = []
    for first in mean:
        last = float(mean[mean <= first + made.ranks.critical][-1])
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((float(first), last))
    return groups
