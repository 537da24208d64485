"""What the chosen arm looks at in the test videos that it wins and loses: frames and attention maps for the report.

Drawn when a study has ended, by the model that it keeps of the chosen arm, where the videos are at hand. Like the
example clips they decide no number and belong to no cell. The pictures are for looking at: a few steps of a clip,
small, as JPEG.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from sweeps.chosen import Accuracies
from sweeps.example_clips import central_clip
from sweeps.plan import Task
from sweeps.predictions import PredictedClips, largest_gains, read_predictions
from sweeps.records.clip_pictures import ClipMap, ClipMaps, ClipMapsOfArm
from sweeps.records.factors import arm_key
from sweeps.records.file_format import DamagedRecord
from sweeps.records.study_folder import StudyFolder
from sweeps.weights import MODELS_FOLDER
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.text import count
from vmp.data.registry import load_data
from vmp.experiment import Experiment
from vmp.layer.base import PromptLayer
from vmp.saved_model import WEIGHTS_FILE

NUMBER, STEPS, SIDE, GAP, QUALITY = 10, 5, 80, 2, 80
COLOURS = "viridis"
_OF_LAYER = "model.layer."  # in the names of a kept model's weights


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """The videos of one arm: cells as of `ClipMapsOfArm`, the task of its model, and the videos' names."""

    cells: list[str]
    task: Task
    experiment: Experiment
    videos: list[str]

    def is_drawn_in(self, maps: ClipMaps) -> bool:
        own = (self.cells, self.task.hash, self.videos)
        return any((one.cells, one.model, [each.video for each in one.maps]) == own for one in maps.arms)


def write_clip_maps(folder: StudyFolder, tasks: Mapping[str, Task], note: Callable[[str], None]) -> list[str]:
    """Write ``clip_maps.json`` unless it is there for the same cells; returns what the user should know.

    Whatever keeps the videos from being read costs the pictures and nothing else, so it is said and not raised.

    Args:
        folder: The study's.
        tasks: Its cells by hash. They, and not what the folder says, decide which data, code and layer are loaded.
        note: Hears beforehand that videos are read.
    """
    try:
        wanted = list(_wanted(folder, tasks))
        if not wanted or all(one.is_drawn_in(_drawn(folder)) for one in wanted):
            return []
        note("Reading the test videos won and lost for the report's attention maps (--no-clips: none)")
        made = ClipMaps(arms=[_draw(folder, one) for one in wanted])
    except (InputError, OSError) as error:
        return [f"the report will show no attention maps of the test videos won and lost: {error}"]
    folder.write_clip_maps(made)
    drawn = count(sum(len(one.maps) for one in made.arms), "test video")
    return [f"Attention maps of {drawn} won and lost in '{folder.clip_maps_path}' for the report (--no-clips: none)"]


def _drawn(folder: StudyFolder) -> ClipMaps:
    try:
        return folder.read_clip_maps()
    except DamagedRecord:
        return ClipMaps(arms=[])


def _wanted(folder: StudyFolder, tasks: Mapping[str, Task]) -> Iterator[_Wanted]:
    """For each block's chosen arm with a layer that attends and a model: what it wins and loses."""
    if not (folder.path / MODELS_FOLDER).is_dir():
        return
    plan = folder.read_plan()
    records = {record.hash: record for record in folder.records(plan)}
    accuracies = Accuracies.of(plan, records.values())
    cells = {(arm_key(cell.factors), cell.seed): cell.hash for cell in plan.cells}
    complete = {cell for cell, record in records.items() if record.status == "complete"}
    for (arm, reference), _, _ in accuracies.chosen_pairs():
        sides = [arm_key(accuracies.arms[i]) for i in (arm, reference)]
        paired = [[cells.get((side, seed), "") for side in sides] for seed in plan.seeds]
        read = [[read_predictions(folder.path, cell) if cell in complete else None for cell in pair] for pair in paired]
        kept = [(pair, both) for pair, both in zip(paired, read, strict=True) if None not in both]
        models = [pair[0] for pair, _ in kept if (folder.path / MODELS_FOLDER / pair[0] / WEIGHTS_FILE).is_file()]
        task = tasks.get(models[0]) if models else None
        if task is None or not (experiment := from_plain(Experiment, task.settings, source="plan")).layer.has_attention:
            continue
        predicted = [[one for one in both if one is not None] for _, both in kept]
        videos = _won_and_lost(predicted)
        if videos:
            own, others = ([pair[side] for pair, _ in kept] for side in (0, 1))
            yield _Wanted(cells=[*own, *others], task=task, experiment=experiment, videos=videos)


