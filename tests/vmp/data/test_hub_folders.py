"""Folders as Hugging Face's ``datasets`` documents them: metadata on top or in each split, CSV or lines of JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.vmp.data.tiny_videos import write_video
from vmp.core.errors import InputError
from vmp.data.resolve import resolve_dataset
from vmp.data.sets.class_folders import FolderData

Rows = list[dict[str, Any]]


def write_metadata(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make(root: Path, form: str, *, on_top: bool, splits: tuple[str, ...] = ("train", "validation", "test")) -> Rows:
    """Four videos a split, of labels 0 and 1; the rows of metadata on top."""
    every: Rows = []
    for s, split in enumerate(splits):
        rows = []
        for i in range(4):
            write_video(root / split / f"{i:04}.mp4", 8, video=4 * s + i)
            rows.append({"file_name": f"{i:04}.mp4", "label": i % 2, "caption": f"a clip, number {i}"})
        every += [{**row, "file_name": f"{split}/{row['file_name']}"} for row in rows]
        if not on_top:
            write_metadata(root / split / f"metadata.{form}", rows)
    if on_top:
        write_metadata(root / f"metadata.{form}", every)
    return every


@pytest.mark.parametrize("on_top", [True, False])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_metadata_give_the_classes_and_folders_the_splits(tmp_path: Path, form: str, on_top: bool) -> None:
    rows = make(tmp_path / "hub", form, on_top=on_top)
    data = resolve_dataset(tmp_path / "hub").load()
    named = {"validation": "val"}
    assert data.classes == ("0", "1")
    assert {(video.id, video.label, video.split) for video in data.videos} == {
        (row["file_name"], row["label"], named.get(split := row["file_name"].split("/")[0], split)) for row in rows
    }
    assert any("unused columns: caption" in note for note in data.notes)
    assert any("classes are the column label of" in note for note in data.notes)


def test_class_folders_of_a_hub_data_set_are_read_without_metadata(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "validation", "test")):
        for name in ("cat", "dog"):
            write_video(tmp_path / "hub" / split / name / "a.mp4", 8, video=i + 10 * (name == "dog"))
    write_metadata(tmp_path / "hub" / "metadata.csv", [{"file_name": "train/cat/a.mp4", "caption": "it jumps"}])
    data = FolderData(path=str(tmp_path / "hub")).load()
    assert data.classes == ("cat", "dog")
    assert [video.split for video in data.videos] == ["test", "test", "train", "train", "val", "val"]
    assert "metadata without the columns file_name and label are ignored: metadata.csv" in data.notes


def test_a_training_split_alone_is_carved_by_the_groups_of_the_metadata(tmp_path: Path) -> None:
    rows = [{"file_name": f"videos/{i}.mp4", "label": "ab"[i % 2], "group": f"g{i // 2}"} for i in range(16)]
    for i, row in enumerate(rows):
        write_video(tmp_path / "hub" / "train" / row["file_name"], 8, video=i)
    write_metadata(tmp_path / "hub" / "train" / "metadata.jsonl", rows)
    write_video(tmp_path / "hub" / "train" / "stray.mp4", 8, video=40)
    data = FolderData(path=str(tmp_path / "hub")).load()
    assert {video.split for video in data.videos} == {"train", "val", "test"}
    for group in {video.group for video in data.videos}:
        assert len({video.split for video in data.videos if video.group == group}) == 1
    assert any("the only split folder is for training" in note for note in data.notes)
    assert "1 videos that no metadata lists are not used: train/stray.mp4" in data.notes
    without = FolderData(path=str(tmp_path / "hub"), group_pattern=r"videos/(\d+)").load()
    assert {video.group for video in without.videos} == {str(i) for i in range(16)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"file_name": "train/0000.mp4", "Label": 0}], r"no column 'label' but a column 'Label'"),
        ([{"filename": "train/0000.mp4", "label": 0}], r"no column 'file_name' but a column 'filename'"),
        ([{"file_name": "train/0000.mp4", "label": 0, "Group": "x"}], r"no column 'group' but a column 'Group'"),
        ([{"file_name": "train/0000.mp4", "label": None}], r"line 1: the column 'label' is empty"),
        ([{"file_name": "train/0000.mp4", "label": [0, 1]}], r"line 1: label is \[0, 1\]; it must be a text or a"),
        ([{"file_name": "../0000.mp4", "label": 0}], r"'../0000.mp4' lies outside"),
        ([{"file_name": "train/0000.mp4", "label": 0}], r"the only class in the column label is '0'"),
        ([{"file_name": f"{p}.mp4", "label": i} for i, p in enumerate(("train/0000", "x"))], r"would name a split and"),
        (
            [{"file_name": f"{p}/x{i}.mp4", "label": i} for p in ("train", "val", "test") for i in (0, 1)],
            r"line 1: .*x0.mp4: no such video file",
        ),
    ],
)
def test_metadata_that_cannot_be_read_are_named(tmp_path: Path, rows: Rows, message: str) -> None:
    make(tmp_path / "hub", "csv", on_top=True)
    (tmp_path / "hub" / "metadata.csv").unlink()
    write_metadata(tmp_path / "hub" / "metadata.jsonl", rows)
    with pytest.raises(InputError, match=message):
        FolderData(path=str(tmp_path / "hub")).load()


def test_two_forms_in_one_folder_and_lines_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "hub", "csv", on_top=True)
    (tmp_path / "hub" / "metadata.jsonl").write_text("")
    with pytest.raises(InputError, match=r"metadata\.csv and metadata\.jsonl; leave one of them there"):
        FolderData(path=str(tmp_path / "hub")).load()
    (tmp_path / "hub" / "metadata.csv").unlink()
    for line, message in (("[1]", "line 1: is no JSON object"), ("{", "line 1: is not JSON"), ("[" * 9999, "not JSON")):
        (tmp_path / "hub" / "metadata.jsonl").write_text(line)
        with pytest.raises(InputError, match=message):
            FolderData(path=str(tmp_path / "hub")).load()
    (tmp_path / "hub" / "metadata.jsonl").unlink()
    (tmp_path / "hub" / "metadata.csv").write_text("file_name,label\ntrain/0000.mp4,0,1\n")
    with pytest.raises(InputError, match="line 2: has more or fewer fields than the header"):
        FolderData(path=str(tmp_path / "hub")).load()
