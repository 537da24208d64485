"""The verdict on one block in words: the claim about the chosen arm, and what supports or limits it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.study.arms import Kind, value_text
from analysis.study.cells import Study
from analysis.verdict.contrasts import Contrast
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.claims import brief, claim_clause, mixed_runs, short_comparison
from analysis.words.effect_sentences import effect_findings, effects_claim, interaction_findings
from analysis.words.findings import Behind, Finding, collapse_findings, evidence_findings, exclusion_findings
from analysis.words.phrases import (
    capital,
    in_runs,
    limits,
    names,
    percent,
    points,
    reference_name,
    subject_name,
    verdict_counts,
)
from sweeps.stats.decisions import Verdict
from sweeps.stats.intervals import in_points
from sweeps.stats.means import MIN_SEEDS
from vmp.core.text import count, listing

MAX_SHOWN = 5
MAX_NAMED = 6  # of the established ones among many


def verdict_claim(verdict: BlockVerdict, study: Study) -> tuple[str, tuple[Behind, ...]]:
    """The headline's clause on one block, and the comparisons that it makes."""
    if verdict.effects:
        return effects_claim(verdict.effects, verdict.factors, study)
    return choice_claim(verdict, study)


def choice_claim(verdict: BlockVerdict, study: Study) -> tuple[str, tuple[Behind, ...]]:
    """What is shown about the arm that validation chooses."""
    best, main = verdict.best, verdict.main
    if len(study.arms) == 1 and (only := verdict.candidates[0]).seeds:
        return f"the only arm is at {percent(only.test_mean)} {study.measured}", ()
    if best is None and not study.has_validation and study.origin is not None:
        shown, behind = without_choice(verdict)
        return f"{no_choice(study.origin.tool)}; {shown}", behind
    if best is None:
        clause = (
            "no verdict is possible: choosing takes at least 3 seeds complete in common among the arms to choose from, "
            "and the study does not have them"
        )
        return clause, ()
    if main is None:
        others = [s for s in (*verdict.candidates, verdict.control, verdict.baseline) if s and s is not best]
        why = "the reference is not among the arms" if others else "no other arm stands"
        level = f"{percent(best.test_mean)} {study.measured}"
        return f"{best.arm.label} is best on validation with {level}; {why} to compare it with", ()
    if verdict.reference_is_best:
        clause = f"the reference ({best.arm.label}) is itself best on validation; of the others, "
        return clause + claim_clause(subject_name(main), main) + mixed_runs(main), (main,)
    subject = subject_name(main)
    if verdict.choices > 1:
        if main.verdict in (Verdict.WORSE, Verdict.BEHIND):
            subject = f"even {subject}, the best of {verdict.choices} on validation,"
        else:
            subject += f", the best of {verdict.choices} on validation,"
    return claim_clause(subject, main) + mixed_runs(main), (main,)


def no_choice(tool: str) -> str:
    """Why nothing is chosen among another tool's runs with one value each."""
    return f"no arm is chosen: {tool} holds no second value to choose by, beside the reported one"


def without_choice(verdict: BlockVerdict) -> tuple[str, tuple[Behind, ...]]:
    """What the comparisons of arms that none was chosen of show, or why there are none."""
    known = [contrast for contrast in verdict.contrasts if contrast.verdict is not Verdict.NONE]
    few = len(verdict.contrasts) - len(known)
    rest = f"; {count(few, 'more arm')} {'has' if few == 1 else 'have'} too few seeds to compare" if few else ""
    if len(known) == 1:
        return claim_clause(subject_name(known[0]), known[0]) + rest, tuple(known)
    references = {reference_name(contrast) for contrast in known or verdict.contrasts}
    against = references.pop() if len(references) == 1 else "their references"
    if known:
        return f"against {against}, {_how_many(known)} are: {verdict_counts(known)}{rest}", tuple(known)
    if verdict.contrasts:
        return f"no arm shares {MIN_SEEDS} seeds with {against}, so none is compared", ()
    return "the reference is not among the arms, so none is compared", ()


def _how_many(contrasts: Sequence[Contrast]) -> str:
    """``5 arms``; comparisons where an arm has several."""
    return count(len(contrasts), "arm" if len({c.arm for c in contrasts}) == len(contrasts) else "comparison")


