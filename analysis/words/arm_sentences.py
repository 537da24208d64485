"""The verdict of a study of arms in words: the claim of the headline, and what supports or limits it."""

from __future__ import annotations

import math

from analysis.findings import Finding, collapse_findings, mixed_seeds, pairing_note, plain_comparison, winners_curse
from analysis.outcome import Outcome
from analysis.phrases import judgement, listing, percent, reference_name, sign_flip_note
from analysis.verdict_arms import ArmVerdict


def arm_claim(verdict: ArmVerdict) -> str:
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
        return judgement("VMP" if verdict.reference_kind else f"the arm {main.arm.label}", main) + mixed_seeds(
            verdict.best
        )
    count = sum(1 for s in verdict.summaries if s.arm.kind is best.kind)
    named = f"VMP with {best.label}" if verdict.reference_kind else f"the arm {best.label}"
    return judgement(f"{named}, the best of {count} on validation,", main) + mixed_seeds(verdict.best)


def arm_support(verdict: ArmVerdict) -> tuple[Finding, ...]:
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
        notes += [("Other arms", plain_comparison(subject, contrast)) for contrast, subject in told]
    else:
        notes.append(("Other arms", _tally(verdict)))
    notes += collapse_findings(verdict.summaries, verdict.margin)
    diverged = [s for s in verdict.summaries if s.diverged]
    notes += [("Diverged", f"{s.arm.label}: {s.diverged} of {s.planned} seeds diverged.") for s in diverged[:8]]
    if verdict.main is not None and verdict.main.n >= 2:
        notes.append(("Evidence", sign_flip_note(verdict.main)))
        notes.append(("Evidence", pairing_note(verdict.main)))
    if verdict.reference_kind is not None and not verdict.has_control:
        text = (
            "The study has no control arm (attention fixed at 1 on the same later frames), so it cannot tell what the "
            "attention does from what merely using the later frames does."
        )
        notes.append(("Not yet shown", text))
    if verdict.best is not None and len(verdict.contrasts) > 1:
        candidates = sum(1 for s in verdict.summaries if s.arm.kind is verdict.best.arm.kind)
        notes.append(("Not yet shown", winners_curse(candidates)))
    return tuple(Finding(topic=topic, text=text) for topic, text in notes if text)


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
