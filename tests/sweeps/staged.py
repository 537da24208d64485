"""A study that trains in a second, and backbones that die or wait in the worker as often as a test wants."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from sweeps.executors.base import Progress
from sweeps.plan import Task, make_plan
from sweeps.propose.registry import make_proposer
from sweeps.propose.rounds import Rounds
from sweeps.propose.settings import SearchSettings
from sweeps.records.cell_record import CellRecord
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from sweeps.study_files import load_study
from sweeps.track.base import Tracker
from tests.conftest import SMALL


def small_study(*overrides: str) -> Study:
    """The lambda study on few tiny videos, with two values of lambda and two seeds."""
    small = [setting for setting in SMALL if setting != "--set"]
    return load_study("lambda", [*small, "factors.lambda=[0, 1]", *overrides])


class Killed(Exception):
    """Stands for the end of the process."""


def drive(
    study: Study,
    settings: SearchSettings | None,
    folder: StudyFolder,
    answer: Callable[[Task], CellRecord],
    *,
    kill_after: int = 10**9,
    order: int = 0,
    tracker: Tracker | None = None,
) -> list[list[Task]]:
    """As `sweeps.run` does, without training: the rounds that were asked for. Dies after so many new cells.

    Open cells end in the order in which they were asked for, or in one that the number `order` shuffles.
    """
    folder.create()
    proposer = make_proposer(study, settings, folder)
    rounds = Rounds(proposer, lambda task: folder.read_cell(task.hash))
    shuffled, asked = random.Random(order), []
    planned = {task.hash: task for task in proposer.known()}
    waiting: list[Task] = []
    computed = 0
    while True:
        for tasks in rounds.more():
            asked.append(tasks)
            planned |= {task.hash: task for task in tasks}
            folder.write_plan(make_plan(study, planned.values(), search=proposer.header))
            there = [folder.find_cell(task.hash) for task in tasks]
            if tracker is not None:
                tracker.planned(folder.read_plan(), tasks, {one.hash: one for one in there if one})
            for task in tasks:
                if folder.has_cell(task.hash) and folder.read_cell(task.hash).status != "failed":
                    rounds.end(task.hash)
                else:
                    waiting.append(task)
        if not waiting:
            if tracker is not None:
                tracker.close(True)
            return asked
        task = waiting.pop(shuffled.randrange(len(waiting)) if order else 0)
        if computed == kill_after:
            raise Killed
        computed += 1
        folder.write_cell(record := answer(task))
        if tracker is not None:
            tracker.progress(Progress(hash=task.hash, epoch=1, figures=record.metrics))
            tracker.ended(record)
        rounds.end(task.hash)


def backbone(factory: str, **options: object) -> tuple[str, ...]:
    """Settings that name a backbone of this module, or another one by its dotted path."""
    path = factory if ":" in factory else f"{__name__}:{factory}"
    return ("backbone.kind=custom", f"backbone.factory={path}", f"backbone.options={json.dumps(options)}")


class Mean(nn.Module):
    """A classifier of the clip's mean colour; with `graves`, the first `deaths` to get far in training are killed."""

    def __init__(self, num_classes: int, graves: Path | None = None, deaths: int = 0) -> None:
        super().__init__()
        self.head = nn.Linear(3, num_classes)
        self.graves, self.deaths, self.steps = graves, deaths, 0

    def forward(self, clip: Tensor) -> Tensor:
        self.steps += self.training
        if self.graves and self.steps > 3 and take(self.graves, self.deaths):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.head(clip.mean(dim=(2, 3, 4)))


def deadly(num_classes: int, num_frames: int, size: tuple[int, int], graves: str, deaths: int) -> nn.Module:
    """Kills the process from the fourth training step on, `deaths` times among all that share the folder `graves`."""
    return Mean(num_classes, Path(graves), deaths)


def gated(num_classes: int, num_frames: int, size: tuple[int, int], gate: str, free: int) -> nn.Module:
    """Lets `free` cells pass the folder `gate`; those behind them wait until `open_gate`."""
    while not (Path(gate) / "open").exists() and not take(Path(gate), free):
        time.sleep(0.02)
    return Mean(num_classes)


def open_gate(gate: Path) -> None:
    (gate / "open").touch()


def take(folder: Path, tickets: int) -> bool:
    """Whether there still was a ticket; each is given once, to whichever process asks first."""
    folder.mkdir(exist_ok=True)
    for number in range(tickets):
        try:
            (folder / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False