def verdict_findings(verdict: BlockVerdict, study: Study, *, is_confirmed: bool = False) -> list[Finding]:
    """What a reader needs beside the headline, most important first.

    Args:
        verdict: Of the block.
        study: The study.
        is_confirmed: Whether fresh seeds give a verdict, so that the choice needs no warning.
    """
    findings = []
    if verdict.effects:
        findings += [*effect_findings(verdict.effects, study), *interaction_findings(verdict.interactions)]
    findings += _levels(verdict, study)
    if verdict.effects and verdict.main is not None:
        clause, behind = choice_claim(verdict, study)
        findings.append(Finding(topic="Best arm", text=f"{capital(clause)}.", contrasts=behind))
    findings += _other_comparisons(verdict)
    findings += _choice(verdict, study)
    findings += exclusion_findings(verdict)
    findings += _shape(verdict, study)
    summaries = [*verdict.candidates, *(s for s in (verdict.control, verdict.baseline) if s and s.diverged)]
    findings += collapse_findings(summaries, verdict.contrasts, study.margin)
    findings += evidence_findings(verdict)
    findings += _limits(verdict, study, is_confirmed)
    return findings


def _levels(verdict: BlockVerdict, study: Study) -> list[Finding]:
    shown = [(s.arm.label, s) for s in ([verdict.best] if verdict.best else []) if s.seeds]
    others = [s for s in verdict.candidates if s is not verdict.best and s.seeds]
    if len(others) < MAX_SHOWN:
        shown += [(s.arm.label, s) for s in others]
    shown += [(name, s) for name, s in (("the control", verdict.control), ("the backbone alone", verdict.baseline))
              if s and s.seeds]  # fmt: skip
    parts = [f"{percent(s.test_mean)} for {name}{' (of survivors)' if s.diverged else ''}" for name, s in shown]
    text = f"Mean {study.measured}: {listing(parts)}."
    if len(others) >= MAX_SHOWN:
        means = [s.test_mean for s in verdict.candidates if s.seeds]
        low, high = percent(min(means)), percent(max(means))
        is_vmp = all(s.arm.kind is Kind.VMP for s in verdict.candidates)
        text += f" Over all {count(len(means), 'arm with VMP' if is_vmp else 'arm', 'arms with VMP' if is_vmp else '')}"
        text += f" it is {low}." if low == high else f" it runs from {low} to {high}."
    return [Finding(topic="Accuracy", text=text)] if parts else []


def _other_comparisons(verdict: BlockVerdict) -> list[Finding]:
    """The comparisons of the question beside the headline's, and those with the control and the backbone alone."""
    findings = []
    main = verdict.main
    said = (main, *verdict.on_control)
    others = [c for c in verdict.contrasts
              if c.verdict is not Verdict.NONE and not any(_is_same(c, other) for other in said)]  # fmt: skip
    findings += _comparisons("Other arms", others)
    if verdict.on_control:
        findings += _comparisons(
            "Against the control", [c for c in verdict.on_control if c.verdict is not Verdict.NONE]
        )
    best = verdict.best.arm if verdict.best else None
    of_interest = [c for c in verdict.on_baseline if c.arm == best or c.arm.kind is Kind.CONTROL]
    for contrast in of_interest:
        subject = f"{subject_name(contrast)}, the chosen arm, against the backbone alone"
        if contrast.arm.kind is Kind.CONTROL:
            subject = "The control against the backbone alone, which is what the later frames do by themselves"
        if text := short_comparison(subject, contrast):
            findings.append(Finding(topic="Backbone alone", text=text, contrasts=(contrast,)))
    return findings


def _is_same(contrast: Contrast, main: Contrast | None) -> bool:
    """Whether a comparison is the main one, with its sides in either order."""
    return main is not None and {contrast.arm, contrast.reference} == {main.arm, main.reference}


def _comparisons(topic: str, contrasts: list[Contrast]) -> list[Finding]:
    """Each comparison when they are few, else how many have which verdict."""
    if len(contrasts) <= MAX_SHOWN:
        texts = [(c, short_comparison(f"{subject_name(c)} against {reference_name(c)}", c)) for c in contrasts]
        return [Finding(topic=topic, text=text, contrasts=(c,)) for c, text in texts]
    references = {reference_name(contrast) for contrast in contrasts}
    against = references.pop() if len(references) == 1 else "their references"
    text = f"Against {against}, {_how_many(contrasts)} are: {verdict_counts(contrasts)}."
    shown = sorted(
        (c for c in contrasts if c.verdict in (Verdict.BETTER, Verdict.WORSE) and c.interval),
        key=lambda c: -abs(c.mean),
    )
    if shown:
        named = [f"{c.sides.subject} {points(c.mean)} ({limits(c.interval)})" for c in shown[:MAX_NAMED] if c.interval]
        rest = len(shown) - MAX_NAMED
        more = f"; {rest} more {'is' if rest == 1 else 'are'} in the table" if rest > 0 else ""
        text += f" Established, in points with 95% intervals: {'; '.join(named)}{more}."
    return [Finding(topic=topic, text=text, contrasts=tuple(contrasts))]


