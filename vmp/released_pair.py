"""A pair of released checkpoints, with and without the layer, measured on the test videos of a data set.

The evaluation is the one of every study: its sampler, views, crops and accuracy. The two files are compared video by
video with McNemar's exact test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from scipy import stats
from torch import Tensor

from vmp.core.config import Choice, config, from_plain, to_plain
from vmp.core.errors import ConfigError, InputError
from vmp.core.overrides import kinds_first, parse_override, put
from vmp.data.base import VideoSet
from vmp.data.loading import ClipLoader, NormalizeConfig, TestConfig
from vmp.data.notices import groups_of
from vmp.data.registry import DataConfig, load_data
from vmp.data.sampling import SamplingConfig, Uniform
from vmp.experiment import Experiment, Runtime, build_model, clip_frames
from vmp.layer.config import LAYERS, LayerConfig, NoPromptConfig, PromptConfig
from vmp.layer.normalizations import SigmoidConfig
from vmp.layer.starts import FixedStart
from vmp.released_files import ReleasedBackbone, ReleasedFile, ReleasedLayer, fit_backbone, unused_tensors
from vmp.training.loop import TrainConfig, Trainer
from vmp.training.regularizers import RegularizerConfig

AUTHORS_LAYER: dict[str, Any] = {"kind": "vmp", "motion": {"kind": "frame_difference", "channel_order": "BGR"}}
"""What the layer of the released code is: its weights of gray levels are swapped for RGB frames."""
ABOUT = (
    "This is about these two files and these videos. Each file comes from one training, so it says nothing about what "
    "other trainings with and without the layer would give."
)


@config
class EvaluationSettings:
    """The sections of a study that an evaluation of finished weights reads.

    Attributes:
        data: Data set and splits; test videos are evaluated.
        sampling: Which frames of a video make a clip.
        normalize: Channel statistics.
        layer: The published layer; slope and shift come from the file.
        test: Views and crops of a test video, and the order of its frames.
    """

    data: DataConfig
    sampling: SamplingConfig = Uniform()
    normalize: NormalizeConfig = NormalizeConfig()
    layer: Annotated[LayerConfig, Choice(LAYERS, "layer", default="vmp")] = PromptConfig()
    test: TestConfig = TestConfig()


@dataclass(frozen=True, kw_only=True)
class Released:
    """A file with its backbone in the registry's names.

    Attributes:
        file: The file.
        layer: Its slope and shift; None for a file without the layer.
        backbone: Its backbone.
        unused: Names of tensors that belong to neither.
    """

    file: ReleasedFile
    layer: ReleasedLayer | None
    backbone: ReleasedBackbone
    unused: list[str]

    @classmethod
    def of(cls, file: ReleasedFile, layer: ReleasedLayer | None) -> Released:
        """A file that was read. Raises InputError where its backbone is none of the registry, or incomplete."""
        return cls(file=file, layer=layer, backbone=fit_backbone(file), unused=unused_tensors(file, layer))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one file says of the test videos.

    Attributes:
        videos: Their names, in order.
        top1, mean_class: Accuracy in [0, 1].
        log_probabilities: Of the classes, averaged over views and crops, ``(videos, classes)``.
        labels: Class indices, ``(videos,)``.
    """

    videos: tuple[str, ...]
    top1: float
    mean_class: float
    log_probabilities: Tensor
    labels: Tensor

    @property
    def hits(self) -> Tensor:
        """Which videos the file has right, bool ``(videos,)``."""
        return self.log_probabilities.argmax(1) == self.labels


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two files on the same videos: how many both, one or none has right, and McNemar's exact p value (two-sided)."""

    both: int
    only_with: int
    only_without: int
    neither: int
    p_value: float


