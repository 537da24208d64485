"""One row per arm: seeds, validation and test mean, standard deviation, difference to the reference, collapse."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from analysis.sections.base import Column, Row, Section, SectionContent, Table, priorities
from analysis.verdict.conclusions import Conclusions
from analysis.words.phrases import VERDICT_WORDS, on_split

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="val_mean", header="validation mean", format="percent"),
    Column(key="test_mean", header="test mean", format="percent"),
    Column(key="test_std", header="SD over seeds", format="percent"),
    # The page shows what arms are compared by; the interval of a mean by itself invites the wrong comparison.
    Column(key="test_interval", header="95% interval of the mean", format="percent_interval", on_page="never"),
    Column(key="difference", header="paired difference", format="points"),
    Column(key="difference_interval", header="95% interval, family", format="interval"),
    Column(key="verdict", header="verdict"),
    Column(key="collapsed", header="collapsed", format="count", on_page="if any"),
    Column(key="diverged", header="diverged", format="count", on_page="if any"),
    Column(key="stopped", header="stopped early", format="count", on_page="if any"),
    Column(key="seconds", header="seconds per cell", format="number"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    subjects = Counter(contrast.arm.label for contrast in conclusions.primary)
    by_arm = {c.arm.label: c for c in conclusions.primary if subjects[c.arm.label] == 1}  # else see the comparisons
    references = {contrast.reference.label for contrast in conclusions.primary}
    priority = priorities(conclusions)
    rows = []
    for summary in conclusions.summaries:
        label = summary.arm.label
        contrast = by_arm.get(label)
        role = "reference" if label in references else ""
        values = (
            label,
            len(summary.seeds),
            summary.val_mean,
            summary.test_mean,
            summary.test_std,
            summary.test_interval,
            contrast.mean if contrast else None,
            contrast.interval if contrast else None,
            VERDICT_WORDS[contrast.verdict] if contrast else role,
            len(summary.endings.seeds) if summary.endings else None,
            summary.diverged,
            summary.stopped,
            summary.seconds,
        )
        is_chosen = summary.arm in conclusions.chosen
        rows.append(Row(values=values, hashes=summary.hashes, priority=priority[label], is_chosen=is_chosen))
    study = conclusions.study
    metric = study.metric_name
    columns = [replace(c, header=f"{study.split} mean".strip()) if c.key == "test_mean" else c for c in _COLUMNS]
    caption = f"{metric[0].upper()}{metric[1:]} by arm, in percent, and its standard deviation over seeds in points."
    if by_arm:
        caption += (
            f" The paired difference is taken within seeds, in percentage points{on_split(study)}; its interval holds "
            "for all arms of the family together."
        )
    if any(summary.diverged for summary in conclusions.summaries):
        caption += (
            " Means are of survivors where runs diverged; differences count a diverged run with the worst accuracy."
        )
    table = Table(name="results", caption=caption, columns=columns, rows=rows, max_rows=60)
    return SectionContent(tables=[table])


RESULTS = Section(name="numbers", title="Numbers", order=30, compute=_compute)
