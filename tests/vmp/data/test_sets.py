"""One contract for every data set, on files of the exact official form that hold real encoded video."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vmp.data.tiny_videos import numbers, picture, write_video
from vmp.core.errors import InputError
from vmp.data.base import SPLITS
from vmp.data.cache.folder import CacheFolder
from vmp.data.sets.class_folders import FolderData
from vmp.data.sets.finegym import FineGymData
from vmp.data.sets.hmdb51 import Hmdb51Data
from vmp.data.sets.manifest import ManifestData
from vmp.data.sets.mmaction import MMActionData
from vmp.data.sets.mpii import MAT_FILE, MpiiCooking2Data
from vmp.data.sets.slowfast import SlowFastData
from vmp.data.sets.video_files import FileDataConfig, FileVideos
from vmp.data.sets.webdataset import WebDatasetData
from vmp.data.splits import carve, fold_splits

QUICK = {"options": {"preset": "ultrafast", "x264-params": "keyint=10"}}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("VMP_CACHE_LIMIT_GB", raising=False)


def make_folder(root: Path, **settings) -> FileDataConfig:
    for i in range(16):
        write_video(root / f"class {i % 2}" / f"clip{i // 2}({i}).mp4", 8 + i, video=i, **QUICK)
    return FolderData(path=str(root), **settings)


def make_manifest(root: Path, **settings) -> FileDataConfig:
    rows = []
    for i in range(16):
        write_video(root / "videos" / f"{i}.mp4", 8 + i, video=i, **QUICK)
        rows.append([f"videos/{i}.mp4", "ab"[i % 2], "" if i == 15 else f"source{i // 3}"])
    write_csv(root / "list.csv", [["path", "label", "group"], *rows])
    return ManifestData(path=str(root / "list.csv"), **settings)


def make_slowfast(root: Path, **settings) -> FileDataConfig:
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for i in range(12):
        part, name = "train" if i < 8 else "test", ["addV", "take outV"][i % 2]
        write_video(root / part / name / f"s{i // 2}-cam-002_{i}.mp4", 8 + i, video=i, **QUICK)
        middle = " 99" if i % 3 == 0 else ""  # some lists have the number of frames between path and label
        lines[part].append(f"{part}/{name}/s{i // 2}-cam-002_{i}.mp4{middle} {i % 2}")
    for part, text in lines.items():
        (root / f"{part}.csv").write_text("\n".join(text) + "\n")
    return SlowFastData(path=str(root), group_pattern=r"(s\d+)-cam", **settings)


def write_frames(folder: Path, frames: int, video: int) -> None:
    """A video as a folder of images without leading zeros, which sort wrongly by their names."""
    folder.mkdir(parents=True)
    for number in range(frames):
        grey = picture(number, video)
        Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(folder / f"img_{number + 1}.png")


def make_frames(root: Path, **settings) -> FileDataConfig:
    for i in range(16):
        write_frames(root / f"class {i % 2}" / f"clip{i}", 8 + i, video=i)
    return FolderData(path=str(root), frame_rate=25, **settings)


def make_cuts(root: Path, **settings) -> FileDataConfig:
    rows = [["path", "label", "start", "end"]]
    for i in range(6):
        write_video(root / f"{i}.mp4", 60, video=i, **QUICK)
        rows += [[f"{i}.mp4", "ab"[part % 2], str(part * 0.8), str(part * 0.8 + 0.8)] for part in range(3)]
    path = str(write_csv(root / "cuts.csv", rows))
    return ManifestData(path=path, start_column="start", end_column="end", **settings)


def make_mmaction(root: Path, **settings) -> FileDataConfig:
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for i in range(12):
        part, name = "train" if i < 8 else "val", f"{'ab'[i % 2]}/{i}"
        write_frames(root / "rawframes" / name, 8 + i, video=i)
        lines[part].append(f"{name} {8 + i} {i % 2}")
    for part, text in lines.items():
        (root / f"x_{part}_split_1_rawframes.txt").write_text("\n".join(text) + "\n")
    lists = {part: str(root / f"x_{part}_split_1_rawframes.txt") for part in lines}
    return MMActionData(**lists, root=str(root / "rawframes"), frame_rate=25, **settings)


def write_shard(path: Path, members: dict[str, bytes], link: str | None = None) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link is not None:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)


def make_webdataset(root: Path, **settings) -> FileDataConfig:
    for shard in range(3):
        members: dict[str, bytes] = {}
        for i in range(4 * shard, 4 * shard + 4):
            write_video(root / "video.mp4", 8 + i, video=i, **QUICK)
            members[f"clips/{i:04}.mp4"] = (root / "video.mp4").read_bytes()
            members[f"clips/{i:04}.json"] = json.dumps({"label": i % 2, "group": f"camera {i // 2}"}).encode()
            members[f"clips/{i:04}.wav"] = b""
        write_shard(root / f"shard-{shard:03}.tar", members)
    (root / "classes.txt").write_text("fall\nwalk\n")
    files = {"train": str(root / "shard-{000..001}.tar"), "test": str(root / "shard-002.ta*")}
    return WebDatasetData(**files, classes=str(root / "classes.txt"), **settings)


def make_hmdb51(root: Path, **settings) -> FileDataConfig:
    for c, name in enumerate(["brush_hair", "wave"]):
        lines = []
        for i in range(10):
            camera, code = ["cm", "nm"][i % 2], [1, 1, 2, 1, 0][i % 5]
            file = f"Movie_(No!)_{i // 2}_{name}_f_{camera}_np1_ba_med_{i}.avi"
            if code:
                write_video(root / "videos" / name / file, 8 + i, video=10 * c + i, codec="mpeg4")
            lines.append(f"{file} {code} ")
        for split in (1, 2, 3):
            file = root / "splits" / f"{name}_test_split{split}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines) + "\n")
    return Hmdb51Data(path=str(root / "videos"), annotations=str(root / "splits"), **settings)


def make_mpii(root: Path, **settings) -> FileDataConfig:
    sequences = [f"s{8 + i:02}-d{i:02}" for i in range(6)]
    rows = [
        (activity, f"{name}-cam-002", 10 * k, 10 * k + 6)
        for name in sequences
        for k, activity in enumerate(["addV", "take outV", "nobodyV", "addV"])
    ]
    with h5py.File(root / MAT_FILE, "w") as mat:

        def column(texts: list[str]) -> list[h5py.Reference]:
            group = mat.require_group("#refs#")
            made = []
            for text in texts:
                units = np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]
                made.append(group.create_dataset(f"r{len(group)}", data=units).ref)
            return made

        annos = mat.create_group("annos")
        for name, texts in {
            "activity": [r[0] for r in rows],
            "fileName": [r[1] for r in rows],
            "attributeMap": ["addV", "take outV", "knifeN"],
        }.items():
            annos.create_dataset(name, data=np.array(column(texts), dtype=object)[:, None], dtype=h5py.ref_dtype)
        annos["startFrame"] = np.array([[float(r[2])] for r in rows])
        annos["endFrame"] = np.array([[float(r[3])] for r in rows])
    setup = root / "experimentalSetup"
    setup.mkdir()
    (setup / "sequencesTrainAttr.txt").write_text("".join(f"{s} 1 2\n" for s in sequences[:3]))
    (setup / "sequencesVal.txt").write_text(f"{sequences[3]}\n")
    (setup / "sequencesTest.txt").write_text(f"{sequences[4]}\n")
    for i, name in enumerate(sequences):
        write_video(root / "videos" / f"{name}-cam-002.avi", 40, video=i, options={"bf": "2", "g": "12"})
    return MpiiCooking2Data(path=str(root), **settings)


def make_finegym(root: Path, **settings) -> FileDataConfig:
    ids = ["0LtLS9wROrk", "_a-b_E_1_2_", "-zzzzzzzzzz", "gone_______"]
    events = {
        "E_000001_000003": {
            "event": 1,
            "timestamps": [[1.0, 3.0]],
            "segments": {
                "A_0000_0000": {"stages": 1, "timestamps": [[0.2, 0.6]]},
                "A_0001_0002": {"stages": 2, "timestamps": [[0.8, 1.0], [1.0, 1.4]]},
            },
        },
        "E_000004_000005": {"event": 2, "timestamps": [[4.0, 5.0]], "segments": None},
    }
    folder = root / "annotations"
    folder.mkdir()
    (folder / "finegym_annotation_info_v1.1.json").write_text(json.dumps(dict.fromkeys(ids, events)))
    segments = enumerate(events["E_000001_000003"]["segments"])
    lines = [[f"{v}_E_000001_000003_{segment} {label}" for v in ids] for label, segment in segments]
    train, test = ([line[k] for k in which for line in lines] for which in ((0, 1, 3), (2,)))
    (folder / "gym99_train_element_v1.1.txt").write_text("\n".join(train))
    (folder / "gym99_val_element.txt").write_text("\n".join(test) + "\n")
    (folder / "gym99_categories.txt").write_text(
        "Clabel: 0; set: 1; Glabel: 1; (VT) round-off\nClabel: 1; set: 1; Glabel: 6; (FX) turn; twice\n"
    )
    for i, video in enumerate(ids[:3]):
        write_video(root / "videos" / f"{video}.mp4", 80, video=i, **QUICK)
    return FineGymData(path=str(root / "videos"), annotations=str(folder), **settings)


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


MAKERS: dict[str, Callable[..., FileDataConfig]] = {
    "folder": make_folder,
    "manifest": make_manifest,
    "slowfast": make_slowfast,
    "frames": make_frames,
    "cuts": make_cuts,
    "mmaction": make_mmaction,
    "webdataset": make_webdataset,
    "hmdb51": make_hmdb51,
    "mpii": make_mpii,
    "finegym": make_finegym,
}


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


def by_id(data: FileVideos) -> dict[str, tuple[int, int]]:
    """``{id: (first frame shown, number of frames)}``."""
    return {v.id: (numbers(data.read(i, np.array([0])))[0][1], v.num_frames) for i, v in enumerate(data.videos)}


def test_webdataset_names_classes_groups_and_what_it_does_not_read(tmp_path: Path) -> None:
    listing = make_webdataset(tmp_path, val_fraction=0.3).listing()
    assert listing.classes == ("fall", "walk")
    assert [item.id for item in listing.items] == [f"clips/{i:04}" for i in range(12)]
    assert [item.group for item in listing.items] == [f"camera {i // 2}" for i in range(12)]
    assert {item.split for item in listing.items[8:]} == {"test"}
    assert "12 members .wav of the shards not read" in listing.notes
    video = (tmp_path / "video.mp4").read_bytes()
    for suffix, label in (("cls", "2"), ("txt", "no fall")):
        write_shard(
            tmp_path / "one.tar",
            {f"{i}.{s}": c for i in range(9) for s, c in (("mp4", video), (suffix, label.encode()))},
        )
        carved = WebDatasetData(train=str(tmp_path / "one.tar"))
        assert carved.listing().classes == (label,)
        assert {item.split for item in carved.listing().items} == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("members", "link", "match"),
    [
        ({"a.mp4": b"x"}, None, r"one\.tar, a: a video without a label; put \.cls, \.json or \.txt beside it"),
        ({"a.cls": b"0"}, None, r"one\.tar: holds no video"),
        ({"a.mp4": b"x", "A/../a.mp4": b"x"}, "b.mp4", r"one\.tar, b\.mp4: is a link or a device"),
        ({"a.mp4": b"x", "a.avi": b"x", "a.cls": b"0"}, None, r"one\.tar, a: has two videos"),
        ({"a.mp4": b"x", "a.json": b"[1]"}, None, r"a: its \.json holds no mapping"),
        (
            {"a.mp4": b"x", "a.json": b'{"class": 1}'},
            None,
            r"a: its JSON has no text or number 'label' \(keys: class\)",
        ),
        ({"a.mp4": b"x", "a.cls": b" "}, None, r"a: its label \(\.cls\) is empty"),
        ({"a.mp4": b"x", "a.txt": b"\xff"}, None, r"one\.tar: a label is not UTF-8 text"),
    ],
)
def test_a_shard_that_cannot_be_used_is_one_sentence(
    members: dict[str, bytes], link: str | None, match: str, tmp_path: Path
) -> None:
    write_shard(tmp_path / "one.tar", members, link)
    with pytest.raises(InputError, match=match):
        WebDatasetData(train=str(tmp_path / "one.tar")).listing()


def test_cut_shards_missing_shards_and_doubled_keys(tmp_path: Path) -> None:
    members = {"a.mp4": bytes(9000), "a.cls": b"0", "../../../b.mp4": b"x", "../../../b.cls": b"1"}
    members |= {f"{key}.{kind}": b"0" for key in "cdefgh" for kind in ("mp4", "cls")}
    whole, cut = tmp_path / "whole.tar", tmp_path / "cut.tar"
    write_shard(whole, members)
    content = whole.read_bytes()
    for length in (300, 5000, len(content) - 10240 + 512 * 3, content.index(b"b.cls") + 1024):
        cut.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.tar: is damaged, cut or no tar file"):
            WebDatasetData(train=str(cut)).listing()
    cache = CacheFolder.from_environment().path
    unpacked = WebDatasetData(train=str(whole)).listing()
    assert [item.id for item in unpacked.items] == list("abcdefgh")
    assert all(item.path.resolve().is_relative_to(cache.resolve()) for item in unpacked.items)
    with pytest.raises(InputError, match=r"whole\.tar, a: the key stands a second time \(first in .*whole\.tar, a\)"):
        WebDatasetData(train=str(whole), test=str(whole)).listing()
    with pytest.raises(InputError, match=r"w-2\.tar.*: no such shard; name tar files"):
        WebDatasetData(train=str(tmp_path / "w-{2..3}.tar")).listing()


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


def test_manifest_honours_splits_and_empty_groups(tmp_path: Path) -> None:
    data = make_manifest(tmp_path).load()
    assert next(v for v in data.videos if v.id == "videos/15.mp4").split == "train", "unknown source"
    rows = [["path", "label", "split"]] + [
        [f"videos/{i}.mp4", "ab"[i % 2], "test" if i < 4 else "train"] for i in range(16)
    ]
    given = ManifestData(path=str(write_csv(tmp_path / "given.csv", rows)), val_fraction=0.34).listing()
    assert [item.split == "test" for item in given.items] == [i < 4 for i in range(16)]
    assert sum(item.split == "val" for item in given.items) == 4
    rows = [[*row, "group" if i == 0 else "same"] for i, row in enumerate(rows)]
    with pytest.raises(InputError, match="group 'same' occurs in test and in train"):
        ManifestData(path=str(write_csv(tmp_path / "leak.csv", rows))).listing()


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([["file", "label"]], {}, r"has no column 'path' \(path_column\); it has: file, label"),
        ([["path", "label"]], {"group_column": "source"}, "has no column 'source'"),
        ([["path", "label"]], {}, "lists no videos"),
        ([["path", "label"], ["a.mp4"]], {}, "line 2: has more or fewer fields"),
        ([["path", "label"], ["a.mp4", ""]], {}, "line 2: the column 'label' is empty"),
        ([["path", "label", "split"], ["a.mp4", "x", "dev"]], {}, "line 2: split 'dev' is none of train, val, test"),
        ([["path", "label"], ["a.mp4", "x"], ["b.mp4", "x"]], {}, "2 groups cannot fill train, test and val"),
    ],
)
def test_manifest_mistakes_are_named(tmp_path: Path, rows: list, settings: dict, message: str) -> None:
    path = write_csv(tmp_path / "list.csv", rows)
    with pytest.raises(InputError, match=rf"list\.csv.*{message}"):
        ManifestData(path=str(path), **settings).listing()


def test_missing_broken_and_repeated_videos_are_named(tmp_path: Path) -> None:
    root = tmp_path / "set"
    make_manifest(root)
    listing = (root / "list.csv").read_text()
    cfg = ManifestData(path=str(root / "list.csv"))
    (root / "videos" / "3.mp4").write_text("not a video")
    (root / "videos" / "7.mp4").unlink()
    with pytest.raises(InputError, match=r"list\.csv, line 5: .*3\.mp4: is not a readable.* and 1 more of 16"):
        cfg.load()
    quarantine = write_csv(tmp_path / "q.csv", [["id", "reason"], ["videos/3.mp4", "text"], ["videos/7.mp4", "gone"]])
    kept = ManifestData(path=str(root / "list.csv"), quarantine=str(quarantine)).load()
    assert dict(kept.excluded) == {"videos/3.mp4": "text", "videos/7.mp4": "gone"}
    splits = {item.id: item.split for item in cfg.listing().items}
    assert all(splits[v.id] == v.split for v in kept.videos), "leaving videos out moves no other video"
    write_csv(tmp_path / "q.csv", [["id", "reason"], ["videos/99.mp4", "?"]])
    with pytest.raises(InputError, match=r"q\.csv: quarantines 'videos/99\.mp4', which list does not list"):
        ManifestData(path=str(root / "list.csv"), quarantine=str(quarantine)).load()
    (root / "list.csv").write_text(listing + "videos/0.mp4,a,source0\n")
    with pytest.raises(InputError, match=r"line 18: 'videos/0\.mp4' is listed a second time \(first: .*line 2\)"):
        cfg.load()


def test_a_manifest_cuts_clips_by_seconds_and_by_frames(tmp_path: Path) -> None:
    seconds = make_cuts(tmp_path)
    data = seconds.load()
    shown = by_id(data)
    assert shown["2.mp4/0-0.8"] == (0, 20)
    assert shown["2.mp4/0.8-1.6"] == (20, 20)
    assert all(len({v.split for v in data.videos if v.group == f"{i}.mp4"}) == 1 for i in range(6))
    rows = [["path", "label", "from", "to"]] + [[f"{i}.mp4", "ab"[i % 2], "7", str(17 + i)] for i in range(6)]
    path = str(write_csv(tmp_path / "frames.csv", rows))
    frames = ManifestData(path=path, start_column="from", end_column="to", interval="frames", val_fraction=0.3)
    assert by_id(frames.load())["3.mp4/7-20"] == (7, 13)
    assert any("unused columns: from, to" in note for note in ManifestData(path=path).listing().notes)
    for start, end in (("5", "5"), ("-1", "4"), ("a", "4"), ("1.5", "4"), ("nan", "4")):
        write_csv(tmp_path / "frames.csv", [rows[0], ["0.mp4", "a", start, end]])
        with pytest.raises(InputError, match=rf"line 2: start '{start}' and end '{end}' must be a whole number"):
            frames.listing()
    write_csv(tmp_path / "frames.csv", rows)
    for unit, first in (("frames", 7), ("seconds", 49)):
        rest = [[*row[:2], "1.96" if unit == "seconds" else row[2], row[3]] for row in rows[1:]]
        write_csv(tmp_path / "frames.csv", [rows[0], *rest])
        open_end = dataclasses.replace(frames, end_column=None, interval=unit).load()
        assert set(by_id(open_end).values()) == {(first, 60 - first)}, "to the end of the file"
    write_csv(tmp_path / "frames.csv", rows)
    assert by_id(dataclasses.replace(frames, start_column=None).load())["3.mp4/0-20"] == (0, 20)


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


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=6, max_size=40),
    classes=st.integers(1, 5),
    fractions=st.fixed_dictionaries({"test": st.floats(0.1, 0.4), "val": st.floats(0.1, 0.3)}),
    seed=st.integers(0, 3),
)
def test_carved_splits_keep_groups_whole(sizes: list[int], classes: int, fractions: dict, seed: int) -> None:
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)] + [None, None]
    labels = [i * 7 % classes for i in range(len(groups))]
    splits = carve(labels, groups, fractions, seed=seed, where="here")
    assert set(splits) == {"train", "val", "test"}
    assert splits[-2:] == ["train", "train"]
    for group in set(groups) - {None}:
        assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
    for name, share in fractions.items():
        assert abs(splits.count(name) / len(splits) - share) <= max(sizes) / len(splits) + 0.1
    assert splits == carve(labels, groups, fractions, seed=seed, where="here")


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


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=8, max_size=30),
    classes=st.integers(1, 4),
    folds=st.integers(2, 6),
    seed=st.integers(0, 3),
)
def test_every_group_is_tested_in_exactly_one_fold(sizes: list[int], classes: int, folds: int, seed: int) -> None:
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)] + [None]
    labels = [i * 7 % classes for i in range(len(groups))]
    tested: list[str] = []
    for number in range(1, folds + 1):
        splits = fold_splits(labels, groups, f"{number}/{folds}", val_fraction=0.2, seed=seed, where="here")
        assert set(splits) == {"train", "val", "test"}
        assert splits[-1] == "train"
        for group in set(groups) - {None}:
            assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
        share = splits.count("test") / len(splits)
        assert abs(share - 1 / folds) <= 2 * max(sizes) / len(splits)
        tested += sorted({g for g, s in zip(groups, splits, strict=True) if s == "test" and g})
    assert sorted(tested) == sorted(set(groups) - {None})


def test_as_many_folds_as_groups_leave_out_one_group_each(tmp_path: Path) -> None:
    config = make_cuts(tmp_path)
    for number in range(1, 7):
        data = dataclasses.replace(config, fold=f"{number}/6").load()
        assert {video.group for video in data.videos if video.split == "test"} == {f"{number - 1}.mp4"}
    with pytest.raises(InputError, match="6 groups cannot fill 7 folds"):
        dataclasses.replace(config, fold="1/7").load()
    with pytest.raises(ValueError, match="fold 3/2 must be one of 1/2 to 2/2"):
        dataclasses.replace(config, fold="3/2")
    text = (tmp_path / "cuts.csv").read_text().splitlines()
    (tmp_path / "cuts.csv").write_text("\n".join([text[0] + ",split", *(line + ",train" for line in text[1:])]))
    with pytest.raises(InputError, match="gives its own splits, and fold 1/6 asks for others; name a list without"):
        dataclasses.replace(config, fold="1/6").load()