def evaluate_pair(
    first: Released, second: Released | None, overrides: Sequence[str], *, batch: int, runtime: Runtime
) -> dict[str, Any]:
    """Evaluate a file with the layer, and one without beside it, on the test videos that the settings name.

    Args:
        first: The file with the layer.
        second: The file without; None evaluates the first alone.
        overrides: ``key=value`` each, dotted keys, as of ``vmp sweep run --set``.
        batch: Clips in a batch.
        runtime: Device and loader processes.

    Returns:
        The object ``evaluation`` of ``vmp released --json``, and ``accuracy``: for ``with`` and ``without`` their
        ``top1`` and ``mean_class`` in [0, 1].

    Raises:
        InputError: The settings, the data and the files do not fit each other. Nothing is evaluated before.
    """
    device = runtime.torch_device()
    files = {"with": first} | ({"without": second} if second is not None else {})
    experiments = {name: experiment_for(overrides, one, batch) for name, one in files.items()}
    videos = {name: load_videos(experiments[name], one) for name, one in files.items()}
    found = {
        name: measure(experiments[name], one.backbone, videos[name], device, runtime.loader_workers)
        for name, one in files.items()
    }
    made, data = experiments["with"], videos["with"]
    answer: dict[str, Any] = {
        "accuracy": {name: {"top1": one.top1, "mean_class": one.mean_class} for name, one in found.items()},
        "data": data.name,
        "hash": data.fingerprint,
        "videos": len(found["with"].videos),
        "sources": sources_of(data),
        "classes": list(data.classes),
        "settings": {key: to_plain(getattr(made, key)) for key in ("data", "sampling", "normalize", "layer", "test")},
        "sampler": made.sampling.kind,
        "frames": {name: one.sampling.num_frames for name, one in experiments.items()},
        "views": made.test.views,
        "crops": made.test.crops,
        **dict.fromkeys((*(field.name for field in dataclasses.fields(Paired)), "difference")),
    }
    if second is not None:
        answer |= vars(compare(found["with"], found["without"]))
        accuracy = answer["accuracy"]
        answer["difference"] = {key: accuracy["with"][key] - accuracy["without"][key] for key in accuracy["with"]}
    return answer


def experiment_for(overrides: Sequence[str], one: Released, batch: int) -> Experiment:
    """What evaluates a file: the settings of `overrides`, with frames and size of the file where they do not say.

    Args:
        overrides: ``key=value`` each, dotted keys.
        one: The file.
        batch: Clips in a batch.

    Raises:
        InputError: No data are named, a setting does not exist or fit, or it is not for clips of the file.
    """
    settings = _settings(overrides, one.backbone)
    if settings.data.size != one.backbone.size:
        raise InputError(
            f"data.size = {settings.data.size}, but the position embeddings of {one.file.path} are for frames of "
            f"{one.backbone.size} pixels; leave data.size out"
        )
    sections = {
        "data": settings.data,
        "sampling": settings.sampling,
        "normalize": settings.normalize,
        "backbone": one.backbone.config,
        "layer": NoPromptConfig() if one.layer is None else _fixed(settings.layer, one.layer),
        "train": TrainConfig(batch_size=batch),
        "regularizer": None,
        "test": settings.test,
    }
    return from_plain(Experiment, sections, source="--set")


def load_videos(experiment: Experiment, one: Released) -> VideoSet:
    """The data of an evaluation. Raises InputError where it has not as many classes as the file's classifier."""
    data = load_data(experiment.data)
    if len(data.classes) != one.backbone.classes:
        raise InputError(
            f"{one.file.path} has a classifier for {one.backbone.classes} classes, and the data set {data.name} has "
            f"{len(data.classes)}; evaluate it on the classes that it was trained on"
        )
    return data


