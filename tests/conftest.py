"""Shared by all tests: one torch thread, no network, and the command line as a user runs it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported: its kernels are tested without a GPU

ROOT = Path(__file__).parent.parent

# A study that trains real cells in a second or two: every end-to-end test uses it.
_SMALL = (
    *("data.train=24", "data.val=12", "data.test=12", "data.size=16"),
    *("train.epochs=1", "train.batch_size=8", "seeds=[0, 1]", "sampling.num_frames=4"),
)
SMALL = tuple(part for setting in _SMALL for part in ("--set", setting))

Vmp = Callable[..., subprocess.CompletedProcess[str]]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that share what a fixture made for them run in one process of pytest-xdist, so that it is made once."""
    for item in items:
        group = item.get_closest_marker("xdist_group")
        if group is None and (shared := shared_by(item)):
            item.add_marker(pytest.mark.xdist_group(" ".join(shared)))
            group = item.get_closest_marker("xdist_group")
        # pytest 9.2 keeps ids where pytest-xdist 3.8 does not write its groups: pytest-dev/pytest-xdist#1386
        is_written = hasattr(item, "_nodeid") or not hasattr(item, "_id")
        if group is not None and config.getoption("loadgroup", False) and not is_written:
            item._id = type(item._id).parse(f"{item.nodeid}@{group.args[0]}")


def shared_by(item: pytest.Item) -> list[str]:
    """Names of what a test shares with others: its file or its package, and the parameters that were shared by."""
    if not isinstance(item, pytest.Function):
        return []
    given = item.callspec.params if hasattr(item, "callspec") else {}
    shared: list[str] = []
    for name in item.fixturenames:
        for made in item._fixtureinfo.name2fixturedefs.get(name, ())[-1:]:
            if made.scope in ("class", "module", "package"):
                shared += [made.baseid if made.scope == "package" else item.path.stem, str(given.get(name, ""))]
    return list(dict.fromkeys(filter(None, shared)))


@pytest.fixture(scope="session")
def vmp_command() -> list[str]:
    """The command line, as a list to start a process with."""
    return [sys.executable, "-m", "vmp"]


@pytest.fixture(scope="session")
def run_vmp(vmp_command: list[str]) -> Vmp:
    """Run the command line in a process of its own and return it with its output."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [*vmp_command, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)

    return run


@pytest.fixture
def call_vmp(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Vmp:
    """As `run_vmp`, within this process: for the many ways to be wrong that need no process of their own."""
    from vmp.cli import main

    def call(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = ["vmp", *map(str, arguments)]
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", command)
            patch.chdir(cwd or Path.cwd())
            with pytest.raises(SystemExit) as ended:
                main()
        gc.unfreeze()  # it froze what it made, since its own process would end here
        code = ended.value.code
        return subprocess.CompletedProcess(command, code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    """Workers can import `tests.sweeps.staged`, wherever pytest was started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        yield
