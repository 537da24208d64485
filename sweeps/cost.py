"""What a plan will cost, measured: a few training steps of each kind of cell, multiplied out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import torch

from sweeps.plan import Task
from vmp.core.config import from_plain
from vmp.core.fingerprint import canonical_json
from vmp.data.registry import SPLITS, load_data
from vmp.experiment import Experiment, Runtime, build_loaders, build_trainer

_STEPS = 3


def estimate_seconds(tasks: Sequence[Task], *, runtime: Runtime | None = None) -> dict[str, float]:
    """Seconds that each task will take on one worker, by its hash.

    Tasks that differ in numbers only (seed, lambda, m, n, learning rates) cost the same and are measured once, so this
    takes seconds; reading the data is part of the measurement.

    Raises:
        InputError: A task cannot run at all: wrong data, frames that do not fit the backbone, an absent device.
    """
    measured: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for task in tasks:
        kind = _kind(task.settings)
        if kind not in measured:
            measured[kind] = _measure(
                from_plain(Experiment, task.settings, source=f"cell {task.hash}"), runtime or Runtime()
            )
        seconds[task.hash] = measured[kind]
    return seconds


def _kind(settings: dict[str, Any]) -> str:
    """What decides the cost of a cell: its settings without the numbers of the layer, the loss and the optimiser."""
    plain = {name: _words(value) if name in ("layer", "regularizer") else value for name, value in settings.items()}
    plain["train"] = {k: v for k, v in settings["train"].items() if k != "optimizer"}
    return canonical_json(plain)


def _words(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {key: _words(value) for key, value in settings.items()}
    return settings if isinstance(settings, str | bool) else None


def _measure(experiment: Experiment, runtime: Runtime) -> float:
    data = load_data(experiment.data)
    loaders = build_loaders(experiment, data, 0, runtime)
    trainer = build_trainer(experiment, data, 0, runtime)
    optimizer = experiment.train.optimizer.build(trainer.model, trainer.regularizer)
    started = 0.0
    for number, batch in enumerate(itertools.islice(loaders["train"].epoch(0), _STEPS + 1)):
        if number == 1:  # the first one warms up
            started = time.perf_counter()
        trainer.losses(batch).total.backward()
        optimizer.step()
        optimizer.zero_grad()
    steps = min(_STEPS, len(loaders["train"]) - 1)
    step = (time.perf_counter() - started) / steps if steps else 0.0
    started = time.perf_counter()
    with torch.no_grad():
        trainer.model.eval()
        trainer.losses(next(iter(loaders["val"].epoch(0))))
    evaluation = time.perf_counter() - started
    train, val, test = (len(loaders[split]) for split in SPLITS)
    return experiment.train.epochs * (train * step + val * evaluation) + test * evaluation
