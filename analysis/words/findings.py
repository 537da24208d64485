"""A sentence of the report with the evidence behind it, and the sentences that every kind of verdict needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.study.arms import Arm
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Rates
from analysis.verdict.importances import Importances
from analysis.verdict.regrets import Regrets
from analysis.verdict.summaries import ArmSummary
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.claims import healthy_note, pairing_note, sign_flip_note
from analysis.words.phrases import names, percent
from sweeps.race_state import RaceState
from sweeps.stats.collapse import Rate
from sweeps.stats.decisions import Verdict
from sweeps.stats.guidance import Rule
from sweeps.stats.intervals import in_points
from sweeps.stats.regret import Ranks
from sweeps.stats.variances import StdComparison
from vmp.core.text import count, listing

Behind = Contrast | StdComparison | Rates | Rate | RaceState | Importances | Regrets | Ranks | Rule


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence or two, under the topic they belong to.

    Attributes:
        topic: A word or two; findings of one topic stand together.
        text: The sentences.
        contrasts: The comparisons and rates behind them: every difference, interval and p value in `text` is one of
            theirs. Empty for a text that compares nothing.
    """

    topic: str
    text: str
    contrasts: tuple[Behind, ...] = ()


def collapse_findings(summaries: Sequence[ArmSummary], contrasts: Sequence[Contrast], margin: float) -> list[Finding]:
    """A sentence on each arm with collapsed or diverged runs; one over all of them when there are many.

    Args:
        summaries: The arms.
        contrasts: Comparisons of arms with their references: the evidence for differences of healthy runs.
        margin: Difference that counts as none, as a fraction.
    """
    able = [summary for summary in summaries if summary.endings and summary.endings.rate.n]
    ill = [summary for summary in able if summary.endings and summary.endings.rate.count]
    if not ill:
        return [_none_collapsed(able)] if able else []
    if len(ill) > 5:
        rates = tuple(summary.endings.rate for summary in ill if summary.endings)
        return [Finding(topic="Collapse", text=_collapse_overall(ill, margin), contrasts=rates)]
    findings = []
    for summary in ill:
        assert summary.endings is not None
        contrast = next((c for c in contrasts if c.is_pair and c.arm == summary.arm), None)
        behind = (contrast, summary.endings.rate) if contrast else (summary.endings.rate,)
        findings.append(Finding(topic="Collapse", text=_collapse_note(summary, contrast, margin), contrasts=behind))
    return findings


def _none_collapsed(able: Sequence[ArmSummary]) -> Finding:
    rates = tuple(summary.endings.rate for summary in able if summary.endings)
    fewest = min(rates, key=lambda rate: rate.n)
    bound = f"a rate of up to {percent(fewest.high)} (95%, by themselves)."
    if len(able) == 1:
        text = (
            f"None of the {count(fewest.n, 'run')} of {able[0].arm.label} collapsed or diverged, which allows {bound}"
        )
    else:
        text = f"No run of {len(able)} arms collapsed or diverged; {count(fewest.n, 'run')} of an arm "
        text += f"{'allows' if fewest.n == 1 else 'allow'} {bound}"
    return Finding(topic="Collapse", text=text, contrasts=rates)


def _collapse_note(summary: ArmSummary, contrast: Contrast | None, margin: float) -> str:
    """How many runs of an arm collapsed or diverged, how the others do, and whether the collapsed are the control's."""
    endings = summary.endings
    assert endings is not None
    rate, parts = endings.rate, []
    if endings.seeds:
        parts.append(f"{len(endings.seeds)} of {rate.n} seeds collapsed to a practically constant attention")
    if endings.diverged:
        parts.append(f"{endings.diverged} of {rate.n} diverged")
    text = f"With {summary.arm.label}, {listing(parts)} (95% interval of that rate {rate.low:.0%} to {rate.high:.0%})"
    if endings.max_gap is not None:
        those, verbs = (
            ("that seed", ("equals", "differs")) if len(endings.seeds) == 1 else ("those seeds", ("equal", "differ"))
        )
        gap = f"{100 * endings.max_gap:.1f} points"
        equal = f"{verbs[0]} the control {'exactly' if endings.max_gap == 0 else f'within {gap}'}"
        text += f"; {those} {equal if endings.max_gap <= margin else f'{verbs[1]} from the control by up to {gap}'}"
    healthy = healthy_note(contrast) if contrast else ""
    return f"{text}; where it did not collapse, it is at {healthy}." if healthy else f"{text}."


def _collapse_overall(summaries: Sequence[ArmSummary], margin: float) -> str:
    """Collapse over many arms: how many runs, where the largest share, and whether they equal the control."""
    endings = [(summary.arm, summary.endings) for summary in summaries if summary.endings]
    runs = sum(one.rate.count for _, one in endings)
    highest = max(one.rate.value for _, one in endings)
    worst = [arm.label for arm, one in endings if one.rate.value == highest]
    text = f"{runs} runs in {len(summaries)} arms collapsed or diverged, most often with "
    text += "; ".join(worst[:4]) + (f" and {len(worst) - 4} more" if len(worst) > 4 else "") + "."
    gaps = [one.max_gap for _, one in endings if one.max_gap is not None]
    if gaps:
        near = sum(gap <= margin for gap in gaps)
        within = f"the control within {in_points(margin)} (largest difference anywhere: {100 * max(gaps):.1f})"
        if near == len(gaps):
            text += f" In each of these {near} arms every collapsed seed equals {within}."
        elif near:
            text += f" In {near} of these {len(gaps)} arms every collapsed seed equals {within}."
        else:
            text += f" In none of these {len(gaps)} arms does every collapsed seed equal {within}."
    return text


def exclusion_findings(verdict: BlockVerdict) -> list[Finding]:
    """One sentence on the candidates that could not be chosen, with the reasons; none where all could."""
    by_reason: dict[str, list[Arm]] = {}
    is_long = len({one.reason for one in verdict.excluded}) > 3  # "2 of 5 seeds complete", "3 of 5 seeds complete", ...
    for one in verdict.excluded:
        by_reason.setdefault(one.bar.value if is_long else one.reason, []).append(one.arm)
    if not by_reason or verdict.best is None:
        return []
    parts = [f"{names(arms)} ({reason})" for reason, arms in by_reason.items()]
    return [Finding(topic="Choice", text=f"Could not be chosen: {'; '.join(parts)}.")]


def evidence_findings(verdict: BlockVerdict) -> list[Finding]:
    """What the sign-flip test and pairing by seed say of the main comparison."""
    main = verdict.main
    if main is None or main.verdict is Verdict.NONE:
        return []
    texts = [text for text in (sign_flip_note(main), pairing_note(main)) if text]
    return [Finding(topic="Evidence", text=text, contrasts=(main,)) for text in texts]
