"""What the videos of each data set of a study are like, as numbers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sweeps.records.file_format import FORMAT
from vmp.core.outcome import Plain


class DataStatistics(Plain):
    """What the videos of one data set are like, see `sweeps.video_statistics`; means over its training videos.

    Attributes:
        data: Hash of the data set.
        videos: Number of videos looked at.
        difference_sd: Root mean square of the difference of two frames of a clip, in units of the full gray range.
        static_share: Share of pixels that differ by less than 10 of 255 between two frames of a clip.
        camera_motion: Length of the shift of the picture between two frames of a clip, as a share of its height.
    """

    data: str
    videos: int = Field(ge=1)
    difference_sd: float = Field(ge=0)
    static_share: float = Field(ge=0, le=1)
    camera_motion: float = Field(ge=0)


class DataStatisticsFile(Plain):
    """``videos.json``: one entry for each data set of the study."""

    format: Literal[2] = FORMAT
    data_sets: list[DataStatistics]
