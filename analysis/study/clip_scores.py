"""What two arms say of the same test videos in the same seeds, read from the predictions that cells keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.study.arms import Arm
from analysis.study.cells import ARM_ORDER, COMPLETE, HASH, SEED, STATUS, Study
from sweeps.predictions import PredictedClips, predicted_cells, predictions_path, read_predictions
from vmp.core.errors import InputError
from vmp.core.outcome import Hits


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """One arm: an entry for each seed and video, (seeds, videos).

    Attributes:
        predicted: Class indices.
        right: Probability of the right class.
        confidence: Probability of the predicted class.
        brier: Sum over classes of squared differences between probability and truth, in [0, 2].
    """

    predicted: NDArray[np.int64]
    right: NDArray[np.float64]
    confidence: NDArray[np.float64]
    brier: NDArray[np.float64]

    def confusion(self, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
        """Of the videos of a class (row) the share taken for each class (column), over all seeds: (classes, classes).

        Rows of classes without a video are NaN.
        """
        counts = np.zeros((classes, classes))
        for predicted in self.predicted:
            np.add.at(counts, (labels, predicted), 1)
        total = counts.sum(axis=1, keepdims=True)
        return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


@dataclass(frozen=True, kw_only=True)
class PairedScores:
    """An arm and its reference on the same test videos.

    Attributes:
        arm, reference: Whose scores they are.
        classes: Names by index. clips: Names of the videos. labels: Their classes, (videos,).
        files: Names of the files that the clips are, or are parts of.
        seeds: Those in which both arms keep predictions.
        of_arm, of_reference: The scores, in the order of `seeds`.
        hashes: The cells, the arm's first, both in the order of `seeds`.
    """

    arm: Arm
    reference: Arm
    classes: tuple[str, ...]
    clips: tuple[str, ...]
    files: tuple[str, ...]
    labels: NDArray[np.int64]
    seeds: tuple[int, ...]
    of_arm: ClipScores
    of_reference: ClipScores
    hashes: tuple[str, ...]

    @property
    def gains(self) -> NDArray[np.float64]:
        """By seed and video the probability of the right class with the arm, less that with the reference."""
        return self.of_arm.right - self.of_reference.right


def has_predictions(study: Study) -> bool:
    """Whether a complete cell of the study keeps predictions."""
    there = predicted_cells(study.path)
    return bool(there) and not there.isdisjoint(study.cells.loc[study.cells[STATUS] == COMPLETE, HASH])


def paired_scores(study: Study, arm: Arm, reference: Arm) -> PairedScores | None:
    """The scores of both arms in the seeds in which both keep predictions; None where there is no such seed.

    Raises:
        InputError: A file of predictions is damaged, does not belong to its record, or lists other videos than the
            first one.
    """
    cells = _cells(study)
    seeds = [
        seed
        for seed in study.plan.seeds
        if all(
            (one.order, seed) in cells and predictions_path(study.path, cells[one.order, seed]).is_file()
            for one in (arm, reference)
        )
    ]
    if not seeds:
        return None
    hashes = [cells[one.order, seed] for one in (arm, reference) for seed in seeds]
    first: PredictedClips | None = None
    rows = []
    for cell in hashes:
        read = _read(study, cell)
        first = first or read
        if read.clips != first.clips or not np.array_equal(read.labels, first.labels):
            raise InputError(
                f"'{predictions_path(study.path, cell)}' lists other test videos than that of cell {hashes[0]}; "
                "delete it to report the study without it"
            )
        rows.append(_reduced(read))
    assert first is not None
    n = len(seeds)
    return PairedScores(
        arm=arm,
        reference=reference,
        classes=first.classes,
        clips=first.clips,
        files=first.files,
        labels=first.labels,
        seeds=tuple(seeds),
        of_arm=_stacked(rows[:n]),
        of_reference=_stacked(rows[n:]),
        hashes=tuple(hashes),
    )


def kept_models(paired: PairedScores, folder: Path) -> Mapping[int, str]:
    """By seed the cell of the arm whose trained model lies below a study's folder."""
    of_arm = zip(paired.seeds, paired.hashes, strict=False)
    return {seed: cell for seed, cell in of_arm if (folder / "models" / cell / "config.json").is_file()}


def _cells(study: Study) -> dict[tuple[int, int], str]:
    complete = study.cells[study.cells[STATUS] == COMPLETE]
    rows = complete[[ARM_ORDER, SEED, HASH]].itertuples(index=False, name=None)
    return {(int(order), int(seed)): str(cell) for order, seed, cell in rows}


def _read(study: Study, cell: str) -> PredictedClips:
    """A cell's predictions for the test videos, with the hits that its record counts."""
    read = read_predictions(study.path, cell)
    assert read is not None, "asked for predictions that are not there"
    scores = study.read(cell).scores
    hits = scores["test"].classes if "test" in scores else []
    if hits and hits != hits_of(read):
        raise InputError(
            f"'{predictions_path(study.path, cell)}' counts other hits by class than the cell's record; delete it to "
            "report the study without it"
        )
    return read


def hits_of(read: PredictedClips) -> list[Hits]:
    """Hits by class index, as a record counts them."""
    right, classes = read.predicted == read.labels, len(read.classes)
    correct = np.bincount(read.labels[right], minlength=classes)
    total = np.bincount(read.labels, minlength=classes)
    return [Hits(correct=int(c), total=int(n)) for c, n in zip(correct, total, strict=True)]


def _reduced(read: PredictedClips) -> tuple[NDArray[np.generic], ...]:
    """What is held of a cell: a few numbers for each video, not one for each class."""
    probabilities, predicted = read.probabilities, read.predicted
    at = np.arange(len(read.labels))
    right = probabilities[at, read.labels]
    brier = (probabilities**2).sum(axis=1) - 2 * right + 1
    return predicted, right, probabilities[at, predicted], brier


def _stacked(rows: list[tuple[NDArray[np.generic], ...]]) -> ClipScores:
    predicted, right, confidence, brier = (np.stack(column) for column in zip(*rows, strict=True))
    return ClipScores(predicted=predicted, right=right, confidence=confidence, brier=brier)
