"""Predictions for synthetic studies: scores drawn from a stated model, written through the record format itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sweeps.predictions import write_predictions
from sweeps.records.cell_record import CellRecord
from sweeps.records.study_folder import StudyFolder
from tests.analysis.study_records import CLASSES
from vmp.core.outcome import Predictions

EACH = 8  # test videos of each class


def predict(record: CellRecord, gains: Mapping[str, float], each: int = EACH, below: str = "") -> Predictions:
    """What the model of a cell says: the right class ahead by 1, and in prompted arms by what a video gains on top.

    Args:
        record: The cell.
        gains: By name of a video what prompted arms add to the score of its right class.
        each: Videos of a class.
        below: Folder in front of their names.
    """
    labels = np.repeat(np.arange(len(CLASSES)), each)
    clips = [f"{below and f'{below}/'}{CLASSES[label]}/{i:03d}.mp4" for i, label in enumerate(labels)]
    logits = np.random.default_rng(record.seed).normal(0, 1, size=(len(labels), len(CLASSES)))
    added = [1 + (gains.get(clip, 0.0) if record.factors["prompt"] == "vmp" else 0.0) for clip in clips]
    logits[np.arange(len(labels)), labels] += added
    scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    n = len(labels)
    return Predictions(
        classes=CLASSES,
        clips=clips,
        splits=["test"] * n,
        starts=[None] * n,
        stops=[None] * n,
        groups=[None] * n,
        tags=[{}] * n,
        labels=labels.tolist(),
        scores=base64.b64encode(scores.astype("<f4").tobytes()).decode(),
    )


def write_all(folder: Path, gains: Mapping[str, float], each: int = EACH, below: str = "") -> None:
    """Predictions for every complete cell of a study."""
    study = StudyFolder(folder)
    for record in study.records(study.read_plan()):
        if record.status == "complete":
            write_predictions(folder, record.hash, predict(record, gains, each, below))
