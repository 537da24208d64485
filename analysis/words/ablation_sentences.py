"""What components bring, in sentences: by themselves, whether they interact, over all orders, along the path."""

from __future__ import annotations

from analysis.verdict.components import Component, ComponentVerdict
from analysis.verdict.contrasts import Contrast
from analysis.verdict.evidence import Evidence
from analysis.words.claims import brief
from analysis.words.effect_sentences import interaction_findings
from analysis.words.findings import Finding
from analysis.words.phrases import VERDICT_WORDS, limits, percent, points
from sweeps.stats.decisions import Verdict
from vmp.core.text import count, listing

MAX_SHOWN = 6


def component_findings(verdict: ComponentVerdict, evidence: Evidence) -> list[Finding]:
    """The sentences on one block."""
    shown = sorted(verdict.components, key=lambda one: -_size(one))[:MAX_SHOWN]
    findings = [one for component in shown if (one := _switched(component))]
    if hidden := len(verdict.components) - len(shown):
        findings.append(Finding(topic="Components", text=f"{count(hidden, 'more component')} are in the table."))
    findings += _interactions(verdict)
    findings += interaction_findings(verdict.pairwise) if any(map(is_interaction, verdict.pairwise)) else []
    findings += _shapley(verdict)
    return [*findings, *_path(verdict, evidence)]


def is_interaction(contrast: Contrast | None) -> bool:
    """Whether a disagreement is established: its simultaneous interval excludes 0."""
    return contrast is not None and contrast.interval is not None and contrast.interval.excludes_zero


def _size(component: Component) -> float:
    known = [abs(one.mean) for one in (component.added, component.left_out) if one and one.verdict is not Verdict.NONE]
    return max(known, default=-1.0)


def _switched(component: Component) -> Finding | None:
    """What one component does in the bare and in the full arm."""
    sides = (("in the bare arm", component.added), ("in the full arm", component.left_out))
    known = [(where, one) for where, one in sides if one is not None and one.verdict is not Verdict.NONE]
    if not known:
        return None
    if len(known) == 2 and known[0][1] is known[1][1]:
        known = [("", known[0][1])]
    parts = []
    for i, (where, one) in enumerate(known):
        gain = f"{points(one.mean)}{'' if i else ' points'}{where and f' {where}'}"
        parts.append(f"{gain} ({_bracket(one, '' if i else '95% interval ')})")
    text = f"{component.title} from {component.off} to {component.on}: {', '.join(parts)}."
    return Finding(topic="Components", text=text, contrasts=tuple(one for _, one in known))


def _bracket(contrast: Contrast, what: str) -> str:
    """Interval and verdict of one of several comparisons in a sentence."""
    word = VERDICT_WORDS[contrast.verdict]
    return f"{what}{limits(contrast.interval)}, {word}" if contrast.interval else f"in each seed, {word}"


def _interactions(verdict: ComponentVerdict) -> list[Finding]:
    """Where both effects of a component disagree beyond what the seeds leave open."""
    known = [(c, c.disagreement) for c in verdict.components
             if c.disagreement and c.disagreement.verdict is not Verdict.NONE]  # fmt: skip
    if not known:
        return []
    shown = [(component, one) for component, one in known if is_interaction(one)]
    contrasts = tuple(dict.fromkeys(one for _, one in known))
    if not shown:
        pairs = tuple(one for one in verdict.pairwise if one.verdict is not Verdict.NONE)
        is_alone = not pairs or any(map(is_interaction, pairs))
        text = "No interaction is established: no component is shown to bring more or less in the full arm than in the "
        text += "bare one." if is_alone else "bare one, or beside one other."
        return [Finding(topic="Interactions", text=text, contrasts=contrasts if is_alone else contrasts + pairs)]
    findings = []
    for contrast in dict.fromkeys(one for _, one in shown):
        titles = [component.title for component, one in shown if one is contrast]
        whom = f"{listing(titles)} interact" if len(titles) > 1 else f"{titles[0]} interacts with the other components"
        each = "each" if len(titles) > 1 else "it"
        more = "more" if contrast.mean > 0 else "less"
        text = f"{whom}: {each} brings {more} in the full arm than in the bare one: {brief(contrast)}."
        findings.append(Finding(topic="Interactions", text=text, contrasts=(contrast,)))
    return findings[:MAX_SHOWN]


def _shapley(verdict: ComponentVerdict) -> list[Finding]:
    known = [(c, c.shapley) for c in verdict.components if c.shapley and c.shapley.verdict is not Verdict.NONE]
    if not known:
        return []
    known = sorted(known, key=lambda pair: -pair[1].mean)
    parts = [
        f"{component.title} {points(one.mean)}"
        + (f" ({'' if i else '95% interval '}{limits(one.interval)})" if one.interval else "")
        for i, (component, one) in enumerate(known[:MAX_SHOWN])
    ]
    more = f" and {len(known) - MAX_SHOWN} more in the table" if len(known) > MAX_SHOWN else ""
    text = (
        "Of the points between the bare and the full arm, on average over all orders of switching the components on "
        f"(Shapley values): {listing(parts)}{more}."
    )
    return [Finding(topic="Shapley values", text=text, contrasts=tuple(one for _, one in known))]


def _path(verdict: ComponentVerdict, evidence: Evidence) -> list[Finding]:
    if verdict.path is None or verdict.bare is None or verdict.best is None:
        return []
    if not verdict.path:
        return [Finding(topic="Path", text=f"The bare arm ({verdict.bare.label}) is itself the best on validation.")]
    first, last = (percent(evidence.summary(arm).test_mean) for arm in (verdict.bare, verdict.best))
    split = verdict.path[0].contrast.split
    on = f" on {split}" if split else ""
    steps = []
    for i, step in enumerate(verdict.path):
        gain = f"{points(step.contrast.mean)}{'' if i else ' points'}"
        known = step.contrast.verdict is not Verdict.NONE
        shown = f" ({gain}, {_bracket(step.contrast, '' if i else '95% interval ')})" if known else ""
        steps.append(f"{step.title} from {step.off} to {step.on}{shown}")
    text = (
        f"From the bare arm ({first}{on}) to the best one on validation ({last}), switching what gains most on "
        f"validation first: {', then '.join(steps)}."
    )
    return [Finding(topic="Path", text=text, contrasts=tuple(step.contrast for step in verdict.path))]
