"""Key figures under the headline: what was chosen, its difference, collapse, completeness, compute."""

from __future__ import annotations

import math

from analysis.sections.base import Section, SectionContent, Tile
from analysis.study.arms import Kind
from analysis.study.cells import COLLAPSED
from analysis.study.provenance import NOT_RECORDED
from analysis.verdict.conclusions import Conclusions
from analysis.words.phrases import limits, number, percent, points
from vmp.core.text import count, duration

_AGAINST = {Kind.CONTROL: "against the control", Kind.BASELINE: "against the backbone alone"}


def _compute(conclusions: Conclusions) -> SectionContent:
    study, counts = conclusions.study, conclusions.completeness
    seconds = conclusions.evidence.provenance.seconds
    tiles = _choice(conclusions) if len(conclusions.verdicts) == 1 else []
    flagged = study.cells[COLLAPSED].dropna()
    if len(flagged):
        collapsed = f"{int(flagged.astype(bool).sum())} of {len(flagged)}"
        tiles.append(Tile(name="collapsed", value=collapsed, note="cells with practically constant attention"))
    shape = f"{count(len(study.arms), 'arm')} × {count(len(study.plan.seeds), 'seed')}"
    tiles.append(Tile(name="cells complete", value=f"{counts.complete} of {counts.planned}", note=shape))
    compute = NOT_RECORDED if math.isnan(seconds) else duration(seconds)
    tiles.append(Tile(name="compute", value=compute, note="summed over cells"))
    return SectionContent(tiles=tiles)


def _choice(conclusions: Conclusions) -> list[Tile]:
    verdict = conclusions.verdicts[0]
    best, main = verdict.best, verdict.main
    tiles = []
    if conclusions.lambda_verdicts:
        value = conclusions.lambda_verdicts[0].best_lambda
        note = f"{percent(best.test_mean)} on test" if best else "no choice possible yet"
        tiles.append(Tile(name="λ chosen on validation", value="–" if value is None else number(value), note=note))
    elif best is not None:
        tiles.append(Tile(name="best on validation", value=best.arm.label, note=f"{percent(best.test_mean)} on test"))
    if main is not None and main.simultaneous_interval is not None:
        name = _AGAINST.get(main.reference.kind, "against the reference")
        note = f"{limits(main.simultaneous_interval)} · {verdict.claim.value}"
        tiles.append(Tile(name=name, value=f"{points(main.mean)} pts", note=note))
    return tiles


GLANCE = Section(name="glance", title="", order=0, compute=_compute)
