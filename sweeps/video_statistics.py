"""Statistics of a study's videos beside its plan: what the report's rule for choosing lambda on new data goes by.

They decide no number and belong to no cell: the code hash does not see this module. They are taken once for each data
set of a study that varies lambda, on training videos and frames as a cell draws them in its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sweeps.example_clips import central_clip
from sweeps.measuring import Pace
from sweeps.plan import Task, experiments_of, is_reference
from sweeps.records.data_statistics import DataStatistics
from sweeps.records.file_format import DamagedRecord
from sweeps.records.study_folder import StudyFolder
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count
from vmp.data.base import VideoSet
from vmp.data.registry import AnyData, load_data
from vmp.experiment import Experiment
from vmp.layer.functional import LUMA
from vmp.layer.motion.camera import camera_shift

MAX_VIDEOS = 48
STATIC = 10 / 255  # differences below it count as none: two or three times the noise of a camera


def write_video_statistics(folder: StudyFolder, tasks: Sequence[Task], note: Callable[[str], None]) -> list[str]:
    """Write ``videos.json`` for the data sets that it does not know yet; returns what the user should know.

    A study of one lambda has no use for them and gets none. What keeps videos from being read costs the rule and
    nothing else, so it is said and not raised.

    Args:
        folder: The study's.
        tasks: Its cells.
        note: Hears beforehand that videos are read, and of slow data sets how many are left.
    """
    prompted = [task for task in tasks if not is_reference(task.settings)]
    if len({canonical_json(task.settings["regularizer"]) for task in prompted}) < 2:
        return []
    try:
        known = {one.data: one for one in folder.read_data_statistics()}
    except DamagedRecord:
        known = {}  # it is written anew
    before = set(known)
    experiments: dict[AnyData, Experiment] = {}
    for experiment in experiments_of(prompted):
        experiments.setdefault(experiment.data, experiment)
    pace = Pace()
    try:
        for done, experiment in enumerate(experiments.values()):
            data = load_data(experiment.data)
            if data.fingerprint in known:
                continue
            if set(known) == before:
                sets = count(len(experiments) - done, "data set")
                note(f"Reading training videos of {sets} for the report's rule for λ (--no-clips: none)")
            elif line := pace.line_for_log(done, len(experiments), "data sets read for the rule for λ"):
                note(line)
            known[data.fingerprint] = video_statistics(data, experiment)
    except (InputError, OSError) as error:
        return [f"the report will have no rule for λ by the videos, some cannot be read: {error}"]
    if set(known) != before:
        folder.write_data_statistics(list(known.values()))
    return []


def video_statistics(data: VideoSet, experiment: Experiment) -> DataStatistics:
    """Means over at most `MAX_VIDEOS` training videos, evenly taken from all, of the frames of their central clip."""
    training = [index for index, video in enumerate(data.videos) if video.split == "train"]
    taken = sorted({training[round(i)] for i in np.linspace(0, len(training) - 1, min(MAX_VIDEOS, len(training)))})
    clips = [_gray(central_clip(data, index, experiment)[0]) for index in taken]
    differences = [np.diff(clip, axis=0) for clip in clips]
    return DataStatistics(
        data=data.fingerprint,
        videos=len(taken),
        difference_sd=float(np.mean([np.sqrt(np.mean(d.astype(np.float64) ** 2)) for d in differences])),
        static_share=float(np.mean([(np.abs(d) < STATIC).mean() for d in differences])),
        camera_motion=float(np.mean([_camera_motion(clip) for clip in clips])),
    )


def _gray(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Frames ``(t, h, w, 3)`` as gray in [0, 1], ``(t, h, w)``."""
    return ((frames / 255) @ np.array(LUMA["RGB"])).astype(np.float32)


def _camera_motion(gray: NDArray[np.float32]) -> float:
    """The mean length of the shift from frame to frame that explains most of a pair, as a share of the height."""
    frames = torch.from_numpy(gray)
    return float(camera_shift(frames[:-1], frames[1:]).norm(dim=1).mean()) / gray.shape[1]
