"""Sweeps that are killed, stopped or watched: real processes, of which none stays and no finished cell is lost."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import Vmp
from tests.sweeps.command_line import GRID, Start, cells, gated, wait_for_cells
from tests.sweeps.staged import open_gate


def test_a_sweep_killed_half_way_is_finished_by_the_same_command(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = gated(tmp_path / "gate", free=3)
    sweep = start("sweep", "run", *study, "--out", out, "--workers", 2)
    wait_for_cells(out, 3, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    assert workers
    sweep.kill()
    sweep.wait()
    assert not psutil.wait_procs(workers, timeout=20)[1], "a worker outlived its sweep"
    before = cells(out)
    assert len(before) == 3
    status = call_vmp("sweep", "status", out)
    assert status.returncode == 3
    assert "3 of 8 cells complete; 5 missing" in status.stdout
    open_gate(tmp_path / "gate")
    again = call_vmp("sweep", "run", *study, "--out", out, "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert before.items() <= cells(out).items(), "a finished cell was repeated"
    assert len(cells(out)) == 8
    assert not list(out.rglob("*.writing"))


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "study"
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=1), "--out", out)
    wait_for_cells(out, 1, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    os.killpg(sweep.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, errors = sweep.communicate(timeout=30)
    assert sweep.returncode == 130
    assert errors.strip().endswith("the same command goes on from there.")
    assert "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]


def test_a_watched_study_is_shown_until_its_sweep_ends(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "study"
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=2), "--out", out, "--workers", 2)
    wait_for_cells(out, 2, sweep)
    watcher = start("sweep", "status", out, "--watch")
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    assert "2 of 8 cells complete; 6 missing; a sweep is running" in first
    open_gate(tmp_path / "gate")
    shown, _ = watcher.communicate(timeout=120)
    assert sweep.wait(timeout=120) == 0
    assert watcher.returncode == 0
    assert shown.count("cells complete") >= 1
    assert "8 of 8 cells complete\n" in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_sweep_as_ctrl_c_does(start: Start, number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "study"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=1), "--out", out)
    signal.signal(signal.SIGHUP, before)
    wait_for_cells(out, 1, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    sweep.send_signal(number)
    _, errors = sweep.communicate(timeout=30)
    assert sweep.returncode == 128 + number
    assert errors.strip().endswith("the same command goes on from there.")
    assert "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]


def test_two_sweeps_cannot_share_a_folder(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    endless = (*GRID, "--set", "train.epochs=100000")
    sweep = start("sweep", "run", *endless, "--out", out)
    while not (out / "plan.json").exists():  # written under the lock
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.05)
    second = call_vmp("sweep", "run", *endless, "--out", out)
    assert second.returncode == 2
    assert second.stderr.startswith("Error: another `vmp sweep run` is at work in")
    status = call_vmp("sweep", "status", out, "--json")
    assert (status.returncode, json.loads(status.stdout)["running"]) == (3, True)


def test_a_search_from_the_command_line_resumes_and_reports(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = gated(tmp_path / "gate", free=6)
    arguments = ("sweep", "run", *study, "--search", "tpe", "--arms", 4, "--out", out, "--workers", 2)
    sweep = start(*arguments)
    wait_for_cells(out, 6, sweep)
    sweep.kill()
    sweep.wait()
    before = cells(out)
    assert len(before) == 6
    assert "has not proposed all its arms yet" in call_vmp("sweep", "status", out).stdout
    open_gate(tmp_path / "gate")
    done = call_vmp(*arguments)
    assert done.returncode == 0, done.stderr
    assert before.items() <= cells(out).items()
    plan = json.loads((out / "plan.json").read_text())
    assert plan["search"]["method"] == "tpe"
    assert len(plan["cells"]) == len(cells(out)) == 2 * (2 + 4)  # baseline, control and four proposed arms, two seeds
    assert (plan["search"]["in_flight"], plan["search"]["proposed"]) == (4, 4)
