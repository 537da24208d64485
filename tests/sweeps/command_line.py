"""The grid that tests of the command line run, and how they wait for its cells and read them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import SMALL
from tests.sweeps.staged import backbone

Start = Callable[..., subprocess.Popen[str]]

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[0, 1]")  # 4 arms x 2 seeds


def gated(gate: Path, free: int) -> tuple[str, ...]:
    """The grid, of which so many cells run freely and the others wait for `open_gate`."""
    settings = backbone("gated", gate=str(gate), free=free)
    return (*GRID, *(part for setting in settings for part in ("--set", setting)))


def cells(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "cells").glob("*.json")}


def metrics(out: Path) -> dict[str, Any]:
    return {name: json.loads(content)["metrics"] for name, content in cells(out).items()}


def wait_for_cells(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(list((out / "cells").glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
