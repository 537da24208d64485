"""Whether the chosen arm and its reference are as sure of themselves as they are right, from the stored predictions."""

from __future__ import annotations

import numpy as np

from analysis.figures.figure import ReportFigure
from analysis.figures.reliability_diagram import reliability_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, scores_suffixes, why_no_scores
from analysis.study.arms import Arm
from analysis.study.clip_scores import ClipScores, PairedScores
from analysis.verdict.conclusions import Conclusions
from sweeps.stats.calibration import BINS, error_by_chance, reliability

SEED_OF_CHANCE = 0
_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="accuracy", header="test mean (top-1)", format="percent"),
    Column(key="confidence", header="mean confidence", format="percent"),
    Column(key="error", header="calibration error", format="percent"),
    Column(key="by_chance", header="by chance alone", format="percent"),
    Column(key="log_loss", header="log loss", format="number"),
    Column(key="brier", header="Brier score", format="number"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    figures: list[ReportFigure] = []
    rows: dict[tuple[str, tuple[int, ...]], Row] = {}
    for paired, suffix in zip(conclusions.paired_scores, scores_suffixes(conclusions), strict=True):
        sides = ((paired.arm, paired.of_arm), (paired.reference, paired.of_reference))
        pooled = [(arm, reliability(s.confidence.ravel(), (s.predicted == paired.labels).ravel())) for arm, s in sides]
        figures.append(reliability_figure(pooled, suffix))
        for place, (arm, scores) in enumerate(sides):
            rows.setdefault((arm.label, paired.seeds), _row(arm, scores, paired, place))
    caption = (
        f"Calibration on the test videos. Error: how far accuracy is from confidence, the mean over predictions in "
        f"{BINS} bins of confidence, in percent; by chance alone: what a model that is right exactly as often as it "
        "says would show in so few videos. Means over seeds; lower is better, of the log loss and the Brier score too. "
        "Descriptive."
    )
    return SectionContent(
        figures=figures,
        tables=[Table(name="calibration", caption=caption, columns=_COLUMNS, rows=list(rows.values()))],
    )


def _row(arm: Arm, scores: ClipScores, paired: PairedScores, place: int) -> Row:
    rng = np.random.default_rng(SEED_OF_CHANCE)
    correct = scores.predicted == paired.labels
    errors = [reliability(*one).error for one in zip(scores.confidence, correct, strict=True)]
    by_chance = [error_by_chance(one, rng) for one in scores.confidence]
    loss = -np.log(np.maximum(scores.right, np.finfo(np.float64).tiny))
    n = len(paired.seeds)
    values = (arm.label, n, float(correct.mean()), float(scores.confidence.mean()), float(np.mean(errors)))
    figures = (float(np.mean(by_chance)), float(loss.mean()), float(scores.brier.mean()))
    return Row(values=(*values, *figures), hashes=paired.hashes[place * n : (place + 1) * n])


CALIBRATION = Section(
    name="calibration", title="How sure, and how often right", order=63, compute=_compute, applies=why_no_scores,
    is_folded=True,
)  # fmt: skip
