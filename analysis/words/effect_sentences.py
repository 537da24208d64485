"""The effects of factors in words: what each does over the others, to accuracy and to the rate of collapse."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.study.cells import Study
from analysis.study.factors import Factor
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Effect, Rates
from analysis.words.claims import brief, how_ended, how_few, of_divisions, short_comparison
from analysis.words.findings import Behind, Finding
from analysis.words.phrases import VERDICT_WORDS, capital, limits, p_value, pairs, points
from sweeps.questions import asked_factors
from sweeps.stats.decisions import Verdict
from sweeps.stats.means import MIN_SEEDS
from vmp.core.text import count, listing

MAX_EFFECTS = 6


def named_effects(effects: Sequence[Effect], study: Study) -> tuple[Effect, ...]:
    """The effects of the factors that the question names."""
    asked = asked_factors(study.plan.study)
    return tuple(effect for effect in effects if effect.factor and effect.factor.name in asked)


def leading_effects(effects: Sequence[Effect], study: Study) -> tuple[Effect, ...]:
    """The effects that answer the question: those of the factors that it names, else the clearest one."""
    of_factors = [effect for effect in effects if effect.factor]
    return named_effects(effects, study) or tuple(sorted(of_factors, key=clarity)[-1:])


def effects_claim(every: Sequence[Effect], factors: Sequence[Factor], study: Study) -> tuple[str, tuple[Behind, ...]]:
    """The headline's clause of a factorial, and the comparisons that it makes.

    Args:
        every: The effects of a block, or of all of them.
        factors: What the factorial varies.
        study: Names the factors that it asks about.
    """
    effects = leading_effects(every, study)
    behind = _behind(effects)
    names = list(dict.fromkeys(effect.factor.title for effect in effects if effect.factor))
    if all(effect.contrast.verdict is Verdict.NONE and not _is_shown(effect) for effect in effects):
        most = max((effect.contrast for effect in effects), key=lambda contrast: contrast.n)
        titles = names if asked_factors(study.plan.study) else [factor.title for factor in factors]
        few = f"{how_few(most)}, and a verdict needs at least {MIN_SEEDS}"
        return f"no effect of {listing(titles)} can be compared yet: {few}", behind
    if len(effects) == 1:
        (effect,) = effects
        if asked_factors(study.plan.study):
            return effect_text(effect), behind
        all_names = listing([factor.title for factor in factors])
        if not _is_shown(effect):
            start = f"no effect of {all_names} is established; the clearest is that of {names[0]}"
            return f"{start}: {effect_text(effect)}", behind
        shown = shown_effects(every)
        matter = _that_matter(shown, factors)
        start = f"of {all_names}, {listing(matter)} {'matters' if len(matter) == 1 else 'matter'}"
        largest = "" if len(matter) == 1 else f"; the largest effect is that of {names[0]}"
        return f"{start}{largest}: {effect_text(effect)}", _behind(shown)
    if len(names) > 1:
        shown = _in_headline(effects)
        behind = _behind(shown)
        if not _is_shown(shown[0]):
            return f"no effect of {listing(names)} is established; the clearest: {effect_text(shown[0])}", behind
        matter = _that_matter(shown_effects(effects), factors)
        behind = _behind([*shown, *(one for one in shown_effects(effects) if one not in shown)])
        start = f"of {listing(names)}, {listing(matter)} {'matters' if len(matter) == 1 else 'matter'}"
        return f"{start}: {'; '.join(effect_text(effect) for effect in shown)}", behind
    against = {effect.contrast.sides.against for effect in effects}
    over = _over(effects[0])
    if len(against) == 1:
        first = effects[0].contrast
        fewest = min((effect.contrast for effect in effects), key=lambda contrast: contrast.n)
        allowing = f"allowing for {first.family} comparisons; {pairs(fewest)}"
        parts = ", ".join(_part(effect) for effect in effects)
        return f"{_on(first)}against {against.pop()}{over} ({allowing}): {parts}{_rates_of_all(effects)}", behind
    shown = _in_headline(effects)
    start = (
        f"{names[0]} matters: " if _is_shown(shown[0]) else f"no effect of {names[0]} is established; the clearest: "
    )
    return start + "; ".join(effect_text(effect) for effect in shown), _behind(shown)


def shown_effects(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The effects of factors that are established, the largest first."""
    return tuple(sorted((one for one in effects if one.factor and _is_shown(one)), key=clarity, reverse=True))


def _that_matter(shown: Sequence[Effect], factors: Sequence[Factor]) -> list[str]:
    """The factors with one of these effects, in the study's order."""
    having = {effect.factor.name for effect in shown if effect.factor}
    return [factor.title for factor in factors if factor.name in having]


