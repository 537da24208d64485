"""Sentences generated from decision objects, and from nothing else: what they cannot support is not said."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.verdict_arms import ArmVerdict
from analysis.outcome import Contrast, Outcome
from analysis.phrases import (
    collapse_note,
    judgement,
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


def headline(verdict: LambdaVerdict | ArmVerdict) -> str:
    """The one sentence that answers the study's question."""
    told = _lambda_claim(verdict) if isinstance(verdict, LambdaVerdict) else _arm_claim(verdict)
    return provisional(verdict.completeness, told[0].upper() + told[1:] + ".")


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
    told = f"Chosen on validation, {same}; test difference{against}, with intervals that hold within a block: "
    return provisional(verdicts[0].completeness, told + listing(parts) + ".")


def supporting(verdict: LambdaVerdict | ArmVerdict) -> tuple[str, ...]:
    """What a reader needs beside the headline, most important first."""
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
            f"{where}λ = {number(verdict.best.lambda_)} is best on validation and reaches {percent(best.test_mean)} test "
            f"{verdict.metric_name}; the study has neither control nor baseline, so it cannot say whether VMP helps"
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


def _lambda_support(verdict: LambdaVerdict) -> tuple[str, ...]:
    notes: list[str | None] = []
    if verdict.best is not None:
        best = verdict.best
        notes.append(_levels(verdict))
        if best.summary.collapse and best.summary.collapse.seeds:
            notes.append(collapse_note(best.summary, verdict.margin))
        if verdict.main is not verdict.against_baseline and verdict.against_baseline is not None:
            notes.append(_plainly("Against the backbone alone", verdict.against_baseline))
        if verdict.control_against_baseline is not None:
            notes.append(_plainly("The control against the backbone alone, what the later frames do by themselves",
                                  verdict.control_against_baseline))  # fmt: skip
        notes.append(_choice(verdict))
        notes.append(_sensitivity(verdict))
    others = [p for p in verdict.points if verdict.best is None or p is not verdict.best]
    notes += [collapse_note(point.summary, verdict.margin) for point in others]
    notes += [f"λ = {number(value)} could not be chosen: {reason}." for value, reason in verdict.ineligible]
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(sign_flip_note(verdict.main))
        notes.append(_pairing(verdict.main))
    if verdict.best is not None and not verdict.confirmed:
        notes.append(_winners_curse(len(verdict.points)))
    return tuple(note for note in notes if note)


def _levels(verdict: LambdaVerdict) -> str:
    assert verdict.best is not None
    best = verdict.best.summary
    parts = [f"{percent(best.test_mean)} at λ = {number(verdict.best.lambda_)}"]
    parts += [f"{percent(verdict.control.test_mean)} for the control"] if verdict.control else []
    parts += [f"{percent(verdict.baseline.test_mean)} for the backbone alone"] if verdict.baseline else []
    return f"Mean test {verdict.metric_name}: {listing(parts)}."


def _choice(verdict: LambdaVerdict) -> str:
    assert verdict.best is not None
    assert verdict.one_se is not None
    best = verdict.best.lambda_
    told = f"By the one-standard-error rule the simplest choice (smallest λ) is λ = {number(verdict.one_se)}"
    told += ", the best value itself. " if verdict.one_se == best else f" instead of {number(best)}. "
    equal = [f"λ = {number(v)}" for v in verdict.equivalent if v != best]
    margin = f"±{100 * verdict.margin:g} points"
    if equal:
        told += f"Practically equal to the best on test (within {margin}): {listing(equal)}."
    else:
        told += f"No other value is shown to be practically equal to the best (within {margin})"
        unclear = [f"λ = {number(v)}" for v in verdict.undistinguished]
        return told + (f"; not told apart from it either: {listing(unclear)}." if unclear else ".")
    unclear = [f"λ = {number(v)}" for v in verdict.undistinguished]
    return told + (f" Neither equal nor told apart: {listing(unclear)}." if unclear else "")


def _sensitivity(verdict: LambdaVerdict) -> str | None:
    known = [p for p in verdict.points if not math.isnan(p.summary.test_mean)]
    if len(known) < 2:
        return None
    low = min(known, key=lambda p: p.summary.test_mean)
    high = max(known, key=lambda p: p.summary.test_mean)
    told = (
        f"Over the values of λ tried, the test mean runs from {percent(low.summary.test_mean)} (λ = {number(low.lambda_)}) "
        f"to {percent(high.summary.test_mean)} (λ = {number(high.lambda_)})."
    )
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
    if contrast.band is None:
        return None
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
        f"The choice is not yet confirmed on fresh seeds. It was made on validation and is reported on test, but with the "
        f"same trained networks, and the best of {arms} tends to look better than it is."
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


def _arm_support(verdict: ArmVerdict) -> tuple[str, ...]:
    notes: list[str | None] = []
    shown = sorted(verdict.summaries, key=lambda s: (-s.val_mean if not math.isnan(s.val_mean) else 1.0, s.arm.order))
    told = [f"{percent(s.test_mean)} for {s.arm.label}" for s in shown[:6] if not math.isnan(s.test_mean)]
    if told:
        more = f" (the first {len(told)} of {len(shown)} by validation)" if len(shown) > len(told) else ""
        notes.append(f"Mean test {verdict.metric_name}{more}: {listing(told)}.")
    others = [c for c in verdict.contrasts if c is not verdict.main and c.band is not None]
    for contrast in others[:8]:
        notes.append(_plainly(f"{contrast.arm.label} against {reference_name(contrast)}", contrast))
    if len(others) > 8:
        notes.append(f"{len(others) - 8} more comparisons stand in the table of comparisons.")
    if verdict.reference_kind is not None and not verdict.has_control:
        notes.append(
            "The study has no control arm (attention fixed at 1 on the same later frames), so it cannot tell what the "
            "attention does from what merely using the later frames does."
        )
    notes += [collapse_note(s, verdict.margin) for s in verdict.summaries]
    notes += [f"{s.arm.label}: {s.diverged} of {s.planned} seeds diverged." for s in verdict.summaries if s.diverged]
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(sign_flip_note(verdict.main))
        notes.append(_pairing(verdict.main))
    if verdict.best is not None and len(verdict.contrasts) > 1:
        notes.append(_winners_curse(sum(1 for s in verdict.summaries if s.arm.kind is verdict.best.arm.kind)))
    return tuple(note for note in notes if note)
