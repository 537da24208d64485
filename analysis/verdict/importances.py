"""How much each factor of a study matters, from the cells of its prompted arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Arm, Kind
from analysis.study.factors import Factor, varied_factors
from analysis.verdict.evidence import Evidence
from sweeps.stats.importance import MIN_ARMS, importance, is_factorial
from sweeps.stats.importance_base import Importance
from sweeps.stats.means import MIN_SEEDS

AROUND = ("one_at_a_time", "ablation")
"""Designs whose arms lie around a base, or around two."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Importances:
    """The importance of the factors on the test accuracy.

    Attributes:
        factors: Those that apply to all of `arms`, in the order of `result`.
        partial: Those that do not, which are left out.
        arms: The prompted arms, or all where none is.
        result: Shares, intervals, floors.
        hashes: The cells behind it.
    """

    factors: tuple[Factor, ...]
    partial: tuple[Factor, ...]
    arms: tuple[Arm, ...]
    result: Importance
    hashes: tuple[str, ...]


def importances(evidence: Evidence) -> Importances | str:
    """The importances, or the reason why the study has none."""
    study = evidence.study
    if study.plan.study.design is not None and study.plan.study.design.kind in AROUND:
        return "arms around a base vary one factor at a time, which does not divide their variance among factors"
    arms = [arm for arm in study.arms if arm.kind is Kind.VMP] or list(study.arms)
    factors = varied_factors(arms, list(study.plan.factors))
    if len(factors) < 2:
        return "it takes two factors that vary"
    apply = [factor for factor in factors if all(factor.index(arm) is not None for arm in arms)]
    if len(apply) < 2:
        return "it takes two factors that apply to all arms"
    codes = np.array([[factor.index(arm) for factor in apply] for arm in arms])
    values = evidence.values(study.test)[[arm.order for arm in arms]]
    values = values[:, ~np.isnan(values).all(axis=0)]
    has_runs = ~np.isnan(values).all(axis=1)
    codes, values = codes[has_runs], values[has_runs]
    is_full = len(codes) > 0 and is_factorial(codes) and values.shape[1] >= MIN_SEEDS
    varies = len(codes) > 0 and all(len(np.unique(column)) > 1 for column in codes.T)
    if not varies or not (is_full or len(codes) >= MIN_ARMS):
        return f"it takes a factorial with {MIN_SEEDS} seeds, or {MIN_ARMS} arms with runs"
    result = importance(codes, values, [factor.is_ordered for factor in apply])
    hashes = [one for arm in arms for one in study.hashes(study.rows(arm, study.test))]
    return Importances(
        factors=tuple(apply),
        partial=tuple(factor for factor in factors if factor not in apply),
        arms=tuple(arms),
        result=result,
        hashes=tuple(hashes),
    )
