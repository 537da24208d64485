"""Attention maps of the test videos won and lost: of the report's own choice, drawn by the kept model, in its page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from analysis.report.write import write_report
from analysis.sections.clips import CLIPS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from sweeps.clip_maps import GAP, SIDE, write_clip_maps
from sweeps.plan import Task, grid_tasks
from sweeps.records.clip_pictures import ClipMaps
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.study import Study
from tests.vmp.data.tiny_videos import write_video
from vmp.core.power import shift_and_derivative, slope_and_derivative
from vmp.data.registry import load_data
from vmp.saved_model import WEIGHTS_FILE, load_model
from vmp.video import Geometry, decode


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    rows = ["path,label,split\n"]
    for i in range(24):
        write_video(root / f"{i}.mp4", 8, video=i)
        rows.append(f"{i}.mp4,{'ab'[i % 2]},{('train', 'val', 'test')[i // 8]}\n")
    (root / "clips.csv").write_text("".join(rows))
    return root


@pytest.fixture(scope="module")
def study(videos: Path) -> Study:
    return Study(
        name="won",
        factors={"prompt": ("control", "vmp")},
        seeds=(0, 1, 2),
        data={"kind": "manifest", "path": str(videos / "clips.csv"), "size": 32},
        sampling={"kind": "uniform", "num_frames": 4},
        backbone={"kind": "cnn3d_tiny"},
        train={"epochs": 1, "batch_size": 8},
    )


@pytest.fixture(scope="module")
def tasks(study: Study) -> dict[str, Task]:
    return {task.hash: task for task in grid_tasks(study)}


@pytest.fixture(scope="module")
def ran(study: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[str]]:
    out, said = tmp_path_factory.mktemp("out"), list[str]()

    class Said:
        def __getattr__(self, name: str) -> object:
            return lambda *args, **options: said.append(str(args[0])) if name == "note" else None

    run_study(study, out, workers=1, reporter=Said())  # type: ignore[arg-type]
    return StudyFolder(out), said


def test_they_are_the_report_s_videos_with_the_attention_of_the_kept_model(
    ran: tuple[StudyFolder, list[str]], videos: Path
) -> None:
    folder, said = ran
    assert [line for line in said if line.startswith("Attention maps of 8 test videos won and lost")]
    (arm,) = folder.read_clip_maps().arms
    content = CLIPS.compute(conclude(load_study(folder.path)))
    assert [one.video for one in arm.maps] == [row.values[2] for row in content.tables[0].rows]
    assert not content.listings, "no commands where the maps themselves are there"
    layer = load_model(folder.path / "models" / arm.model).model.layer
    a, b = (f(p.item())[0] for f, p in ((slope_and_derivative, layer.m), (shift_and_derivative, layer.n)))
    for one in arm.maps:
        frames = decode(videos / one.video, Geometry(size=32))[0].astype(np.float64) / 255
        grey = frames @ np.array([0.299, 0.587, 0.114])
        taken = [one.frames[0] - (one.frames[1] - one.frames[0]), *one.frames]  # uniform: frames are evenly apart
        maps = 1 / (1 + np.exp(-a * (np.diff(grey[taken], axis=0) - b)))
        assert one.mean == pytest.approx(maps.mean(), abs=1e-3)
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(one.jpeg)))) / 255
        assert picture.shape == (one.height, one.width, 3) == (2 * SIDE + GAP, 4 * (SIDE + GAP) - GAP, 3)
        first = (picture[:SIDE, :SIDE], picture[SIDE + GAP :, :SIDE])
        expected = (frames[one.frames[0]], matplotlib.colormaps["viridis"](maps[0])[..., :3])
        for shown, right in zip(first, expected, strict=True):
            assert shown.mean() == pytest.approx(right.mean(), abs=0.03)


def test_they_are_in_the_page_and_drawn_once(
    ran: tuple[StudyFolder, list[str]], tasks: dict[str, Task], tmp_path: Path
) -> None:
    folder, _ = ran
    assert write_clip_maps(folder, tasks, print) == []
    write_report(folder.path, out=tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    (arm,) = folder.read_clip_maps().arms
    assert all(one.jpeg in page for one in arm.maps)
    assert f"model of seed {arm.seed}, cell {arm.model}" in page


def test_without_them_the_page_has_the_commands_and_the_sweep_says_why(
    ran: tuple[StudyFolder, list[str]], tasks: dict[str, Task], videos: Path
) -> None:
    folder, _ = ran
    drawn = folder.clip_maps_path.read_bytes()
    folder.clip_maps_path.write_text("{")
    content = CLIPS.compute(conclude(load_study(folder.path)))
    assert not content.galleries
    assert content.listings
    moved = videos.rename(videos.with_name("elsewhere"))
    load_data.cache_clear()  # as in another process
    try:
        (line,) = write_clip_maps(folder, tasks, print)
    finally:
        moved.rename(videos)
    assert line.startswith("the report will show no attention maps of the test videos won and lost: ")
    (arm,) = ClipMaps.model_validate_json(drawn).arms
    weights = folder.path / "models" / arm.model / WEIGHTS_FILE
    right = weights.read_bytes()
    weights.write_bytes(right[:100])
    assert "is damaged or of another layer" in write_clip_maps(folder, tasks, print)[0]
    weights.write_bytes(right)
    assert write_clip_maps(folder, tasks, print)[0].startswith("Attention maps of 8 test videos")
    assert folder.clip_maps_path.read_bytes() == drawn
