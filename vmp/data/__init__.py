"""Data sets: one visible table, one interface (`vmp.data.base.VideoSet`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import Field

from vmp.data.base import SPLITS, Video, VideoSet
from vmp.data.manifest import FolderData, ManifestData
from vmp.data.synthetic import MotionData

DATASETS = {
    "motion": MotionData,
    "folder": FolderData,
    "manifest": ManifestData,
}
"""Every kind of data set that a study file can name."""

DataConfig = Annotated[MotionData | FolderData | ManifestData, Field(discriminator="kind")]


@lru_cache(maxsize=4)
def load_data(settings: MotionData | FolderData | ManifestData) -> VideoSet:
    """The data set that `settings` describe. The last four stay in memory: the cells that a process runs share them."""
    return settings.load()


__all__ = ["DATASETS", "SPLITS", "DataConfig", "FolderData", "ManifestData", "MotionData", "Video", "VideoSet", "load_data"]
