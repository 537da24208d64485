"""What a plan will cost, measured: a few training steps of each kind of cell, multiplied out.

Kinds of cells over the same data set are measured one after the other, so that each data set is opened once.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch

from sweeps.describe import describe_factors
from sweeps.plan import Task
from vmp.backbones.registry import DesignedBackbone
from vmp.core.config import shown
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.text import size_in_words
from vmp.data.base import VideoSet
from vmp.data.loading import ClipLoader
from vmp.data.registry import SPLITS, AnyData, load_data
from vmp.experiment import Experiment, Runtime, build_loaders, build_trainer
from vmp.identity import data_sets
from vmp.training.loop import Trainer
from vmp.transfer import LearntOn, NoTransfer

_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How much of a backbone learns.

    Attributes:
        kind, freeze: As in its settings.
        parameters: Of the backbone. trainable: Those of them that learn.
        note: What does not fit a checkpoint that is given, as a sentence; empty where nothing is known.
    """

    kind: str
    freeze: str
    parameters: int
    trainable: int
    note: str = ""

    def line(self) -> str:
        """As text."""
        if self.trainable == self.parameters:
            share = "all of which learn"
        else:
            number = f"{self.trainable:,}" if self.trainable else "none"
            share = f"of which {number} learn (freeze: {self.freeze})"
        note = f"\n  Note: {self.note}" if self.note else ""
        return f"Backbone {self.kind}: {self.parameters:,} parameters, {share}{note}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What cells take on one worker.

    Attributes:
        seconds: By the cell's hash, without what a worker's first cell takes on top.
        start: Seconds until a worker trains at full speed: imports, opening the data, the first step.
        memory: Bytes that a worker holds to itself, the largest of all cells; mapped clips are shared and not counted.
        device_memory: Bytes on the GPU, the largest of all cells; None on the CPU.
        backbones: What each of them learns.
    """

    seconds: Mapping[str, float]
    start: float
    memory: int
    device_memory: int | None = None
    backbones: Sequence[Learning] = ()

    def wall_seconds(self, tasks: Iterable[Task], workers: int) -> float:
        """Seconds until all tasks are done, each worker taking the next one."""
        busy = [self.start] * workers
        for task in tasks:
            heapq.heapreplace(busy, busy[0] + self.seconds[task.hash])
        return max(busy)


def estimate_cost(
    tasks: Sequence[Task], *, runtime: Runtime | None = None, progress: Callable[[int, int, str], None] | None = None
) -> Cost:
    """Measure what each task will take on one worker.

    Tasks that differ in numbers only (seed, lambda, m, n, learning rates) cost the same and are measured once. Reading
    the data is part of the measurement; each data set is opened once.

    Args:
        tasks: The cells.
        runtime: Where they will run.
        progress: Called before each step with how many kinds of cells are measured, how many there are, and what is
            measured now.

    Raises:
        InputError: A task cannot run at all: wrong data, frames that do not fit the backbone, an absent device, more
            memory than there is.
    """
    runtime, progress = runtime or Runtime(), progress or _no_progress
    kinds = [_kind(task.settings) for task in tasks]
    first_tasks: dict[str, Task] = {}
    for kind, task in zip(kinds, tasks, strict=True):
        first_tasks.setdefault(kind, task)
    experiments = {kind: task.experiment() for kind, task in first_tasks.items()}
    measured: dict[str, _Measured] = {}
    opened: dict[AnyData, _Opened] = {}
    for kind in _by_data(experiments):
        experiment, arm = experiments[kind], describe_factors(first_tasks[kind].factors)
        needed = dict.fromkeys(data_sets(experiment).values())
        for data in needed.keys() - opened.keys():
            progress(len(measured), len(experiments), f"opening the data set {data.kind} for {arm}")
        opened = {data: opened[data] if data in opened else _open(data) for data in needed}
        progress(len(measured), len(experiments), f"training a few steps of {arm}")
        measured[kind] = _measure(experiment, opened, runtime)
    every = [measured[kind] for kind in experiments]
    on_device = [one.device_memory for one in every if one.device_memory is not None]
    return Cost(
        seconds={task.hash: measured[kind].seconds for kind, task in zip(kinds, tasks, strict=True)},
        start=_import_seconds() + max((one.first for one in every), default=0.0),
        memory=max((one.memory for one in every), default=0),
        device_memory=max(on_device, default=None),
        backbones=tuple(dict.fromkeys(one.learning for one in every)),
    )


def _no_progress(done: int, total: int, what: str) -> None:
    del done, total, what


def _by_data(experiments: Mapping[str, Experiment]) -> list[str]:
    """The kinds in their order, but those over the same data sets one after the other."""
    together: dict[tuple[AnyData, ...], list[str]] = {}
    for kind, experiment in experiments.items():
        together.setdefault(tuple(data_sets(experiment).values()), []).append(kind)
    return list(itertools.chain.from_iterable(together.values()))


def refuse_too_much(cost: Cost, workers: int) -> None:
    """Refuse workers that cannot be held in memory together.

    Raises:
        InputError: Says what they need and what there is.
    """
    total = psutil.virtual_memory().total
    if workers * cost.memory > total:
        fitting = total // cost.memory
        way = f"use --workers {fitting} at most" if fitting else "use a smaller train.batch_size or data.size"
        raise InputError(
            f"--workers {workers}: each holds about {size_in_words(cost.memory)}, together more than the "
            f"{size_in_words(total)} of this machine; {way}"
        )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """seconds: of a cell. first: what a worker's first cell takes on top. memory, device_memory: bytes.

    learning: Parameters of the backbone, and how many of them learn.
    """

    learning: Learning
    seconds: float
    first: float
    memory: int
    device_memory: int | None


def _kind(settings: dict[str, Any]) -> str:
    """What decides the cost of a cell: its settings without the numbers of the layer, the loss and the optimiser."""
    plain = {name: _words(value) if name in ("layer", "regularizer") else value for name, value in settings.items()}
    plain["train"] = {k: v for k, v in settings["train"].items() if k != "optimizer"}
    return canonical_json(plain)


def _words(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {key: _words(value) for key, value in settings.items()}
    return settings if isinstance(settings, str | bool) else None


@functools.cache
def _import_seconds() -> float:
    """How long a new process takes to load what a worker needs."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "import sweeps.executors.cell"], check=True)
    return time.perf_counter() - started


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A data set, and the seconds that a worker takes to open it."""

    videos: VideoSet
    seconds: float


def _open(data: AnyData) -> _Opened:
    load_data(data)  # decodes what is not in the cache yet: that happens once, and not in each worker
    started = time.perf_counter()
    videos = data.load()
    videos.read(0, np.array([0]))  # what is rendered is rendered now
    return _Opened(videos=videos, seconds=time.perf_counter() - started)


def _measure(experiment: Experiment, opened: Mapping[AnyData, _Opened], runtime: Runtime) -> _Measured:
    """What a cell takes, with the training on other data that goes before some."""
    second = _measure_training(experiment, opened[experiment.data], runtime)
    if not isinstance(experiment.transfer, LearntOn):
        return second
    own = dataclasses.replace(experiment, data=experiment.transfer.data, transfer=NoTransfer())
    first = _measure_training(own, opened[own.data], runtime)
    return dataclasses.replace(
        second,
        seconds=first.seconds + second.seconds,
        first=max(first.first, second.first),
        memory=max(first.memory, second.memory),
        device_memory=max((one.device_memory for one in (first, second) if one.device_memory), default=None),
    )


def _measure_training(experiment: Experiment, opened: _Opened, runtime: Runtime) -> _Measured:
    data = opened.videos
    device = runtime.torch_device()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    loaders = build_loaders(experiment, data, 0, runtime)
    trainer = build_trainer(experiment, data, 0, runtime)
    built = time.perf_counter() - started
    steps = _seconds_of_steps(experiment, trainer, loaders["train"])
    step = sum(steps[1:]) / len(steps[1:]) if len(steps) > 1 else steps[0]
    evaluation = _seconds_of_evaluation(trainer, loaders["val"])
    memory = int(psutil.Process().memory_full_info().uss)
    train, val, test = (len(loaders[split]) for split in SPLITS)
    parameters = [(parameter.numel(), parameter.requires_grad) for parameter in trainer.model.backbone.parameters()]
    return _Measured(
        learning=Learning(
            kind=experiment.backbone.kind,
            freeze=experiment.backbone.freeze,
            parameters=sum(number for number, _ in parameters),
            trainable=sum(number for number, learns in parameters if learns),
            note=_other_statistics(experiment),
        ),
        seconds=built + experiment.train.epochs * (train * step + val * evaluation) + test * evaluation,
        first=opened.seconds + max(steps[0] - step, 0.0),
        memory=memory,
        device_memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
    )


def _other_statistics(experiment: Experiment) -> str:
    """Whether clips are normalised in another way than those that the public weights of this backbone have seen."""
    backbone, own = experiment.backbone, experiment.normalize
    if not isinstance(backbone, DesignedBackbone) or backbone.checkpoint is None:
        return ""
    mean, std = backbone.design.mean, backbone.design.std
    if mean is None or std is None or (mean, std) == (own.mean, own.std):
        return ""
    return (
        f"public weights of {backbone.kind} were trained with normalize.mean {shown(mean)} and std {shown(std)}; this "
        f"study has {shown(own.mean)} and {shown(own.std)}"
    )


def _seconds_of_steps(experiment: Experiment, trainer: Trainer, loader: ClipLoader) -> list[float]:
    """Of the first training steps; the first of them warms up."""
    optimizer = experiment.train.optimizer.build(trainer.model, trainer.regularizer)
    seconds = []
    started = time.perf_counter()
    for batch in itertools.islice(loader.epoch(0), _STEPS + 1):
        total = trainer.losses(batch).total
        if total.requires_grad:
            total.backward()
        optimizer.step()
        optimizer.zero_grad()
        _wait(trainer)
        now = time.perf_counter()
        seconds.append(now - started)
        started = now
    return seconds


def _seconds_of_evaluation(trainer: Trainer, loader: ClipLoader) -> float:
    """Of the second batch where there are two, since the first warms up."""
    seconds = 0.0
    trainer.model.eval()
    started = time.perf_counter()
    for batch in itertools.islice(loader.epoch(0), 2):
        with torch.no_grad():
            trainer.losses(batch)
        _wait(trainer)
        now = time.perf_counter()
        seconds, started = now - started, now
    return seconds


def _wait(trainer: Trainer) -> None:
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
