"""Shards of WebDataset: names, classes and groups, and tar files that are cut, doubled or hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmp.data.tiny_sets import make_webdataset, write_shard
from vmp.core.errors import InputError
from vmp.data.cache.folder import CacheFolder
from vmp.data.sets.webdataset import WebDatasetData


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
