"""A trained model on its own: weights, preprocessing and classes in one folder, without the study that made it.

The folder has the layout of the Hugging Face hub, ``model.safetensors`` and ``config.json``, so `SavedModel` loads from
the hub and goes there by the methods of huggingface_hub's mixin.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from vmp.backbones.registry import BACKBONES, BackboneConfig
from vmp.core.config import Choice, config, from_plain, shown, to_plain
from vmp.core.errors import InputError
from vmp.core.paths import expand, looked_for
from vmp.data.base import Video
from vmp.data.loading import ClipLoader, NormalizeConfig, TestConfig
from vmp.data.motion_scores import motion_scores
from vmp.data.sampling import SAMPLERS, Sampler, Timeline
from vmp.experiment import Experiment, build_model
from vmp.layer.config import LAYERS, LayerConfig
from vmp.layer.prompted import MotionPrompted
from vmp.layer.streaming import video_frames
from vmp.training.loop import average_views, prepare_clip
from vmp.video import Geometry, Pixels, build_index, decode

FORMAT = 1
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_LONG = 4  # times the usual length of a training video: longer ones go through in windows


@config
class ModelSettings:
    """What rebuilds a model and its preprocessing.

    Attributes:
        size: Side of the square that the network sees, in pixels.
        working_size: Short side to which frames are brought first.
        fit: How: as of a data set's `fit`.
        sampling: Which frames of a video make a clip.
        normalize: Channel statistics.
        backbone: The network; its weights are in the file, so it has no checkpoint.
        layer: The motion prompt or control.
        test: Views and crops of a video.
    """

    size: int = Field(ge=8)
    working_size: int = Field(ge=8)
    fit: Literal["crop", "short", "stretch"]
    sampling: Annotated[Sampler, Choice(SAMPLERS, "sampler")]
    normalize: NormalizeConfig
    backbone: Annotated[BackboneConfig, Choice(BACKBONES, "backbone")]
    layer: Annotated[LayerConfig, Choice(LAYERS, "layer", default="vmp")]
    test: TestConfig

    @property
    def geometry(self) -> Geometry:
        """The working frame."""
        return Geometry(size=self.working_size, fit=self.fit)


def settings_of(experiment: Experiment) -> ModelSettings:
    """The part of an experiment that its trained model needs."""
    data = experiment.data
    geometry = getattr(data, "geometry", None) or Geometry(size=data.size)
    return ModelSettings(
        size=data.size,
        working_size=geometry.size or data.size,
        fit=geometry.fit,
        sampling=experiment.sampling,
        normalize=experiment.normalize,
        backbone=dataclasses.replace(experiment.backbone, checkpoint=None, freeze="none"),
        layer=experiment.layer,
        test=experiment.test,
    )


class Prediction(NamedTuple):
    """start, stop: seconds in the video, None where it was looked at as a whole. probabilities: ``(classes,)``."""

    start: float | None
    stop: float | None
    probabilities: NDArray[np.float64]


class SavedModel(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="video-motion-prompts",
    tags=["video-classification", "video-motion-prompts"],
):
    """A motion-prompted classifier with its preprocessing and the names of its classes.

    Made by a sweep (``--keep-weights``) or by `from_trained`; read back by `load_model` or ``from_pretrained``, which
    takes a folder or a name on the hub.

    Args:
        settings: `ModelSettings` as plain data.
        classes: Names by index of the logits.
        about: What made it, for people: cell, seed, factors, metrics; ``seconds`` is the usual length of a video.
        format: Of the file; this version reads 1.
        model: The network, if there is one already; None builds it with random weights.

    Raises:
        InputError: Another format, or settings that cannot be.
    """

    def __init__(
        self,
        *,
        settings: dict[str, Any],
        classes: list[str],
        about: dict[str, Any] | None = None,
        format: int = FORMAT,
        model: MotionPrompted | None = None,
    ) -> None:
        super().__init__()
        if format != FORMAT:
            raise InputError(f"the model has format {format!r}, this version reads {FORMAT}; update the package")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise InputError(f"{CONFIG_FILE}: classes must be a list of texts, got {shown(classes)}")
        self.settings = from_plain(ModelSettings, _without_checkpoint(settings), source=CONFIG_FILE)
        self.classes, self.about = tuple(classes), dict(about or {})
        self.model = self._build() if model is None else model
        self.eval()

    @classmethod
    def from_trained(
        cls, experiment: Experiment, model: MotionPrompted, classes: Sequence[str], about: Mapping[str, Any]
    ) -> Self:
        """The model that an experiment has trained; shares its parameters."""
        return cls(settings=to_plain(settings_of(experiment)), classes=list(classes), about=dict(about), model=model)

    def _build(self) -> MotionPrompted:
        with torch.random.fork_rng(devices=[]):
            return build_model(
                self.settings.backbone,
                self.settings.layer,
                self.settings.normalize,
                frames=self.settings.sampling.num_frames,
                size=self.settings.size,
                classes=len(self.classes),
            )

    def forward(self, clip: Tensor) -> Tensor:
        """Logits ``(b, classes)`` of normalised clips ``(b, 3, t, h, w)``, t with the frame that the layer takes."""
        logits: Tensor = self.model(clip).logits
        return logits

    @property
    def clip_frames(self) -> int:
        """Frames of a clip, with the one that the layer takes."""
        return self.settings.sampling.num_frames + self.settings.layer.extra_frames

    def predict(self, video: str | Path, *, window: float | None = None) -> list[Prediction]:
        """Probabilities of the classes for a video file.

        A video is looked at as the study's test videos were: the same frames, views and crops. One that is more than 4
        times as long as the usual training video goes through in windows of that length, each looked at as a video of
        its own; only one window is held in memory.

        Args:
            video: The file.
            window: Seconds of a window; None decides as above.

        Raises:
            InputError: The video cannot be read, or windows are asked for and it states no frame rate.
        """
        if window is not None and not window > 0:
            raise InputError(f"a window must be longer than 0 seconds, got {window:g}")
        usual = self.about.get("seconds")
        index = build_index(video)
        if window is None and usual and np.isfinite(index.fps) and index.frames / index.fps > _LONG * usual:
            window = float(usual)
        if window is None:
            frames, info = decode(video, self.settings.geometry)
            keys = np.array(info.key_frames, dtype=np.int64)
            return [Prediction(None, None, self.probabilities(frames, info.fps, name=str(video), key_frames=keys))]
        if not np.isfinite(index.fps):
            raise InputError(f"{video}: states no frame rate, so windows in seconds cannot be found in it")
        return list(self._windows(video, index.fps, max(round(window * index.fps), 1), index.key_frames))

    def _windows(self, video: str | Path, fps: float, length: int, keys: NDArray[np.int64]) -> Iterator[Prediction]:
        """One window after the other; what remains at the end counts if it is half a window, or all there is."""
        frames = video_frames(video, self.settings.working_size, self.settings.fit)
        first = 0
        while batch := list(islice(frames, length)):
            if len(batch) * 2 < length and first:
                return
            inside = keys[(keys >= first) & (keys < first + len(batch))] - first
            found = self.probabilities(np.stack(batch), fps, name=str(video), key_frames=inside)
            yield Prediction(first / fps, (first + len(batch)) / fps, found)
            first += len(batch)

    @torch.no_grad()
    def probabilities(
        self, frames: Pixels, fps: float, *, name: str = "", key_frames: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Probabilities ``(classes,)`` of a video in memory.

        Args:
            frames: All of them at working size, RGB uint8 ``(n, h, w, 3)``.
            fps: Frames a second, or nan.
            name: For messages.
            key_frames: For a sampler that asks for them.
        """
        s = self.settings
        loader = ClipLoader(
            _OneVideo(frames, fps, name, key_frames),
            "test",
            sampling=s.sampling,
            frames=self.clip_frames,
            size=s.size,
            batch_size=1,
            seed=0,
            test=s.test,
        )
        (batch,) = loader.epoch(0)
        device = next(self.model.parameters()).device
        prompt = self.model.layer(prepare_clip(batch.frames, self.model.layer, s.normalize, device)).prompt
        log = average_views(self.model.classify(prompt).float(), 1)[0]
        return np.asarray(log.double().exp().cpu())

    @classmethod
    def _from_pretrained(cls, *, model_id: str, trust_code: bool = False, **options: Any) -> SavedModel:
        """Called by the mixin with what ``config.json`` says: safetensors and nothing else, every tensor in its place.

        ``config.json`` comes from anywhere: it cannot set `trust_code`, and code that it names is not run without.
        """
        from huggingface_hub import hf_hub_download
        from safetensors.torch import load_model as load_tensors

        foreign = sorted(_dotted_paths(options.get("settings")))
        if foreign and trust_code is not True:
            raise InputError(
                f"{model_id}: names code of its own ({', '.join(foreign)}), which would be run: pass trust_code=True "
                "(--trust-code) if you know where it comes from"
            )
        ours = ("settings", "classes", "about", "format")
        made = cls(**{key: options[key] for key in ours if key in options})
        path = Path(model_id) / WEIGHTS_FILE
        if not Path(model_id).is_dir():
            hub = ("revision", "cache_dir", "force_download", "token", "local_files_only")
            path = Path(hf_hub_download(model_id, WEIGHTS_FILE, **{key: options[key] for key in hub if key in options}))
        try:
            load_tensors(made, path, strict=True)
        except Exception as error:  # the reader raises errors of its own kinds for damaged and for foreign files
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path}: the weights do not fit {CONFIG_FILE} beside them ({reason})") from error
        return made.to(options.get("map_location", "cpu")).eval()


