"""The clip cache under two processes, kills, full disks and other people's folders."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.vmp.data.tiny_videos import numbers, write_video
from vmp.core.errors import InputError
from vmp.data.cache.folder import CacheError, CacheFolder
from vmp.data.sets.class_folders import FolderData

LOAD = """
import sys, numpy as np
from vmp.data.sets.class_folders import FolderData
data = FolderData(path=sys.argv[1], size=32).load()
print(data.fingerprint, sum(int(data.read(i, np.arange(v.num_frames)).sum()) for i, v in enumerate(data.videos)))
"""
KILLED = """
import os, signal, sys
from vmp.data.cache import clips
from vmp.data.sets.class_folders import FolderData
whole = clips.decode_to
def half(path, geometry, emit):
    count = [0]
    def stop(frame):
        emit(frame)
        count[0] += 1
        if "clip3" in str(path) and count[0] == 5:
            os.kill(os.getpid(), signal.SIGKILL)
    return whole(path, geometry, stop)
clips.decode_to = half
FolderData(path=sys.argv[1], size=32).load()
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for i in range(8):
        write_video(root / "ab"[i % 2] / f"clip{i}.mp4", 10 + i, video=i, options={"preset": "ultrafast"})
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("VMP_CACHE_LIMIT_GB", raising=False)
    return tmp_path / "cache"


def start(code: str, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)


def clips_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("clips/*/*.npy"))


def leftovers(folder: Path) -> list[Path]:
    return sorted(folder.glob("**/*.writing"))


def test_two_processes_fill_one_cache(videos: Path, folder: Path) -> None:
    answers = [process.communicate(timeout=60)[0] for process in [start(LOAD, videos), start(LOAD, videos)]]
    assert answers[0] == answers[1] != ""
    assert len(clips_in(folder)) == 8
    assert leftovers(folder) == []


def test_a_process_killed_while_filling_leaves_no_half_clip(videos: Path, folder: Path) -> None:
    process = start(KILLED, videos)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert leftovers(folder), "it was killed in the middle"
    done = {path: path.stat().st_mtime_ns for path in clips_in(folder)}
    data = FolderData(path=str(videos), size=32).load()
    for i, video in enumerate(data.videos):
        shown = numbers(data.read(i, np.arange(video.num_frames)))
        assert shown == [(shown[0][0], k) for k in range(video.num_frames)]
    assert len(clips_in(folder)) == 8
    assert leftovers(folder) == []
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items()), "finished clips are kept"


def test_reading_maps_the_file_instead_of_copying_it(videos: Path, folder: Path) -> None:
    data = FolderData(path=str(videos), size=32).load()
    data.read(0, np.array([0]))
    mapped = Path("/proc/self/maps")
    if not mapped.exists():
        pytest.skip("needs /proc")
    assert str(folder) in mapped.read_text()


def test_a_damaged_or_vanished_clip_is_decoded_again(videos: Path, folder: Path) -> None:
    cfg = FolderData(path=str(videos), size=32)
    data = cfg.load()
    everything = [data.read(i, np.arange(v.num_frames)).copy() for i, v in enumerate(data.videos)]
    for path in clips_in(folder):
        half = path.read_bytes()[: path.stat().st_size // 2]
        path.unlink()  # not in place: that would pull the pages from under `data`
        path.write_bytes(half)
    again = cfg.load()
    CacheFolder.from_environment().clear()
    for i, expected in enumerate(everything):
        assert np.array_equal(again.read(i, np.arange(len(expected))), expected)
        assert np.array_equal(data.read(i, np.arange(len(expected))), expected), "maps outlive the files"


def test_the_limit_is_kept_and_names_the_way_out(videos: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMP_CACHE_LIMIT_GB", "0.0001")
    with pytest.raises(CacheError, match=r"past its limit of 0\.00 GB.*VMP_CACHE_LIMIT_GB.*--clear"):
        FolderData(path=str(videos), size=32).load()
    assert CacheFolder.from_environment().usage()[1] <= 100_000
    assert leftovers(folder) == []
    monkeypatch.setenv("VMP_CACHE_LIMIT_GB", "plenty")
    with pytest.raises(CacheError, match="'plenty': give a number of gigabytes"):
        FolderData(path=str(videos), size=32).load()


@pytest.mark.usefixtures("folder")
def test_clear_empties_the_cache_and_nothing_else(videos: Path, tmp_path: Path) -> None:
    FolderData(path=str(videos), size=32).load()
    cache = CacheFolder.from_environment()
    clips, size = cache.usage()
    assert clips == 8
    assert size > 8 * 10 * 32 * 32 * 3
    assert cache.clear() == (clips, size)
    assert cache.usage()[0] == 0
    assert len(list(videos.glob("*/*.mp4"))) == 8
    mine = tmp_path / "mine"
    (mine / "index").mkdir(parents=True)
    (mine / "index" / "letter.txt").write_text("dear")
    for touch in (CacheFolder(mine, 10**9).clear, CacheFolder(mine, 10**9).make):
        with pytest.raises(CacheError, match="holds other files"):
            touch()
    assert (mine / "index" / "letter.txt").read_text() == "dear"


def test_a_cache_that_cannot_be_written_is_named(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("VMP_CACHE_DIR", str(blocked / "cache"))
    with pytest.raises(InputError, match=r"cache cannot be written .* set VMP_CACHE_DIR"):
        FolderData(path=str(videos), size=32).load()
    monkeypatch.setenv("VMP_CACHE_LIMIT_GB", "0")
    assert len(FolderData(path=str(videos), size=32).load().videos) == 8, "without clips nothing need be written"


def test_a_file_that_is_overwritten_is_seen(tmp_path: Path, folder: Path) -> None:
    for i in range(8):
        write_video(tmp_path / "set" / "ab"[i % 2] / f"{i}.mp4", 5, video=i)
    cfg = FolderData(path=str(tmp_path / "set"), size=32)
    before = cfg.load()
    time.sleep(0.02)
    write_video(tmp_path / "set" / "a" / "0.mp4", 5, video=40)
    after = cfg.load()
    index = next(i for i, v in enumerate(after.videos) if v.id == "a/0.mp4")
    assert numbers(before.read(index, np.array([1]))) == [(0, 1)]
    assert numbers(after.read(index, np.array([1]))) == [(40, 1)]
    assert folder.is_dir()
