"""The numbers and names that sentences are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.study.arms import Arm, Kind
from analysis.study.completeness import Completeness
from analysis.verdict.contrasts import Contrast
from sweeps.stats.intervals import Interval
from vmp.core.text import count, listing

REFERENCE = {
    Kind.CONTROL: "the control (attention fixed at 1 on the same frames)",
    Kind.BASELINE: "the backbone alone",
}
MAX_NAMES = 6


def percent(fraction: float) -> str:
    """An accuracy in [0, 1] as ``"71.2%"``; an en dash for NaN."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


def points(fraction: float) -> str:
    """A difference of accuracies as signed percentage points, ``"+11.7"``, with a true minus sign."""
    if math.isnan(fraction):
        return "–"
    return f"{100 * fraction:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def limits(interval: Interval) -> str:
    """An interval of a difference: ``"+1.0 to +3.2"``, in percentage points."""
    return f"{points(interval.low)} to {points(interval.high)}"


def number(value: float) -> str:
    """A setting such as lambda in at most 4 significant digits."""
    return f"{value:.4g}"


def lambdas(values: Sequence[float]) -> str:
    """``"λ = 0 and λ = 0.1"``; many values as their number and range."""
    if len(values) > MAX_NAMES:
        return f"{len(values)} values of λ from {number(min(values))} to {number(max(values))}"
    return listing([f"λ = {number(value)}" for value in values])


def names(arms: Sequence[Arm]) -> str:
    """The arms by their labels, the first few of many; arms that differ in lambda alone as `lambdas`."""
    values = [arm.lambda_ for arm in arms]
    if all(value is not None and arm.label.startswith("λ = ") and "," not in arm.label
           for arm, value in zip(arms, values, strict=True)):  # fmt: skip
        return lambdas(sorted(value for value in values if value is not None))
    more = f" and {len(arms) - MAX_NAMES} more" if len(arms) > MAX_NAMES else ""
    return "; ".join(arm.label for arm in arms[:MAX_NAMES]) + more


def seeds(n: int) -> str:
    return count(n, "paired seed")


def provisional(counts: Completeness, clause: str) -> str:
    """A clause as a sentence, marked as provisional while cells are to be run."""
    if counts.is_finished:
        first = clause[0].upper() if clause[0].isascii() else clause[0]  # not Λ for λ
        return f"{first}{clause[1:]}."
    if counts.failed == 0 and counts.missing == 0:
        return f"Provisional, with {count(counts.unproposed, 'arm')} of the search still to come: {clause}."
    return f"Provisional, with {counts.complete} of {counts.planned} planned cells complete: {clause}."


def reference_name(contrast: Contrast) -> str:
    """The reference in words: what its kind means where the arm is of another kind, else its label."""
    if contrast.reference.kind is not contrast.arm.kind:
        return REFERENCE[contrast.reference.kind]
    if contrast.reference.lambda_ == 0 and contrast.arm.lambda_ is not None:
        return f"{contrast.reference.label} (the layer without its regulariser)"
    return f"the reference arm ({contrast.reference.label})"
