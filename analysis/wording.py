"""Sentences generated from decision objects, and from nothing else: what they cannot support is not said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.outcome import Contrast, Outcome
from analysis.phrases import (
    collapse_note,
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
from analysis.summary import ArmSummary
from analysis.verdict import LambdaVerdict
from analysis.verdict_arms import ArmVerdict


def headline(verdict: LambdaVerdict | ArmVerdict) -> str:
    """The one sentence that answers the study's question."""
    told = _lambda_claim(verdict) if isinstance(verdict, LambdaVerdict) else _arm_claim(verdict)
    return provisional(verdict.completeness, told)


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
    same = "the same λ is best in every block" if len(values) == 1 else "the best λ differs between the blocks"
    mains = [verdict.main for verdict in verdicts if verdict.main]
    against = f" against {reference_name(mains[0])}" if mains else ""
    told = f"chosen on validation, {same}; test difference{against}, with intervals that hold within a block: "
    return provisional(verdicts[0].completeness, told + listing(parts))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A supporting sentence or two, under the topic they belong to."""

    topic: str
    text: str


def supporting(verdict: LambdaVerdict | ArmVerdict) -> tuple[Finding, ...]:
    """What a reader needs beside the headline, most important first; findings of one topic stand together."""
    return _lambda_support(verdict) if isinstance(verdict, LambdaVerdict) else _arm_support(verdict)


def _lambda_claim(verdict: LambdaVerdict) -> str:
    where = f"for {verdict.block}, " if verdict.block else ""
    if verdict.best is None:
        return (
            f"{where}no verdict is possible: choosing λ takes at least 2 values of it with at least 2 seeds complete "
            "in common, and they are not there"
        )
    best = verdict.best.summary
    chosen = f"VMP with λ = {number(verdict.best.lambda_)}, the value chosen on validation,"
    if verdict.main is None:
        return (
            f"{where}λ = {number(verdict.best.lambda_)} is best on validation and reaches {percent(best.test_mean)} "
            f"test {verdict.metric_name}; the study has neither control nor baseline to say whether VMP helps"
        )
    if verdict.outcome in (Outcome.LOSS, Outcome.LEANS_LOSS):
        chosen = f"even VMP with λ = {number(verdict.best.lambda_)}, the best value on validation,"
    return where + judgement(chosen, verdict.main) + _mixed(best)


def _mixed(summary: ArmSummary) -> str:
    """A warning for the headline: a mean over collapsed and working seeds describes neither."""
    collapse = summary.collapse
    if collapse is None or not collapse.seeds:
        return ""
    return f"; {len(collapse.seeds)} of its {collapse.judged} seeds collapsed, so the mean mixes two outcomes"


def _lambda_support(verdict: LambdaVerdict) -> tuple[Finding, ...]:
    notes: list[tuple[str, str | None]] = []
    best = verdict.best
    notes.append(("Accuracy", _levels(verdict)))
    if best is not None:
        if verdict.main is not verdict.against_baseline and verdict.against_baseline is not None:
            notes.append(
                ("Backbone alone", _plainly("The chosen λ against the backbone alone", verdict.against_baseline))
            )
        if verdict.control_against_baseline is not None:
            subject = "The control against the backbone alone, which is what the later frames do by themselves"
            notes.append(("Backbone alone", _plainly(subject, verdict.control_against_baseline)))
        notes.append(("Choice of λ", _choice(verdict)))
        notes += [
            ("Choice of λ", f"λ = {number(v)} could not be chosen: {reason}.") for v, reason in verdict.ineligible
        ]
        notes.append(("Sensitivity", _sensitivity(verdict)))
    notes += _collapses([point.summary for point in verdict.points], verdict.margin)
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(("Evidence", sign_flip_note(verdict.main)))
        notes.append(("Evidence", _pairing(verdict.main)))
    if best is not None and not verdict.confirmed:
        notes.append(("Not yet shown", _winners_curse(len(verdict.points))))
    return tuple(Finding(topic=topic, text=text) for topic, text in notes if text)


def _collapses(summaries: Sequence[ArmSummary], margin: float) -> list[tuple[str, str | None]]:
    """A note on each arm with collapsed seeds; one over all of them when there are many."""
    collapsed = [s for s in summaries if s.collapse and s.collapse.seeds]
    if len(collapsed) > 5:
        return [("Collapse", _collapse_overall(collapsed, margin))]
    return [("Collapse", collapse_note(s, margin)) for s in collapsed]


def _collapse_overall(summaries: Sequence[ArmSummary], margin: float) -> str:
    """Collapse over many arms: how many cells, where most, and whether they are the control's equals."""
    collapses = [(s, s.collapse) for s in summaries if s.collapse]
    cells = sum(len(c.seeds) for _, c in collapses)
    share = [len(c.seeds) / c.judged for _, c in collapses]
    worst = [s.arm.label for (s, _), part in zip(collapses, share, strict=True) if part == max(share)]
    told = f"{cells} cells in {len(summaries)} arms collapsed to a practically constant attention, most at "
    told += "; ".join(worst[:4]) + (f" and {len(worst) - 4} more" if len(worst) > 4 else "") + "."
    gaps = [c.largest_gap for _, c in collapses if c.largest_gap is not None]
    if gaps:
        near = sum(gap <= margin for gap in gaps)
        told += (
            f" In {near} of these {len(gaps)} arms every collapsed seed equals the control within "
            f"{100 * margin:g} points (largest difference anywhere: {100 * max(gaps):.1f})."
        )
    return told


