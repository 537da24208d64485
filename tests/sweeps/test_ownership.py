"""Runs that share a folder know of each other, also where no lock reaches from one to the other; and full disks."""

from __future__ import annotations

import gc
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeps import ownership
from sweeps.ownership import Owner, Ownership
from sweeps.records.study_folder import StudyFolder
from sweeps.shards import Shard
from tests.conftest import ROOT, SMALL, Vmp
from tests.sweeps.command_line import wait_for_cells
from tests.sweeps.staged import backbone, open_gate
from vmp.core.errors import InputError

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[0]", "--set", "factors.prompt=[control, vmp]")  # 2 arms x 2 seeds
SHORT_BEATS = "import sys; import sweeps.ownership as o; o.BEAT_SECONDS = 0.3; from vmp.cli import main; main()"

Start = Callable[..., subprocess.Popen[str]]


def gated(gate: Path, free: int) -> tuple[str, ...]:
    settings = backbone("gated", gate=str(gate), free=free)
    return (*GRID, *(f"--set={setting}" for setting in settings))


@pytest.fixture
def launch() -> Iterator[Start]:
    """Start any command; what still runs after the test is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(*command: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(list(map(str, command)), stderr=pipe, stdout=pipe, text=True))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def hide_locks(out: Path) -> None:
    """New files in the place of the locks: what runs go on holding is seen by nobody, as across machines."""
    for lock in (out / ".lock", *(out / ".owners").glob("*.lock")):
        lock.unlink()


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        (None, None, False),
        (None, Shard(1, 2), False),
        (Shard(1, 2), Shard(2, 2), True),
        (Shard(1, 2), Shard(1, 2), False),
        (Shard(1, 2), Shard(3, 3), False),  # parts by another count overlap
    ],
)
def test_who_may_be_at_work_together(one: Shard | None, other: Shard | None, may: bool, tmp_path: Path) -> None:
    notes: list[str] = []
    with Ownership(tmp_path, one, notes.append):
        for second in (other, one):
            if may and second is other:
                with Ownership(tmp_path, second, notes.append) as owned:
                    assert [owner.shard for owner in owned.others()] == [str(one)]
            else:
                with pytest.raises(InputError, match=f"at work in '{tmp_path}': process {os.getpid()} on "):
                    Ownership(tmp_path, second, notes.append).__enter__()
    with Ownership(tmp_path, other, notes.append):
        assert not notes


def test_a_run_without_a_lock_in_common_is_seen_and_a_dead_one_replaced(
    launch: Start, call_vmp: Vmp, vmp_command: list[str], tmp_path: Path
) -> None:
    out, study = tmp_path / "out", gated(tmp_path / "gate", free=1)
    first = launch(*vmp_command, "sweep", "run", *study, "--out", out)
    wait_for_cells(out, 1, first)
    hide_locks(out)
    second = call_vmp("sweep", "run", *study, "--out", out)
    assert second.returncode == 2
    assert f"at work in '{out}': process {first.pid} on {platform.node()}, since 20" in second.stderr
    assert "last sign of life" in second.stderr
    assert f"delete '{out / '.owners' / 'all.json'}'" in second.stderr
    first.kill()
    first.wait()
    open_gate(tmp_path / "gate")
    third = call_vmp("sweep", "run", *study, "--out", out)
    assert third.returncode == 0, third.stderr
    assert f"The run of process {first.pid} on {platform.node()}, since " in third.stderr
    assert "has died; this one takes over" in third.stderr
    assert "1 already there, 3 to run" in third.stderr
    assert not list((out / ".owners").glob("*.json"))


def can_unshare() -> bool:
    command = shutil.which("unshare")
    return command is not None and subprocess.run([command, "-u", "-p", "-f", "true"], check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make namespaces")
def test_a_run_on_another_machine_is_watched_before_it_is_replaced(
    launch: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine is a name and process ids of its own."""
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.3)
    hold = (
        "import pathlib, sys, time; import sweeps.ownership as o; o.BEAT_SECONDS = 0.3\n"
        "with o.Ownership(pathlib.Path(sys.argv[1]), None, print): time.sleep(600)"
    )
    there = ("unshare", "-u", "-p", "-f", "--kill-child", "sh", "-c", 'hostname node7 && exec "$@"', "sh")
    first = launch(*there, sys.executable, "-c", hold, tmp_path)
    while not (tmp_path / ".owners" / "all.json").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    hide_locks(tmp_path)
    notes: list[str] = []
    with pytest.raises(InputError, match=r"at work in .*: process 1 on node7, since"):
        Ownership(tmp_path, None, notes.append).__enter__()
    assert not notes
    first.kill()  # and with it all in its namespace
    first.wait()
    time.sleep(1)
    with Ownership(tmp_path, None, notes.append):
        assert ["watching for a sign of life" in notes[0], "has died; this one takes over" in notes[1]] == [True, True]
        assert notes[0].startswith("Process 1 on node7")


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_clocks_that_disagree_kill_nobody(skew: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.2)
    path = tmp_path / ".owners" / "all.json"
    path.parent.mkdir()
    elsewhere = Owner.here(None).model_copy(update={"host": "node7", "machine": "another"})
    path.write_text(elsewhere.model_dump_json())
    done = threading.Event()

    def live() -> None:
        while not done.wait(0.1):
            os.utime(path, (time.time() + skew,) * 2)

    notes: list[str] = []
    life = threading.Thread(target=live)
    life.start()
    time.sleep(0.2)
    with pytest.raises(InputError, match="on node7, since"):
        Ownership(tmp_path, None, notes.append).__enter__()
    assert "watching for a sign of life" in notes.pop()
    done.set()
    life.join()
    with Ownership(tmp_path, None, notes.append):
        assert "has died; this one takes over" in notes[-1]


