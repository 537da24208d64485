"""Statistics of a study's videos: against the pixels, written once for each data set, and read by the report's rule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.sections.guidance import GUIDANCE
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from sweeps.plan import Task, experiments_of, grid_tasks
from sweeps.records.data_statistics import DataStatistics
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.study import Study
from sweeps.video_statistics import STATIC, video_statistics, write_video_statistics
from vmp.core.fingerprint import code_fingerprints
from vmp.data.registry import load_data


def study(lambdas: tuple[float, ...] = (0, 1), **data: Any) -> Study:
    return Study(
        name="tiny",
        factors={
            "prompt": ("control", "vmp"),
            "lambda": lambdas,
            "data.condition": ("none", "moving_camera", "noisy"),
        },
        seeds=(0, 1, 2),
        data={"kind": "motion", "train": 24, "val": 12, "test": 12, "size": 16, **data},
        backbone="cnn3d_tiny",
        train={"epochs": 1, "batch_size": 12},
        sampling={"kind": "uniform", "num_frames": 4},
    )


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path)
    made.create()
    return made


def by_condition(tasks: list[Task]) -> dict[str, DataStatistics]:
    made = {}
    for task in tasks:
        if task.factors["prompt"] == "vmp":
            (experiment,) = experiments_of([task])
            data = load_data(experiment.data)
            made[str(task.factors["data.condition"])] = video_statistics(data, experiment)
    return made


def test_they_are_what_the_pixels_say() -> None:
    """A background that stands still, moves with the camera by some pixels a frame, or is noisy everywhere."""
    made = by_condition(grid_tasks(study(size=32, radius=2.0)))
    quiet, moving, noisy = made["none"], made["moving_camera"], made["noisy"]
    assert quiet.videos == 24
    # Noise of SD .02 leaves differences of SD .028 nearly everywhere, of which those below 10/255 count as none.
    np.testing.assert_allclose(quiet.static_share, math.erf(STATIC / (0.02 * math.sqrt(2)) / math.sqrt(2)), atol=0.03)
    assert quiet.camera_motion < 0.002
    # In [-1, 1] for each axis: .765 pixels a frame in the mean, of 32; five frames of nine are two frames apart.
    assert 0.5 * 2 * 0.765 / 32 < moving.camera_motion < 1.5 * 2 * 0.765 / 32
    assert moving.static_share < 0.6
    np.testing.assert_allclose(noisy.difference_sd, 0.1 * math.sqrt(2), rtol=0.1)
    assert noisy.camera_motion < 0.02


def test_they_are_written_once_for_each_data_set_of_a_study_that_varies_lambda(folder: StudyFolder) -> None:
    tasks = grid_tasks(study())
    assert write_video_statistics(folder, tasks[:3], print) == []
    assert not folder.videos_path.exists(), "of the control alone"
    said: list[str] = []
    assert write_video_statistics(folder, tasks, said.append) == []
    assert said == ["Reading training videos of 3 data sets for the report's rule for λ (--no-clips: none)"]
    assert write_video_statistics(folder, tasks, said.append) == []
    assert len(said) == 1, "nothing is read again"
    known = folder.read_data_statistics()
    assert {one.data for one in known} == {load_data(one.data).fingerprint for one in experiments_of(tasks)}
    assert len(known) == 3
    first = folder.videos_path.read_bytes()
    folder.videos_path.write_text("{")
    write_video_statistics(folder, tasks, print)
    assert folder.videos_path.read_bytes() == first
    folder.videos_path.unlink()
    write_video_statistics(folder, grid_tasks(study(lambdas=(1,))), print)
    assert folder.read_data_statistics() == []
    assert "sweeps.video_statistics" not in code_fingerprints()


def test_the_rule_goes_by_them(tmp_path: Path) -> None:
    run_study(study(), tmp_path)
    conclusions = conclude(load_study(tmp_path))
    assert GUIDANCE.applies(conclusions) is True
    (table,) = GUIDANCE.compute(conclusions).tables
    names = [row.values[0] for row in table.rows]
    assert names == ["spread of the frame difference", "share of static pixels", "camera's motion"]
    assert all(row.values[1] == 3 for row in table.rows)
