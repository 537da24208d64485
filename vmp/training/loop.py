"""One training run: a model, two loaders and a seed in; curves and a status out.

Nothing here knows of studies, records or arms. A run resumed from its checkpoint ends with the same numbers as one that
was never interrupted: everything random is a function of (seed, epoch), so a checkpoint holds weights, optimiser state
and curves, and no generator state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import Choice, config
from vmp.core.metrics import METRICS
from vmp.core.outcome import Curves, Figures, Hits, Scores
from vmp.core.seeding import derive_seed
from vmp.data.loading import Batch, ClipLoader, NormalizeConfig, normalize
from vmp.layer.base import FramesOnly, PromptLayer
from vmp.layer.diagnostics import AttentionStatistics, attention_at_zero, is_collapsed
from vmp.layer.prompted import MotionPrompted, prompt_parameters
from vmp.training.accuracy import Accuracy
from vmp.training.checkpoint import load_checkpoint, save_checkpoint
from vmp.training.optim import OPTIMIZERS, AdamW, Optimizer
from vmp.training.regularizers import Regularizer

Listener = Callable[[int, Figures], str | None]
"""Told the epochs done and the figures of the last one; returns why the training is to stop, or None to go on."""


def go_on(epoch: int, figures: Figures) -> str | None:
    """The listener that never stops a training."""
    del epoch, figures
    return None


@config
class TrainConfig:
    """The training loop's settings.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Clips in a batch.
        accumulate: Batches whose gradients are added before the weights move (published: 8 clips x 8 = 64).
        select: The weights that are tested and kept: those after the ``last`` epoch, or those of the epoch with the
            highest accuracy on validation (``best_val``; the earliest of equals), which also names the figures.
        precision: ``float32``, or autocast around the forward pass to ``bfloat16``, or to ``float16`` with a scaled
            loss (CUDA only).
        optimizer: Optimiser, learning rates, schedule.
    """

    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 16
    accumulate: Annotated[int, Field(ge=1)] = 1
    select: Literal["last", "best_val"] = "last"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    optimizer: Annotated[Optimizer, Choice(OPTIMIZERS, "optimizer", default="adamw")] = AdamW()


@dataclass(kw_only=True)
class TrainingState:
    """Where a run stands.

    Attributes:
        epoch: Epochs done; every list of `curves` has as many entries.
        curves: Measured after each epoch: training figures, and validation figures with the attention's.
        scores: Validation hits after the last epoch, or after the selected one.
        log_probabilities: Of the validation videos, as of `scores`.
        best: The best epoch so far on validation, kept where the weights are selected by it.
        diverged: Where the loss or the weights became non-finite, or None.
        stopped: Why the listener ended the training early, or None.
    """

    epoch: int = 0
    curves: Curves = field(default_factory=dict)
    scores: Scores = field(default_factory=Scores)
    log_probabilities: Tensor | None = None
    diverged: str | None = None
    stopped: str | None = None
    best: Best | None = None

    @property
    def selected(self) -> int:
        """The epoch, counted from 1, whose weights the model holds at the end."""
        return self.best.epoch if self.best is not None else self.epoch


@dataclass(frozen=True, kw_only=True)
class Best:
    """The epoch with the highest validation accuracy: counted from 1, with its weights and what it gave there."""

    epoch: int
    top1: float
    weights: dict[str, Tensor]
    scores: Scores
    log_probabilities: Tensor


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """Where to keep the state of an unfinished run, and for whom.

    Attributes:
        path: The file.
        key: Names the run; a file with another key is somebody else's and is ignored.
        every_seconds: Shortest time between two writes: a kill loses at most this and one epoch.
    """

    path: Path
    key: str
    every_seconds: float = 30.0


class Evaluation(NamedTuple):
    """One split, measured.

    figures: ``top1``, ``mean_class``, ``loss``, ``count``, and the attention's figures: ``variation``,
        ``mean_attention``, ``log_mean_attention``, ``attention_std``, ``attention_at_zero``, ``slope``, ``shift``,
        ``m``, ``n``, ``collapsed``; None where the arm has no such thing.
    scores: hits by class and by stratum.
    log_probabilities: float32 (videos, classes), in the order of the loader.
    """

    figures: Figures
    scores: Scores
    log_probabilities: Tensor


class _Diverged(Exception):
    """The loss or the weights became non-finite; the message says where."""


class Losses(NamedTuple):
    """logits: ``(b, classes)``. task, total: losses without and with the regulariser. weight: the effective lambda."""

    logits: Tensor
    task: Tensor
    total: Tensor
    weight: float


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains and evaluates `model` under fixed settings.

    Attributes:
        model: On `device`; trained in place.
        regularizer: Adds lambda * V to the task's loss; its own parameters, if any, are trained too.
        settings: The loop's settings.
        num_classes: Classes of the data set.
        normalization: Channel statistics of the clips.
        seed: The cell's seed; order, flips and dropout derive from it.
        device: Where batches go.
        frozen: Modules of the model that stay in eval mode.
    """

    model: MotionPrompted
    regularizer: Regularizer
    settings: TrainConfig
    num_classes: int
    normalization: NormalizeConfig
    seed: int
    device: torch.device
    frozen: tuple[nn.Module, ...] = ()

    def fit(
        self,
        train_loader: ClipLoader,
        val_loader: ClipLoader,
        *,
        checkpoint: Checkpointing | None = None,
        on_epoch: Listener = go_on,
    ) -> TrainingState:
        """Train to the last epoch, measuring validation after each.

        Args:
            train_loader, val_loader: The two splits.
            checkpoint: Resumed from if it is there, and kept up to date.
            on_epoch: Called after every epoch; ends the training by returning a reason.

        Returns:
            The final state. With `TrainingState.diverged` set, training ended early and the weights are worthless.
        """
        optimizer = self.settings.optimizer.build(self.model, self.regularizer)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.settings.precision == "float16")
        state = self._resume(checkpoint, optimizer, scaler)
        saved = time.monotonic()
        while state.epoch < self.settings.epochs:
            try:
                figures = self._fit_epoch(train_loader, optimizer, scaler, state.epoch)
            except _Diverged as cause:
                state.diverged = str(cause)
                break
            state.epoch += 1
            validated = self.evaluate(val_loader)
            state.scores, state.log_probabilities = validated.scores, validated.log_probabilities
            if self.settings.select == "best_val":
                state.best = self._better(state, validated)
            figures |= {"epoch": state.epoch} | _named(validated.figures, "val")
            for name, value in figures.items():
                state.curves.setdefault(name, []).append(value)
            reason = on_epoch(state.epoch, figures)
            if reason is not None and state.epoch < self.settings.epochs:
                state.stopped = reason
                break
            if (
                checkpoint
                and state.epoch < self.settings.epochs
                and time.monotonic() - saved >= checkpoint.every_seconds
            ):
                saved = time.monotonic()
                self._save(checkpoint, optimizer, scaler, state)
        if state.best is not None and state.diverged is None and state.stopped is None:
            self.model.load_state_dict(state.best.weights)
            state.scores, state.log_probabilities = state.best.scores, state.best.log_probabilities
        return state

    def _better(self, state: TrainingState, validated: Evaluation) -> Best:
        """The best epoch with this one counted."""
        top1 = float(validated.figures["top1"] or 0.0)
        if state.best is not None and state.best.top1 >= top1:
            return state.best
        weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        return Best(
            epoch=state.epoch,
            top1=top1,
            weights=weights,
            scores=validated.scores,
            log_probabilities=validated.log_probabilities,
        )

    def _fit_epoch(
        self, loader: ClipLoader, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, epoch: int
    ) -> Figures:
        settings = self.settings
        self.model.train()
        for part in self.frozen:
            part.eval()
        torch.manual_seed(derive_seed(self.seed, "dropout", epoch))
        accuracy, mean = Accuracy(self.num_classes), _Means()
        factor = 0.0
        for step, batch in enumerate(loader.epoch(epoch)):
            if step % settings.accumulate == 0:
                now = epoch + min(step + settings.accumulate, len(loader)) / len(loader)
                factor = settings.optimizer.set_learning_rate(optimizer, epoch=now, epochs=settings.epochs)
            losses = self.losses(batch, progress=(epoch + step / len(loader)) / settings.epochs)
            total = losses.total.item()
            if not math.isfinite(total):
                raise _Diverged(f"the training loss became {total} in epoch {epoch + 1}, batch {step + 1}")
            if losses.total.requires_grad:  # else everything is frozen and the layer learns nothing
                scaler.scale(losses.total / settings.accumulate).backward()
                if (step + 1) % settings.accumulate == 0 or step + 1 == len(loader):
                    self._move(optimizer, scaler)
            accuracy.update(losses.logits.detach(), batch.labels.to(self.device))
            figures = {"train_loss": total, "task_loss": losses.task.item(), "lambda": losses.weight}
            mean.add(len(batch.labels), **figures)
            mean.add_tensors(frame_gap_seconds=batch.gap_seconds, duplicate_frame_ratio=batch.duplicate_ratio)
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self._parameters()):
            raise _Diverged(f"the weights became non-finite in epoch {epoch + 1}")
        return mean.compute() | {"train_top1": accuracy.top1, "lr": settings.optimizer.lr * factor}

    def _move(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """Let the gradients that have come together move the weights."""
        if self.settings.optimizer.clip_norm is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self._parameters(), self.settings.optimizer.clip_norm)
        scaler.step(optimizer)  # leaves the weights as they are where scaled gradients overflowed
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def losses(self, batch: Batch, *, progress: float = 0.0) -> Losses:
        """What one training batch gives, `progress` (in [0, 1]) into the training."""
        with self._autocast():
            out = self.model.layer(self._clip(batch))
            logits = self.model.classify(out.prompt)
        task = nn.functional.cross_entropy(logits.float(), batch.labels.to(self.device))
        own, curve = prompt_parameters(self.model), self.model.layer.curve
        total, weight = self.regularizer(task, out, progress=progress, parameters=own, curve=curve)
        return Losses(logits, task, total, weight)

    def _parameters(self) -> list[nn.Parameter]:
        """All that is trained: the model's parameters, and those of a regulariser that learns its weight."""
        return [*self.model.parameters(), *self.regularizer.parameters()]

    @torch.no_grad()
    def evaluate(self, loader: ClipLoader) -> Evaluation:
        """Accuracy, loss and attention of one split; several clips of a video are averaged by their probabilities."""
        self.model.eval()
        accuracy, attention, mean = Accuracy(self.num_classes), AttentionStatistics(), _Means()
        every: list[Tensor] = []
        correct: list[Tensor] = []
        for batch in loader.epoch(0):
            with self._autocast():
                prompt, maps, variation = self.model.layer(self._clip(batch))
                logits = self.model.classify(prompt)
            labels = batch.labels.to(self.device)
            scores = average_views(logits.float(), len(labels))
            accuracy.update(scores, labels)
            every.append(scores.cpu())
            correct.append((scores.argmax(1) == labels).cpu())
            attention.update(maps)
            mean.add(len(labels), loss=nn.functional.nll_loss(scores, labels).item())
            if variation is not None:
                mean.add(len(labels), variation=float(variation))
        figures: Figures = {"top1": accuracy.top1, "mean_class": accuracy.mean_class, "count": accuracy.total}
        hits = torch.cat(correct)
        strata = {
            tag: Hits(correct=int(hits[members].sum()), total=len(members)) for tag, members in loader.strata().items()
        }
        return Evaluation(
            figures | _layer_figures(self.model.layer, attention, mean.compute()),
            Scores(classes=accuracy.by_class, strata=strata),
            torch.cat(every),
        )

    def _clip(self, batch: Batch) -> Tensor:
        return prepare_clip(batch.frames, self.model.layer, self.normalization, self.device)

    def _autocast(self) -> torch.autocast:
        dtype = getattr(torch, self.settings.precision)
        reduced = dtype != torch.float32
        return torch.autocast(self.device.type, dtype if reduced else torch.bfloat16, enabled=reduced)

    def _save(
        self,
        checkpoint: Checkpointing,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        state: TrainingState,
    ) -> None:
        content: dict[str, Any] = {"key": checkpoint.key, "epoch": state.epoch, "curves": state.curves}
        content |= {"model": self.model.state_dict(), "regularizer": self.regularizer.state_dict()}
        content |= {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}
        if state.best is not None:
            content["best"] = vars(state.best) | {"scores": state.best.scores.model_dump(mode="json")}
        save_checkpoint(checkpoint.path, content)

    def _resume(
        self, checkpoint: Checkpointing | None, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
    ) -> TrainingState:
        if checkpoint is None or not checkpoint.path.is_file():
            return TrainingState()
        saved = load_checkpoint(checkpoint.path, device=self.device)
        if saved.get("key") != checkpoint.key:
            return TrainingState()
        self.model.load_state_dict(saved["model"])
        self.regularizer.load_state_dict(saved["regularizer"])
        optimizer.load_state_dict(saved["optimizer"])
        scaler.load_state_dict(saved["scaler"])
        best = saved.get("best")
        if best is not None:
            best = Best(**best | {"scores": Scores(**best["scores"])})
        return TrainingState(epoch=saved["epoch"], curves=saved["curves"], best=best)


