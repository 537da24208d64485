"""The sentence that answers a study's question, and the findings that support or limit it."""

from __future__ import annotations

from analysis.verdict.conclusions import Conclusions
from analysis.verdict.decision import Verdict
from analysis.verdict.lambda_verdict import LambdaVerdict
from analysis.words.arm_sentences import arm_claim, arm_findings
from analysis.words.findings import Finding
from analysis.words.lambda_sentences import blocks_claim, lambda_claim, lambda_findings
from analysis.words.phrases import provisional


def headline(conclusions: Conclusions) -> Finding:
    """The one sentence that answers the study's question."""
    blocks = conclusions.lambda_verdicts
    if len(blocks) > 1:
        clause, contrasts = blocks_claim(blocks)
        return Finding(topic="", text=provisional(conclusions.completeness, clause), contrasts=contrasts)
    return _headline_of(conclusions.verdicts[0], conclusions)


def findings(conclusions: Conclusions) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    """(block, findings) pairs, most important first; one pair with an empty block for a study of one block."""
    if conclusions.arm_verdict is not None:
        return (("", tuple(arm_findings(conclusions.arm_verdict, conclusions))),)
    pairs = []
    for verdict in conclusions.lambda_verdicts:
        found = lambda_findings(verdict, conclusions.study)
        if verdict.block:
            claim = _headline_of(verdict, conclusions)
            found.insert(0, Finding(topic="Verdict", text=claim.text, contrasts=claim.contrasts))
        pairs.append((verdict.block, tuple(found)))
    return tuple(pairs)


def _headline_of(verdict: Verdict, conclusions: Conclusions) -> Finding:
    if isinstance(verdict, LambdaVerdict):
        clause, contrasts = lambda_claim(verdict, conclusions.study.metric_name)
    else:
        assert conclusions.arm_verdict is not None
        clause, contrasts = arm_claim(conclusions.arm_verdict)
    return Finding(topic="", text=provisional(conclusions.completeness, clause), contrasts=contrasts)
