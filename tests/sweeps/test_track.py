"""A sweep as other tools see it, in real storages, a real PostgreSQL, real event files; none of them fails a cell."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.propose.settings import SearchSettings
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.track.base import Trackers
from sweeps.track.console import ConsoleReporter
from sweeps.track.registry import TRACKERS, make_trackers
from sweeps.track.storage import StorageMirror, file_url
from tests.sweeps.staged import Killed, drive, small_study
from tests.sweeps.test_propose import record
from vmp.core.errors import InputError

STUDY = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 0.01, 100]", "seeds=[0, 1]")
SEARCH = SearchSettings(method="random", arms=6, first_seeds=1, in_flight=2)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a server of its own, in a temporary folder."""
    # A server refuses to run as root. Its socket's path must be short.
    who = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="vmp-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder, environment = Path(name), {**os.environ, "HOME": name}
        folder.chmod(0o777)
        made = ["initdb", "-D", f"{name}/data", "-A", "trust", "-U", "vmp", "--no-sync", "--locale=C", "-E", "UTF8"]
        subprocess.run(made, cwd=folder, env=environment, check=True, capture_output=True, **who)  # type: ignore[call-overload]
        command = ["postgres", "-D", f"{name}/data", "-k", name, "-c", "listen_addresses=", "-c", "fsync=off"]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, env=environment, stderr=log, **who)  # type: ignore[call-overload]
        try:
            while "ready to accept" not in (folder / "log").read_text():
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield f"postgresql+psycopg://vmp@/postgres?host={name}"
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for clients
            server.wait()


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield file_url(tmp_path / "a file.db")
    elif request.param == "journal":
        yield f"journal:{tmp_path / 'storage.log'}"
    elif shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip("PostgreSQL's initdb and postgres are not on the path")
    elif find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (the extra `postgres`)")
    else:
        with postgres() as server:
            yield server


def opened(url: str, name: str) -> optuna.Study:
    """As anybody would open it."""
    if url.startswith("journal:"):
        backend = optuna.storages.journal.JournalFileBackend(url.removeprefix("journal:"))
        return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))
    return optuna.load_study(study_name=name, storage=url)


