"""Training curves: how loss, accuracy and attention developed."""

from __future__ import annotations

from typing import Literal

from analysis.figures.training_curves import training_figure
from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions


def _compute(conclusions: Conclusions) -> SectionContent:
    figure = training_figure(conclusions.study, conclusions.chosen)
    return SectionContent(figures=[figure] if figure else [])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    records = conclusions.study.records.values()
    return any(record.epochs.get("epoch") for record in records) or "no cell recorded its training"


TRAINING = Section(name="training", title="Training curves", order=110, compute=_compute, applies=_applies)