def _in_headline(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Those that the headline gives: all against one value, else up to 3 that are established, else the clearest."""
    is_one_factor = len({effect.factor.name for effect in effects if effect.factor}) < 2
    if is_one_factor and len({effect.contrast.sides.against for effect in effects}) == 1:
        return tuple(effects)
    shown = sorted((effect for effect in effects if _is_shown(effect)), key=clarity, reverse=True)
    return tuple(shown[:3]) or (max(effects, key=clarity),)


def effect_findings(effects: Sequence[Effect], study: Study, *, over: str = "") -> list[Finding]:
    """A sentence on each effect that the headline has not.

    Args:
        effects: Of a block, whose headline has the clearest where the study names none; or over all blocks, whose
            headline has none then.
        study: Names the factors that it asks about.
        over: What all of them are averaged over, in words; empty for those of a block.
    """
    lead = () if over and not named_effects(effects, study) else _in_headline(leading_effects(effects, study))
    others = [e for e in effects if e not in lead and e.contrast.verdict is not Verdict.NONE]
    shown = others
    if len(others) > MAX_EFFECTS:
        shown = [effect for effect in others if effect.contrast.verdict.established][:MAX_EFFECTS]
    starts = [f"over {of_divisions(effect.contrast, over)}, " if over else "" for effect in shown]
    findings = [
        Finding(topic="Effects", text=f"{capital(start + effect_text(e))}.", contrasts=_behind([e]))
        for start, e in zip(starts, shown, strict=True)
    ]
    if hidden := len(others) - len(shown):
        findings.append(Finding(topic="Effects", text=f"{count(hidden, 'more effect')} are in the table."))
    return findings


def effect_text(effect: Effect) -> str:
    """One effect: accuracy, and collapse where runs can."""
    contrast = effect.contrast
    subject = f"{contrast.sides.subject} against {contrast.sides.against}{_over(effect)}"
    if contrast.verdict is Verdict.NONE:
        text = f"{subject} cannot be compared yet: {how_few(contrast)}, and a verdict needs at least {MIN_SEEDS}"
    else:
        text = short_comparison(subject, contrast).rstrip(".")
    return text + (
        f"; {rates_text(effect.rates, how_ended(contrast))}" if effect.rates and _counts(effect.rates) else ""
    )


def rates_text(rates: Rates, ended: str) -> str:
    """``22 of 24 runs collapsed against 0 of 24 (p < 0.001)``; `ended` for ``collapsed``."""
    text = f"{rates.subject.count} of {rates.subject.n} runs {ended} against {rates.against.count} of {rates.against.n}"
    if math.isnan(rates.p):
        return text
    return text + (f" ({p_value(rates.p)})" if rates.p <= 0.05 else f" (not shown to differ, {p_value(rates.p)})")


def _part(effect: Effect) -> str:
    """One of several effects with the same reference, without what they share."""
    contrast = effect.contrast
    subject, word = contrast.sides.subject.rpartition(" = ")[2], VERDICT_WORDS[contrast.verdict]
    if contrast.verdict is Verdict.NONE:
        return f"{subject}: {word}"
    text = f"{subject} {points(contrast.mean)} points"
    return text + (f" (95% interval {limits(contrast.interval)}, {word})" if contrast.interval else f" ({word})")


def _rates_of_all(effects: Sequence[Effect]) -> str:
    """The rates of collapse of several effects with the same reference."""
    known = [(effect.contrast.sides.subject.rpartition(" = ")[2], effect.rates) for effect in effects if effect.rates]
    if not any(_counts(rates) for _, rates in known):
        return ""
    parts = [f"{rates.subject.count} of {rates.subject.n} with {name}" for name, rates in known]
    against = known[0][1].against
    smallest = min(rates.p for _, rates in known)
    shown = (
        f"smallest {p_value(smallest)}" if smallest <= 0.05 else f"not shown to differ, smallest {p_value(smallest)}"
    )
    ended = max((how_ended(effect.contrast) for effect in effects), key=len)
    return f"; runs that {ended}: {listing(parts)}, against {against.count} of {against.n} ({shown})"


def interaction_findings(interactions: Sequence[Contrast]) -> list[Finding]:
    """A sentence on each interaction that is established, or that none is; none where nothing was compared."""
    known = [c for c in interactions if c.verdict is not Verdict.NONE]
    shown = [c for c in known if c.interval is not None and c.interval.excludes_zero]
    if not known:
        return []
    if not shown:
        text = f"No interaction is established; {len(known)} {'was' if len(known) == 1 else 'were'} compared"
        text += " (an effect that depends on another factor would need more seeds to be seen)."
        return [Finding(topic="Interactions", text=text, contrasts=tuple(known))]
    findings = []
    for contrast in shown[:MAX_EFFECTS]:
        direction = "larger" if contrast.mean > 0 else "smaller"
        text = (
            f"{contrast.sides.subject} is {direction} than {contrast.sides.against}{_averaged(contrast.sides.over)}: "
        )
        text = f"{capital(text)}{brief(contrast)}."
        findings.append(Finding(topic="Interactions", text=text, contrasts=(contrast,)))
    if len(shown) > MAX_EFFECTS:
        findings.append(
            Finding(topic="Interactions", text=f"{count(len(shown) - MAX_EFFECTS, 'more interaction')} in the table.")
        )
    return findings


def clarity(effect: Effect) -> tuple[bool, float]:
    """How clearly an effect is shown: established ones first, of accuracy or of collapse, by their size."""
    size = abs(effect.contrast.mean)
    return _is_shown(effect), -1.0 if math.isnan(size) else size


def _is_shown(effect: Effect) -> bool:
    """Whether an effect on accuracy, other than that it is practically none, or one on collapse is established."""
    is_effect = effect.contrast.verdict in (Verdict.BETTER, Verdict.WORSE)
    return is_effect or bool(effect.rates and effect.rates.p <= 0.05)


def _over(effect: Effect) -> str:
    return _averaged(effect.contrast.sides.over)


def _averaged(over: str) -> str:
    return f", averaged over {over}" if over else ""


def _counts(rates: Rates) -> bool:
    """Whether any run of either side collapsed."""
    return rates.subject.count + rates.against.count > 0


def _behind(effects: Sequence[Effect]) -> tuple[Behind, ...]:
    return tuple(one for effect in effects for one in (effect.contrast, effect.rates) if one is not None)


def _on(contrast: Contrast) -> str:
    return f"on {contrast.split} " if contrast.split else ""