def _choice(verdict: BlockVerdict, study: Study) -> list[Finding]:
    chosen = verdict.chosen
    if chosen is None or verdict.choices < 2:
        return []
    others = [arm for arm in chosen.possible if arm != chosen.best.arm]
    within = in_points(study.margin)
    able = " that could be chosen" if verdict.excluded else ""
    if len(others) + 1 == len(verdict.candidates) - len(verdict.excluded):
        text = f"No arm{able} is shown to be more than {within} worse on validation than another."
    elif others:
        text = f"Not shown to be more than {within} worse on validation than another arm, besides "
        text += f"{chosen.best.arm.label}: {names(others)}. With 95% confidence the true best"
        text += f"{able and ' of those'}{able} is among these {len(chosen.possible)}."
    else:
        text = f"Every other arm{able} is shown to be more than {within} worse on validation."
    findings = [Finding(topic="Choice", text=text)]
    if verdict.axis is not None:
        simplest = (
            "the best value itself" if chosen.one_se == chosen.best.arm else f"instead of {chosen.best.arm.label}"
        )
        text = f"By the one-standard-error rule the simplest choice (smallest {verdict.axis.title}) is "
        findings.append(Finding(topic="Choice", text=f"{text}{chosen.one_se.label}, {simplest}."))
    if chosen.unshared:
        text = (
            f"Chosen over the seeds that all candidates share ({_numbers(chosen.seeds)}), without "
            f"{_numbers(chosen.unshared)}."
        )
        findings.append(Finding(topic="Choice", text=text))
    return findings


def _shape(verdict: BlockVerdict, study: Study) -> list[Finding]:
    """How the test accuracy moves over an ordered factor."""
    axis = verdict.axis
    known = [s for s in verdict.candidates if not math.isnan(s.test_mean)]
    if axis is None or len(known) < 2:
        return []
    low, high = (choose(known, key=lambda s: s.test_mean) for choose in (min, max))
    mean = f"{study.split} mean".strip()
    lowest, highest = percent(low.test_mean), percent(high.test_mean)
    runs = f"runs from {lowest} ({low.arm.label}) to {highest} ({high.arm.label})"
    text = f"Over the values of {axis.title} tried, the {mean} {runs if lowest != highest else f'is {lowest}'}."
    trend = verdict.trend
    if trend is None or trend.interval is None:
        return [Finding(topic="Sensitivity", text=text)]
    ends = [value_text(axis.levels[i]) for i in (0, -1)]
    is_shown = trend.interval.excludes_zero
    text += (
        f" A line over the ranks of these values changes by {brief(trend)} from {axis.title} = {ends[0]} to {ends[1]}: "
    )
    text += f"it {'rises' if trend.mean > 0 else 'falls'}." if is_shown else "no trend is shown."
    return [Finding(topic="Sensitivity", text=text, contrasts=(trend,))]


def _limits(verdict: BlockVerdict, study: Study, is_confirmed: bool) -> list[Finding]:
    """What the study cannot show."""
    findings = []
    kinds = {arm.kind for arm in study.arms}
    if Kind.VMP in kinds and Kind.CONTROL not in kinds:
        instead = "it cannot separate what the attention does from what merely using the later frames does"
        if Kind.BASELINE not in kinds:
            instead = "it cannot say whether the layer helps at all"
        text = f"The study has no control arm (attention fixed at 1 on the same later frames), so {instead}."
        findings.append(Finding(topic="Not yet shown", text=text))
    chosen = verdict.chosen
    if chosen is None or verdict.choices < 2 or is_confirmed:
        return findings
    curse = "" if math.isnan(chosen.curse) else (
        f", which is expected to flatter it by about {100 * max(chosen.curse, 0.0):.1f} points (the winner's curse, "
        f"estimated "
        "from these cells)")  # fmt: skip
    how = " (vmp sweep run --confirm)" if study.origin is None else ""
    text = (
        f"The choice among {count(verdict.choices, 'arm')} was made on validation and is reported on "
        f"{study.split}, with the same trained networks{curse}; it is not yet confirmed on fresh seeds{how}."
    )
    return [*findings, Finding(topic="Not yet shown", text=text)]


def _numbers(seeds: tuple[int, ...]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {in_runs(seeds)}"
