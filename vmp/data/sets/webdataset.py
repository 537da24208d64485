"""Shards in WebDataset's convention: tar files in which the members of one sample share a name up to its first dot."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.fingerprint import fingerprint
from vmp.core.paths import PathText, looked_for
from vmp.core.text import count
from vmp.data.base import SPLITS, SplitName
from vmp.data.cache.folder import CacheFolder
from vmp.data.sets.rows import VIDEO_SUFFIXES, CarvedDataConfig, Row, build, group_of, read_text
from vmp.data.sets.video_files import Listing

_INDEX = "samples.json"
_LABELS = ("cls", "json", "txt")
_MAX_TEXT = 1 << 20  # bytes of a label or of a sample's JSON
_UNREADABLE = (tarfile.TarError, EOFError, zlib.error, OSError)


@config
class WebDatasetData(CarvedDataConfig):
    """Tar files that hold ``<key>.mp4`` (or another video) beside ``<key>.cls``, ``<key>.json`` or ``<key>.txt``.

    ``.cls`` is a class by number or name, ``.txt`` one by name, ``.json`` a mapping with the key `label` and perhaps
    `group`; the first of them counts. Each shard is unpacked once into the cache, under names of our own, and its
    videos are decoded from there. With `train` alone, test and validation are carved; with `train` and `val` alone, val
    serves as test.

    Attributes:
        kind: ``"webdataset"``.
        train, val, test: The shards of a split: a path with ``*`` or ``{000..015}``.
        label, group: Keys of a sample's JSON.
        classes: File with one class name a line, for labels that are numbers; None names a class by its number.
        group_pattern: Regular expression with one group that finds a video's source in its key, where JSON has none.
    """

    kind: Literal["webdataset"] = "webdataset"
    train: PathText = Field(min_length=1)
    val: PathText | None = None
    test: PathText | None = None
    label: str = Field(default="label", min_length=1)
    group: str = Field(default="group", min_length=1)
    classes: PathText | None = None
    group_pattern: str | None = None

    def listing(self) -> Listing:
        """Unpack what is not in the cache yet, and read the labels.

        Raises:
            InputError: No shards, a shard that is damaged or holds links, a video without a label, a key that occurs
                twice, labels that are numbers here and names there.
        """
        cache = CacheFolder.from_environment()
        rows: list[Row] = []
        unread: Counter[str] = Counter()
        for split, pattern in ((split, getattr(self, split)) for split in SPLITS):
            for shard in _shards(pattern) if pattern is not None else ():
                samples = _unpacked(shard, cache)
                unread.update(samples.unread)
                rows += [self._row(sample, shard, self._split(split), samples.folder) for sample in samples.samples]
        first: dict[str, str] = {}
        for row in rows:
            if row.id in first:
                raise InputError(f"{row.origin}: the key stands a second time (first in {first[row.id]}); rename one")
            first[row.id] = row.origin
        names = self._names(rows)
        notes = [f"{count(number, 'member')} {suffix} of the shards not read" for suffix, number in unread.items()]
        root = Path(self.train).parent
        return build(
            self,
            rows,
            root,
            name=root.name or "shards",
            where=self.train,
            test_fraction=self.test_fraction,
            fold=self.fold,
            classes=names,
            notes=notes,
            groups_from="group_pattern, or a sample's JSON,",
        )

    def _split(self, split: SplitName) -> SplitName | None:
        """The split of a shard that stands under `split`; None where all are carved from one."""
        return None if self.val is None and self.test is None else split

    def _row(self, sample: Sample, shard: Path, split: SplitName | None, folder: Path) -> Row:
        origin = f"{shard}, {sample.key}"
        found = next((suffix for suffix in _LABELS if suffix in sample.texts), None)
        if found is None:
            raise InputError(f"{origin}: a video without a label; put .cls, .json or .txt beside it, or leave it out")
        text, group = sample.texts[found].strip(), None
        if "json" in sample.texts:
            content = _mapping(sample.texts["json"], origin)
            group = content.get(self.group)
            if found == "json":
                if not isinstance(content.get(self.label), str | int) or isinstance(content[self.label], bool):
                    keys = ", ".join(map(str, content)) or "none"
                    raise InputError(
                        f"{origin}: its JSON has no text or number {self.label!r} (keys: {keys}); set `label`"
                    )
                text = str(content[self.label]).strip()
        if not text:
            raise InputError(f"{origin}: its label (.{found}) is empty")
        known = str(group) if group is not None else group_of(self.group_pattern, sample.key, str(shard))
        has_group = group is not None or self.group_pattern is not None
        path = str((folder / sample.file).absolute())
        return Row(path=path, key=sample.key, label=text, split=split, group=known, has_group=has_group, origin=origin)

    def _names(self, rows: list[Row]) -> list[str] | None:
        """Class names by index, where labels are numbers: the rows' labels are replaced by them. Else None."""
        labels = {row.label for row in rows}
        if not all(label.isdecimal() for label in labels):
            if self.classes is not None:
                raise InputError(
                    f"{self.train}: `classes` names the classes of numbers, and labels are names; leave it out"
                )
            return None
        numbers = sorted({int(label) for label in labels})
        if self.classes is None:
            names = [str(number) for number in numbers]
            by_number = dict(zip(numbers, names, strict=True))
        else:
            text = read_text(Path(self.classes), "`classes` names a file with one class name a line")
            names = [line.strip() for line in text.splitlines() if line.strip()]
            if numbers and (len(names) <= numbers[-1] or len(set(names)) < len(names)):
                raise InputError(
                    f"{self.classes}: needs {numbers[-1] + 1} different class names, a line each; it has "
                    f"{len(set(names))}"
                )
            by_number = dict(enumerate(names))
        for i, row in enumerate(rows):
            rows[i] = dataclasses.replace(row, label=by_number[int(row.label)])
        return names


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One video of a shard: its key, the unpacked file, and the texts beside it by their suffix."""

    key: str
    file: str
    texts: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """An unpacked shard: its folder in the cache, its videos, and how many members of which suffix were not read."""

    folder: Path
    samples: list[Sample]
    unread: dict[str, int]


def _shards(pattern: str) -> list[Path]:
    """The files that a pattern names, in its order. Raises InputError where one does not exist."""
    found: list[Path] = []
    for one in _braces(pattern):
        path = Path(one)
        files = [path] if path.exists() else sorted(path.parent.glob(path.name))
        if not files or not all(file.is_file() for file in files):
            raise InputError(f"{looked_for(one)}: no such shard; name tar files, with * or {{000..015}} for several")
        found += files
    return found


def _braces(pattern: str) -> Iterator[str]:
    """The names that ``{000..015}`` and ``{a,b}`` stand for, as WebDataset expands them."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        yield pattern
        return
    ends = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if ends is not None:
        width = max(map(len, ends.groups()))
        inner = [f"{number:0{width}}" for number in range(int(ends[1]), int(ends[2]) + 1)]
    else:
        inner = match[1].split(",")
    for text in inner:
        yield from _braces(pattern[: match.start()] + text + pattern[match.end() :])


