"""Accuracy by stratum: the test videos that carry a tag, such as HMDB-51's moving or static camera."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from analysis.figures.gains_by_part import gains_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, why_none
from analysis.study.cells import stratum_column
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.claims import short_comparison
from analysis.words.findings import Finding
from analysis.words.phrases import reference_name, subject_name, without_block

STRATA_FAMILY = "strata of the test videos"
CHOSEN_FAMILY = "strata of the test videos, the chosen arm"
_COLUMNS = (
    Column(key="stratum", header="videos with"),
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="test_mean", header="test mean", format="percent"),
    Column(key="difference", header="paired difference", format="points"),
    Column(key="difference_interval", header="95% interval, all arms of the stratum", format="interval"),
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

    # Sentences and figure are of the chosen arms, each a family of its own; the table is of all arms.
    columns = [stratum_column(tag) for tag in study.strata]
    own = [
        dict(zip(study.strata, evidence.compare([main.sides] * len(columns), CHOSEN_FAMILY, columns), strict=True))
        for main in mains
    ]

    def gain(tag: str) -> float:
        return own[0][tag].mean if own and own[0][tag].n else -math.inf

    tags = sorted(study.strata, key=gain, reverse=True)  # as in the figure
    parts = [
        (tag if len(mains) == 1 else f"{tag}, {main.arm.label}", of_main[tag])
        for tag in tags
        for main, of_main in zip(mains, own, strict=True)
    ]
    rows = []
    for tag in tags:
        column, by_arm = stratum_column(tag), compared[tag]
        for arm in study.arms:
            cells = study.rows(arm, column)
            contrast = by_arm.get(arm.label)
            values = (
                tag,
                arm.label,
                len(cells),
                study.mean(column, cells),
                contrast.mean if contrast else None,
                contrast.interval if contrast else None,
            )
            rows.append(Row(values=values, hashes=study.hashes(cells), priority=float(arm.label in chosen)))
    caption = (
        "Top-1 accuracy by stratum, in percent, over the test videos that carry the tag; the paired difference to "
        "the arm's reference in points. Intervals hold for all arms of one stratum together, not for all strata, as "
        "those of the chosen arm in the figure do: a stratum that was looked up because it stands out is a question "
        "for a new study."
    )
    together = "all strata" if len(mains) == 1 else "all strata of a block"
    figure = gains_figure(parts, "strata", "on the videos with each tag", together, study)
    blocks = [verdict.block for verdict in conclusions.verdicts if verdict.main]
    return SectionContent(
        findings=[
            (block, _findings(main, {tag: of_main[tag] for tag in tags}, block))
            for block, main, of_main in zip(blocks, mains, own, strict=True)
        ],
        figures=[figure] if figure else [],
        tables=[Table(name="strata", caption=caption, columns=_COLUMNS, rows=rows, max_rows=24)],
    )


def _findings(main: Contrast, contrasts: Mapping[str, Contrast], block: str) -> list[Finding]:
    """The chosen arm against its reference in each stratum, as one family: the intervals hold for all strata."""
    subject = without_block(f"{subject_name(main)} against {reference_name(main)}", block)
    texts = [short_comparison(f"{subject}, on the videos with {tag}", c) for tag, c in contrasts.items()]
    return [
        Finding(topic="Strata", text=text, contrasts=(contrast,))
        for text, contrast in zip(texts, contrasts.values(), strict=True)
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
