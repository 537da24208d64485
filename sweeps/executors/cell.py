"""Computes one cell: the only place where a task becomes numbers. Every executor calls `run_cell` in some process."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import itertools
import math
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import psutil
import torch

from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord, Hardware, Provenance
from sweeps.weights import write_model
from vmp.core.errors import InputError
from vmp.core.fingerprint import combined, fingerprint
from vmp.core.outcome import Outcome, Predictions
from vmp.data.base import VideoSet
from vmp.data.registry import AnyData, load_data
from vmp.experiment import Experiment, Runtime, run_experiment
from vmp.identity import code_of, data_sets, identity, outside_files
from vmp.layer.kernels.registry import native_works
from vmp.layer.prompted import MotionPrompted
from vmp.training.checkpoint import save_checkpoint
from vmp.training.loop import Checkpointing, Listener, go_on

CHECKPOINT_SECONDS = 30.0
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

_CELLS = itertools.count()
"""Numbers the cells that this process computes."""


def run_cell(
    task: Task,
    *,
    runtime: Runtime,
    engine: str,
    checkpoints: Path | None = None,
    models: Path | None = None,
    on_epoch: Listener = go_on,
    on_predicted: Callable[[Predictions], None] | None = None,
) -> CellRecord:
    """Run a task to its record. An error inside becomes a ``failed`` record: one cell never takes the study down.

    Args:
        task: The cell.
        runtime: Device, threads and reading processes.
        engine: Name of the executor, for the record.
        checkpoints: Folder for the state of unfinished cells; a killed cell goes on from there.
        models: Folder for the trained model; None keeps none. Where it cannot be written, the cell is complete without.
        on_epoch: Called after every epoch; ends the cell by returning a reason.
        on_predicted: Called with what the model says of each video, once the cell is complete.
    """
    number, code = next(_CELLS), None
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    checkpoint = None
    if checkpoints:
        path = checkpoints / f"{task.hash}.pt"
        checkpoint = Checkpointing(path=path, key=task.hash, every_seconds=CHECKPOINT_SECONDS)
    try:
        experiment = task.experiment()
        if (code := fingerprint(code_of(experiment))) != task.code:
            raise InputError(
                f"the code on {platform.node()} is not the code that the sweep was planned with; was it edited "
                "meanwhile, or is another version installed there? Run the same command again"
            )
        _refuse_other_files(task, experiment)
        run = functools.partial(
            run_experiment,
            experiment,
            task.seed,
            runtime=runtime,
            on_epoch=on_epoch,
            on_predicted=on_predicted,
            on_trained=functools.partial(_keep_model, models, task, experiment) if models is not None else None,
        )
        outcome = _run_saving(run, checkpoint)
    except InputError as error:
        outcome = Outcome(status="failed", reason=str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{Path(where.filename).name}:{where.lineno}"
        outcome = Outcome(status="failed", reason=f"{type(error).__name__} at {at}: {error}")
        traceback.print_exc()
    provenance = environment(engine, runtime).model_copy(
        update={
            "started": started.isoformat(timespec="seconds"),
            "code": code,
            "seconds": round(time.monotonic() - clock, 3),
            "first_of_worker": number == 0,
        }
    )
    return CellRecord(
        hash=task.hash,
        science=task.science,
        factors=task.factors,
        seed=task.seed,
        settings=task.settings,
        provenance=provenance,
        **dict(outcome),
    )


def _run_saving(run: Callable[..., Outcome], checkpoint: Checkpointing | None) -> Outcome:
    """Run with a state to go on from; where none can be written any more, to the end from the last one without."""
    try:
        return run(checkpoint=checkpoint)
    except (OSError, RuntimeError) as error:
        if checkpoint is None or not _while_saving(error):
            raise
        print(f"warning: cell {checkpoint.key} goes on without saving its state, which cannot be written: {error}")
        return run(checkpoint=dataclasses.replace(checkpoint, every_seconds=math.inf))


def _refuse_other_files(task: Task, experiment: Experiment) -> None:
    """Refuse videos or checkpoints that are not those of the plan, as on a machine that has others under their path.

    The data are in memory for the cell anyway, and their hash is that of what was decoded: nothing is read twice.
    """
    if combined(fingerprint(identity(experiment, task.settings)), task.seed) == task.science:
        return
    files = [_found(settings) for settings in data_sets(experiment).values()]
    files += [f"'{path}'" for path in outside_files(experiment).values()]
    raise InputError(
        f"the files on {platform.node()} are not those that the sweep was planned with: {', '.join(files)}; put the "
        "same files there, or plan anew by running the same command again"
    )


def _found(settings: AnyData) -> str:
    """A data set as it is here, for a message."""
    data, place = load_data(settings), getattr(settings, "path", None) or getattr(settings, "train", None)
    where = f" ({place})" if isinstance(place, str) else ""
    return f"data '{data.name}'{where} with the hash {data.fingerprint}"


def _while_saving(error: BaseException) -> bool:
    """Whether an error comes from writing a checkpoint: a full disk, or a folder that may not be written."""
    return any(frame.name == save_checkpoint.__name__ for frame in traceback.extract_tb(error.__traceback__))


def _keep_model(folder: Path, task: Task, experiment: Experiment, model: MotionPrompted, data: VideoSet) -> None:
    try:
        write_model(folder, task, experiment, model, data)
    except Exception:  # an hour of training is not lost for a full disk: the sweep says that the model is not there
        print(f"the model of cell {task.hash} cannot be written:", file=sys.stderr)
        traceback.print_exc()


@functools.cache
def environment(engine: str, runtime: Runtime) -> Provenance:
    """What makes a record, as far as it is the same for every cell of this process."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    commit, dirty = _commit()
    return Provenance(
        engine=engine,
        versions=versions,
        kernel="native" if native_works() else "blocked",
        commit=commit,
        dirty=dirty,
        hardware=_hardware(runtime),
        threads=runtime.threads,
        compile=runtime.compile,
        loader_workers=runtime.loader_workers,
        gradient_checkpointing=runtime.gradient_checkpointing,
    )


def _commit() -> tuple[str | None, bool | None]:
    """Commit of this checkout and whether it was changed; None for an installed package or without git."""
    folder = Path(__file__).parent.parent
    try:
        run = functools.partial(subprocess.run, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        if Path(run(["git", "rev-parse", "--show-toplevel"]).stdout.strip()).resolve() != folder.parent.resolve():
            return None, None  # somebody else's repository around a virtual environment
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = run(["git", "status", "--porcelain", "--", "../vmp", "../sweeps"]).stdout
        return commit, bool(changed)
    except (OSError, subprocess.SubprocessError):
        return None, None


def _hardware(runtime: Runtime) -> Hardware:
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    memory = round(psutil.virtual_memory().total / 2**30)
    try:
        device = runtime.torch_device()
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    except InputError:  # the cell's own reason says so
        name = runtime.device
    return Hardware(cpu=cpu, cores=os.cpu_count(), memory_gib=memory, device=name)
