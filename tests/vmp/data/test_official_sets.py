"""HMDB51, MPII Cooking 2, FineGym and SlowFast's lists: what their official annotations mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmp.data.tiny_sets import by_id, make_finegym, make_hmdb51, make_mpii, make_slowfast
from vmp.core.errors import InputError
from vmp.data.sets.finegym import FineGymData
from vmp.data.sets.hmdb51 import Hmdb51Data
from vmp.data.sets.mpii import MAT_FILE, MpiiCooking2Data
from vmp.data.sets.slowfast import SlowFastData


def test_hmdb51_reads_names_and_tags(tmp_path: Path) -> None:
    data = make_hmdb51(tmp_path).load()
    assert data.classes == ("brush_hair", "wave")
    video = next(v for v in data.videos if "brush_hair_f_cm_np1_ba_med_2" in v.id)
    assert (video.split, video.group) == ("test", "Movie_(No!)_1")
    assert dict(video.tags) == {"body": "f", "camera": "moving", "persons": "1", "view": "ba", "quality": "medium"}
    assert len(data.videos) == 16, "code 0 is unused"
    (tmp_path / "splits" / "wave_test_split1.txt").write_text("a.avi 3\n")
    with pytest.raises(InputError, match=r"wave_test_split1\.txt, line 1: 'a\.avi 3' is not"):
        Hmdb51Data(path="videos", annotations=str(tmp_path / "splits")).listing()


def test_mpii_reads_intervals_of_the_long_videos(tmp_path: Path) -> None:
    data = make_mpii(tmp_path).load()
    assert data.classes == ("addV", "take outV"), "activities outside the attribute map are left out"
    shown = by_id(data)
    assert shown["s08-d00-cam-002/0-6/addV"] == (0, 7)
    assert shown["s08-d00-cam-002/30-36/addV"] == (30, 7)
    assert {v.split for v in data.videos if v.group == "s11-d03-cam-002"} == {"val"}
    assert dict(data.excluded) == {"s13-d05-cam-002": "annotated, but in no split file"}
    (tmp_path / MAT_FILE).write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match=f"{MAT_FILE}: is not the official annotation"):
        MpiiCooking2Data(path=str(tmp_path)).listing()


def test_finegym_cuts_by_the_exact_times(tmp_path: Path) -> None:
    data = make_finegym(tmp_path).load()
    assert data.classes == ("(VT) round-off", "(FX) turn; twice")
    shown = by_id(data)
    assert shown["0LtLS9wROrk_E_000001_000003_A_0000_0000"] == (30, 10)  # 1.2 s to 1.6 s at 25 a second
    assert shown["_a-b_E_1_2__E_000001_000003_A_0001_0002"] == (45, 15)  # both stages: 1.8 s to 2.4 s
    assert [reason for name, reason in data.excluded if name.startswith("gone")] == ["source video is missing"] * 2
    assert {v.group for v in data.videos if v.split == "test"} == {"-zzzzzzzzzz"}
    annotation = tmp_path / "annotations" / "finegym_annotation_info_v1.1.json"
    annotation.write_text("{}")
    with pytest.raises(InputError, match=r"gym99_train_element_v1\.1\.txt, line 1: .* has no times"):
        FineGymData(path=str(tmp_path / "videos"), annotations=str(tmp_path / "annotations")).listing()


def test_slowfast_splits_lines_on_the_last_separator(tmp_path: Path) -> None:
    data = make_slowfast(tmp_path).load()
    assert data.classes == ("addV", "take outV")
    assert "train/take outV/s0-cam-002_1.mp4" in {v.id for v in data.videos}
    (tmp_path / "train.csv").write_text("train/addV/s0-cam-002_0.mp4\n")
    with pytest.raises(InputError, match=r"train\.csv, line 1: .* is not '<path> <label>'"):
        SlowFastData(path=str(tmp_path)).listing()