def test_two_searches_on_one_storage_that_optuna_opens_while_they_run(url: str, tmp_path: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def answer(task: Task) -> CellRecord:
        if len(seen) < 6:
            names = optuna.get_all_study_names(url if "://" in url else opened(url, "lambda")._storage)
            trials = opened(url, names[-1]).trials
            seen.append(tuple(sorted({trial.state.name for trial in trials})))
        return record(task).model_copy(update={"curves": {"epoch": [1], "val_top1": [0.5]}})

    folders = [StudyFolder(tmp_path / name) for name in ("first", "second")]
    mirrors = [StorageMirror(url, folder.path, "top1") for folder in folders]
    with pytest.raises(Killed):
        drive(STUDY, SEARCH, folders[0], answer, kill_after=4, tracker=mirrors[0])
    for folder in folders:  # the first one goes on
        drive(STUDY, SEARCH, folder, answer, tracker=StorageMirror(url, folder.path, "top1"))
    assert ("RUNNING",) in seen
    for name, folder in zip(("lambda", "lambda 2"), folders, strict=True):
        study, plan = opened(url, name), folder.read_plan()
        assert study.user_attrs["folder"] == str(folder.path.resolve())
        assert len(study.trials) == 6
        records = {one.hash: one for one in folder.records(plan)}
        for trial in study.trials:
            cells = trial.user_attrs["cells"]
            scores = [float(records[cell].metrics["val_top1"] or 0) for cell in cells]
            assert {cell: one["seed"] for cell, one in cells.items()} == {cell: records[cell].seed for cell in cells}
            assert {one["state"] for one in cells.values()} == {"complete"}
            assert trial.intermediate_values == {1: 0.5}
            if len(cells) == 2:
                assert (trial.state.name, trial.value) == ("COMPLETE", pytest.approx(sum(scores) / 2))
            else:
                assert trial.state.name == "PRUNED"
        assert {len(trial.user_attrs["cells"]) for trial in study.trials} == {1, 2}
        assert any(key.startswith("reference") for key in study.user_attrs)


def test_a_grid_is_mirrored_too(tmp_path: Path) -> None:
    url = file_url(tmp_path / "grid.db")
    drive(STUDY, None, StudyFolder(tmp_path / "grid"), record, tracker=StorageMirror(url, tmp_path, "top1"))
    study = opened(url, "lambda")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert [trial.params.get("lambda") for trial in study.trials] == [None, 0, 0.01, 100]


class Broken:
    """A tracker that fails at its second call."""

    calls = 0

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        del plan, tasks, records

    def progress(self, progress: Progress) -> None:
        self.calls += 1
        raise OSError(f"no space for {progress.epoch}")

    def ended(self, record: CellRecord) -> None:
        raise AssertionError(record)

    def close(self, is_over: bool) -> None:
        raise AssertionError(is_over)


def test_a_broken_tracker_is_one_warning() -> None:
    said: list[str] = []
    broken = Broken()
    trackers = Trackers({"--track broken": broken}, said.append)
    for epoch in (1, 2, 3):
        trackers.progress(Progress(hash="0" * 16, epoch=epoch, figures={}))
    trackers.close(is_over=True)
    assert broken.calls == 1
    assert said == [
        "Warning: --track broken is given up until the next run (OSError: no space for 1); the cells and their records "
        "go on"
    ]


@pytest.mark.parametrize(
    ("names", "storage", "message"),
    [
        (["tensorbord"], None, r"unknown tracker 'tensorbord'. Did you mean 'tensorboard'\?"),
        ([], "search.db", r"--storage 'search.db' is no URL of a storage; give sqlite:///file.db"),
        ([], "mysql://me:secret@host/base", r"--storage mysql://me:\*\*\*@host/base needs the package 'MySQLdb'"),
        ([], "journal:/no/such/folder/log", r"its folder does not exist"),
    ],
)
def test_what_cannot_be_tracked_is_one_sentence(
    names: list[str], storage: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as error:
        make_trackers(names, tmp_path, metric="top1", storage=storage, is_search=False)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


PACKAGES = {"mlflow": "mlflow", "tensorboard": "tensorboard", "wandb": "wandb"}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real search of two arms, shown to whatever is installed and to a storage that is not there."""
    out = tmp_path_factory.mktemp("tracked")
    names = [name for name, package in PACKAGES.items() if find_spec(package) is not None]
    study = small_study("factors.prompt=[vmp]", "factors.lambda=[0.1, 1]", "seeds=[0, 1]", "train.epochs=2")
    status = run_study(
        study,
        out,
        workers=2,
        search=SearchSettings(method="random", arms=2),
        track=names,
        storage="sqlite:////no/such/folder/search.db",
    )
    assert status.exit_code == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_run_for_each_cell(name: str, tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed")
    folder = StudyFolder(tracked)
    records = list(folder.records(folder.read_plan()))
    assert len(records) == 4
    if name == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        runs = sorted(path for path in (tracked / "tensorboard").iterdir())
        assert len(runs) == 4
        for one in records:
            (run,) = [path for path in runs if path.name.endswith(one.hash[:8])]
            events = EventAccumulator(str(run)).Reload()
            assert [event.step for event in events.Scalars("val_top1")] == [1, 2]
            assert [event.value for event in events.Scalars("val_top1")] == pytest.approx(one.curves["val_top1"])
            assert "_hparams_/session_start_info" in events.summary_metadata
            assert events.Scalars("end/test_top1")[0].value == pytest.approx(one.metrics["test_top1"])
    elif name == "mlflow":
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tracked / 'mlflow.db'}")
        (experiment,) = [one for one in client.search_experiments() if one.name == "lambda"]
        runs = {run.data.tags["vmp.cell"]: run for run in client.search_runs([experiment.experiment_id])}
        assert runs.keys() == {one.hash for one in records}
        for one in records:
            run = runs[one.hash]
            assert run.info.status == "FINISHED"
            assert run.data.params["seed"] == str(one.seed)
            history = client.get_metric_history(run.info.run_id, "val_top1")
            assert [point.value for point in history] == pytest.approx(one.curves["val_top1"])
    else:
        runs = list((tracked / "wandb").glob("offline-run-*"))
        assert {path.name.rpartition("-")[2] for path in runs} == {one.hash for one in records}
        assert all(list(path.glob("*.wandb")) for path in runs)
        assert json.loads((tracked / "plan.json").read_text())["search"]["proposed"] == 2


def test_a_terminal_shows_a_table_and_a_log_plain_lines(tmp_path: Path) -> None:
    shown: dict[bool, str] = {}
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=24, color_system=None)
        folder = StudyFolder(tmp_path / str(terminal))
        with ConsoleReporter("top1", console) as reporter:
            tracker = AsTracker(reporter)
            with pytest.raises(Killed):
                drive(STUDY, None, folder, record, kill_after=7, tracker=tracker)
            last = io.StringIO()
            Console(file=last, width=120).print(reporter._view())
        shown[terminal] = last.getvalue()
        assert ("\x1b[" in console.file.getvalue()) == terminal  # type: ignore[attr-defined]
        lines = [line for line in console.file.getvalue().splitlines() if " seed=" in line]  # type: ignore[attr-defined]
        assert len(lines) == (0 if terminal else 7)
    table = shown[True].splitlines()
    assert table[0].split() == ["arm", "seed", "0", "seed", "1", "mean", "val", "top1"]
    assert [line.split()[-1] for line in table[1:4]] == ["0.305", "0.305", "0.705"]
    assert table[4].split()[-2:] == ["0.300", "."]
    assert "[7/8]  best so far prompt=vmp lambda=0.01 0.705  cost" in table[5]


class AsTracker:
    """Shows a reporter what a tracker is shown."""

    def __init__(self, reporter: ConsoleReporter) -> None:
        self._reporter = reporter

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._reporter.planned(plan, [task for task in tasks if task.hash not in records], records)

    def progress(self, progress: Progress) -> None:
        self._reporter.event(progress)

    def ended(self, record: CellRecord) -> None:
        self._reporter.event(record)

    def close(self, is_over: bool) -> None:
        del is_over
