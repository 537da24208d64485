"""How the runs of each arm ended: healthy, collapsed, diverged, with exact intervals and the accuracy of each."""

from __future__ import annotations

from typing import Literal

from analysis.sections.base import Column, Row, Section, SectionContent, Table, priorities
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.summaries import ArmSummary
from analysis.words.findings import collapse_findings

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="runs", header="runs", format="count"),
    Column(key="collapsed", header="collapsed", format="count"),
    Column(key="diverged", header="diverged", format="count", on_page="if any"),
    Column(key="rate", header="rate", format="percent"),
    Column(key="rate_interval", header="95% interval (exact)", format="percent_interval"),
    Column(key="healthy_mean", header="test mean, healthy", format="percent"),
    Column(key="collapsed_mean", header="test mean, collapsed", format="percent"),
    Column(key="test_mean", header="test mean, all complete", format="percent"),
)
_METHOD = (
    "Collapse and divergence",
    "A run has two outcomes: whether its attention collapsed or its training diverged, and its accuracy if not. A "
    "diverged run counts in every comparison and in the choice with the worst accuracy of the study (chance, if that "
    "is lower). Better is claimed only where the rate of collapse that would cancel the gain is excluded: from the "
    "arm's own runs, or, while no run of the family has collapsed, from all of them, each training once, with an "
    "assumed loss of 15 points. Until then arms are taken as alike, and runs of one seed not to collapse together in "
    "every arm: runs without a collapse cannot tell.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    priority = priorities(conclusions)
    rows = [_row(summary, priority[summary.arm.label]) for summary in _able(conclusions)]
    caption = "How runs ended, and the test accuracy in percent of those that did not collapse and of those that did."
    table = Table(name="endings", caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)
    sentences = collapse_findings(_able(conclusions), conclusions.differences, conclusions.study.margin)
    return SectionContent(findings=[("", sentences)], tables=[table], method=[_METHOD])


def _row(summary: ArmSummary, priority: float) -> Row:
    endings = summary.endings
    assert endings is not None
    rate = endings.rate
    values = (
        summary.arm.label,
        rate.n,
        len(endings.seeds),
        endings.diverged,
        rate.value,
        (rate.low, rate.high),
        endings.healthy_mean,
        endings.collapsed_mean,
        summary.test_mean,
    )
    return Row(values=values, hashes=summary.hashes, priority=priority)


def _able(conclusions: Conclusions) -> list[ArmSummary]:
    """The arms whose runs can collapse, or diverged."""
    return [summary for summary in conclusions.summaries if summary.endings and summary.endings.rate.n]


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return bool(_able(conclusions)) or "no run can collapse, and none diverged"


ENDINGS = Section(name="endings", title="How runs ended", order=65, compute=_compute, applies=_applies)
