"""The job scripts of docs/cluster.md run as printed, in an imitation of a queue on one machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.vmp.data.tiny_videos import write_video

pytestmark = pytest.mark.xdist_group("ray")  # one process: the second test compares with the first one's study

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
(STUDY,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ARRAY, AFTERWARDS, RAY = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)

SRUN = """#!/bin/bash
# As many of the command as tasks are asked for, all on this machine; ended with this script.
while [[ $1 == --* ]]; do case $1 in --ntasks=*) tasks=${1#*=};; esac; shift; done
trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT TERM
for ((i = 0; i < tasks; i++)); do "$@" > /dev/null 2>&1 & done
wait
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all machines see, with the study and its data."""
    folder = tmp_path_factory.mktemp("queue") / "shared"
    folder.mkdir()
    rows = ["path,label\n"]
    for i in range(24):
        write_video(folder / f"{i}.mp4", 10, video=i)
        rows.append(f"{i}.mp4,{'ab'[i % 2]}\n")
    (folder / "clips.csv").write_text("".join(rows))
    (folder / "study.yaml").write_text(STUDY)
    for name, text in (("array.sbatch", ARRAY), ("afterwards", AFTERWARDS), ("ray.sbatch", RAY)):
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs a script as a job that was submitted in a folder; a job that a test does not see end is killed."""
    jobs: list[subprocess.Popen[str]] = []

    def begin(script: str, folder: Path, **variables: object) -> subprocess.Popen[str]:
        jobs.append(_job(script, folder, variables))
        return jobs[-1]

    yield begin
    for job in jobs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)


def _job(script: str, folder: Path, variables: Mapping[str, object]) -> subprocess.Popen[str]:
    commands = folder.resolve().parent / "bin"
    commands.mkdir(exist_ok=True)
    (commands / "srun").write_text(SRUN)
    (commands / "srun").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VMP_CACHE_DIR": str(folder.resolve().parent / "cache"),
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_CPUS_PER_TASK": "2",
        **{f"SLURM_{name}": str(value) for name, value in variables.items()},
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        ["bash", str(folder / script)],
        cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_job_array_runs_a_study_and_its_tasks_see_the_folder_by_other_paths(
    shared: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    count = int(re.findall(r"--array=1-(\d+)", ARRAY)[0])
    jobs = []
    for number in range(1, count + 1):
        mount = shared.parent / f"node{number}"
        mount.symlink_to(shared)
        jobs.append(start("array.sbatch", mount, ARRAY_TASK_ID=number, ARRAY_TASK_COUNT=count, ARRAY_TASK_MIN=1))
    said = [job.communicate(timeout=300) for job in jobs]
    assert [job.returncode for job in jobs] == [0] * count, said
    for number, (output, _) in enumerate(said, 1):
        assert f"shard {number}/{count}: 2 of 2 cells complete; 2 of them computed now" in output
    after = start("afterwards", shared)
    output, errors = after.communicate(timeout=300)
    assert after.returncode == 0, errors
    assert "6 of 6 cells complete" in output
    assert (shared / "results" / "mine" / "report" / "index.html").is_file()


@pytest.mark.slow
def test_a_job_starts_a_ray_of_its_own_and_ends_it(shared: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    array = {path.stem: json.loads(path.read_text()) for path in (shared / "results").glob("mine/cells/*.json")}
    if array:
        (shared / "results").rename(shared / "by-array")
    job = start("ray.sbatch", shared, JOB_ID=os.getpid(), NNODES=2)
    output, errors = job.communicate(timeout=400)
    assert job.returncode == 0, errors
    assert "6 of 6 cells complete; 6 of them computed now" in output
    for path in (shared / "results" / "mine" / "cells").glob("*.json"):
        assert not array or json.loads(path.read_text())["metrics"] == array[path.stem]["metrics"]
