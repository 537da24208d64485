"""One cell's worth of science: a configuration and a seed in, metrics and curves out.

`Experiment` is everything that decides a number; `Runtime` is what may differ between two machines that must agree.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from vmp.backbones.registry import BACKBONES, BackboneConfig, build_backbone, check_backbone
from vmp.backbones.stages import checkpoint_stages, freeze_parameters
from vmp.backbones.stems import RGB, widen_stems
from vmp.core.config import Choice, config
from vmp.core.errors import InputError
from vmp.core.outcome import DataSummary, Excluded, Outcome, Predictions, Protocol
from vmp.core.seeding import derive_seed
from vmp.data.augment import AugmentConfig
from vmp.data.base import SplitName
from vmp.data.loading import ClipLoader, NormalizeConfig, TestConfig
from vmp.data.notices import balance_of, class_notices, frames_notice, groups_of, short_videos
from vmp.data.registry import SPLITS, DataConfig, MotionData, VideoSet, load_data
from vmp.data.sampling import SamplingConfig, Uniform
from vmp.layer.config import LAYERS, LayerConfig, PromptConfig
from vmp.layer.diagnostics import COLLAPSE_RULE
from vmp.layer.prompted import MotionPrompted
from vmp.training.loop import Checkpointing, Listener, TrainConfig, Trainer, go_on, start_figures
from vmp.training.regularizers import RegularizerConfig
from vmp.transfer import TRANSFERS, LearntOn, NoTransfer, Transfer, learnt_layer

_SLOW: type[Any] = BACKBONES["slow_tiny"]
_MEASURED: tuple[Literal["val", "test"], ...] = ("val", "test")


@config
class Settings:
    """The sections of a configuration: which videos, which frames, which backbone, which layer, trained how.

    Attributes:
        data: Data set and splits.
        sampling: Which frames of a video make a clip.
        normalize: Channel statistics.
        backbone: The network behind the layer.
        layer: The motion prompt, or one of its controls.
        augment: What happens to training clips.
        train: Loop, optimiser and lambda.
        regularizer: How V enters the loss: lambda, its schedule and weight, remedies for collapse. None for none.
        test: Views and crops of a test video, and the order of its frames.
        transfer: Whether slope and shift were learnt on other data before.
    """

    data: DataConfig = Field(default_factory=MotionData)
    sampling: SamplingConfig = Uniform()
    normalize: NormalizeConfig = NormalizeConfig()
    backbone: Annotated[BackboneConfig, Choice(BACKBONES, "backbone")] = _SLOW()
    layer: Annotated[LayerConfig, Choice(LAYERS, "layer", default="vmp")] = PromptConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    regularizer: RegularizerConfig | None = RegularizerConfig()
    test: TestConfig = TestConfig()
    transfer: Annotated[Transfer, Choice(TRANSFERS, "transfer", default="none")] = NoTransfer()


@config
class Experiment(Settings):
    """A complete configuration: sections that fit each other."""

    def __post_init__(self) -> None:
        # Known before any data are read, so a study with a misfit in it does not start.
        frames, size = self.sampling.num_frames, self.data.size
        if self.test.crops > 1 and getattr(self.data, "fit", None) != "short":
            raise InputError(f"test.crops = {self.test.crops} needs data.fit = 'short': stored squares leave no room")
        check_backbone(self.backbone, num_classes=2, num_frames=frames, size=size)
        self.layer.check(size)
        regularizer = self.regularizer
        maps = frames + self.layer.extra_frames - 1
        if self.layer.has_attention and regularizer and regularizer.lambda_ > 0 and maps < 2:
            raise InputError(
                f"regularizer.lambda = {regularizer.lambda_:g} weighs how attention maps differ from one to the next, "
                f"and sampling.num_frames = {frames} makes a single map; sample at least 2 frames, or set lambda to 0"
            )
        if self.layer.channels > RGB and self.backbone.freeze != "none":
            raise InputError(
                f"backbone.freeze = {self.backbone.freeze} freezes the convolution that is to read what layer.kind = "
                f"{self.layer.kind} appends; freeze none"
            )
        is_fixed = isinstance(self.layer, PromptConfig) and not self.layer.learns
        if isinstance(self.transfer, LearntOn):
            check_backbone(self.backbone, num_classes=2, num_frames=frames, size=self.transfer.data.size)
            self.layer.check(self.transfer.data.size)
            is_fixed |= self.transfer.freeze
        if is_fixed and regularizer and regularizer.weight.kind == "gradient_ratio" and regularizer.lambda_ > 0:
            raise InputError(
                "regularizer.weight = 'gradient_ratio' compares gradients on the parameters of the attention, and "
                "this layer learns none; learn one, or use 'uncertainty' or 'fixed'"
            )


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What changes speed and place but, on one kind of device, no number.

    Attributes:
        device: ``auto`` takes CUDA where there is one.
        threads: Torch threads on the CPU. One a worker: two busy processes with two threads each are 25 times slower.
        compile: Run the backbone through ``torch.compile``. Worth it for long trainings on CUDA; untried there by us.
        loader_workers: Processes that read and decode.
        gradient_checkpointing: Hold no activations inside the stages of the backbone and compute them a second time for
            the gradient: less memory, about a quarter more time.
    """

    device: str = "auto"
    threads: int = 1
    compile: bool = False
    loader_workers: int = 0
    gradient_checkpointing: bool = False

    def torch_device(self) -> torch.device:
        """Raises InputError for a device that does not exist here."""
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"device '{self.device}' cannot be used here: {str(error).splitlines()[0]}; try 'cpu'"
            ) from error
        return device


