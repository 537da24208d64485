"""Drives a study to its end: plan, lock, execute what is missing, record. The same call again repeats nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from sweeps.cell_needs import Machine, cells_that_fit, split_devices
from sweeps.confirm import plan_confirmation
from sweeps.executors.base import Resources
from sweeps.executors.registry import make_executor
from sweeps.full_disk import said_when_full
from sweeps.limits import LimitReached, Limits
from sweeps.ownership import Ownership
from sweeps.propose.base import Proposer
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.records.plan_record import confirmation_plan
from sweeps.records.study_folder import StudyFolder
from sweeps.session import Listener, Session, go_on
from sweeps.shards import Shard
from sweeps.status import StudyStatus, read_status
from sweeps.stop.config import is_comparing
from sweeps.study import Study
from sweeps.track.console import Reporter, silent
from sweeps.track.registry import make_trackers
from sweeps.weights import MODELS_FOLDER, Keep
from vmp.backbones.registry import DesignedBackbone
from vmp.core.errors import InputError
from vmp.core.extras import require
from vmp.core.text import count
from vmp.experiment import Runtime, check_precision

if TYPE_CHECKING:
    from sweeps.stop.rule import StopRule

NO_LIMITS = Limits()


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    runtime: Runtime | None = None,
    search: SearchSettings | None = None,
    reporter: Reporter = silent,
    listener: Listener = go_on,
    only: Literal["failed"] | None = None,
    limits: Limits = NO_LIMITS,
    reuse: Sequence[str | Path] = (),
    accept_code: bool = False,
    keep_weights: Keep = "chosen",
    track: Sequence[str] = (),
    storage: str | None = None,
    clips: bool = True,
    shard: Shard | None = None,
) -> StudyStatus:
    """Run the missing cells of `study`.

    Args:
        study: The definition.
        out: The study's folder; made if need be.
        workers: Cells at a time.
        engine: A key of `sweeps.executors.registry.EXECUTORS`.
        runtime: Device, threads and reading processes of each worker; no part of a cell's identity.
        search: How arms are proposed; None for what the study says.
        reporter: Shown the plan and every event.
        listener: Asked after every epoch of a cell whether it is to go on. A stopped cell is final.
        only: ``failed`` runs the planned cells that failed, and no others.
        limits: What this run may use, and the order of its cells.
        reuse: Folders of other studies, whose finished records of equal cells are taken over.
        accept_code: Also take over finished records, of `out` or `reuse`, that only other code keeps from being the
            cells of this study. The caller vouches that no number depends on the change; the records say so.
        keep_weights: Which trained models stay in ``out/models``: those of the ``chosen`` arm, ``all`` or ``none``.
        track: Other tools to show the sweep to, keys of `sweeps.track.registry.TRACKERS`. None of them can fail a cell.
        storage: URL of an Optuna storage that mirrors the sweep; a search has ``out/search.db`` without one.
        clips: Whether a few test clips are written beside the plan for the report's explorer, and in the end those won
            and lost with their attention maps.
        shard: Run this part of the plan's cells alone; other runs may have the other parts, at the same time.

    Returns:
        How far the study is, or its shard.

    Raises:
        InputError: The study cannot be planned, another run is at work in `out`, or `out` cannot be written.
    """
    runtime, search = runtime or Runtime(), search or study.search
    _check_runtime(study, runtime, workers, engine)
    folder = StudyFolder(out)
    # Before the folder is made: a study that cannot be planned leaves nothing behind.
    if shard is not None:
        _check_shard(study, search, shard)
    if only and not folder.has_plan():
        raise InputError(f"--only {only} needs a study that has run, and '{out}' holds none; leave it out")
    others = _studies_in(reuse)
    proposer = make_proposer(study, search, folder)
    stop = _stop_rule(study, folder)
    is_search = proposer.header.rungs is not None
    trackers = make_trackers(track, folder.path, metric=study.metric, storage=storage, is_search=is_search)
    if engine == "local":
        workers = _fitting(study, runtime, workers, reporter)
    executor = make_executor(engine, _resources(study, folder, workers, runtime, limits, keep_weights, shard))
    with said_when_full(folder.path):
        folder.create()
    if (idle := idle_workers(proposer, workers)) is not None:
        reporter.note(idle)
    with said_when_full(folder.path), Ownership(folder.path, shard, reporter.note) as ownership, executor:
        session = Session(
            study, folder, executor, ownership, reporter=reporter, limits=limits, shard=shard, listener=listener,
            others=others, keep=keep_weights, clips=clips, stop=stop, trackers=trackers,
        )  # fmt: skip
        if accept_code:
            session.take_over.accept_code()
        try:
            if only == "failed":
                session.run_failed(proposer)
            else:
                session.run(proposer)
                session.finish()
        except LimitReached as limit:
            reporter.note(f"{limit}; the same command goes on from there")
        finally:
            session.trackers.close(is_over=session.is_over)
    return read_status(folder, computed=session.computed, cells=session.own_cells)


def confirm_study(
    study: Study,
    out: str | Path,
    *,
    seeds: int | None = None,
    workers: int = 1,
    engine: str = "local",
    runtime: Runtime | None = None,
    reporter: Reporter = silent,
    limits: Limits = NO_LIMITS,
    shard: Shard | None = None,
) -> StudyStatus:
    """Run the arm that a finished study chooses and its reference on fresh seeds, or what is missing of them.

    Args:
        study: The definition.
        out: The study's folder, in which it has been run.
        seeds: How many; None for the planner's number, see `sweeps.confirm`.
        workers, engine, runtime, reporter, limits, shard: See `run_study`.

    Returns:
        How far the fresh cells are, or the shard of them.

    Raises:
        InputError: The study is not finished, or nothing can be chosen in it; see `run_study` too.
    """
    runtime = runtime or Runtime()
    _check_runtime(study, runtime, workers, engine)
    folder = StudyFolder(out)
    header, tasks = plan_confirmation(folder, study, seeds, reporter.note)
    if engine == "local":
        workers = _fitting(study, runtime, workers, reporter)
    executor = make_executor(engine, _resources(study, folder, workers, runtime, limits, "none", shard))
    with said_when_full(folder.path), Ownership(folder.path, shard, reporter.note) as ownership, executor:
        folder.write_plan(folder.read_plan().model_copy(update={"confirmation": header}))
        session = Session(study, folder, executor, ownership, reporter=reporter, limits=limits, shard=shard)
        try:
            session.execute(confirmation_plan(folder.read_plan()) or folder.read_plan(), tasks)
        except LimitReached as limit:
            reporter.note(f"{limit}; the same command goes on from there")
    return read_status(folder, computed=session.computed, of_confirmation=True, cells=session.own_cells)


def _check_runtime(study: Study, runtime: Runtime, workers: int, engine: str) -> None:
    """Refuse numbers and devices that cannot be run with."""
    for name, value, minimum in (
        ("workers", workers, 1),
        ("threads", runtime.threads, 1),
        ("loader-workers", runtime.loader_workers, 0),
    ):
        if value < minimum:
            raise InputError(f"--{name} must be at least {minimum}, got {value}")
    if runtime.compile and runtime.gradient_checkpointing:
        raise InputError("--compile and --gradient-checkpointing do not go together; leave one of them out")
    if engine == "ray":
        require("ray")
    devices = _torch_devices(runtime) if engine == "local" else []  # on a cluster they are elsewhere
    for _, experiment in study.arms():
        if isinstance(experiment.backbone, DesignedBackbone):
            require(experiment.backbone.design.builder.__module__.rpartition(".")[2])
        for device in devices:
            check_precision(experiment, device)
    if engine != "local" and len(split_devices(runtime.device)) > 1:
        raise InputError(
            f"--device {runtime.device} is for --engine local; Ray gives out the GPUs of the cluster itself: give "
            "--device cuda, and say in the study how much of one a cell takes (resources.gpus)"
        )


def _check_shard(study: Study, search: SearchSettings | None, shard: Shard) -> None:
    """Refuse a part of a plan of which the cells, or their ends, depend on the other parts."""
    method = (search or SearchSettings(method=GRID)).method
    if method != GRID:
        raise InputError(
            f"--shard {shard} needs a plan that is known beforehand, and '{method}' decides by results which cells "
            "come next; leave --shard out, give --search grid, or use more machines by --engine ray"
        )
    if study.stop is not None and is_comparing(study.stop):
        raise InputError(
            f"--shard {shard} sees a part of the cells, and the rule stop: {study.stop.kind} compares a cell with all "
            "of them; leave one of them out, or give a rule of a cell's own epochs such as patience"
        )


def _studies_in(paths: Sequence[str | Path]) -> list[StudyFolder]:
    """The folders of other studies. Raises InputError where one holds no study."""
    folders = [StudyFolder(path) for path in paths]
    for folder in folders:
        folder.read_plan()
    return folders


def _torch_devices(runtime: Runtime) -> list[torch.device]:
    """The devices that ``--device`` lists."""
    every = split_devices(runtime.device)
    return [dataclasses.replace(runtime, device=device).torch_device() for device in every]


def _fitting(study: Study, runtime: Runtime, workers: int, reporter: Reporter) -> int:
    """Cells at a time, no more than fit into this machine."""
    devices = [str(device) for device in _torch_devices(runtime)]
    number, sentence = cells_that_fit(study.resources, Machine.here(devices), workers)
    if sentence is not None:
        reporter.note(sentence)
    return number


def idle_workers(proposer: Proposer, workers: int) -> str | None:
    """The sentence on workers that a search has no cells for."""
    header = proposer.header
    if not header.rungs or header.in_flight is None or workers <= header.in_flight * header.rungs[0]:
        return None
    return (
        f"Note: {header.in_flight} arms in flight on {count(header.rungs[0], 'seed')} are "
        f"{count(header.in_flight * header.rungs[0], 'cell')} at a time, fewer than {workers} workers; a new search "
        f"may have --set search.in_flight={math.ceil(workers / header.rungs[0])}, which the proposals depend on"
    )


def _stop_rule(study: Study, folder: StudyFolder) -> StopRule | None:
    if study.stop is None:
        return None
    from sweeps.stop.rule import StopRule  # a study without one does not wait for Optuna

    return StopRule(study.stop, study.metric, folder.path / "checkpoints")


def _resources(
    study: Study,
    folder: StudyFolder,
    workers: int,
    runtime: Runtime,
    limits: Limits,
    keep: Keep,
    shard: Shard | None,
) -> Resources:
    logs, devices = folder.path / "logs", split_devices(runtime.device)
    return Resources(
        workers=workers,
        runtime=dataclasses.replace(runtime, device=devices[0]),
        devices=devices,
        checkpoints=folder.path / "checkpoints",
        logs=logs if shard is None else logs / f"shard-{shard.index}-of-{shard.count}",
        tries=study.tries,
        cell_timeout=limits.cell_timeout,
        models=folder.path / MODELS_FOLDER if keep != "none" else None,
        needs=study.resources,
    )