def prepare_clip(frames: Tensor, layer: PromptLayer, statistics: NormalizeConfig, device: torch.device) -> Tensor:
    """What a layer gets of uint8 frames ``(b, t, h, w, 3)``: ``(b, 3, t, h, w)``, normalised unless it reads bytes."""
    frames = frames.to(device, non_blocking=True)
    if layer.reads_bytes(statistics.mean, statistics.std):
        return frames.permute(0, 4, 1, 2, 3)
    return normalize(frames, statistics)


def average_views(logits: Tensor, videos: int) -> Tensor:
    """Log of the mean probability over a video's clips, ``(videos, classes)``, from ``(videos * clips, classes)``."""
    clips = logits.log_softmax(-1).reshape(videos, -1, logits.shape[-1])
    return clips.logsumexp(1) - math.log(clips.shape[1])


class _Means:
    """Means over clips of figures that arrive batch by batch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._clips: dict[str, int] = {}

    def add(self, clips: int, **figures: float) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * clips
            self._clips[name] = self._clips.get(name, 0) + clips

    def add_tensors(self, **figures: Tensor) -> None:
        for name, values in figures.items():
            self.add(len(values), **{name: float(values.double().mean())})

    def compute(self) -> Figures:
        return {name: total / self._clips[name] for name, total in self._sums.items()}


@torch.no_grad()
def start_figures(layer: nn.Module) -> Figures:
    """What a layer starts from, before any data: slope, shift, m, n, attention at rest; empty for the controls."""
    if isinstance(layer, FramesOnly) or not isinstance(layer, PromptLayer):
        return {}
    figures: Figures = {
        name: float(getattr(layer, name).detach().mean()) for name in _PARAMETERS if hasattr(layer, name)
    }
    return {name: _finite(value) for name, value in (figures | {"attention_at_zero": attention_at_zero(layer)}).items()}


_PARAMETERS = ("slope", "shift", "m", "n")
_ATTENTION = (
    "variation",
    "mean_attention",
    "log_mean_attention",
    "attention_std",
    "attention_at_zero",
    "collapsed",
    *_PARAMETERS,
)


def _layer_figures(layer: nn.Module, attention: AttentionStatistics, means: Figures) -> Figures:
    """`means` with what there is to say of the layer's attention; None for what the arm does not have."""
    figures: Figures = dict.fromkeys(_ATTENTION) | means
    if isinstance(layer, FramesOnly) and not layer.drop_first:
        return figures | {"variation": None}
    measured = attention.as_dict()
    figures |= {name: measured[name] for name in ("mean_attention", "log_mean_attention", "attention_std")}
    if isinstance(layer, PromptLayer):
        figures["attention_at_zero"] = attention_at_zero(layer)
    if prompt_parameters(layer):  # what is not learnt cannot collapse: a control is constant by definition
        figures["collapsed"] = is_collapsed(measured["mean_attention"], measured["attention_std"])
    if not isinstance(layer, FramesOnly):
        figures |= {name: float(getattr(layer, name).detach().mean()) for name in _PARAMETERS if hasattr(layer, name)}
    return {name: _finite(value) for name, value in figures.items()}


def _finite(value: float | int | bool | None) -> float | int | bool | None:
    """`value`, or None where it is infinite or undefined: records are plain JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _named(figures: Figures, split: str) -> Figures:
    """An evaluation's figures under the names that `METRICS` has for this split."""
    own = ("top1", "mean_class", "loss", "count")
    named = {f"{split}_{name}": value for name, value in figures.items() if name in own}
    return {name: value for name, value in (named | figures).items() if name in METRICS}
