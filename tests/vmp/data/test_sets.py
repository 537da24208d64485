"""One contract for every data set, on files of the exact official form that hold real encoded video."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.vmp.data.conftest import own_cache
from tests.vmp.data.tiny_sets import (
    MAKERS,
    QUICK,
    by_id,
    make_finegym,
    make_folder,
    make_frames,
    make_mmaction,
    make_mpii,
)
from tests.vmp.data.tiny_videos import numbers, write_video
from vmp.core.errors import InputError
from vmp.data.base import SPLITS
from vmp.data.sets.class_folders import FolderData
from vmp.data.sets.video_files import FileDataConfig

__all__ = ["own_cache", "test_contract"]  # for a data set of one's own: docs/extending.md


@pytest.fixture(scope="module", params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, FileDataConfig]:
    root = tmp_path_factory.mktemp(request.param)
    return request.param, MAKERS[request.param](root, size=32, val_fraction=0.3)


def test_contract(made: tuple[str, FileDataConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    kind, cfg = made
    data = cfg.load()
    assert len({video.id for video in data.videos}) == len(data.videos) > 0
    assert {video.split for video in data.videos} == set(SPLITS)
    assert {video.label for video in data.videos} == set(range(len(data.classes)))
    groups: dict[str, set[str]] = {}
    for i, video in enumerate(data.videos):
        if video.group is not None:
            groups.setdefault(video.group, set()).add(video.split)
        frames = data.read(i, np.arange(video.num_frames))
        assert frames.shape == (video.num_frames, 32, 32, 3)
        assert frames.dtype == np.uint8
        shown = numbers(frames)
        first = shown[0][1]
        assert shown == [(shown[0][0], first + k) for k in range(video.num_frames)], "its own frames, in order"
        assert video.fps == pytest.approx(25)
        again = np.array([video.num_frames - 1, 0, 0])
        assert np.array_equal(data.read(i, again), frames[again])
        assert len(data.timeline(i, "motion").motion) == video.num_frames - 1
        keys = data.timeline(i, "key_frames").key_frames
        assert ((keys >= 0) & (keys < video.num_frames)).all()
        with pytest.raises(InputError, match=f"frames 0 to {video.num_frames - 1}"):
            data.read(i, np.array([video.num_frames]))
    if kind != "hmdb51":  # whose official split separates some sources
        assert all(len(splits) == 1 for splits in groups.values())
    warm = cfg.load()
    monkeypatch.setenv("VMP_CACHE_LIMIT_GB", "0")
    uncached = cfg.load()
    for other in (warm, uncached):
        assert (other.videos, other.classes, other.fingerprint) == (data.videos, data.classes, data.fingerprint)
        for i, video in enumerate(data.videos):
            wanted = np.array([video.num_frames // 2, 0])
            assert np.array_equal(other.read(i, wanted), data.read(i, wanted))


def test_folders_of_frames_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    config = make_frames(tmp_path / "v")
    assert by_id(config.load())["class 1/clip15"] == (0, 23)
    slower = dataclasses.replace(config, frame_rate=10)
    assert slower.load().fingerprint != config.load().fingerprint, "what is sampled by time depends on the rate"
    assert make_mmaction_notes(tmp_path / "m") == ["validation videos serve as test", "no groups are known"]
    (tmp_path / "v" / "class 0" / "clip0" / "img_3.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"img_3\.png: is not a readable image"):
        config.load()


def make_mmaction_notes(root: Path) -> list[str]:
    notes = " ".join(make_mmaction(root).listing().notes)
    return [text for text in ("validation videos serve as test", "no groups are known") if text in notes]


def test_folders_without_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no videos in class folders"):
        FolderData(path=str(tmp_path)).load()
    with pytest.raises(InputError, match="no such folder"):
        FolderData(path=str(tmp_path / "nowhere")).load()


def test_fingerprint_follows_content_labels_splits_and_size_but_not_place(tmp_path: Path) -> None:
    cfg = make_folder(tmp_path / "one")
    before = cfg.load().fingerprint
    (tmp_path / "one").rename(tmp_path / "two")
    moved = FolderData(path=str(tmp_path / "two"))
    assert moved.load().fingerprint == before
    assert FolderData(path=str(tmp_path / "two"), size=32).load().fingerprint != before
    assert FolderData(path=str(tmp_path / "two"), split_seed=1).load().fingerprint != before
    write_video(tmp_path / "two" / "class 0" / "clip0(0).mp4", 8, video=63, **QUICK)
    changed = FolderData(path=str(tmp_path / "two")).load()
    assert changed.fingerprint != before
    index = next(i for i, v in enumerate(changed.videos) if "clip0(0)" in v.id)
    assert numbers(changed.read(index, np.array([2]))) == [(63, 2)], "the cache goes by content, not by name"


def test_longest_keeps_the_beginning_and_its_fingerprint_says_so(tmp_path: Path) -> None:
    config = make_folder(tmp_path / "v")  # clips of 8, 9, ... frames, 25 a second
    whole, cut = config.load(), dataclasses.replace(config, longest=0.4).load()
    assert [v.num_frames for v in cut.videos] == [min(v.num_frames, 10) for v in whole.videos]
    assert any(v.num_frames > 10 for v in whole.videos)
    last = max(range(len(whole.videos)), key=lambda i: whole.videos[i].num_frames)
    assert [frame for _, frame in numbers(cut.read(last, np.arange(10)))] == list(range(10))
    assert cut.fingerprint != whole.fingerprint
    for name in ("gym", "mpii"):
        (tmp_path / name).mkdir()
    gym = make_finegym(tmp_path / "gym")
    assert {v.num_frames for v in dataclasses.replace(gym, longest=0.2).load().videos} == {5}
    with pytest.raises(InputError, match="cannot cut an interval that is in frames"):
        dataclasses.replace(make_mpii(tmp_path / "mpii"), longest=1.0).load()
