"""Test clips beside the plan, for the report's explorer: lossless, of the study's own data, and no part of any cell."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweeps import example_clips
from sweeps.example_clips import write_example_clips
from sweeps.plan import Task, experiments_of, grid_tasks
from sweeps.records.study_folder import StudyFolder
from sweeps.study_files import load_study
from tests.conftest import SMALL, Vmp
from vmp.core.fingerprint import code_fingerprints
from vmp.data.registry import load_data


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return grid_tasks(load_study("lambda", [part for part in SMALL if part != "--set"]))


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path)
    made.create()
    return made


def test_the_pictures_are_the_frames_that_a_cell_tests_on(folder: StudyFolder, tasks: list[Task]) -> None:
    assert write_example_clips(folder, tasks, print)[0].startswith("6 test clips as pictures in ")
    experiment = next(one for one in experiments_of(tasks) if one.layer.has_attention)
    data = load_data(experiment.data)
    numbers = {video.id: i for i, video in enumerate(data.videos) if video.split == "test"}
    clips = folder.read_example_clips()
    assert [clip.label for clip in clips.clips] == list(data.classes)
    for clip in clips.clips:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(clip.png))))
        frames = data.read(numbers[clip.video], np.array(clip.frames))
        assert len(frames) == experiment.sampling.num_frames + 1
        np.testing.assert_array_equal(picture, np.concatenate(list(frames), axis=1))
    assert "sweeps.example_clips" not in code_fingerprints()


def test_they_are_written_once_and_again_only_when_damaged(folder: StudyFolder, tasks: list[Task]) -> None:
    write_example_clips(folder, tasks, print)
    first = folder.clips_path.read_bytes()
    assert write_example_clips(folder, tasks, print) == []
    folder.clips_path.write_text("{")
    assert write_example_clips(folder, tasks, print)
    assert folder.clips_path.read_bytes() == first
    references = [task for task in tasks if task.settings["layer"]["kind"] != "vmp"]
    folder.clips_path.unlink()
    assert write_example_clips(folder, references, print) == []
    assert not folder.has_example_clips()


def test_the_page_has_room_for_them(folder: StudyFolder, tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_clips, "MAX_SIDE", 8)
    write_example_clips(folder, tasks, print)
    small = folder.read_example_clips()
    assert (small.size, small.side) == (16, 8)
    folder.clips_path.unlink()
    monkeypatch.setattr(example_clips, "MAX_CHARACTERS", len(small.clips[0].png) + len(small.clips[1].png) + 1)
    write_example_clips(folder, tasks, print)
    assert len(folder.read_example_clips().clips) == 2
    folder.clips_path.unlink()
    monkeypatch.setattr(example_clips, "MAX_CHARACTERS", 10)
    assert "no explorer" in write_example_clips(folder, tasks, print)[0]
    assert not folder.has_example_clips()


def test_a_sweep_writes_them_unless_it_is_asked_not_to(call_vmp: Vmp, tmp_path: Path) -> None:
    run = ("sweep", "run", "lambda", *SMALL, "--max-cells", 1, "--out")
    assert "--no-clips" in call_vmp(*run, tmp_path / "with").stderr
    assert (tmp_path / "with" / "clips.json").is_file()
    call_vmp(*run, tmp_path / "without", "--no-clips")
    assert not (tmp_path / "without" / "clips.json").exists()
