"""The core alone: a study from plan to report without any extra, and a sentence for each part that needs one."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT, SMALL
from vmp.core.extras import EXTRAS

GONE = [*EXTRAS, "tensorboard"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python in which no extra is installed."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules |= dict.fromkeys({GONE!r})\n")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def _run(bare: dict[str, str], *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vmp", *map(str, arguments)]
    return subprocess.run(command, env=bare, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_a_study_runs_from_plan_to_report_without_any_extra(bare: dict[str, str], tmp_path: Path) -> None:
    small = ["lambda", *SMALL, "--set", "factors.prompt=[control]", "--set", "seeds=[0]"]
    run = _run(bare, "sweep", "run", *small, "--out", tmp_path / "study", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "1 of 1 cells complete" in run.stdout
    report = _run(bare, "report", tmp_path / "study", cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    assert _run(bare, "doctor", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("asked", "extra"),
    [
        (["--engine", "ray"], "ray"),
        (["--set", "backbone=timesformer_tiny", "--set", "data.size=32"], "transformers"),
        (["--track", "mlflow"], "mlflow"),
        (["--track", "wandb"], "wandb"),
        (["--track", "tensorboard"], "tensorboard"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_without_its_extra_is_a_sentence_and_nothing_is_written(
    bare: dict[str, str], tmp_path: Path, asked: list[str], extra: str
) -> None:
    out = tmp_path / "study"
    done = _run(bare, "sweep", "run", "lambda", *SMALL, "--out", out, *asked, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'video-motion-prompts[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_every_extra_that_a_sentence_names_exists_and_is_in_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {extra for extra, _ in EXTRAS.values()}
    assert named == extras.keys() - {"all", "dev", "docs"}
    assert set(extras["all"][0].removeprefix("video-motion-prompts[").removesuffix("]").split(",")) == named
