"""The verdict on lambda in words: the claim of the headline, and what supports or limits it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.study.cells import Study
from analysis.verdict.contrasts import Claim, Contrast
from analysis.verdict.lambda_verdict import LambdaVerdict, lambda_of
from analysis.words.claims import claim_clause, short_comparison
from analysis.words.findings import (
    Finding,
    collapse_findings,
    evidence_findings,
    exclusion_findings,
    mixed_seeds,
    winners_curse,
)
from analysis.words.phrases import lambdas, limits, number, percent, points, reference_name
from vmp.core.text import listing


def lambda_claim(verdict: LambdaVerdict, metric_name: str) -> tuple[str, tuple[Contrast, ...]]:
    """The headline's clause on one block, and the comparison it makes."""
    where = f"for {verdict.block}, " if verdict.block else ""
    if verdict.best is None or verdict.best_lambda is None:
        clause = (
            f"{where}no verdict is possible: choosing λ takes at least 2 values of it with at least 2 seeds complete "
            "in common, and the study does not have them"
        )
        return clause, ()
    best = number(verdict.best_lambda)
    chosen = f"VMP with λ = {best}, the value chosen on validation,"
    if verdict.main is None:
        gap = "the study has neither control nor baseline to say whether VMP helps at all"
        if verdict.against_zero is not None:
            return f"{where}{claim_clause(chosen, verdict.against_zero)}; {gap}", (verdict.against_zero,)
        level = f"{percent(verdict.best.test_mean)} test {metric_name}"
        return f"{where}λ = {best} is best on validation with {level}; {gap}", ()
    if verdict.claim in (Claim.WORSE, Claim.BEHIND):
        chosen = f"even VMP with λ = {best}, the best value on validation,"
    return where + claim_clause(chosen, verdict.main) + mixed_seeds(verdict.best), (verdict.main,)


def blocks_claim(verdicts: Sequence[LambdaVerdict]) -> tuple[str, tuple[Contrast, ...]]:
    """One clause over several blocks (backbones, samplers): which lambda for each, and where VMP wins."""
    parts = []
    for verdict in verdicts:
        if verdict.best_lambda is None:
            parts.append(f"no choice possible for {verdict.block}")
            continue
        part, main = f"λ = {number(verdict.best_lambda)} for {verdict.block}", verdict.main
        if main is not None and main.simultaneous_interval is not None:
            part += f" ({points(main.mean)} points, {limits(main.simultaneous_interval)}: {verdict.claim.value})"
        parts.append(part)
    values = {verdict.best_lambda for verdict in verdicts if verdict.best}
    same = "the same λ is chosen in every block" if len(values) == 1 else "the λ chosen differs between the blocks"
    mains = tuple(verdict.main for verdict in verdicts if verdict.main)
    against = f" against {reference_name(mains[0])}" if mains else ""
    clause = f"on validation {same}; test difference{against}, with intervals that hold within a block: "
    return clause + listing(parts), mains


def lambda_findings(verdict: LambdaVerdict, study: Study) -> list[Finding]:
    """What a reader needs beside the headline, most important first."""
    findings = _levels(verdict, study.metric_name)
    if verdict.best is not None:
        subjects = {
            "The chosen λ against the backbone alone": verdict.against_baseline,
            "The control against the backbone alone, which is what the later frames do by themselves": (
                verdict.control_against_baseline
            ),
        }
        findings += [
            Finding(topic="Backbone alone", text=text, contrasts=(contrast,))
            for subject, contrast in subjects.items()
            if contrast and (text := short_comparison(subject, contrast))
        ]
        findings.append(_choice(verdict, study.margin))
        findings += exclusion_findings(verdict, "Choice of λ")
        findings += _sensitivity(verdict)
    findings += collapse_findings(verdict.candidates, verdict.contrasts if verdict.control else (), study.margin)
    findings += evidence_findings(verdict)
    if verdict.best is not None:
        findings.append(winners_curse(len(verdict.candidates)))
    return findings


def _levels(verdict: LambdaVerdict, metric_name: str) -> list[Finding]:
    parts = [f"{percent(verdict.best.test_mean)} at {verdict.best.arm.label}"] if verdict.best else []
    for reference, name in ((verdict.control, "the control"), (verdict.baseline, "the backbone alone")):
        parts += [f"{percent(reference.test_mean)} for {name}"] if reference and reference.seeds else []
    return [Finding(topic="Accuracy", text=f"Mean test {metric_name}: {listing(parts)}.")] if parts else []


def _choice(verdict: LambdaVerdict, margin: float) -> Finding:
    assert verdict.best_lambda is not None
    assert verdict.one_se is not None
    text = f"By the one-standard-error rule the simplest choice (smallest λ) is λ = {number(verdict.one_se)}"
    is_best = verdict.one_se == verdict.best_lambda
    text += ", the best value itself. " if is_best else f" instead of {number(verdict.best_lambda)}. "
    within = f"(within ±{100 * margin:g} points)"
    unclear = lambdas([lambda_of(c.arm) for c in verdict.undistinguished])
    if verdict.equivalent:
        text += f"Practically equal to the best on test {within}: "
        text += lambdas([lambda_of(c.arm) for c in verdict.equivalent]) + "."
        text += f" Neither equal to it nor distinguishable from it: {unclear}." if unclear else ""
    else:
        text += f"No other value is shown to be practically equal to the best {within}"
        text += f"; not distinguishable from it either: {unclear}." if unclear else "."
    return Finding(topic="Choice of λ", text=text, contrasts=(*verdict.equivalent, *verdict.undistinguished))


def _sensitivity(verdict: LambdaVerdict) -> list[Finding]:
    known = [summary for summary in verdict.candidates if not math.isnan(summary.test_mean)]
    if len(known) < 2:
        return []
    ends = [choose(known, key=lambda s: s.test_mean) for choose in (min, max)]
    low, high = (f"{percent(s.test_mean)} (λ = {number(lambda_of(s.arm))})" for s in ends)
    text = f"Over the values of λ tried, the test mean runs from {low} to {high}."
    zero, best = verdict.against_zero, verdict.best_lambda
    if zero is not None and zero.simultaneous_interval is not None and best is not None:
        text += (
            f" Against λ = 0, the layer without its regulariser, λ = {number(best)} is at {points(zero.mean)} points "
            f"(95% interval {limits(zero.simultaneous_interval)}): {zero.claim.value}."
        )
        return [Finding(topic="Sensitivity", text=text, contrasts=(zero,))]
    if best == 0:
        text += " The best value is 0: here the regulariser brings nothing that validation can see."
    return [Finding(topic="Sensitivity", text=text)]
