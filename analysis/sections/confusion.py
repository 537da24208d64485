"""What is taken for what: the classes that the chosen arm and its reference confuse, from the stored predictions."""

from __future__ import annotations

import numpy as np

from analysis.figures.confusion_matrices import confusion_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, scores_suffixes, why_no_scores
from analysis.study.clip_scores import PairedScores
from analysis.verdict.conclusions import Conclusions
from analysis.words.phrases import percent
from vmp.core.text import count

_COLUMNS = (
    Column(key="arm", header="arm", on_page="if varied"),
    Column(key="reference", header="against", on_page="if varied"),
    Column(key="class", header="class"),
    Column(key="videos", header="videos", format="count"),
    Column(key="taken_for", header="taken for"),
    Column(key="share", header="by the arm", format="percent"),
    Column(key="reference_share", header="by the reference", format="percent"),
    Column(key="difference", header="difference", format="points"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    pairs = conclusions.paired_scores
    rows = [row for paired in pairs for row in _rows(paired)]
    caption = (
        "Classes taken for others, by falling change: of the test videos of the class the share in percent, over all "
        "seeds, and the difference in points. Descriptive: no interval stands behind a single pair of classes."
    )
    figures = [confusion_figure(paired, suffix)
               for paired, suffix in zip(pairs, scores_suffixes(conclusions), strict=True)]  # fmt: skip
    return SectionContent(
        intro=" ".join(_sentence(paired) for paired in pairs),
        figures=figures,
        tables=[Table(name="confusion", caption=caption, columns=_COLUMNS, rows=rows, max_rows=12)],
    )


def _rows(paired: PairedScores) -> list[Row]:
    """A row for each pair of classes that either arm confuses, by falling change."""
    of_arm, of_reference = _matrices(paired)
    size = len(paired.classes)
    ever = np.nan_to_num(of_arm) + np.nan_to_num(of_reference) > 0
    places = [(i, j) for i in range(size) for j in range(size) if i != j and ever[i, j]]
    places.sort(key=lambda at: -abs(of_arm[at] - of_reference[at]))
    videos = np.bincount(paired.labels, minlength=size)
    return [
        Row(
            values=(paired.arm.label, paired.reference.label, paired.classes[i], int(videos[i]), paired.classes[j],
                    float(of_arm[i, j]), float(of_reference[i, j]), float(of_arm[i, j] - of_reference[i, j])),
            hashes=paired.hashes,
            priority=float(abs(of_arm[i, j] - of_reference[i, j])),
        )
        for i, j in places
    ]  # fmt: skip


def _sentence(paired: PairedScores) -> str:
    """Which confusion changed most."""
    over = f"over {count(len(paired.seeds), 'seed')}"
    rows = _rows(paired)
    if not rows:
        return f"Neither {paired.arm.label} nor {paired.reference.label} confuses any classes, {over}."
    name, _, other, share, of_reference, _ = rows[0].values[2:]
    assert isinstance(share, float)
    assert isinstance(of_reference, float)
    return (
        f"What changes most: test videos of “{name}” are taken for “{other}” in {percent(of_reference)} of cases with "
        f"{paired.reference.label} and in {percent(share)} with {paired.arm.label}, {over}."
    )


def _matrices(paired: PairedScores) -> tuple[np.ndarray, np.ndarray]:
    size = len(paired.classes)
    return paired.of_arm.confusion(paired.labels, size), paired.of_reference.confusion(paired.labels, size)


CONFUSION = Section(name="confusion", title="What is taken for what", order=59, compute=_compute, applies=why_no_scores)
