"""Supporting sentences, each with the evidence behind it, and those that every kind of verdict needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.study.arms import Arm
from analysis.verdict.contrasts import Contrast
from analysis.verdict.decision import Verdict
from analysis.verdict.summaries import ArmSummary
from analysis.words.claims import pairing_note, sign_flip_note
from analysis.words.phrases import names, points
from sweeps.stats.variances import StdComparison


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence or two, under the topic they belong to.

    Attributes:
        topic: A word or two; findings of one topic stand together.
        text: The sentences.
        contrasts: The comparisons behind them: every difference, interval and p value in `text` is one of theirs. Empty
            for a text that compares nothing.
    """

    topic: str
    text: str
    contrasts: tuple[Contrast | StdComparison, ...] = ()


def mixed_seeds(summary: ArmSummary) -> str:
    """A warning for the headline: a mean over collapsed and healthy seeds describes neither."""
    collapse = summary.collapse
    if collapse is None or not collapse.seeds:
        return ""
    return f"; {len(collapse.seeds)} of its {collapse.flagged} seeds collapsed, so the mean mixes two outcomes"


def collapse_findings(summaries: Sequence[ArmSummary], contrasts: Sequence[Contrast], margin: float) -> list[Finding]:
    """A sentence on each arm with collapsed seeds; one over all of them when there are many.

    Args:
        summaries: The arms.
        contrasts: The comparisons with their controls, where there are any: the evidence for differences by seed.
        margin: Difference that counts as none, as a fraction.
    """
    collapsed = [summary for summary in summaries if summary.has_collapse]
    if len(collapsed) > 5:
        of_arms = tuple(c for c in contrasts if any(c.arm == summary.arm for summary in collapsed))
        return [Finding(topic="Collapse", text=_collapse_overall(collapsed, margin), contrasts=of_arms)]
    return [
        Finding(
            topic="Collapse",
            text=_collapse_note(summary, margin),
            contrasts=tuple(c for c in contrasts if c.arm == summary.arm),
        )
        for summary in collapsed
    ]


def _collapse_note(summary: ArmSummary, margin: float) -> str:
    """How many seeds of an arm collapsed, and whether those seeds are the control's, seed by seed."""
    collapse = summary.collapse
    assert collapse is not None
    collapsed = len(collapse.seeds)
    text = f"At {summary.arm.label}, {collapsed} of {collapse.flagged} seeds collapsed"
    text += " to a practically constant attention"
    if collapse.max_gap is None:
        return text + "."
    those, verbs = ("that seed", ("equals", "differs")) if collapsed == 1 else ("those seeds", ("equal", "differ"))
    gap = f"{100 * collapse.max_gap:.1f} points"
    if collapse.max_gap <= margin:
        text += f"; {those} {verbs[0]} the control within {gap}"
    else:
        text += f"; {those} {verbs[1]} from the control by up to {gap}"
    healthy = collapse.flagged - collapsed
    if collapse.healthy_mean is not None and healthy:
        others = "other one is" if healthy == 1 else f"other {healthy} are"
        text += f", while the {others} at {points(collapse.healthy_mean)} points on average"
        text += " (a split seen afterwards, not a test)"
    return text + "."


def _collapse_overall(summaries: Sequence[ArmSummary], margin: float) -> str:
    """Collapse over many arms: how many cells, where the largest share, and whether they equal the control."""
    collapses = [(summary.arm, summary.collapse) for summary in summaries if summary.collapse]
    cells = sum(len(collapse.seeds) for _, collapse in collapses)
    shares = [len(collapse.seeds) / collapse.flagged for _, collapse in collapses]
    worst = [arm.label for (arm, _), share in zip(collapses, shares, strict=True) if share == max(shares)]
    text = f"{cells} cells in {len(summaries)} arms collapsed to a practically constant attention, most often at "
    text += "; ".join(worst[:4]) + (f" and {len(worst) - 4} more" if len(worst) > 4 else "") + "."
    gaps = [collapse.max_gap for _, collapse in collapses if collapse.max_gap is not None]
    if gaps:
        near = sum(gap <= margin for gap in gaps)
        text += (
            f" In {near} of these {len(gaps)} arms every collapsed seed equals the control within "
            f"{100 * margin:g} points (largest difference anywhere: {100 * max(gaps):.1f})."
        )
    return text


def exclusion_findings(verdict: Verdict, topic: str) -> list[Finding]:
    """One sentence on the candidates that could not be chosen, with the reasons; none where all could."""
    by_reason: dict[str, list[Arm]] = {}
    for arm, reason in verdict.ineligible:
        by_reason.setdefault(reason, []).append(arm)
    if len(by_reason) > 3:  # "2 of 5 seeds complete", "3 of 5 seeds complete", ...: by what ended the seeds alone
        merged: dict[str, list[Arm]] = {}
        for reason, arms in by_reason.items():
            merged.setdefault(f"some seeds {_ENDINGS[reason.rpartition(' ')[2]]}", []).extend(arms)
        by_reason = merged
    if not by_reason or verdict.best is None:
        return []
    parts = [f"{names(arms)} ({reason})" for reason, arms in by_reason.items()]
    return [Finding(topic=topic, text=f"Could not be chosen: {'; '.join(parts)}.")]


_ENDINGS = {"diverged": "diverged", "early": "stopped early", "complete": "not complete"}


def evidence_findings(verdict: Verdict) -> list[Finding]:
    """What the sign-flip test and pairing by seed say of the headline's comparison."""
    main = verdict.main
    if main is None or main.n < 2:
        return []
    texts = [text for text in (sign_flip_note(main), pairing_note(main)) if text]
    return [Finding(topic="Evidence", text=text, contrasts=(main,)) for text in texts]


def winners_curse(arms: int) -> Finding:
    text = (
        "The choice is not yet confirmed on fresh seeds. It was made on validation and is reported on test, but with "
        f"the same trained networks, and the best of {arms} tends to look better than it is."
    )
    return Finding(topic="Not yet shown", text=text)
