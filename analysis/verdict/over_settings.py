"""Each method of a study over its settings: what its best one gains, how much they vary, what trying more is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Kind
from analysis.study.factors import Factor, block_factors, varied_factors
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.verdict.summaries import ArmSummary
from sweeps.stats.budget import expected_best, std_over_settings
from vmp.core.text import listing

MIN_SETTINGS = 3
_NAMES = {Kind.BASELINE: "backbone alone", Kind.CONTROL: "control (A = 1)", Kind.VMP: "VMP", Kind.OTHER: "all arms"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """The arms that share a prompt and all names, and differ in numbers; accuracies are fractions.

    Attributes:
        name: In words.
        choices: The names that its arms share, in words; empty without any.
        kind: Of its arms.
        settings: Its arms with both accuracies.
        best: The one with the highest validation mean.
        gain: The comparison of `best` with its reference, from its own family; None where there is none.
        std: Of the test means over settings; NaN below `MIN_SETTINGS`.
        std_of_seeds: What seeds alone would give it.
        expected: The expected best validation mean of 1, 2, ... settings tried.
        hashes: The cells behind it.
    """

    name: str
    choices: str
    kind: Kind
    settings: tuple[ArmSummary, ...]
    best: ArmSummary
    gain: Contrast | None
    std: float
    std_of_seeds: float
    expected: tuple[float, ...]
    hashes: tuple[str, ...]


def methods_of(conclusions: Conclusions) -> tuple[Method, ...]:
    """The methods of a study, in the plan's order."""
    study = conclusions.study
    factors = varied_factors(study.arms, list(study.plan.factors))
    blocks = block_factors(study)  # a data set is no setting, also where a number tells it from another
    names = [factor for factor in factors if not factor.is_ordered or factor.name in blocks]
    groups: dict[tuple[object, ...], list[ArmSummary]] = {}
    for summary in conclusions.summaries:
        if summary.seeds and not summary.stopped:
            key = (summary.arm.kind, *(factor.index(summary.arm) for factor in names))
            groups.setdefault(key, []).append(summary)
    kinds = {summary.arm.kind for group in groups.values() for summary in group}
    return tuple(_method(conclusions, group, names, len(kinds) > 1) for group in groups.values())


def _method(conclusions: Conclusions, group: Sequence[ArmSummary], names: Sequence[Factor], has_kinds: bool) -> Method:
    best = max(group, key=lambda summary: summary.val_mean)
    errors = [s.test_std**2 / len(s.seeds) if math.isfinite(s.test_std) else math.nan for s in group]
    std, alone = math.nan, math.nan
    if len(group) >= MIN_SETTINGS:
        std, alone = std_over_settings([summary.test_mean for summary in group], errors)
    study, test = conclusions.study, conclusions.study.test
    choices = ", ".join(f.text([level]) for f in names if (level := f.index(best.arm)) is not None)
    return Method(
        name=", ".join(part for part in (_NAMES[best.arm.kind] if has_kinds or not choices else "", choices) if part),
        choices=choices,
        kind=best.arm.kind,
        settings=tuple(group),
        best=best,
        gain=next((c for c in conclusions.differences if c.is_pair and c.arm == best.arm), None),
        std=std,
        std_of_seeds=alone,
        expected=tuple(float(value) for value in expected_best(np.array([summary.val_mean for summary in group]))),
        hashes=tuple(one for s in group for one in study.hashes(study.rows(s.arm, test))),
    )


def dimensions(conclusions: Conclusions, part: float = 0.9) -> tuple[int, str] | None:
    """How many factors hold most of what factors do by themselves, with their names; None where it is unknown."""
    made = conclusions.importances
    if isinstance(made, str):
        return None
    size = made.result.dimensionality(part)
    order = np.argsort(np.where(made.result.is_above, -made.result.share, 0.0), kind="stable")[:size]
    return size, listing([made.factors[int(i)].title for i in order])