def run_experiment(
    experiment: Experiment,
    seed: int,
    *,
    runtime: Runtime = Runtime(),
    checkpoint: Checkpointing | None = None,
    on_epoch: Listener = go_on,
    on_trained: Callable[[MotionPrompted, VideoSet], None] | None = None,
    on_predicted: Callable[[Predictions], None] | None = None,
) -> Outcome:
    """Train on train, measure on val after every epoch and on test once, at the end.

    Args:
        experiment: The configuration.
        seed: Start, order, sampling and dropout derive from it, each on a stream of its own.
        runtime: Device and threads.
        checkpoint: Resume from here, and keep it up to date.
        on_epoch: Called after every epoch with the epochs done and their figures; ends the run by returning a reason.
        on_trained: Called with the model that was tested and its data, at the end of a complete run.
        on_predicted: Called with what that model says of each validation and test video, at the end of a complete run.

    Returns:
        The outcome. A run whose loss or weights become non-finite ends as ``diverged`` with the reason and no metrics;
        one that `on_epoch` ended is ``stopped``, keeps its last figures, and was never tested.

    Raises:
        InputError: The configuration and the data do not fit (too few classes or frames, an empty split, ...).
    """
    data = load_data(experiment.data)
    common: dict[str, Any] = {"data": describe_data(data, [experiment]), "protocol": describe_protocol(experiment)}
    common["collapse_rule"] = COLLAPSE_RULE
    learnt: dict[str, torch.Tensor] = {}
    if isinstance(experiment.transfer, LearntOn):
        try:
            learnt = learnt_layer(functools.partial(_learn_first, experiment, seed, runtime), checkpoint)
        except _FirstDiverged as cause:
            reason = f"on the data that the layer was to be learnt on, {cause}"
            return Outcome(status="diverged", reason=reason, start={}, curves={}, **common)
    loaders = build_loaders(experiment, data, seed, runtime)
    trainer = build_trainer(experiment, data, seed, runtime)
    if isinstance(experiment.transfer, LearntOn):
        _bring_along(trainer.model, learnt, freeze=experiment.transfer.freeze)
    common["start"] = start_figures(trainer.model.layer)
    state = trainer.fit(loaders["train"], loaders["val"], checkpoint=checkpoint, on_epoch=on_epoch)
    common["curves"] = state.curves
    if state.diverged is not None:
        return Outcome(status="diverged", reason=state.diverged, **common)
    at = -1 if state.stopped is not None else state.selected - 1
    metrics = {name: values[at] for name, values in state.curves.items() if name not in ("epoch", "lr")}
    if state.stopped is not None:
        return Outcome(status="stopped", reason=state.stopped, metrics=metrics, **common)
    tested = trainer.evaluate(loaders["test"])
    metrics |= {f"test_{name}": tested.figures[name] for name in ("top1", "mean_class", "loss", "count")}
    if on_trained is not None:
        on_trained(trainer.model, data)
    if on_predicted is not None:
        assert state.log_probabilities is not None
        log_probabilities = {"val": state.log_probabilities, "test": tested.log_probabilities}
        on_predicted(predictions_of(data, {split: (loaders[split], log_probabilities[split]) for split in _MEASURED}))
    common["selected_epoch"] = state.selected
    return Outcome(status="complete", metrics=metrics, scores={"val": state.scores, "test": tested.scores}, **common)


