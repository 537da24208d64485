"""What one training run gives, as plain typed data: the same in memory, between processes and on disk."""

from __future__ import annotations

import base64
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vmp.core.metrics import check_values

Status = Literal["complete", "diverged", "stopped", "failed"]
Figure = bool | int | float | None


class Plain(BaseModel):
    """A frozen record that refuses unknown fields and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _in_catalogue(figures: dict[str, Figure]) -> dict[str, Figure]:
    for key, value in figures.items():
        check_values(key, (value,))
    return figures


def _columns_in_catalogue(curves: dict[str, list[Figure]]) -> dict[str, list[Figure]]:
    lengths = {key: len(values) for key, values in curves.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"curves must have one entry for each epoch, got lengths {lengths}")
    for key, values in curves.items():
        check_values(key, values)
    return curves


Figures = Annotated[dict[str, Figure], AfterValidator(_in_catalogue)]
"""Keys of `vmp.core.metrics.METRICS` and their values; None where the number does not exist for this arm."""
Curves = Annotated[dict[str, list[Figure]], AfterValidator(_columns_in_catalogue)]
"""Keys of `METRICS` and one value for each epoch."""


class Hits(Plain):
    """Of `total` videos, `correct` were classified right."""

    correct: int = Field(ge=0)
    total: int = Field(ge=0)


class Scores(Plain):
    """Hits of one split at the end of training.

    Attributes:
        classes: By class index.
        strata: By tag, such as ``camera=moving``; only tags that some videos carry and others do not.
    """

    classes: list[Hits] = []
    strata: dict[str, Hits] = {}


class Predictions(Plain):
    """What a cell's model says of every video that it was evaluated on: one entry of each list for each video.

    Attributes:
        classes: Names by class index.
        clips: Names within the data set, mostly paths relative to it. splits: ``val`` or ``test``.
        starts, stops: Of the part of a longer file that the clip is, in `unit`; None where it is a whole file.
        unit: Of starts and stops.
        groups: Sources. tags: Strata. labels: Class indices.
        scores: Natural logarithms of the probabilities of the classes, as base64 of float32 (little-endian), one video
            after the other.
    """

    classes: list[str]
    clips: list[str]
    splits: list[Literal["val", "test"]]
    starts: list[float | None]
    stops: list[float | None]
    unit: Literal["seconds", "frames"] | None = None
    groups: list[str | None]
    tags: list[dict[str, str]]
    labels: list[int]
    scores: str

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        columns = (self.clips, self.splits, self.starts, self.stops, self.groups, self.tags, self.labels)
        if len({len(column) for column in columns}) > 1:
            raise ValueError(
                f"lists of predictions must have one entry for each video, got {[len(c) for c in columns]}"
            )
        if len(base64.b64decode(self.scores)) != 4 * len(self.clips) * len(self.classes):
            raise ValueError("scores must be one float32 for each video and class")
        return self


class Excluded(Plain):
    """A video that the annotation lists and the study does not use."""

    id: str
    reason: str


class DataSummary(Plain):
    """What a result must say of its data.

    Attributes:
        name, hash: Of the data set; the hash covers everything that decides pixels, labels and splits.
        splits: Videos in each split.
        classes: Names by class index.
        decodable: Videos that can be read.
        excluded: The others.
        class_counts: For each split, videos of each class by class index; empty in older records.
        groups: Sources in each split; None where no source is known.
        notes: Sentences that a reader of the results must see: what was ignored, what is not known of the data, classes
            that cannot be learnt or measured.
        clip_frames: Frames of a clip as the sampler draws it, with those that the layer takes; the largest in a plan.
        short: For each split, videos that are too short for such a clip, so that it repeats frames or starts again.
    """

    name: str
    hash: str
    splits: dict[str, int]
    classes: list[str]
    decodable: int
    excluded: list[Excluded] = []
    class_counts: dict[str, list[int]] = {}
    groups: dict[str, int] | None = None
    notes: list[str] = []
    clip_frames: int | None = None
    short: dict[str, int] = {}


class Protocol(Plain):
    """How clips are drawn from videos: sampler, frames that reach the backbone, test views and crops."""

    sampler: str
    frames: int
    rate: float | None
    views: int
    crops: int


class Outcome(Plain):
    """What a run gives.

    Attributes:
        status: ``complete``; ``diverged`` (training became non-finite: a result, never repeated); ``stopped`` (ended
            early by a rule: kept, and out of every comparison); ``failed`` (an error or a dead worker).
        reason: One sentence unless ``complete``.
        metrics: Figures at the end of training; empty unless complete, or stopped after an epoch.
        start: The layer's figures before training (slope, shift, attention at rest, ...), validation clips.
        curves: Figures after each epoch; ``curves["epoch"]`` counts from 1.
        scores: Hits of ``val`` and ``test`` by class and stratum; empty unless complete.
        selected_epoch: The epoch, counted from 1, whose weights gave `metrics` and `scores`; None in older records.
        data: The data set. protocol: How clips were drawn from it. collapse_rule: When ``collapsed`` is true.
    """

    status: Status
    reason: str | None = None
    metrics: Figures = {}
    start: Figures = {}
    curves: Curves = {}
    scores: dict[Literal["val", "test"], Scores] = {}
    selected_epoch: int | None = None
    data: DataSummary | None = None
    protocol: Protocol | None = None
    collapse_rule: str | None = None