def _unpacked(shard: Path, cache: CacheFolder) -> _Samples:
    """The videos of a shard as files in the cache; unpacked once for each path, size and time of change."""
    status = shard.stat()
    name = fingerprint([str(shard.absolute()), status.st_size, status.st_mtime_ns])
    folder = cache.path / "shards" / name
    if not (folder / _INDEX).is_file():
        try:
            cache.make()
            folder.parent.mkdir(exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        except OSError as error:
            raise cache.cannot_write(error) from error
        try:
            index = _unpack(shard, temporary, cache)
            (temporary / _INDEX).write_text(json.dumps(index), encoding="utf-8")
            with contextlib.suppress(OSError):  # another process was first
                temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    plain = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    return _Samples(folder=folder, samples=[Sample(**one) for one in plain["samples"]], unread=plain["unread"])


def _unpack(shard: Path, folder: Path, cache: CacheFolder) -> dict[str, Any]:
    """Write the videos of a shard below `folder`, under numbers; returns its samples as plain data.

    Raises:
        InputError: It is damaged or cut, holds a link, or two videos of one key.
    """
    videos: dict[str, str] = {}
    texts: dict[str, dict[str, str]] = {}
    unread: Counter[str] = Counter()
    try:
        with tarfile.open(shard) as tar:
            for number, member in enumerate(tar):
                if member.isdir():
                    continue
                if not member.isfile():
                    raise InputError(
                        f"{shard}, {member.name}: is a link or a device, and shards hold files; pack it anew"
                    )
                key, suffix = _key_and_suffix(member.name)
                stream = tar.extractfile(member)
                assert stream is not None
                if f".{suffix}" in VIDEO_SUFFIXES:
                    if key in videos:
                        raise InputError(f"{shard}, {key}: has two videos; rename one")
                    videos[key] = f"{number}.{suffix}"
                    with _writing(folder / videos[key], cache) as file:
                        shutil.copyfileobj(stream, file)
                elif suffix in _LABELS:
                    if member.size > _MAX_TEXT:
                        raise InputError(f"{shard}, {member.name}: is no label, it has {member.size} bytes")
                    texts.setdefault(key, {})[suffix] = stream.read().decode("utf-8-sig")
                else:
                    unread[f".{suffix}"] += 1
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("it ends without the mark of a tar file's end")
    except UnicodeDecodeError as error:
        raise InputError(f"{shard}: a label is not UTF-8 text ({error.reason}); write it as UTF-8") from error
    except _UNREADABLE as error:
        raise InputError(f"{shard}: is damaged, cut or no tar file ({error}); copy or pack it anew") from error
    if alone := texts.keys() - videos:
        unread["without a video"] = len(alone)
    if not videos:
        raise InputError(f"{shard}: holds no video; a sample is <key>.mp4 beside <key>.cls, .json or .txt")
    samples = [{"key": key, "file": file, "texts": texts.get(key, {})} for key, file in videos.items()]
    return {"samples": samples, "unread": dict(sorted(unread.items()))}


def _key_and_suffix(name: str) -> tuple[str, str]:
    """``("clips/0001", "mp4")`` of ``./clips/0001.mp4``: the name up to its first dot, and what follows it."""
    place, _, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{place}/{stem}".lstrip("./"), suffix.lower()


@contextlib.contextmanager
def _writing(path: Path, cache: CacheFolder) -> Iterator[Any]:
    """A file to write into; what the disk refuses is the cache's error and not the shard's."""
    try:
        stream = path.open("wb")
    except OSError as error:
        raise cache.cannot_write(error) from error
    with stream:
        yield stream


def _mapping(text: str, origin: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{origin}: its .json is no JSON ({error}); write a mapping with a label") from error
    if not isinstance(content, dict):
        raise InputError(f"{origin}: its .json holds no mapping; write one with a label")
    return content