def load_model(path: str | Path, *, trust_code: bool = False, **options: Any) -> SavedModel:
    """A model that a sweep kept, or that lies on the Hugging Face hub.

    Args:
        path: Its folder, or a name on the hub such as ``user/model``.
        trust_code: Import and run code outside this package that the model's settings name by a dotted path.
        options: Of ``from_pretrained`` (revision, cache_dir, local_files_only, ...).

    Raises:
        InputError: No such model, or not one of ours.
    """
    folder = Path(expand(str(path)))
    if folder.is_dir():
        if not (folder / CONFIG_FILE).is_file():
            inside = sorted(one.parent.relative_to(folder).as_posix() for one in folder.rglob(CONFIG_FILE))
            hint = f"; it holds the models {', '.join(inside[:5])}" if inside else ""
            raise InputError(f"{looked_for(folder)}: holds no model (no {CONFIG_FILE} in it){hint}")
        _check_config(folder / CONFIG_FILE)
        if not (folder / WEIGHTS_FILE).is_file():
            raise InputError(f"{folder}: holds no {WEIGHTS_FILE}")
        return SavedModel.from_pretrained(folder, trust_code=trust_code, **options)
    try:
        return SavedModel.from_pretrained(str(path), trust_code=trust_code, **options)
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError, TypeError) as error:
        raise InputError(
            f"{looked_for(path)}: no such folder, and no model of that name can be had from the hub "
            f"({str(error).strip().splitlines()[0]})"
        ) from error