class _FirstDiverged(Exception):
    """The first training of a transfer became non-finite; the message says where."""


def _learn_first(
    experiment: Experiment, seed: int, runtime: Runtime, checkpoint: Checkpointing | None
) -> dict[str, torch.Tensor]:
    """The weights of the layer after training on the other data of a transfer, with a backbone of its own."""
    assert isinstance(experiment.transfer, LearntOn)
    first = dataclasses.replace(experiment, data=experiment.transfer.data, transfer=NoTransfer())
    data = load_data(first.data)
    loaders = build_loaders(first, data, seed, runtime)
    trainer = build_trainer(first, data, seed, runtime)
    state = trainer.fit(loaders["train"], loaders["val"], checkpoint=checkpoint)
    if state.diverged is not None:
        raise _FirstDiverged(state.diverged)
    return {name: value.detach().cpu().clone() for name, value in trainer.model.layer.state_dict().items()}


def _bring_along(model: MotionPrompted, learnt: Mapping[str, torch.Tensor], *, freeze: bool) -> None:
    """Let the layer start from the weights that it learnt before, and keep them if they are frozen."""
    model.layer.load_state_dict(dict(learnt))
    if freeze:
        model.layer.requires_grad_(False)


def predictions_of(
    data: VideoSet, measured: Mapping[Literal["val", "test"], tuple[ClipLoader, torch.Tensor]]
) -> Predictions:
    """What a model says of each video, as plain data.

    Args:
        data: The videos.
        measured: For each split its loader and the log probabilities, (videos, classes), in the loader's order.
    """
    rows = [(split, data.videos[index]) for split, (loader, _) in measured.items() for index in loader.indices]
    scores = torch.cat([scores for _, scores in measured.values()]).float().numpy().astype("<f4")
    cuts = [video.interval for _, video in rows]
    return Predictions(
        classes=list(data.classes),
        clips=[video.id for _, video in rows],
        splits=[split for split, _ in rows],
        starts=[None if cut is None else float(cut.start) for cut in cuts],
        stops=[None if cut is None or math.isinf(cut.stop) else float(cut.stop) for cut in cuts],
        unit=next((cut.unit for cut in cuts if cut is not None), None),
        groups=[video.group for _, video in rows],
        tags=[dict(video.tags) for _, video in rows],
        labels=[video.label for _, video in rows],
        scores=base64.b64encode(scores.tobytes()).decode("ascii"),
    )