def _won_and_lost(predicted: Sequence[Sequence[PredictedClips]]) -> list[str]:
    """The report's selection: by the mean gain over seeds of the probability of the right class."""
    clips = predicted[0][0].clips
    if any(one.clips != clips for both in predicted for one in both):
        raise InputError("cells list different test videos")
    right = [[one.probabilities[np.arange(len(clips)), one.labels] for one in both] for both in predicted]
    gains = np.mean([own - other for own, other in right], axis=0)
    return [clips[i] for i in largest_gains(gains, NUMBER)]


def _draw(folder: StudyFolder, wanted: _Wanted) -> ClipMapsOfArm:
    experiment, data = wanted.experiment, load_data(wanted.experiment.data)
    numbers = {video.id: i for i, video in enumerate(data.videos)}
    layer = _layer(experiment, folder.path / MODELS_FOLDER / wanted.task.hash / WEIGHTS_FILE)
    maps = []
    for video in wanted.videos:
        if video not in numbers:
            raise InputError(f"the data set has no video '{video}' any more")
        frames, indices = central_clip(data, numbers[video], experiment)
        attention = _attention(layer, frames, experiment)
        first = 0 if getattr(layer, "prompted_frame", "later") == "earlier" else len(frames) - len(attention)
        steps = np.unique(np.linspace(0, len(attention) - 1, STEPS).round().astype(int))
        picture = _picture(frames[first + steps], attention[steps])
        maps.append(
            ClipMap(
                video=video,
                frames=indices[first + steps].tolist(),
                mean=float(attention.mean()),
                jpeg=_jpeg(picture),
                width=picture.width,
                height=picture.height,
            )
        )
    return ClipMapsOfArm(cells=wanted.cells, model=wanted.task.hash, seed=wanted.task.seed, maps=maps)


def _layer(experiment: Experiment, weights: Path) -> PromptLayer:
    """The layer of a kept model; of its backbone nothing is loaded."""
    normalize = experiment.normalize
    with torch.random.fork_rng(devices=[]):
        layer = experiment.layer.build(normalize.mean, normalize.std, maps=experiment.sampling.num_frames)
    try:
        state = {k.removeprefix(_OF_LAYER): v for k, v in load_file(weights).items() if k.startswith(_OF_LAYER)}
        layer.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"'{weights}' is damaged or of another layer ({str(error).splitlines()[0]})") from error
    return layer.eval()


@torch.no_grad()
def _attention(layer: PromptLayer, frames: NDArray[np.uint8], experiment: Experiment) -> NDArray[np.float32]:
    """The attention that `layer` gives each step of a clip, ``(steps, h, w)``, the mean of several channels."""
    mean, std = (torch.tensor(one) for one in (experiment.normalize.mean, experiment.normalize.std))
    clip = ((torch.from_numpy(frames.copy()).float() / 255 - mean) / std).permute(3, 0, 1, 2)
    maps = layer(clip[None]).attention[0]
    return np.asarray((maps.mean(0) if maps.ndim == 4 else maps).float().numpy(), dtype=np.float32)


def _picture(frames: NDArray[np.uint8], attention: NDArray[np.float32]) -> Image.Image:
    """Frames side by side, below them their attention, from dark (0) to bright (1)."""
    import matplotlib  # slow to import, and needed at the end of a run alone

    colours = (255 * matplotlib.colormaps[COLOURS](attention.clip(0, 1))[..., :3]).round().astype(np.uint8)
    rows = []
    for pictures in (frames, colours):
        scaled = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for one in pictures]
        apart = [np.pad(np.asarray(one), ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for one in scaled]
        rows.append(np.concatenate(apart, axis=1))
    return Image.fromarray(np.concatenate(rows, axis=0)[:-GAP, :-GAP])


def _jpeg(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
