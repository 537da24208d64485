"""What would silently spoil a study is said or refused: folders, columns, class names, clips that are too short."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.conftest import Vmp
from tests.vmp.data.tiny_sets import QUICK, write_csv
from tests.vmp.data.tiny_videos import write_video
from vmp.core.errors import InputError
from vmp.data.notices import class_notices, short_videos
from vmp.data.sampling import SAMPLERS
from vmp.data.sets.class_folders import FolderData
from vmp.data.sets.manifest import ManifestData
from vmp.data.sets.slowfast import SlowFastData
from vmp.data.splits import split_word
from vmp.experiment import Experiment, describe_data


def touch(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"listed, never opened")
    return root


def layout(root: Path, *tops: str) -> Path:
    """Two classes of four videos under each folder on top."""
    return touch(root, *(f"{top}/{name}/{top}{i}.mp4" for top in tops for name in "ab" for i in range(4)))


@pytest.mark.parametrize(
    ("tops", "splits"),
    [
        (("train", "val", "test"), {"train": 8, "val": 8, "test": 8}),
        (("Training", "VALIDATION", "testing"), {"train": 8, "val": 8, "test": 8}),
        (("train_set", "valid", "TestSet"), {"train": 8, "val": 8, "test": 8}),
        (("Train", "Test"), {"train": 6, "val": 2, "test": 8}),  # validation carved from train
        (("train", "val"), {"train": 6, "val": 2, "test": 8}),  # Kinetics: val serves as test
    ],
)
def test_split_folders_are_read_whatever_their_form(tmp_path: Path, tops: tuple[str, ...], splits: dict) -> None:
    root = layout(tmp_path, *tops)
    touch(root, ".ipynb_checkpoints/x.mp4", "train/a/._clip.mp4", "__MACOSX/train/a/c.mp4", "notes/read.me")
    listing = FolderData(path=str(root), val_fraction=0.25).listing()
    assert listing.classes == ("a", "b")
    counted = [item.split for item in listing.items]
    assert {name: counted.count(name) for name in splits} == splits
    said = " ".join(listing.notes)
    assert "folders without videos are ignored: notes" in said
    assert "no groups are known" in said
    assert ("published validation videos serve as test" in said) == (tops == ("train", "val"))
    if tops == ("train", "val"):
        assert {item.split for item in listing.items if item.id.startswith("val/")} == {"test"}


def test_split_words() -> None:
    words = {"Train": "train", "trn": "train", "val2017": "val", "Validation": "val", "test-set": "test"}
    assert {word: split_word(word) for word in words} == words
    assert {split_word(word) for word in ("trainer", "dev", "latest", "tennis", "")} == {None}


@pytest.mark.parametrize(
    ("tops", "message"),
    [
        (("train", "test", "extra"), "test and train of the folders on top would name a split and extra would not"),
        (("train", "run", "jump"), "train of the folders on top would name a split and jump, run would not"),
        (("train", "training", "test"), "train and training all mean the split 'train'"),
        (("val", "test"), "splits need a train and a test"),
        (("train",), "the only folders are train, named like splits"),
    ],
)
def test_folders_that_may_mean_two_things_are_asked_about(tmp_path: Path, tops: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FolderData(path=str(layout(tmp_path, *tops))).listing()


def test_layout_says_what_folders_are(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"{name}/{i}.mp4" for name in ("train", "plane") for i in range(9)))
    assert FolderData(path=str(root), layout="classes").listing().classes == ("plane", "train")
    with pytest.raises(InputError, match="plane would not; set layout: classes"):
        FolderData(path=str(root), layout="splits").listing()


def test_one_class_is_refused_and_what_lies_outside_is_said(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", *(f"run/{i}.mp4" for i in range(9)), "lost.mp4", "run/list.xml")
    with pytest.raises(InputError, match="only class in the folder is 'run' and nothing can be learnt"):
        FolderData(path=str(root)).listing()
    touch(root, *(f"jump/{i}.mp4" for i in range(9)))
    notes = FolderData(path=str(root)).listing().notes
    assert any("1 videos outside class folders are not used: lost.mp4" in note for note in notes)
    assert any("1 x .xml" in note for note in notes)
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("run", "jump"):
        (linked / name).symlink_to(root / name)
    (root / "run" / "loop").symlink_to(root / "run")
    assert len(FolderData(path=str(linked)).listing().items) == 18


ROWS = [[f"{i}.mp4", "ab"[i % 2], "test" if i < 4 else "train", f"g{i}"] for i in range(12)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            ["path", "label", "Split", "g"],
            "no column 'split' but a column 'Split'; set split_column: Split, or split_col",
        ),
        (["path", "label", "splits", "g"], "set split_column: splits"),
        (["path", "label", "split", "Group"], "no column 'group' but a column 'Group'; set group_column: Group"),
        (["path", "label", "split", "group_id"], "set group_column: group_id"),
        (["Path", "label", "split", "g"], "no column 'path' but a column 'Path'; set path_column: Path$"),
        (["path", "lable", "split", "g"], "no column 'label' but a column 'lable'"),
        (["path", "label", "split", "split"], "several columns 'split'"),
    ],
)
def test_a_column_that_is_nearly_named_right_is_an_error(tmp_path: Path, header: list[str], message: str) -> None:
    path = write_csv(tmp_path / "list.csv", [header, *ROWS])
    with pytest.raises(InputError, match=message):
        ManifestData(path=str(path)).listing()


def test_a_manifest_says_what_it_does_not_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "list.csv", [["path", "label", "Split", "source_video"], *ROWS])
    listing = ManifestData(path=str(path), split_column=None).listing()
    assert "unused columns: Split, source_video" in listing.notes
    assert any("no groups are known" in note and "group_column" in note for note in listing.notes)
    named = ManifestData(path=str(path), split_column="Split", group_column="source_video").listing()
    assert named.notes == ()
    assert [item.split == "test" for item in named.items] == [i < 4 for i in range(12)]


def test_manifests_of_other_programs_are_read(tmp_path: Path) -> None:
    root = tmp_path / "set"
    name = unicodedata.normalize("NFC", "café")
    touch(root, *(f"{unicodedata.normalize('NFD', name)}/{i}.mp4" for i in range(12)))
    for sign in ";\t":
        text = sign.join(["path", "label", "split"]) + "\r\n"
        text += "".join(
            sign.join([rf"{name}\{i}.mp4", "ab"[i % 2], "TEST" if i < 4 else "Train"]) + "\r\n" for i in range(12)
        )
        (root / "list.csv").write_bytes(text.encode("utf-8-sig"))
        items = ManifestData(path=str(root / "list.csv")).listing().items
        assert items[0].id == f"{name}/0.mp4"
        assert all(item.path.is_file() for item in items), "the list composes accents, the disk takes them apart"
        assert sum(item.split == "test" for item in items) == 4
    lists = root / "lists"
    touch(root, *(f"x/{i}.mp4" for i in range(8)))
    lists.mkdir()
    (lists / "train.csv").write_text("".join(f"x\\{i}.mp4 {i % 2}\n" for i in range(6)))
    (lists / "val.csv").write_text("x/6.mp4 0\nx/7.mp4 1\n")
    listed = SlowFastData(path=str(lists), root=str(root), val_fraction=0.4).listing()
    assert {item.id for item in listed.items if item.split == "test"} == {"x/6.mp4", "x/7.mp4"}
    assert any("serve as test" in note for note in listed.notes)


def test_class_names_and_absent_classes_are_counted() -> None:
    balance = {("Fight", "train"): 9, ("fight", "train"): 3, ("1", "test"): 2, ("1.0", "val"): 1}
    said = class_notices(["Fight", "fight", "1", "1.0"], balance)
    assert said == [
        "2 classes of 4 without training videos: 1 (2 in test), 1.0 (1 in val)",
        "3 classes of 4 without validation videos: Fight (9 in train), fight (3 in train), 1 (2 in test)",
        "3 classes of 4 without test videos: Fight (9 in train), fight (3 in train), 1.0 (1 in val)",
        "classes that differ only in case, spaces or number form: 'Fight' (9 videos) and 'fight' (3 videos); "
        "one class?",
        "classes that differ only in case, spaces or number form: '1' (2 videos) and '1.0' (1 videos); one class?",
    ]
    assert class_notices(["a"], {("a", "train"): 1})[0].startswith("there is a single class (a)")
    assert (
        class_notices(
            ["take out", "put in"],
            dict.fromkeys([(c, s) for c in ("take out", "put in") for s in ("train", "val", "test")], 1),
        )
        == []
    )


@pytest.mark.parametrize(
    ("kind", "options", "frames", "shortest"),
    [
        ("uniform", {}, 9, 9),
        ("segment", {}, 9, 9),
        ("random", {"rate": 1.0}, 8, 8),
        (
            "random",
            {"rate": 4.0},
            9,
            29,
        ),  # a window of 32: the last of 9 steps of 3.875 is frame 31, or 28 if cut there
        ("dense", {"window": 64}, 8, 64),  # (8 - 1) * 8 + 1 = 57 frames are looked at, from the centre of what is there
        ("motion-guided", {}, 9, 9),
    ],
)
def test_short_is_what_the_sampler_cannot_fill(kind: str, options: dict, frames: int, shortest: int) -> None:
    sampler = SAMPLERS[kind](num_frames=8, **options)
    flagged = [n for n in range(1, 100) if short_videos([("train", n, 25.0)], sampler, frames)]
    assert flagged[-1] < shortest, flagged
    assert flagged == list(range(1, flagged[-1] + 1))


def test_scan_plan_and_record_say_it(tmp_path: Path, call_vmp: Vmp) -> None:
    rows = [["path", "label", "source"]]
    for i in range(24):
        write_video(tmp_path / "v" / f"{i}.mp4", 1 if i < 12 else 12, video=i, **QUICK)
        rows.append([f"{i}.mp4", "ab"[i % 2], "s"])
    path = write_csv(tmp_path / "v" / "list.csv", rows)
    scanned = call_vmp("data", "scan", path)
    assert scanned.returncode == 0, scanned.stderr
    planned = call_vmp(
        "sweep",
        "plan",
        "lambda",
        "--set",
        "data.kind=manifest",
        "--set",
        f"data.path={path}",
        "--set",
        "data.size=32",
        "--set",
        "train.epochs=1",
        "--set",
        "seeds=[0]",
        "--set",
        "factors.prompt=[vmp]",
        "--set",
        "factors.lambda=[0]",
    )
    assert planned.returncode == 0, planned.stderr
    for text in ("12 of 24 videos are short for the sampler", "unused columns: source", "no groups are known"):
        assert text in scanned.stdout
        assert text in planned.stdout
    data = ManifestData(path=str(path), size=32).load()
    summary = describe_data(data, [Experiment(data=ManifestData(path=str(path), size=32))])
    assert (summary.clip_frames, sum(summary.short.values()), summary.groups) == (9, 12, None)
    assert {s: sum(n) for s, n in summary.class_counts.items()} == summary.splits
    assert len(summary.notes) == 3


def test_nothing_can_be_learnt_from_one_class(tmp_path: Path, call_vmp: Vmp) -> None:
    rows = [["path", "label"]]
    for i in range(8):
        write_video(tmp_path / f"{i}.mp4", 10, video=i, **QUICK)
        rows.append([f"{i}.mp4", "a"])
    path = write_csv(tmp_path / "list.csv", rows)
    with pytest.raises(InputError, match=r"list: only one class has training videos \('a', of 1 listed\)"):
        ManifestData(path=str(path)).load()
    assert "there is a single class (a): nothing can be learnt" in call_vmp("data", "scan", path).stdout