def build_trainer(experiment: Experiment, data: VideoSet, seed: int, runtime: Runtime) -> Trainer:
    """The layer in front of the backbone, ready to train. The start depends on the seed alone, so arms pair exactly."""
    torch.set_num_threads(runtime.threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    device, classes = runtime.torch_device(), len(data.classes)
    check_precision(experiment, device)
    # The backbone draws first: whatever the layer draws afterwards, every arm has the same backbone.
    torch.manual_seed(derive_seed(seed, "init"))
    model = build_model(
        experiment.backbone,
        experiment.layer,
        experiment.normalize,
        frames=experiment.sampling.num_frames,
        size=experiment.data.size,
        classes=classes,
    ).to(device)
    frozen = freeze_parameters(model.backbone, experiment.backbone.freeze, classes)
    if runtime.gradient_checkpointing:
        checkpoint_stages(model.backbone)
    if runtime.compile:
        model.backbone.compile()
    regularizer = experiment.regularizer if experiment.layer.has_attention else None
    return Trainer(
        model=model,
        regularizer=(regularizer or RegularizerConfig()).build().to(device),
        settings=experiment.train,
        num_classes=classes,
        normalization=experiment.normalize,
        seed=seed,
        device=device,
        frozen=frozen,
    )


def check_precision(experiment: Experiment, device: torch.device) -> None:
    """Raise `InputError` where a device does not train in the experiment's precision."""
    if experiment.train.precision == "float16" and device.type != "cuda":
        raise InputError(
            f"train.precision = float16 needs CUDA, and the device is {device.type}; use bfloat16 or float32"
        )


def build_model(
    backbone: BackboneConfig,
    layer: LayerConfig,
    normalize: NormalizeConfig,
    *,
    frames: int,
    size: int,
    classes: int,
) -> MotionPrompted:
    """The layer in front of the backbone, with weights from torch's random stream: the backbone draws first.

    Args:
        backbone, layer, normalize: Their settings.
        frames: That the backbone gets.
        size: Side of a clip in pixels.
        classes: Length of the logits.
    """
    network = build_backbone(backbone, num_classes=classes, num_frames=frames, size=size)
    if layer.channels > RGB:
        widen_stems(network, layer.channels)
    return MotionPrompted(network, layer.build(normalize.mean, normalize.std, maps=frames))


def build_loaders(experiment: Experiment, data: VideoSet, seed: int, runtime: Runtime) -> dict[SplitName, ClipLoader]:
    """A loader for each split. Raises InputError for an empty split."""
    frames = clip_frames(experiment)
    return {
        split: ClipLoader(
            data,
            split,
            sampling=experiment.sampling,
            frames=frames,
            size=experiment.data.size,
            batch_size=experiment.train.batch_size,
            seed=seed,
            augment=experiment.augment,
            test=experiment.test,
            workers=runtime.loader_workers,
        )
        for split in SPLITS
    }


def clip_frames(experiment: Experiment) -> int:
    """Frames that the sampler draws for a clip: what the backbone gets, and what the layer takes on top."""
    return experiment.sampling.num_frames + experiment.layer.extra_frames


def describe_data(data: VideoSet, experiments: Sequence[Experiment]) -> DataSummary:
    """What a result must say of its data: hash, decodable count, splits, classes, what is left out, what is wrong.

    Args:
        data: The videos.
        experiments: Those that draw clips from them; videos are too short if they are for any.
    """
    balance = balance_of(data)
    demands = {(experiment.sampling, clip_frames(experiment)) for experiment in experiments}
    lengths = [(video.split, video.num_frames, video.fps) for video in data.videos]
    counted = [(frames, short_videos(lengths, sampling, frames)) for sampling, frames in demands]
    frames, short = max(counted, key=lambda one: (sum(one[1].values()), one[0]), default=(None, {}))
    sentence = frames_notice(short, frames, len(data.videos)) if frames is not None else None
    return DataSummary(
        name=data.name,
        hash=data.fingerprint,
        splits={split: sum(video.split == split for video in data.videos) for split in SPLITS},
        classes=list(data.classes),
        decodable=len(data.videos),
        excluded=[Excluded(id=name, reason=reason) for name, reason in data.excluded],
        class_counts={split: [balance.get((name, split), 0) for name in data.classes] for split in SPLITS},
        groups=groups_of(data),
        notes=[*data.notes, *class_notices(data.classes, balance), *([sentence] if sentence else [])],
        clip_frames=frames,
        short=short,
    )


def describe_protocol(experiment: Experiment) -> Protocol:
    """How clips are drawn from the videos, for a reader of the results."""
    return Protocol(
        sampler=experiment.sampling.kind,
        frames=experiment.sampling.num_frames,
        rate=getattr(experiment.sampling, "rate", None),
        views=experiment.test.views,
        crops=experiment.test.crops,
    )
