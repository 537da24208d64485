"""A folder or a distribution under our packages' names does no harm, or is one sentence at start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import SMALL
from vmp.core.clash import refuse_clash
from vmp.core.errors import InputError


def run(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # Without the PYTHONPATH of the tests: a user has none.
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | dict(environment or {})
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's folder with modules of our names."""
    for name in ("sweeps/__init__.py", "analysis.py", "vmp_notes.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    return tmp_path


def test_a_sweep_runs_beside_modules_of_our_names(crowded: Path) -> None:
    study = ("lambda", *SMALL, "--set", "seeds=[0]", "--set", "factors.prompt=[control]")
    done = run([sys.executable, "-m", "vmp", "sweep", "run", *study, "--out", "out"], crowded)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 cells complete" in done.stdout


def test_a_path_that_hides_our_packages_is_named(crowded: Path) -> None:
    program = "import sys; sys.argv = ['vmp', '--help']; from vmp.cli import main; main()"
    done = run([sys.executable, "-c", program], crowded, {"PYTHONPATH": str(crowded)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: '{crowded / 'sweeps'}' has the name of a package of this toolkit")
    assert "Traceback" not in done.stderr


def test_a_distribution_of_the_same_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandbsweeps").mkdir()  # stands for `sweeps`, which this process has imported long since
    (tmp_path / "wandbsweeps" / "__init__.py").write_text("")
    (tmp_path / "wandbsweeps-0.2.dist-info").mkdir()
    (tmp_path / "wandbsweeps-0.2.dist-info" / "METADATA").write_text("Name: wandbsweeps\nVersion: 0.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"distribution 'wandbsweeps' 0\.2 is installed.*pip uninstall wandbsweeps"):
        refuse_clash(["wandbsweeps"])
    refuse_clash()
