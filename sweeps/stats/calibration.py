"""Calibration: whether what a model gives a probability of 0.8 is right in 80 of 100 cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweeps.stats.stepdown import Floats

BINS = 10
_DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Predictions by their confidence, in `BINS` bins of equal width over (0, 1].

    Attributes:
        count: Predictions in each bin.
        confidence, accuracy: Their means; NaN in an empty bin.
    """

    count: np.ndarray
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over predictions of how far accuracy is from confidence in their bin."""
        known = self.count > 0
        gaps = np.abs(self.accuracy[known] - self.confidence[known])
        return float((self.count[known] * gaps).sum() / self.count.sum())


def reliability(confidence: Floats, correct: np.ndarray) -> Reliability:
    """Confidence against accuracy.

    Args:
        confidence: Probability of the predicted class, in (0, 1], (n,), n >= 1.
        correct: Whether it was right, (n,).
    """
    number = _bins(confidence)
    count = np.bincount(number, minlength=BINS)
    with np.errstate(invalid="ignore"):
        sums = (np.bincount(number, weights=values, minlength=BINS) for values in (confidence, correct.astype(float)))
        means = [total / count for total in sums]
    return Reliability(count=count, confidence=means[0], accuracy=means[1])


def error_by_chance(confidence: Floats, rng: np.random.Generator) -> float:
    """The mean calibration error of a model that is right exactly as often as it says, in so many predictions."""
    number = _bins(confidence)
    count = np.bincount(number, minlength=BINS)
    expected = np.bincount(number, weights=confidence, minlength=BINS)
    errors = []
    for _ in range(_DRAWS):
        right = np.bincount(number, weights=rng.random(len(confidence)) < confidence, minlength=BINS)
        errors.append(np.abs(right - expected).sum() / count.sum())
    return float(np.mean(errors))


def _bins(confidence: Floats) -> np.ndarray:
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