def measure(
    experiment: Experiment, backbone: ReleasedBackbone, data: VideoSet, device: torch.device, workers: int = 0
) -> Measured:
    """Evaluate a file on the test split, as a study evaluates a trained model.

    Args:
        experiment: Of `experiment_for`.
        backbone: The file's.
        data: Of `load_videos`.
        device: Where the model runs.
        workers: Loader processes.

    Raises:
        InputError: There are no test videos, or they cannot be read.
    """
    frames = experiment.sampling.num_frames
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            experiment.backbone,
            experiment.layer,
            experiment.normalize,
            frames=frames,
            size=experiment.data.size,
            classes=backbone.classes,
        )
    model.backbone.load_state_dict(backbone.weights_for(frames))
    loader = ClipLoader(
        data,
        "test",
        sampling=experiment.sampling,
        frames=clip_frames(experiment),
        size=experiment.data.size,
        batch_size=experiment.train.batch_size,
        seed=0,
        test=experiment.test,
        workers=workers,
    )
    trainer = Trainer(
        model=model.to(device),
        regularizer=RegularizerConfig().build().to(device),
        settings=experiment.train,
        num_classes=backbone.classes,
        normalization=experiment.normalize,
        seed=0,
        device=device,
    )
    found = trainer.evaluate(loader)
    return Measured(
        videos=tuple(data.videos[index].id for index in loader.indices),
        top1=float(found.figures["top1"] or 0.0),
        mean_class=float(found.figures["mean_class"] or 0.0),
        log_probabilities=found.log_probabilities,
        labels=torch.tensor([data.videos[index].label for index in loader.indices]),
    )


def compare(first: Measured, second: Measured) -> Paired:
    """McNemar's exact test of the file with the layer (`first`) and the one without, over the same videos.

    Under the null hypothesis a video that one file alone has right is as often the one's as the other's: a binomial
    test with probability 1/2 on these videos. Without any, p is 1.
    """
    assert first.videos == second.videos, "the files were evaluated on different videos"
    only_first = int((first.hits & ~second.hits).sum())
    only_second = int((~first.hits & second.hits).sum())
    discordant = only_first + only_second
    return Paired(
        both=int((first.hits & second.hits).sum()),
        only_with=only_first,
        only_without=only_second,
        neither=int((~first.hits & ~second.hits).sum()),
        p_value=float(stats.binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0,
    )


def sources_of(data: VideoSet) -> int | None:
    """How many recordings the test videos were cut from; None where that is not known."""
    groups = groups_of(data)
    return None if groups is None else groups["test"]


def _settings(overrides: Sequence[str], backbone: ReleasedBackbone) -> EvaluationSettings:
    """The settings of the command line on top of what the released code does and the file is made for."""
    changes = dict(parse_override(text, example="data.kind=motion") for text in overrides)
    if not {"data", "data.kind"} & changes.keys():
        raise InputError(
            "--set names no data to evaluate on: add --set data.kind=..., or leave --set out to read slope and shift"
        )
    plain: dict[str, Any] = {"layer": AUTHORS_LAYER}
    for path in kinds_first(changes):
        try:
            put(EvaluationSettings, plain, path, changes[path])
        except ConfigError as error:
            raise InputError(f"--set {error}") from error
    for section, key, value in (("data", "size", backbone.size), ("sampling", "num_frames", backbone.frames)):
        if isinstance(content := plain.setdefault(section, {}), dict):
            plain[section] = {key: value} | content
    return from_plain(EvaluationSettings, plain, source="--set")


def _fixed(settings: LayerConfig, layer: ReleasedLayer) -> PromptConfig:
    """The layer of the settings with the file's slope and shift. Raises InputError unless it is the published one."""
    own = SigmoidConfig(signed=True)
    if isinstance(settings, PromptConfig) and isinstance(settings.normalization, SigmoidConfig):
        own = dataclasses.replace(own, signed=settings.normalization.signed)
    if not (isinstance(settings, PromptConfig) and settings.is_published and settings.normalization == own):
        raise InputError(
            "--set layer: the file holds the published layer with its slope and shift; of `layer`, "
            "motion.channel_order, normalization.signed and prompted_frame can be set"
        )
    start = FixedStart(m=layer.pair.m, n=layer.pair.n)
    sigmoid = SigmoidConfig(start=start, learn_slope=False, learn_shift=False, signed=settings.normalization.signed)
    return dataclasses.replace(settings, normalization=sigmoid)
