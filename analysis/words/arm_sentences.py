"""The verdict of a study of arms in words: the claim of the headline, and what supports or limits it."""

from __future__ import annotations

import math

from analysis.verdict.arm_verdict import ArmVerdict
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Claim, Contrast
from analysis.words.claims import claim_clause, short_comparison
from analysis.words.findings import (
    Finding,
    collapse_findings,
    evidence_findings,
    exclusion_findings,
    mixed_seeds,
    winners_curse,
)
from analysis.words.phrases import names, percent, reference_name
from vmp.core.text import listing


def arm_claim(verdict: ArmVerdict) -> tuple[str, tuple[Contrast, ...]]:
    """The headline's clause, and the comparison it makes."""
    if verdict.best is None or verdict.main is None:
        clause = (
            "no verdict is possible: comparing arms takes at least 2 of them with at least 2 seeds complete in common, "
            "and the study does not have them"
        )
        return clause, ()
    best, main = verdict.best.arm, verdict.main
    if verdict.reference_is_best:
        clause = f"the reference arm ({best.label}) is itself best on validation; of the others, "
        return clause + claim_clause(f"the arm {main.arm.label}", main), (main,)
    if len(verdict.contrasts) == 1:
        subject = "VMP" if verdict.reference_kind else f"the arm {main.arm.label}"
    else:
        subject = f"VMP with {best.label}" if verdict.reference_kind else f"the arm {best.label}"
        subject += f", the best of {len(verdict.candidates)} on validation,"
    return claim_clause(subject, main) + mixed_seeds(verdict.best), (main,)


def arm_findings(verdict: ArmVerdict, conclusions: Conclusions) -> list[Finding]:
    """What a reader needs beside the headline, most important first."""
    study, summaries = conclusions.study, conclusions.summaries
    findings = _levels(conclusions)
    findings += _rivals(verdict, study.margin)
    findings += exclusion_findings(verdict, "Choice of arm")
    findings += _others(verdict, conclusions)
    findings += collapse_findings(summaries, [c for c in verdict.contrasts if verdict.has_control], study.margin)
    diverged = [f"{s.arm.label} {s.diverged} of {s.planned}" for s in summaries if s.diverged]
    if diverged:
        more = f"; {len(diverged) - 8} more arms" if len(diverged) > 8 else ""
        findings.append(Finding(topic="Diverged", text=f"Seeds that diverged: {'; '.join(diverged[:8])}{more}."))
    findings += evidence_findings(verdict)
    if verdict.reference_kind is not None and not verdict.has_control:
        text = (
            "The study has no control arm (attention fixed at 1 on the same later frames), so it cannot separate what "
            "the attention does from what merely using the later frames does."
        )
        findings.append(Finding(topic="Not yet shown", text=text))
    if verdict.best is not None and len(verdict.contrasts) > 1:
        findings.append(winners_curse(len(verdict.candidates)))
    return findings


def _levels(conclusions: Conclusions) -> list[Finding]:
    known = [s for s in conclusions.summaries if not math.isnan(s.test_mean)]
    shown = sorted(known, key=lambda s: (-s.val_mean, s.arm.order))[:5]
    if not shown:
        return []
    total = len(conclusions.summaries)
    more = f" (the first {len(shown)} of {total} by validation)" if total > len(shown) else ""
    levels = "; ".join(f"{percent(s.test_mean)} for {s.arm.label}" for s in shown)
    return [Finding(topic="Accuracy", text=f"Mean test {conclusions.study.metric_name}{more}: {levels}.")]


def _rivals(verdict: ArmVerdict, margin: float) -> list[Finding]:
    """Which other candidates could as well have been chosen."""
    if verdict.best is None:
        return []
    best, parts = verdict.best.arm.label, []
    if verdict.equivalent:
        equal = names([c.arm for c in verdict.equivalent])
        parts.append(f"Practically equal to {best} on test (±{100 * margin:g} points): {equal}.")
    if verdict.undistinguished:
        parts.append(f"Not distinguishable from {best} on test: {names([c.arm for c in verdict.undistinguished])}.")
    evidence = (*verdict.equivalent, *verdict.undistinguished)
    return [Finding(topic="Choice of arm", text=" ".join(parts), contrasts=evidence)] if parts else []


def _others(verdict: ArmVerdict, conclusions: Conclusions) -> list[Finding]:
    """The comparisons beside the headline's: each when they are few, else how many have which claim."""
    others = [c for c in verdict.contrasts if c is not verdict.main and c.n >= 2]
    if len(others) <= 4:
        texts = [(c, short_comparison(f"{c.arm.label} against {reference_name(c)}", c)) for c in others]
        return [Finding(topic="Other arms", text=text, contrasts=(c,)) for c, text in texts]
    claims = [contrast.claim for contrast in verdict.contrasts]
    parts = [f"{claims.count(claim)} {claim.value}" for claim in Claim if claim in claims]
    references = {reference_name(contrast) for contrast in verdict.contrasts}
    against = references.pop() if len(references) == 1 else "their references"
    means = [s.test_mean for s in conclusions.summaries if not math.isnan(s.test_mean)]
    text = (
        f"Against {against}, the {len(claims)} arms are: {listing(parts)}. Test means over all arms run from "
        f"{percent(min(means))} to {percent(max(means))}."
    )
    return [Finding(topic="Other arms", text=text, contrasts=verdict.contrasts)]
