"""Computes one cell: the only place where a task becomes numbers. Every executor calls `run_cell` in some process."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from sweeps.plan import Task, code_hash
from sweeps.record import FORMAT, CellRecord
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.experiment import Experiment, Runtime, run_experiment
from vmp.layer.kernels.registry import native_works
from vmp.training.loop import Checkpointing

_PACKAGES = (
    "video-motion-prompts",
    "torch",
    "torchvision",
    "pytorchvideo",
    "transformers",
    "av",
    "numpy",
    "optuna",
    "ray",
)


def run_cell(
    task: Task,
    *,
    runtime: Runtime,
    engine: str,
    checkpoints: Path | None = None,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> CellRecord:
    """Run a task to its record. An error inside becomes a ``failed`` record: one cell never takes the study down.

    Args:
        task: The cell.
        runtime: Device and threads of this process.
        engine: Name of the executor, for the record.
        checkpoints: Folder for the state of unfinished cells; a killed cell goes on from there.
        on_epoch: Called with the number of epochs done.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    checkpoint = Checkpointing(path=checkpoints / f"{task.hash}.pt", key=task.hash) if checkpoints else None
    content: dict[str, Any]
    try:
        experiment = from_plain(Experiment, task.settings, source=f"cell {task.hash}")
        outcome = run_experiment(experiment, task.seed, runtime=runtime, checkpoint=checkpoint, on_epoch=on_epoch)
        content = {name: getattr(outcome, name) for name in ("status", "reason", "metrics", "curves", "data")}
    except InputError as error:
        content = {"status": "failed", "reason": str(error)}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{Path(where.filename).name}:{where.lineno}"
        content = {"status": "failed", "reason": f"{type(error).__name__} at {at}: {error}"}
        traceback.print_exc()
    provenance = {
        **environment(),
        "hardware": {**_hardware(), "device": _device_name(runtime)},
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "engine": engine,
    }
    return CellRecord(
        hash=task.hash, factors=task.factors, seed=task.seed, settings=task.settings, provenance=provenance, **content
    )


@functools.cache
def environment() -> dict[str, Any]:
    """What made a record, as far as it is the same for every cell of this process."""
    versions = {"python": platform.python_version(), "layer kernel": "native" if native_works() else "blocked"}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "code": code_hash(), "format": FORMAT, **_commit()}


def _commit() -> dict[str, Any]:
    """Commit of this checkout and whether it was changed; None for an installed package or without git."""
    folder = Path(__file__).parent
    try:
        run = functools.partial(subprocess.run, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        if Path(run(["git", "rev-parse", "--show-toplevel"]).stdout.strip()).resolve() != folder.parent.resolve():
            return {"commit": None, "dirty": None}  # somebody else's repository around a virtual environment
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        return {"commit": commit, "dirty": bool(run(["git", "status", "--porcelain", "--", "vmp", "sweeps"]).stdout)}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


@functools.cache
def _hardware() -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30)}


def _device_name(runtime: Runtime) -> str:
    device = runtime.torch_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
