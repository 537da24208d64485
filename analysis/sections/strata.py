"""Accuracy by stratum: the test videos that carry a tag, such as HMDB-51's moving or static camera."""

from __future__ import annotations

import math
from typing import Literal

from analysis.figures.gains_by_part import gains_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, why_none
from analysis.study.cells import mean_of, stratum_column
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.claims import short_comparison
from analysis.words.findings import Finding
from analysis.words.phrases import reference_name

STRATA_FAMILY = "strata of the test videos"
CHOSEN_FAMILY = "strata of the test videos, the chosen arm"
_COLUMNS = (
    Column(key="stratum", header="videos with"),
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="test_mean", header="test mean", format="percent"),
    Column(key="difference", header="paired difference", format="points"),
    Column(key="difference_interval", header="95% interval, family", format="interval"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    """One row for each stratum and arm: mean test top-1 and the paired difference to the arm's reference."""
    study, evidence = conclusions.study, conclusions.evidence
    family = [contrast.sides for contrast in conclusions.primary]
    mains = [verdict.main for verdict in conclusions.verdicts if verdict.main]
    chosen = {main.arm.label for main in mains} | {main.reference.label for main in mains}
    compared = {
        tag: {contrast.arm.label: contrast for contrast in evidence.compare(family, STRATA_FAMILY, stratum_column(tag))}
        for tag in study.strata
    }

    def gain(tag: str) -> float:
        contrast = compared[tag].get(mains[0].arm.label) if mains else None
        return contrast.mean if contrast and contrast.n else -math.inf

    rows, parts = [], []
    for tag in sorted(study.strata, key=gain, reverse=True):  # as in the figure
        column, by_arm = stratum_column(tag), compared[tag]
        parts += [
            (tag if len(mains) == 1 else f"{tag}, {main.arm.label}", by_arm[main.arm.label])
            for main in mains
            if main.arm.label in by_arm and by_arm[main.arm.label].reference is main.reference
        ]
        for arm in study.arms:
            cells = study.rows(arm, column)
            contrast = by_arm.get(arm.label)
            values = (
                tag,
                arm.label,
                len(cells),
                mean_of(study.numbers(column)[cells]),
                contrast.mean if contrast else None,
                contrast.interval if contrast else None,
            )
            rows.append(Row(values=values, hashes=study.hashes(cells), priority=float(arm.label in chosen)))
    caption = (
        "Top-1 accuracy by stratum, in percent, over the test videos that carry the tag; the paired difference to "
        "the arm's reference in points. Intervals hold for all arms of one stratum together, not for all strata: "
        "a stratum that was looked up because it stands out is a question for a new study."
    )
    figure = gains_figure(parts, "strata", "on the videos with each tag", "the arms of one tag", study)
    blocks = [verdict.block for verdict in conclusions.verdicts if verdict.main]
    return SectionContent(
        findings=[(block, _findings(main, conclusions)) for block, main in zip(blocks, mains, strict=True)],
        figures=[figure] if figure else [],
        tables=[Table(name="strata", caption=caption, columns=_COLUMNS, rows=rows, max_rows=24)],
    )


def _findings(main: Contrast, conclusions: Conclusions) -> list[Finding]:
    """The chosen arm against its reference in each stratum, as one family: the intervals hold for all strata."""
    tags = conclusions.study.strata
    columns = [stratum_column(tag) for tag in tags]
    contrasts = conclusions.evidence.compare([main.sides] * len(tags), CHOSEN_FAMILY, columns)
    subject = f"The chosen arm against {reference_name(main)}"
    texts = [
        short_comparison(f"{subject}, on the videos with {tag}", contrast)
        for tag, contrast in zip(tags, contrasts, strict=True)
    ]
    return [
        Finding(topic="Strata", text=text, contrasts=(contrast,))
        for text, contrast in zip(texts, contrasts, strict=True)
        if text
    ]


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if not conclusions.primary:
        return why_none(conclusions, "the study has no two arms to compare")
    return bool(conclusions.study.strata) or "no tag divides the test videos"


STRATA = Section(
    name="strata",
    title="By stratum of the test videos",
    order=60,
    compute=_compute,
    applies=_applies,
)
