"""Sentences generated from decision objects, and from nothing else: what they cannot support is not said."""

from __future__ import annotations

from analysis.findings import Finding
from analysis.phrases import provisional
from analysis.verdict import LambdaVerdict
from analysis.verdict_arms import ArmVerdict
from analysis.wording_arms import arm_claim, arm_support
from analysis.wording_lambda import blocks_headline, lambda_claim, lambda_support

__all__ = ["Finding", "blocks_headline", "headline", "supporting"]


def headline(verdict: LambdaVerdict | ArmVerdict) -> str:
    """The one sentence that answers the study's question."""
    told = lambda_claim(verdict) if isinstance(verdict, LambdaVerdict) else arm_claim(verdict)
    return provisional(verdict.completeness, told)


def supporting(verdict: LambdaVerdict | ArmVerdict) -> tuple[Finding, ...]:
    """What a reader needs beside the headline, most important first; findings of one topic stand together."""
    return lambda_support(verdict) if isinstance(verdict, LambdaVerdict) else arm_support(verdict)
