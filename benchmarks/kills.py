"""Ten SIGKILLs in turn, each followed by the same command: which cells are lost, computed twice, or called failed.

    python benchmarks/kills.py [--series 3] [--kills 10] [--neps PYTHON] [--tools vmp optuna neps]

48 cells of milliseconds in two worker processes. A series kills the sweep and all its processes ten times, at moments
that a seeded generator draws, and then lets it end. Beside it Optuna as its documentation runs a grid with many
processes: `BruteForceSampler` on a journal, two processes, the same kills; a process that is started again goes on
until the sampler says that the space is exhausted. A cell is repeated where it has a second result: two lines of a
sweep's log, two complete trials of Optuna. With an interpreter that has neural-pipeline-search (it asks for an older
pandas than ours) NePS is there, too: its grid search, two workers on one folder until 48 evaluations have completed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CELLS = 48
WORKERS = 2
SECONDS = 0.1  # of a cell
PATIENCE = 60.0  # seconds after which the last start is given up

OPTUNA = """
import os, sys, time
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = sys.argv[1]

def objective(trial):
    cell = trial.suggest_int("cell", 0, {cells} - 1)
    with open(f"{{folder}}/begun", "a") as begun:
        begun.write(f"{{cell}}\\n")
    time.sleep({seconds})
    with open(f"{{folder}}/computed", "a") as computed:
        computed.write(f"{{cell}}\\n")
    return float(cell)

study = optuna.create_study(
    study_name="cells",
    storage=JournalStorage(JournalFileBackend(f"{{folder}}/journal")),
    sampler=optuna.samplers.BruteForceSampler(seed=0),
    load_if_exists=True,
)
study.optimize(objective)  # ends when the sampler has nothing more to try
"""

NEPS = """
import sys, time
import neps

folder = sys.argv[1]

class Cells(neps.PipelineSpace):
    cell = neps.Categorical(tuple(range({cells})))

def evaluate(cell):
    time.sleep({seconds})
    with open(f"{{folder}}/computed", "a") as computed:
        computed.write(f"{{cell}}\\n")
    return float(cell)

neps.run(
    evaluate,
    Cells(),
    root_directory=f"{{folder}}/neps",
    optimizer="grid_search",
    total_evaluations_to_spend={cells},
    continue_until_max_evaluation_completed=True,
)
"""

BACKBONE = """
import time
from torch import nn

