"""Shared by the tests of sweeps: processes that are started and killed, and a study that ran to its end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Vmp
from tests.sweeps.command_line import GRID, Start


@pytest.fixture
def start(vmp_command: list[str]) -> Iterator[Start]:
    """Start the command line in a process group of its own; what still runs after the test is killed."""
    running: list[subprocess.Popen[str]] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background job ignore it

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command, pipe = [*vmp_command, *map(str, arguments)], subprocess.PIPE
        running.append(subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, start_new_session=True))
        return running[-1]

    yield begin
    signal.signal(signal.SIGINT, before)
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory, run_vmp: Vmp) -> Path:
    """A study that ran to its end with one worker; who changes it copies it."""
    out = tmp_path_factory.mktemp("finished") / "study"
    done = run_vmp("sweep", "run", *GRID, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 cells complete" in done.stdout
    return out
