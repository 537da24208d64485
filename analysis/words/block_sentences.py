"""The verdict over several blocks in words: where the layer loses, whether one value serves all, and block by block."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.study.arms import Kind
from analysis.study.cells import Study
from analysis.study.factors import block_factors
from analysis.verdict.over_blocks import OverBlocks, common_settings
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.claims import brief, claim_clause, of_divisions, short_comparison
from analysis.words.effect_sentences import effect_findings, effects_claim, named_effects
from analysis.words.findings import Behind, Finding
from analysis.words.phrases import MAX_NAMES, VERDICT_WORDS, capital, vmp_with, without_block
from analysis.words.verdict_sentences import no_choice, without_choice
from sweeps.questions import RESAMPLINGS
from sweeps.stats.collapse import Rate, pooled_rate
from sweeps.stats.decisions import Verdict
from vmp.core.text import count, listing

_LOSES = {Verdict.WORSE: "loses", Verdict.BEHIND: "looks behind"}


def blocks_claim(
    over: OverBlocks | None, verdicts: Sequence[BlockVerdict], study: Study
) -> tuple[str, tuple[Behind, ...]]:
    """The headline's clause over several blocks: on the factors that the study names, else on the chosen setting."""
    if over is not None and named_effects(over.effects, study):
        clause, behind = effects_claim(over.effects, verdicts[0].factors, study)
        fewest = min((effect.contrast for effect in over.effects), key=lambda contrast: contrast.n)
        return f"over {of_divisions(fewest, over.over)}, {clause}", behind
    return _setting_claim(over, verdicts, study)


def _setting_claim(
    over: OverBlocks | None, verdicts: Sequence[BlockVerdict], study: Study
) -> tuple[str, tuple[Behind, ...]]:
    """What is shown of the setting chosen for all blocks: losses first, but for divisions of one data set."""
    if over is None or over.chosen is None or over.main is None:
        return _block_by_block(verdicts, study)
    setting = over.main.sides.subject
    vmp = setting if over.main.arm.kind is not Kind.VMP else vmp_with(setting)
    subject = vmp if setting == "VMP" else f"{vmp}, the best on validation over all blocks,"
    parts: list[str] = []
    behind: list[Behind] = []
    if over.losing and over.divisions is None:
        blocks = {arm: block for block, arm in over.arms.items()}
        losses = {
            verdict: [
                f"{blocks[c.arm]} ({brief(c)}: {VERDICT_WORDS[verdict]})" for c in over.losing if c.verdict is verdict
            ]
            for verdict in (Verdict.WORSE, Verdict.BEHIND)
        }
        said = [f"{verb} for {listing(losses[verdict])}" for verdict, verb in _LOSES.items() if losses[verdict]]
        parts.append(f"{vmp} {' and '.join(said)}")
        behind += over.losing
    parts.append(f"over {of_divisions(over.main, over.over)}, {claim_clause(subject, over.main)}")
    if over.unfit and over.divisions is None:
        parts.append(f"it does not serve {listing(list(over.unfit))}, where another value is shown to be better")
    return "; ".join(parts), (*behind, over.main)


def blocks_findings(over: OverBlocks | None, verdicts: Sequence[BlockVerdict], study: Study) -> list[Finding]:
    """What stands beside the headline over several blocks."""
    clause, behind = _block_by_block(verdicts, study)
    findings = [Finding(topic="Block by block", text=f"{capital(clause)}.", contrasts=behind)]
    if over is None:
        has_common = bool(common_settings(verdicts, block_factors(study)))
        why = "No setting is compared with a reference in every block" if has_common else (
            "The blocks have no setting in common")  # fmt: skip
        text = f"{why}, so there is no verdict over all of them."
        return [*findings, Finding(topic="One for all", text=text)]
    if over.effects:
        findings += effect_findings(over.effects, study, over=over.over)
    if named_effects(over.effects, study) and over.main is not None:
        clause, behind = _setting_claim(over, verdicts, study)
        findings.append(Finding(topic="One for all", text=f"{capital(clause)}.", contrasts=behind))
    every = "all blocks" if over.divisions is None else "all divisions"
    has_several = len({contrast.sides.against for contrast in over.contrasts}) > 1
    for contrast in over.contrasts:
        against = f" against {contrast.sides.against}" if has_several else ""
        name = of_divisions(contrast, over.over)
        subject = f"{contrast.sides.subject}{against} over {every if name == over.over else name}"
        text = short_comparison(capital(subject), contrast) or f"{capital(claim_clause(subject, contrast))}."
        if contrast is not over.main:
            findings.append(Finding(topic="One for all", text=text, contrasts=(contrast,)))
    return findings + _collapse(over, verdicts, block_factors(study))


