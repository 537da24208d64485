"""The verdict on lambda in words: the claim of the headline, and what supports or limits it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.findings import Finding, collapse_findings, mixed_seeds, pairing_note, plain_comparison, winners_curse
from analysis.outcome import Outcome
from analysis.phrases import (
    judgement,
    lambdas,
    listing,
    number,
    percent,
    points,
    provisional,
    reference_name,
    sign_flip_note,
    span,
)
from analysis.verdict import LambdaVerdict


def lambda_claim(verdict: LambdaVerdict) -> str:
    where = f"for {verdict.block}, " if verdict.block else ""
    if verdict.best is None:
        return (
            f"{where}no verdict is possible: choosing λ takes at least 2 values of it with at least 2 seeds complete "
            "in common, and they are not there"
        )
    best = verdict.best.summary
    chosen = f"VMP with λ = {number(verdict.best.lambda_)}, the value chosen on validation,"
    if verdict.main is None:
        missing = "the study has neither control nor baseline to say whether VMP helps at all"
        if verdict.against_zero is not None:
            return f"{where}{judgement(chosen, verdict.against_zero)}; {missing}"
        value = f"{where}λ = {number(verdict.best.lambda_)} is best on validation"
        return f"{value} and reaches {percent(best.test_mean)} test {verdict.metric_name}; {missing}"
    if verdict.outcome in (Outcome.LOSS, Outcome.LEANS_LOSS):
        chosen = f"even VMP with λ = {number(verdict.best.lambda_)}, the best value on validation,"
    return where + judgement(chosen, verdict.main) + mixed_seeds(best)


def blocks_headline(verdicts: Sequence[LambdaVerdict]) -> str:
    """One sentence over several blocks (backbones, samplers): which lambda for each, and where VMP wins."""
    parts = []
    for verdict in verdicts:
        if verdict.best is None:
            parts.append(f"no choice possible for {verdict.block}")
            continue
        told = f"λ = {number(verdict.best.lambda_)} for {verdict.block}"
        if verdict.main is not None and verdict.main.band is not None:
            told += f" ({points(verdict.main.mean)} points, {span(verdict.main.band)}: {verdict.outcome.value})"
        parts.append(told)
    values = {verdict.best.lambda_ for verdict in verdicts if verdict.best}
    same = "the same λ is chosen in every block" if len(values) == 1 else "the λ chosen differs between the blocks"
    mains = [verdict.main for verdict in verdicts if verdict.main]
    against = f" against {reference_name(mains[0])}" if mains else ""
    told = f"on validation {same}; test difference{against}, with intervals that hold within a block: "
    return provisional(verdicts[0].completeness, told + listing(parts))


def lambda_support(verdict: LambdaVerdict) -> tuple[Finding, ...]:
    notes: list[tuple[str, str | None]] = []
    best = verdict.best
    notes.append(("Accuracy", _levels(verdict)))
    if best is not None:
        if verdict.main is not verdict.against_baseline and verdict.against_baseline is not None:
            notes.append(
                (
                    "Backbone alone",
                    plain_comparison("The chosen λ against the backbone alone", verdict.against_baseline),
                )
            )
        if verdict.control_against_baseline is not None:
            subject = "The control against the backbone alone, which is what the later frames do by themselves"
            notes.append(("Backbone alone", plain_comparison(subject, verdict.control_against_baseline)))
        notes.append(("Choice of λ", _choice(verdict)))
        notes += [
            ("Choice of λ", f"λ = {number(v)} could not be chosen: {reason}.") for v, reason in verdict.ineligible
        ]
        notes.append(("Sensitivity", _sensitivity(verdict)))
    notes += collapse_findings([point.summary for point in verdict.points], verdict.margin)
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(("Evidence", sign_flip_note(verdict.main)))
        notes.append(("Evidence", pairing_note(verdict.main)))
    if best is not None and not verdict.confirmed:
        notes.append(("Not yet shown", winners_curse(len(verdict.points))))
    return tuple(Finding(topic=topic, text=text) for topic, text in notes if text)


def _ineligible(verdict: LambdaVerdict) -> list[tuple[str, str | None]]:
    """Who could not be chosen, by reason."""
    by_reason: dict[str, list[float]] = {}
    for value, reason in verdict.ineligible:
        by_reason.setdefault(reason, []).append(value)
    return [("Choice of λ", f"{lambdas(v)} could not be chosen: {reason}.") for reason, v in by_reason.items()]


def _levels(verdict: LambdaVerdict) -> str | None:
    summary = verdict.best.summary if verdict.best else None
    parts = [f"{percent(summary.test_mean)} at {summary.arm.label}"] if summary else []
    for reference, name in ((verdict.control, "the control"), (verdict.baseline, "the backbone alone")):
        parts += [f"{percent(reference.test_mean)} for {name}"] if reference and reference.seeds else []
    return f"Mean test {verdict.metric_name}: {listing(parts)}." if parts else None


def _choice(verdict: LambdaVerdict) -> str:
    assert verdict.best is not None
    assert verdict.one_se is not None
    best = verdict.best.lambda_
    told = f"By the one-standard-error rule the simplest choice (smallest λ) is λ = {number(verdict.one_se)}"
    told += ", the best value itself. " if verdict.one_se == best else f" instead of {number(best)}. "
    equal = [value for value in verdict.equivalent if value != best]
    margin = f"±{100 * verdict.margin:g} points"
    if equal:
        told += f"Practically equal to the best on test (within {margin}): {lambdas(equal)}."
        return told + (
            f" Neither equal nor told apart: {unclear}." if (unclear := lambdas(verdict.undistinguished)) else ""
        )
    told += f"No other value is shown to be practically equal to the best (within {margin})"
    return told + (
        f"; not told apart from it either: {unclear}." if (unclear := lambdas(verdict.undistinguished)) else "."
    )


def _sensitivity(verdict: LambdaVerdict) -> str | None:
    known = [p for p in verdict.points if not math.isnan(p.summary.test_mean)]
    if len(known) < 2:
        return None
    low = min(known, key=lambda p: p.summary.test_mean)
    high = max(known, key=lambda p: p.summary.test_mean)
    ends = [f"{percent(p.summary.test_mean)} (λ = {number(p.lambda_)})" for p in (low, high)]
    told = f"Over the values of λ tried, the test mean runs from {ends[0]} to {ends[1]}."
    zero = verdict.against_zero
    if zero is not None and zero.band is not None and verdict.best is not None:
        told += (
            f" Against λ = 0, the layer without its regulariser, λ = {number(verdict.best.lambda_)} is at "
            f"{points(zero.mean)} points (95% interval {span(zero.band)}): {zero.outcome.value}."
        )
    elif verdict.best is not None and verdict.best.lambda_ == 0:
        told += " The best value is 0: here the regulariser brings nothing that validation can see."
    return told