class Slow(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = nn.Linear(3, classes)
        time.sleep({seconds})

    def forward(self, clip):
        return self.head(clip.mean(dim=(2, 3, 4)))

def build(num_classes, num_frames, size):
    return Slow(num_classes)
"""


@dataclass(frozen=True)
class Series:
    """What one series came to: cells with a result, without one, with several, called failed; the last exit code."""

    complete: int
    lost: int
    repeated: int
    failed: int
    exit_code: int | None
    seconds: float

    def __str__(self) -> str:
        code = "did not end" if self.exit_code is None else f"exit code {self.exit_code}"
        return (
            f"{self.complete} of {CELLS} cells, {self.lost} lost, {self.repeated} with a second result, "
            f"{self.failed} called failed; last start: {code}; {self.seconds:.0f} s"
        )


def kill_series(
    command: list[str], processes: int, folder: Path, kills: int, moments: random.Random, results: Callable[[], int]
) -> int | None:
    """Start `processes` of a command, kill all with their children, `kills` times; return the last start's exit code.

    Half of the kills come early, mostly before the first cell has begun, half a moment after the first new result.
    """
    for number in range(kills + 1):
        before = results()
        with (folder / "log").open("ab") as log:
            begun = [
                subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
                for _ in range(processes)
            ]
        if number == kills:
            break
        if number % 2:
            until = time.monotonic() + PATIENCE
            while results() == before and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 4 * SECONDS))
        else:
            time.sleep(moments.uniform(0.2, 3.0))
        for process in begun:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    until = time.monotonic() + PATIENCE
    codes = []
    for process in begun:
        try:
            codes.append(process.wait(timeout=max(0.0, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            for one in begun:
                one.kill()
                one.wait()
            return None
    return max(codes, key=abs)


def sweep(kills: int, moments: random.Random) -> Series:
    """A series of `vmp sweep run` with local workers."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "slow.py").write_text(BACKBONE.format(seconds=SECONDS))
        settings = [
            *("factors={prompt: [none]}", f"seeds={list(range(CELLS))}"),
            *("data.train=24", "data.val=12", "data.test=12", "data.size=16", "sampling.num_frames=4"),
            *("train.epochs=1", "train.batch_size=8", "backbone.kind=custom", "backbone.factory=slow:build"),
        ]
        command = [sys.executable, "-m", "vmp", "sweep", "run", "lambda", "--out", "study", "--workers", str(WORKERS)]
        command += [part for setting in settings for part in ("--set", setting)]
        started = time.monotonic()
        cells = folder / "study" / "cells"
        code = kill_series(command, 1, folder, kills, moments, lambda: len(list(cells.glob("*.json"))))
        records = [json.loads(path.read_text()) for path in cells.glob("*.json")]
        text = (folder / "log").read_text()
        lines = Counter(line.split("seed=")[1].split()[0] for line in text.splitlines() if line.startswith("["))
        return Series(
            complete=sum(record["status"] == "complete" for record in records),
            lost=CELLS - len(records),
            repeated=sum(number > 1 for number in lines.values()),
            failed=text.count("  failed: "),
            exit_code=code,
            seconds=time.monotonic() - started,
        )


@dataclass(frozen=True)
class Kept:
    """What a tool itself holds of the cells after a series.

    Attributes:
        results: Cell -> number of results.
        states: State -> number of trials, in the tool's words.
        failed: Trials that it calls failed.
    """

    results: Counter[int]
    states: Counter[str]
    failed: int


def shared_folder(python: str, script: str, kept: Callable[[Path], Kept], kills: int, moments: random.Random) -> Series:
    """The same series of two processes of another tool that share a folder.

    Args:
        python: The interpreter.
        script: Its code, with `cells` and `seconds` to fill in; a cell writes a line into ``computed``.
        kept: Reads from the folder what the tool holds.
        kills, moments: As of `kill_series`.
    """
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        computed = folder / "computed"
        computed.touch()
        started = time.monotonic()
        command = [python, "-c", script.format(cells=CELLS, seconds=SECONDS), text]
        code = kill_series(command, WORKERS, folder, kills, moments, lambda: computed.read_text().count("\n"))
        found = kept(folder)
        print(f"  its trials by state: {dict(found.states)}")
        return Series(
            complete=len(found.results),
            lost=CELLS - len(found.results),
            repeated=sum(number > 1 for number in found.results.values()),
            failed=found.failed,
            exit_code=code,
            seconds=time.monotonic() - started,
        )


def kept_by_optuna(folder: Path) -> Kept:
    """From its journal."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(f"{folder}/journal"))
    trials = optuna.load_study(study_name="cells", storage=storage).trials
    states = Counter(trial.state.name for trial in trials)
    results = Counter(trial.params["cell"] for trial in trials if trial.state.name == "COMPLETE")
    return Kept(results, states, states["FAIL"])


def kept_by_neps(folder: Path) -> Kept:
    """From the folders of its configurations."""
    trials = list((folder / "neps" / "configs").glob("config_*"))
    states = Counter(json.loads((trial / "metadata.json").read_text())["state"] for trial in trials)
    reported = [trial / "config.yaml" for trial in trials if (trial / "report.yaml").exists()]
    results = Counter(int(path.read_text().split(":")[1]) for path in reported)
    return Kept(results, states, states["failed"] + states["crashed"])


def main() -> None:
    """Print each series of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--tools", nargs="+", choices=["vmp", "optuna", "neps"], default=["vmp", "optuna", "neps"])
    parser.add_argument("--neps", metavar="PYTHON", help="an interpreter that has neural-pipeline-search")
    arguments = parser.parse_args()
    runs: dict[str, tuple[str, Callable[[int, random.Random], Series]]] = {
        "vmp": ("vmp sweep run", sweep),
        "optuna": (
            "Optuna, BruteForceSampler on a journal",
            functools.partial(shared_folder, sys.executable, OPTUNA, kept_by_optuna),
        ),
        "neps": ("NePS, grid search", functools.partial(shared_folder, arguments.neps, NEPS, kept_by_neps)),
    }
    for name, run in (runs[tool] for tool in arguments.tools if tool != "neps" or arguments.neps):
        for number in range(arguments.series):
            print(f"{name}, series {number + 1}: {run(arguments.kills, random.Random(number))}", flush=True)


if __name__ == "__main__":
    main()
