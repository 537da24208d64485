"""A few test clips of a study as small pictures beside its plan: what the report's explorer draws the attention on.

They decide no number and belong to no cell: the code hash does not see this module, and a study without the file has
no explorer. The pixels are lossless, so that the page computes the same attention as the layer does.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sweeps.plan import Task, experiments_of
from sweeps.records.clip_pictures import ExampleClip, ExampleClips
from sweeps.records.file_format import DamagedRecord
from sweeps.records.study_folder import StudyFolder
from vmp.core.errors import InputError
from vmp.core.text import count
from vmp.data.augment import view_crop
from vmp.data.base import VideoSet
from vmp.data.registry import load_data
from vmp.data.sampling import sample_indices
from vmp.experiment import Experiment, clip_frames

MAX_CLIPS, MAX_FRAMES, MAX_SIDE = 6, 9, 80
MAX_CHARACTERS = 360_000  # of all pictures as base64: the report is one file that people send each other


def write_example_clips(folder: StudyFolder, tasks: Iterable[Task], note: Callable[[str], None]) -> list[str]:
    """Write ``clips.json`` unless it is there for the same data; returns what the user should know.

    A study whose arms have no attention gets none. Whatever keeps the clips from being read costs the explorer and
    nothing else, so it is said and not raised.

    Args:
        folder: The study's.
        tasks: Its cells.
        note: Hears beforehand that videos are read: the embedded benchmark renders all of its videos for the first.
    """
    experiment = next((one for one in experiments_of(tasks) if one.layer.has_attention), None)
    if experiment is None:
        return []
    try:
        data = load_data(experiment.data)
        if _has_clips_of(folder, data):
            return []
        note(f"Reading test clips of the data set '{data.name}' for the report's explorer (--no-clips: none)")
        clips = example_clips(data, experiment)
    except (InputError, OSError) as error:
        return [f"the report will have no explorer, its example clips cannot be read: {error}"]
    if not clips.clips:
        return ["the report will have no explorer: a test clip takes more than its page has room for"]
    folder.write_example_clips(clips)
    taken = count(len(clips.clips), "test clip")
    return [f"{taken} as pictures in '{folder.clips_path}' for the report's explorer (--no-clips: none)"]


def _has_clips_of(folder: StudyFolder, data: VideoSet) -> bool:
    try:
        return folder.has_example_clips() and folder.read_example_clips().data == data.fingerprint
    except DamagedRecord:
        return False  # it is written anew


def example_clips(data: VideoSet, experiment: Experiment) -> ExampleClips:
    """One test clip of each class, as `experiment` draws it, as many as fit into `MAX_CHARACTERS`."""
    first: dict[int, int] = {}
    for index, video in enumerate(data.videos):
        if video.split == "test":
            first.setdefault(video.label, index)
    clips: list[ExampleClip] = []
    room = MAX_CHARACTERS
    for label in sorted(first)[:MAX_CLIPS]:
        clip = _clip(data, first[label], experiment)
        if len(clip.png) > room:
            break
        room -= len(clip.png)
        clips.append(clip)
    side = min(experiment.data.size, MAX_SIDE)
    statistics = experiment.normalize
    return ExampleClips(
        data=data.fingerprint,
        size=experiment.data.size,
        side=side,
        mean=statistics.mean,
        std=statistics.std,
        clips=clips,
    )


def central_clip(
    data: VideoSet, index: int, experiment: Experiment, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The frames of a video's central test clip, as a cell sees them, and their numbers; the first `most` of them."""
    video, sampling = data.videos[index], experiment.sampling
    indices = sample_indices(
        sampling,
        video.num_frames,
        video.fps,
        frames=clip_frames(experiment),
        train=False,
        seed=0,
        epoch=0,
        video_id=video.id,
        timeline=data.timeline(index, sampling.needs) if sampling.needs else None,
    )[:most]
    return view_crop(data.read(index, indices), experiment.data.size), indices


def _clip(data: VideoSet, index: int, experiment: Experiment) -> ExampleClip:
    video = data.videos[index]
    frames, indices = central_clip(data, index, experiment, MAX_FRAMES)
    return ExampleClip(
        video=video.id,
        label=data.classes[video.label],
        frames=[int(i) for i in indices],
        png=_strip(frames, min(experiment.data.size, MAX_SIDE)),
    )


def _strip(frames: NDArray[np.uint8], side: int) -> str:
    """Frames ``(t, h, w, 3)`` side by side as a PNG in base64, `side` pixels high."""
    pictures = [Image.fromarray(frame) for frame in frames]
    if frames.shape[1] > side:
        pictures = [picture.resize((side, side), Image.Resampling.BOX) for picture in pictures]
    strip = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1))
    buffer = io.BytesIO()
    strip.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
