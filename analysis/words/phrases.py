"""The numbers and names that sentences are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.arms import Kind
from analysis.completeness import Completeness
from analysis.outcome import Contrast, Outcome
from analysis.stats.intervals import Interval
from analysis.stats.signflip import seeds_for, smallest_p
from analysis.summary import ArmSummary

REFERENCE = {
    Kind.CONTROL: "the control (attention fixed at 1 on the same frames)",
    Kind.BASELINE: "the backbone alone",
}


def percent(fraction: float) -> str:
    """An accuracy in [0, 1] as ``"71.2%"``; an en dash for NaN."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


def points(fraction: float) -> str:
    """A difference of accuracies as signed percentage points, ``"+11.7"``, with a true minus sign."""
    if math.isnan(fraction):
        return "–"
    return f"{100 * fraction:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def span(interval: Interval) -> str:
    return f"{points(interval.low)} to {points(interval.high)}"


def listing(items: Sequence[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def number(value: float) -> str:
    """A setting such as lambda in at most 4 significant digits."""
    return f"{value:.4g}"


def lambdas(values: Sequence[float]) -> str:
    """``"λ = 0 and λ = 0.1"``; many values as their count and range."""
    if len(values) > 6:
        return f"{len(values)} values of λ from {number(min(values))} to {number(max(values))}"
    return listing([f"λ = {number(value)}" for value in values])


def seeds(n: int) -> str:
    return f"{n} paired seed" + ("" if n == 1 else "s")


def provisional(counts: Completeness, sentence: str) -> str:
    """A clause as a sentence, marked as provisional while cells are to be run."""
    if counts.finished:
        first = sentence[0].upper() if sentence[0].isascii() else sentence[0]  # not Λ for λ
        return f"{first}{sentence[1:]}."
    if counts.complete + counts.diverged == counts.planned:
        return f"Provisional, with {counts.unproposed} arms of the search still to come: {sentence}."
    return f"Provisional, with {counts.complete} of {counts.planned} planned cells complete: {sentence}."


def reference_name(contrast: Contrast) -> str:
    """The reference in words: what its kind means where the arm is of another kind, else its label."""
    if contrast.reference.kind is not contrast.arm.kind:
        return REFERENCE[contrast.reference.kind]
    if contrast.reference.lambda_ == 0 and contrast.arm.lambda_ is not None:
        return f"{contrast.reference.label} (the layer without its regulariser)"
    return f"the reference arm ({contrast.reference.label})"


def evidence(contrast: Contrast) -> str:
    """The difference, its interval and what the interval allows for, in brackets-ready words."""
    assert contrast.interval is not None
    assert contrast.band is not None
    told = f"{points(contrast.mean)} percentage points on test (95% interval {span(contrast.band)}"
    if contrast.family > 1:
        told += f", allowing for the {contrast.family} comparisons made"
    return told + f"; {seeds(contrast.n)})"


def judgement(subject: str, contrast: Contrast) -> str:
    """What `contrast` shows about `subject` ("VMP with λ = 0.1"), in one clause that fits its outcome."""
    name, outcome = reference_name(contrast), contrast.outcome
    if outcome is Outcome.UNKNOWN:
        had = f"{seeds(contrast.n)}" if contrast.n else "no paired seed"
        return f"{subject} cannot be judged against {name}: {had} so far, and an interval needs at least 2"
    if outcome is Outcome.WIN:
        return f"{subject} beats {name}: {evidence(contrast)}"
    if outcome is Outcome.LOSS:
        return f"{subject} does worse than {name}: {evidence(contrast)}"
    if outcome is Outcome.EQUAL:
        if contrast.identical:
            return f"{subject} gives exactly the test accuracy of {name} in each of {seeds(contrast.n)}"
        assert contrast.equivalence is not None
        told = (
            f"{subject} is practically equal to {name}: {points(contrast.mean)} percentage points on test, "
            f"within the margin of ±{100 * contrast.margin:g} set beforehand "
            f"(90% interval {span(contrast.equivalence)}; {seeds(contrast.n)})"
        )
        detectable = contrast.band is not None and contrast.band.excludes_zero
        return told + (", a difference that is detectable and too small to matter" if detectable else "")
    if outcome in (Outcome.LEANS_WIN, Outcome.LEANS_LOSS):
        word = "ahead of" if outcome is Outcome.LEANS_WIN else "behind"
        assert contrast.interval is not None
        return (
            f"{subject} looks {word} {name}, but that is not established: {evidence(contrast)}, "
            f"although this comparison alone would exclude zero ({span(contrast.interval)})"
        )
    if contrast.identical:
        return (
            f"{subject} gives exactly the test accuracy of {name} in each of {seeds(contrast.n)}, "
            "too few to call the two equal"
        )
    if contrast.interval is None:
        return (
            f"whether {subject} differs from {name} is not decided: all {contrast.n} differences are "
            f"{points(contrast.mean)} percentage points, so there is no spread to judge them by"
        )
    return f"whether {subject} differs from {name} is not decided by this study: {evidence(contrast)}"


def sign_flip_note(contrast: Contrast) -> str:
    """What the assumption-free test can show with so few seeds."""
    floor = smallest_p(contrast.n)
    if floor > 0.05:
        return (
            f"With {seeds(contrast.n)} the exact sign-flip test cannot fall below p = {number(floor)}, so without "
            f"assuming normal differences nothing here can reach 5%; that takes at least {seeds_for(0.05)} seeds."
        )
    p = float(contrast.table_row["p_sign_flip"])
    return (
        f"The exact sign-flip test, which assumes no normality, gives p = {p:.2g} for this comparison alone "
        f"(the least possible with {seeds(contrast.n)} is {floor:.2g})."
    )


def collapse_note(summary: ArmSummary, margin: float) -> str | None:
    """How many seeds of an arm collapsed, and whether those seeds are the control's, seed by seed."""
    collapse = summary.collapse
    if collapse is None or not collapse.seeds:
        return None
    count = len(collapse.seeds)
    told = f"At {summary.arm.label}, {count} of {collapse.judged} seeds collapsed to a practically constant attention"
    if collapse.largest_gap is None:
        return told + "."
    those = "that seed" if count == 1 else "those seeds"
    if collapse.largest_gap <= margin:
        verb = "equals" if count == 1 else "equal"
        told += f"; {those} {verb} the control within {100 * collapse.largest_gap:.1f} points"
    else:
        verb = "differs" if count == 1 else "differ"
        told += f"; {those} {verb} from the control by up to {100 * collapse.largest_gap:.1f} points"
    rest = collapse.judged - count
    if collapse.rest_mean is not None and rest:
        other = "other one is" if rest == 1 else f"other {rest} are"
        told += f", while the {other} at {points(collapse.rest_mean)} points on average"
        told += " (a split seen afterwards, not a test)"
    return told + "."
