"""Key figures under the headline: what was chosen, its difference, collapse, completeness, compute."""

from __future__ import annotations

import math

from analysis.sections.base import Section, SectionContent, Tile
from analysis.study.arms import IN_SHORT, Kind, value_text
from analysis.study.provenance import NOT_RECORDED
from analysis.verdict.conclusions import Conclusions
from analysis.words.headline import answer
from analysis.words.phrases import VERDICT_WORDS, limits, percent, points
from vmp.core.text import count, duration


def _compute(conclusions: Conclusions) -> SectionContent:
    study, counts = conclusions.study, conclusions.completeness
    seconds = conclusions.evidence.provenance.seconds
    tiles = _choice(conclusions) if len(conclusions.verdicts) == 1 else []
    rates = [summary.endings.rate for summary in conclusions.summaries if summary.endings]
    if rates:
        ill = f"{sum(rate.count for rate in rates)} of {sum(rate.n for rate in rates)}"
        tiles.append(Tile(name="collapsed", value=ill, note="runs with constant attention, or diverged"))
    arms, seeds = count(len(study.arms), "arm"), count(len(study.plan.seeds), "seed")
    is_full = counts.planned == len(study.arms) * len(study.plan.seeds)
    most = max((summary.planned for summary in conclusions.summaries), default=0)
    shape = f"{arms} × {seeds}" if is_full else f"{arms}, up to {count(most, 'seed')}"
    tiles.append(Tile(name="cells complete", value=f"{counts.complete} of {counts.planned}", note=shape))
    compute = NOT_RECORDED if math.isnan(seconds) else duration(seconds)
    tiles.append(Tile(name="compute", value=compute, note="summed over cells"))
    return SectionContent(tiles=tiles)


def _choice(conclusions: Conclusions) -> list[Tile]:
    study, verdict = conclusions.study, conclusions.verdicts[0]
    best, axis = verdict.best, verdict.axis
    tiles = []
    if best is not None and verdict.choices > 1:
        name = f"{axis.title} chosen on validation" if axis else "best on validation"
        value = value_text(best.arm.factors.get(axis.name)) if axis else best.arm.label
        tiles.append(Tile(name=name, value=value, note=f"{percent(best.test_mean)} on {study.split}"))
    main = answer(conclusions)
    if main is not None and main.interval is not None:
        is_other = (
            main.is_pair
            and main.arm.kind is not main.reference.kind
            and main.reference.kind in (Kind.BASELINE, Kind.CONTROL)
        )
        name = f"against {IN_SHORT[main.reference.kind] if is_other else main.sides.against}"
        note = f"{limits(main.interval)} · {VERDICT_WORDS[main.verdict]}"
        is_chosen = main.is_pair and best is not None and main.arm.factors == best.arm.factors
        name = name if is_chosen else f"{main.sides.subject} {name}"
        tiles.append(Tile(name=name, value=f"{points(main.mean)} pts", note=note))
    return tiles


GLANCE = Section(name="glance", title="", order=0, compute=_compute)
