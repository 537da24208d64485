"""Data sets: one visible table, one interface (`vmp.data.base.VideoSet`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from vmp.core.config import Choice
from vmp.data.base import SPLITS, Video, VideoSet
from vmp.data.sets.class_folders import FolderData
from vmp.data.sets.embedded import MotionData
from vmp.data.sets.finegym import FineGymData
from vmp.data.sets.hmdb51 import Hmdb51Data
from vmp.data.sets.manifest import ManifestData
from vmp.data.sets.mmaction import MMActionData
from vmp.data.sets.mpii import MpiiCooking2Data
from vmp.data.sets.slowfast import SlowFastData
from vmp.data.sets.webdataset import WebDatasetData

AnyData = (
    MotionData
    | FolderData
    | ManifestData
    | SlowFastData
    | MMActionData
    | WebDatasetData
    | Hmdb51Data
    | MpiiCooking2Data
    | FineGymData
)
DATASETS: dict[str, type[AnyData]] = {
    "motion": MotionData,
    "folder": FolderData,
    "manifest": ManifestData,
    "slowfast": SlowFastData,
    "mmaction": MMActionData,
    "webdataset": WebDatasetData,
    "hmdb51": Hmdb51Data,
    "mpii-cooking-2": MpiiCooking2Data,
    "finegym": FineGymData,
}
"""Every kind of data set that a study file can name, by its ``kind``."""
DataConfig = Annotated[AnyData, Choice(DATASETS, "data set")]
"""The field of a configuration that chooses a data set."""


@lru_cache(maxsize=4)
def load_data(settings: AnyData) -> VideoSet:
    """The data set that `settings` describe. The last four stay in memory: the cells that a process runs share them."""
    return settings.load()


__all__ = ["DATASETS", "SPLITS", "DataConfig", "Video", "VideoSet", "load_data"]