def _rivals(verdict: ArmVerdict) -> str | None:
    """Which other candidates could as well have been chosen."""
    if verdict.best is None or not (verdict.equivalent or verdict.undistinguished):
        return None
    parts = []
    if verdict.equivalent:
        names = "; ".join(arm.label for arm in verdict.equivalent[:6])
        more = f" and {len(verdict.equivalent) - 6} more" if len(verdict.equivalent) > 6 else ""
        parts.append(
            f"Practically equal to {verdict.best.arm.label} on test (±{100 * verdict.margin:g}): {names}{more}."
        )
    if verdict.undistinguished:
        names = "; ".join(arm.label for arm in verdict.undistinguished[:6])
        more = f" and {len(verdict.undistinguished) - 6} more" if len(verdict.undistinguished) > 6 else ""
        parts.append(f"Not told apart from {verdict.best.arm.label} on test: {names}{more}.")
    return " ".join(parts)


def _tally(verdict: ArmVerdict) -> str:
    """How many arms are better, worse, equal or undecided against their reference."""
    outcomes = [contrast.outcome for contrast in verdict.contrasts]
    parts = [f"{outcomes.count(outcome)} {outcome.value}" for outcome in Outcome if outcome in outcomes]
    name = {reference_name(contrast) for contrast in verdict.contrasts}
    against = name.pop() if len(name) == 1 else "their references"
    told = f"Against {against}, the {len(outcomes)} arms are: {listing(parts)}"
    means = [s.test_mean for s in verdict.summaries if not math.isnan(s.test_mean)]
    return f"{told}. Test means over all arms run from {percent(min(means))} to {percent(max(means))}."


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


def _plainly(subject: str, contrast: Contrast) -> str | None:
    if contrast.n < 2:
        return None
    if contrast.band is None:
        each = f"{points(contrast.mean)} points on test in each of {contrast.n} seeds"
        return f"{subject}: {each}: {contrast.outcome.value}."
    allowing = f", allowing for {contrast.family} comparisons" if contrast.family > 1 else ""
    return (
        f"{subject}: {points(contrast.mean)} points on test (95% interval {span(contrast.band)}{allowing}): "
        f"{contrast.outcome.value}."
    )


def _pairing(contrast: Contrast) -> str | None:
    value = float(contrast.table_row["correlation"])
    if math.isnan(value):
        return None
    use = "pairing by seed pays" if value > 0.3 else "pairing by seed gains little here"
    return f"Over seeds the two arms correlate at {value:+.2f}".replace("-", "−") + f": {use}."


def _winners_curse(arms: int) -> str:
    return (
        "The choice is not yet confirmed on fresh seeds. It was made on validation and is reported on test, but with "
        f"the same trained networks, and the best of {arms} tends to look better than it is."
    )


def _arm_claim(verdict: ArmVerdict) -> str:
    if verdict.best is None or verdict.main is None:
        return (
            "no verdict is possible: comparing arms takes at least 2 of them with at least 2 seeds complete in common, "
            "and they are not there"
        )
    best, main = verdict.best.arm, verdict.main
    if verdict.reference_is_best:
        told = f"the reference arm ({best.label}) is itself best on validation; of the others, "
        return told + judgement(f"the arm {main.arm.label}", main)
    if len(verdict.contrasts) == 1:
        return judgement("VMP" if verdict.reference_kind else f"the arm {main.arm.label}", main) + _mixed(verdict.best)
    count = sum(1 for s in verdict.summaries if s.arm.kind is best.kind)
    named = f"VMP with {best.label}" if verdict.reference_kind else f"the arm {best.label}"
    return judgement(f"{named}, the best of {count} on validation,", main) + _mixed(verdict.best)


def _arm_support(verdict: ArmVerdict) -> tuple[Finding, ...]:
    notes: list[tuple[str, str | None]] = []
    shown = sorted(verdict.summaries, key=lambda s: (-s.val_mean if not math.isnan(s.val_mean) else 1.0, s.arm.order))
    levels = [f"{percent(s.test_mean)} for {s.arm.label}" for s in shown[:5] if not math.isnan(s.test_mean)]
    if levels:
        more = f" (the first {len(levels)} of {len(shown)} by validation)" if len(shown) > len(levels) else ""
        notes.append(("Accuracy", f"Mean test {verdict.metric_name}{more}: {'; '.join(levels)}."))
    others = [c for c in verdict.contrasts if c is not verdict.main and c.n >= 2]
    notes.append(("Choice of arm", _rivals(verdict)))
    if len(others) <= 4:
        told = [(c, f"{c.arm.label} against {reference_name(c)}") for c in others]
        notes += [("Other arms", _plainly(subject, contrast)) for contrast, subject in told]
    else:
        notes.append(("Other arms", _tally(verdict)))
    notes += _collapses(verdict.summaries, verdict.margin)
    diverged = [s for s in verdict.summaries if s.diverged]
    notes += [("Diverged", f"{s.arm.label}: {s.diverged} of {s.planned} seeds diverged.") for s in diverged[:8]]
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(("Evidence", sign_flip_note(verdict.main)))
        notes.append(("Evidence", _pairing(verdict.main)))
    if verdict.reference_kind is not None and not verdict.has_control:
        text = (
            "The study has no control arm (attention fixed at 1 on the same later frames), so it cannot tell what the "
            "attention does from what merely using the later frames does."
        )
        notes.append(("Not yet shown", text))
    if verdict.best is not None and len(verdict.contrasts) > 1:
        candidates = sum(1 for s in verdict.summaries if s.arm.kind is verdict.best.arm.kind)
        notes.append(("Not yet shown", _winners_curse(candidates)))
    return tuple(Finding(topic=topic, text=text) for topic, text in notes if text)