def _check_config(path: Path) -> None:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(plain, dict) or not {"settings", "classes"} <= plain.keys():
        raise InputError(f"{path}: is not the configuration of a model kept by this toolkit (no settings and classes)")


def _without_checkpoint(settings: Any) -> Any:
    """The weights are in the file beside it, and a configuration may not make us read another."""
    backbone = settings.get("backbone") if isinstance(settings, Mapping) else None
    if not isinstance(backbone, Mapping):
        return settings
    return {**settings, "backbone": {key: value for key, value in backbone.items() if key != "checkpoint"}}


def _dotted_paths(plain: Any) -> Iterator[str]:
    """Every text in settings that names code by ``package.module:name``, wherever it stands."""
    if isinstance(plain, Mapping):
        for key, value in plain.items():
            if key in ("kind", "factory") and isinstance(value, str) and ":" in value:
                yield value
            yield from _dotted_paths(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from _dotted_paths(value)


class _OneVideo:
    """`vmp.data.base.VideoSet` of one test video in memory."""

    classes: tuple[str, ...] = ("",)
    excluded: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint = ""

    def __init__(self, frames: Pixels, fps: float, name: str, key_frames: NDArray[np.int64] | None) -> None:
        self.name, self._frames, self._keys = name, frames, key_frames
        self.decoded_bytes = frames.nbytes
        self.videos: tuple[Video, ...] = (Video(id=name, label=0, split="test", num_frames=len(frames), fps=fps),)

    def read(self, index: int, frames: NDArray[np.int64]) -> Pixels:
        del index
        return self._frames[frames]

    def timeline(self, index: int, what: Literal["key_frames", "motion"]) -> Timeline:
        del index
        if what == "motion":
            return Timeline(motion=motion_scores(self._frames))
        if self._keys is None:
            raise InputError(f"{self.name}: the sampler asks for key frames, which frames in memory do not have")
        return Timeline(key_frames=self._keys)