def _collapse(over: OverBlocks, verdicts: Sequence[BlockVerdict], names: Sequence[str]) -> list[Finding]:
    """How many runs of each setting that all blocks have collapsed or diverged; none where no run did."""
    endings = {s.arm: s.endings for verdict in verdicts for s in verdict.candidates}
    totals: dict[str, Rate] = {}
    for arms in common_settings(verdicts, names):
        rates = [ending.rate for arm in arms if (ending := endings[arm]) is not None]
        if len(rates) == len(arms):
            setting = arms[0].label_without(names)
            totals[setting] = pooled_rate(rates)
    parts = [f"{total.count} of {total.n} with {setting}" for setting, total in totals.items() if total.count]
    if not parts:
        return []
    more = f" and {count(len(parts) - MAX_NAMES, 'setting')} more" if len(parts) > MAX_NAMES else ""
    rest = "" if len(parts) == len(totals) else "; none with another setting"
    text = f"Over {over.over}, of all runs collapsed or diverged: {'; '.join(parts[:MAX_NAMES])}{more}{rest}."
    return [Finding(topic="Collapse", text=text, contrasts=tuple(totals.values()))]


def divisions_finding(study: Study, over: OverBlocks | None) -> Finding | None:
    """What blocks that divide one data set anew show, and what they do not; None where no factor does that."""
    names = [name for name in block_factors(study) if name in RESAMPLINGS]
    if not names:
        return None
    text = f"Blocks divide one data set anew ({listing(names)}), so that they share training videos. "
    corrected = over.divisions if over is not None else None
    if corrected is not None:
        text += (
            "Intervals over all divisions allow for that (Nadeau and Bengio, 2003: test over training videos "
            f"{corrected.overlap:.2f}) and for what a seed does alike in every division: they are about other "
            "divisions of such videos and other seeds too, within the limits of that approximation. Verdicts of a "
            "single division are about that division alone."
        )
    else:
        text += (
            "Intervals over all blocks are over seeds, on these divisions: they do not allow for the draw of others"
            + (" (blocks differ in more of the data, or records do not count their videos)." if over else ".")
        )
    return Finding(topic="Divisions", text=text)


def _block_by_block(verdicts: Sequence[BlockVerdict], study: Study) -> tuple[str, tuple[Behind, ...]]:
    """What is chosen in each block and how that compares, losses first; of results without a choice what is shown."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.outcome not in (Verdict.WORSE, Verdict.BEHIND))
    parts: list[str] = []
    behind: list[Behind] = []
    if not study.has_validation and study.origin is not None:
        for verdict in ordered:
            clause, some = without_choice(verdict)
            parts.append(f"for {verdict.block}, {without_block(clause, verdict.block)}")
            behind += some
        return "; ".join([no_choice(study.origin.tool), *parts]), tuple(behind)
    names = block_factors(study)
    for verdict in ordered:
        best, main = verdict.best, verdict.main
        if best is None:
            parts.append(f"no choice possible for {verdict.block}")
            continue
        part = best.arm.label if verdict.block in best.arm.label else f"{best.arm.label} for {verdict.block}"
        if verdict.reference_is_best:
            part += ", the reference itself"
        if main is None or main.verdict is Verdict.NONE:
            part += " (not compared)"
        else:
            whom = f"{main.arm.label_without(names)} against it, " if verdict.reference_is_best else ""
            part += f" ({whom}{brief(main)}: {VERDICT_WORDS[verdict.outcome]})"
            behind.append(main)
        parts.append(part)
    return f"chosen on validation: {'; '.join(parts)}", tuple(behind)
