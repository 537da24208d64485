"""The sentence that answers a study's question, and the findings that support or limit it."""

from __future__ import annotations

from dataclasses import replace

from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Effect
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.block_sentences import blocks_claim, blocks_findings, divisions_finding
from analysis.words.claims import claim_clause, mixed_runs, stability_sentence
from analysis.words.effect_sentences import clarity, leading_effects, named_effects, shown_effects
from analysis.words.findings import Behind, Finding
from analysis.words.phrases import provisional, subject_name, without_block
from analysis.words.race_sentences import race_sentence
from analysis.words.verdict_sentences import verdict_claim, verdict_findings
from sweeps.stats.decisions import Verdict

_OF_A_DIVISION = ("Verdict", "Choice", "Collapse")
"""Topics said of a single division: its seeds are few, and nobody asks about it."""


def headline(conclusions: Conclusions) -> Finding:
    """The one sentence that answers the study's question; on fresh seeds, where they were run."""
    confirmation = _confirmation(conclusions)
    if confirmation is not None:
        fresh = conclusions.confirmed
        assert fresh is not None
        clause = f"confirmation on fresh seeds: {claim_clause(subject_name(confirmation), confirmation)}"
        text = provisional(fresh.evidence.completeness, clause + mixed_runs(confirmation))
        return Finding(topic="", text=text, contrasts=(confirmation,))
    if conclusions.race is not None:
        text = " ".join(race_sentence(race, conclusions.study) for race in conclusions.race.races)
        return Finding(topic="", text=text, contrasts=conclusions.race.races)
    clause, behind = _claim(conclusions)
    return Finding(topic="", text=provisional(conclusions.completeness, clause), contrasts=behind)


def beside_headline(conclusions: Conclusions) -> Finding | None:
    """What leaving out any one seed does to the headline's comparison; None where it cannot be said."""
    contrast, fresh = answer(conclusions), conclusions.confirmed
    if contrast is None or contrast.verdict is Verdict.NONE:
        return None
    is_fresh = fresh is not None and contrast in fresh.contrasts
    of_block = conclusions.verdicts[0].effects if len(conclusions.verdicts) == 1 else ()
    is_one = named_effects(of_block, conclusions.study) or len(shown_effects(of_block)) < 2
    if len(_leading(conclusions)) > 1 or not (is_one or is_fresh):  # the headline makes several comparisons
        return None
    evidence = fresh.evidence if fresh and is_fresh else conclusions.evidence
    text = stability_sentence(contrast, evidence.without_one(contrast))
    return Finding(topic=f"Leave one {contrast.unit} out", text=text, contrasts=(contrast,)) if text else None


def answer(conclusions: Conclusions) -> Contrast | None:
    """The comparison that the headline rests on; None where there is none, as over blocks without a common setting."""
    confirmation = _confirmation(conclusions)
    if confirmation is not None:
        return confirmation
    if len(conclusions.verdicts) > 1:
        if leading := _leading(conclusions):
            return max(leading, key=clarity).contrast
        return conclusions.over_blocks.main if conclusions.over_blocks else None
    return block_answer(conclusions.verdicts[0], conclusions)


def block_answer(verdict: BlockVerdict, conclusions: Conclusions) -> Contrast | None:
    """The comparison that the answer for one block rests on."""
    if verdict.effects:
        return max(leading_effects(verdict.effects, conclusions.study), key=clarity).contrast
    return verdict.main


def findings(conclusions: Conclusions) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    """(block, findings) pairs, most important first; one pair with an empty block for a study of one block."""
    study, verdicts = conclusions.study, conclusions.verdicts
    fresh = conclusions.confirmed
    is_confirmed = fresh is not None and all(c.verdict is not Verdict.NONE for c in fresh.contrasts)
    pairs: list[tuple[str, tuple[Finding, ...]]] = []
    decides = len(verdicts) > 1 and conclusions.race is None  # races decide in a section of their own
    if decides:
        divisions = divisions_finding(study, conclusions.over_blocks)
        over = blocks_findings(conclusions.over_blocks, verdicts, study)
        pairs.append(("", (*over, *([divisions] if divisions else []))))
    for verdict in verdicts:
        supporting = verdict_findings(verdict, study, is_confirmed=is_confirmed)
        if _confirmation(conclusions) is not None or decides:
            clause, behind = verdict_claim(verdict, study)
            text = provisional(conclusions.completeness, clause)
            supporting.insert(0, Finding(topic="Verdict", text=text, contrasts=behind))
        elif (stable := beside_headline(conclusions)) is not None:
            supporting.insert(0, stable)
        if decides and conclusions.over_blocks is not None and conclusions.over_blocks.divisions is not None:
            supporting = [finding for finding in supporting if finding.topic in _OF_A_DIVISION]
        supporting = [replace(finding, text=without_block(finding.text, verdict.block)) for finding in supporting]
        pairs.append((verdict.block, tuple(supporting)))
    return tuple(pairs)


def _leading(conclusions: Conclusions) -> tuple[Effect, ...]:
    """The effects that the headline is about; over blocks only where the study names factors."""
    if len(conclusions.verdicts) == 1:
        return leading_effects(conclusions.verdicts[0].effects, conclusions.study)
    over = conclusions.over_blocks
    return named_effects(over.effects, conclusions.study) if over else ()


def _claim(conclusions: Conclusions) -> tuple[str, tuple[Behind, ...]]:
    if len(conclusions.verdicts) > 1:
        return blocks_claim(conclusions.over_blocks, conclusions.verdicts, conclusions.study)
    return verdict_claim(conclusions.verdicts[0], conclusions.study)


def _confirmation(conclusions: Conclusions) -> Contrast | None:
    """The comparison on fresh seeds that is the answer: of a study of one block, once it has a verdict."""
    fresh = conclusions.confirmed
    if fresh is None or len(fresh.contrasts) != 1 or fresh.contrasts[0].verdict is Verdict.NONE:
        return None
    return fresh.contrasts[0]
