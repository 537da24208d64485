"""A list of one's own: its columns, splits and groups, clips cut from longer videos, and mistakes in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.vmp.data.tiny_sets import by_id, make_cuts, make_manifest, write_csv
from vmp.core.errors import InputError
from vmp.data.sets.manifest import ManifestData


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
