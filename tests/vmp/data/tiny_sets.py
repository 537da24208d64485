"""A tiny data set of every kind, on files of the exact official form that hold real encoded video."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tests.vmp.data.tiny_videos import numbers, picture, write_video
from vmp.data.sets.class_folders import FolderData
from vmp.data.sets.finegym import FineGymData
from vmp.data.sets.hmdb51 import Hmdb51Data
from vmp.data.sets.manifest import ManifestData
from vmp.data.sets.mmaction import MMActionData
from vmp.data.sets.mpii import MAT_FILE, MpiiCooking2Data
from vmp.data.sets.slowfast import SlowFastData
from vmp.data.sets.video_files import FileDataConfig, FileVideos
from vmp.data.sets.webdataset import WebDatasetData

QUICK = {"options": {"preset": "ultrafast", "x264-params": "keyint=10"}}


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


def by_id(data: FileVideos) -> dict[str, tuple[int, int]]:
    """``{id: (first frame shown, number of frames)}``."""
    return {v.id: (numbers(data.read(i, np.array([0])))[0][1], v.num_frames) for i, v in enumerate(data.videos)}