def test_a_run_whose_folder_was_taken_over_ends(launch: Start, tmp_path: Path) -> None:
    out, study = tmp_path / "out", gated(tmp_path / "gate", free=1)
    first = launch(sys.executable, "-c", SHORT_BEATS, "sweep", "run", *study, "--out", out)
    wait_for_cells(out, 1, first)
    os.kill(first.pid, signal.SIGSTOP)  # as a machine that hangs
    hide_locks(out)
    (out / ".owners" / "all.json").unlink()  # as the sentence says
    open_gate(tmp_path / "gate")
    with Ownership(out, None, lambda _: None):
        os.kill(first.pid, signal.SIGCONT)
        _, errors = first.communicate(timeout=60)
    assert first.returncode == 2
    assert f"Error: '{out}' was taken over by process {os.getpid()}" in errors


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="filters a system call by number")
def test_a_file_system_without_locks_is_said_once(launch: Start, tmp_path: Path) -> None:
    out, study = tmp_path / "out", gated(tmp_path / "gate", free=1)
    run = (sys.executable, ROOT / "tests/sweeps/without_locks.py", "-m", "vmp", "sweep", "run", *study, "--out", out)
    first = launch(*run)
    wait_for_cells(out, 1, first)
    with pytest.raises(InputError, match=f"process {first.pid} on"):
        Ownership(out, None, print).__enter__()
    open_gate(tmp_path / "gate")
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert errors.count("has no locks") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 18 pages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=72k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    gc.collect()  # a traceback may hold a file of it open
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(small_disk: Path, call_vmp: Vmp) -> None:
    out = small_disk / "out"
    run = ("sweep", "run", *GRID, "--set", "seeds=[0, 1, 2]", "--keep-weights", "none", "--no-clips", "--out", out)
    full = call_vmp(*run)
    assert full.returncode == 4
    assert full.stderr.splitlines()[-1].startswith("Error: the disk is full")
    assert "the same command goes on from there" in full.stderr
    folder = StudyFolder(out)
    finished = [record.hash for record in folder.records(folder.read_plan())]  # each is whole
    assert 0 < len(finished) < 6
    assert {path.stem for path in out.rglob("*.json")} == {"plan", *finished}
    assert not list(out.rglob("*.writing"))
    assert json.loads(call_vmp("sweep", "status", out, "--json").stdout)["running"] is False
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    done = call_vmp(*run)
    assert (done.returncode, f"{len(finished)} already there" in done.stderr) == (0, True)
