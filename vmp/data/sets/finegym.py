"""FineGym (Shao et al., CVPR 2020): elements of gymnastics routines, cut from full broadcasts by their annotation.

The ids in the element lists hold whole seconds, by which 7% of the elements would be empty; the JSON file has the exact
times. The annotations are licensed CC BY-NC 4.0 and are not part of this project.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText, looked_for
from vmp.data.base import SplitName
from vmp.data.interval import Interval
from vmp.data.sets.rows import VIDEO_SUFFIXES
from vmp.data.sets.video_files import FileDataConfig, Item, Listing

# A YouTube id has exactly 11 characters, "_" and "-" among them: only from the right is an element id unambiguous.
_ELEMENT = re.compile(r"(?P<video>.{11})_(?P<event>E_\d+_\d+)_(?P<segment>A_\d+_\d+)")
_CATEGORY = re.compile(r"Clabel:\s*(\d+);.*?;\s*Glabel:\s*\d+;\s*(.+)")


@config
class FineGymData(FileDataConfig):
    """FineGym 99 or 288: the official train list, and the official val list as test; validation is carved from train
    by source video.

    In Gym99, 40 of the 65 source videos of the official val list also feed train. That is the published protocol;
    ``drop_shared_sources`` leaves these training elements out instead. An element whose source video is not there (many
    have vanished from the web) is listed as excluded and is no error.

    Attributes:
        kind: ``"finegym"``.
        path: Folder with the source videos, ``<11-character id>.<mp4, mkv, webm, ...>``.
        annotations: Folder with ``finegym_annotation_info_<version>.json`` and the element lists
            ``<subset>_<train or val>_element[_<version>].txt``; with ``<subset>_categories.txt``, classes have names.
        subset: ``"gym99"`` or ``"gym288"``.
        version: Of the annotation, ``"v1.1"`` or ``"v1.0"``.
        drop_shared_sources: Leave out training elements whose source video also feeds test.
    """

    kind: Literal["finegym"] = "finegym"
    path: PathText = Field(min_length=1)
    annotations: PathText = Field(min_length=1)
    subset: Literal["gym99", "gym288"] = "gym99"
    version: Literal["v1.1", "v1.0"] = "v1.1"
    drop_shared_sources: bool = False

    def listing(self) -> Listing:
        """Read lists and times; find the source videos that are there.

        Raises:
            InputError: A list or the JSON file is missing or malformed, or no source video at all is there.
        """
        folder = Path(self.annotations)
        times = _read_times(folder / f"finegym_annotation_info_{self.version}.json")
        videos = {p.stem: p for p in sorted(Path(self.path).glob("*")) if p.suffix.lower() in VIDEO_SUFFIXES}
        rows = [(split, *row) for split, part in _PARTS.items() for row in _read_elements(self, part)]
        count = max(label for _, _, label, _ in rows) + 1
        shared = {_source(e) for s, e, _, _ in rows if s == "test"} if self.drop_shared_sources else set()
        excluded: list[tuple[str, str]] = []
        used = []
        for split, element, label, origin in rows:
            if _source(element) not in videos:
                excluded.append((element, "source video is missing"))
            elif split == "train" and _source(element) in shared:
                excluded.append((element, "source video also feeds test"))
            else:
                used.append((split, element, label, origin))
        if not used:
            raise InputError(f"{self.path}: holds none of the {len({_source(e) for _, e, _, _ in rows})} source videos")
        splits = self.official_splits(
            [split for split, _, _, _ in used],
            [label for _, _, label, _ in used],
            [_source(element) for _, element, _, _ in used],
            where=self.annotations,
        )
        items = tuple(
            Item(
                id=element,
                path=videos[_source(element)],
                label=label,
                split=split,
                interval=interval_of(element, times, origin),
                group=_source(element),
                tags=_event_tags(element, times),
                origin=origin,
            )
            for (_, element, label, origin), split in zip(used, splits, strict=True)
        )
        classes = _class_names(folder / f"{self.subset}_categories.txt", count)
        return Listing(name=self.subset, classes=classes, items=items, excluded=tuple(excluded))


_PARTS: dict[SplitName, str] = {"train": "train", "test": "val"}


def interval_of(element: str, times: dict[str, Any], origin: str) -> Interval:
    """Seconds of an element in its source video: from its first stage's start to its last stage's end.

    Args:
        element: ``<video>_E_<event>_A_<segment>``.
        times: The annotation JSON, ``{video: {E_..: {timestamps: [[s, e]], segments: {A_..: {timestamps: [...]}}}}}``;
            segment times count from the start of the event.
        origin: File and line that name the element.

    Raises:
        InputError: The JSON file has no times for the element.
    """
    match = _ELEMENT.fullmatch(element)
    assert match is not None
    try:
        event = times[match["video"]][match["event"]]
        start = float(event["timestamps"][0][0])
        stages = event["segments"][match["segment"]]["timestamps"]
        return Interval(start=start + float(stages[0][0]), stop=start + float(stages[-1][1]), unit="seconds")
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"{origin}: {element} has no times in the annotation JSON; do the versions fit?") from error


def _read_times(file: Path) -> dict[str, Any]:
    try:
        times = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{looked_for(file)}: the annotation cannot be read ({(error.strerror or str(error)).lower()}); "
            "`annotations` names the folder with this file and the element lists"
        ) from error
    except ValueError as error:
        raise InputError(f"{file}: is damaged ({error}); download it again") from error
    if not isinstance(times, dict):
        raise InputError(f"{file}: is not the official annotation: it must hold an object by video id")
    return times


def _read_elements(cfg: FineGymData, part: str) -> list[tuple[str, int, str]]:
    """``(element, label, file and line)`` of one list."""
    stem = f"{cfg.subset}_{part}_element"
    candidates = [Path(cfg.annotations) / f"{stem}{suffix}.txt" for suffix in (f"_{cfg.version}", "")]
    file = next((c for c in candidates if c.is_file()), None)
    if file is None:
        raise InputError(f"{cfg.annotations}: holds neither {' nor '.join(c.name for c in candidates)}")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        element, _, label = line.strip().rpartition(" ")
        if not line.strip():
            continue
        if not _ELEMENT.fullmatch(element.strip()) or not label.isdecimal():
            raise InputError(f"{file}, line {number}: {line.strip()!r} is not '<id>_E_<event>_A_<segment> <label>'")
        rows.append((element.strip(), int(label), f"{file}, line {number}"))
    if not rows:
        raise InputError(f"{file}: lists no elements")
    return rows


def _source(element: str) -> str:
    return element[:11]


def _event_tags(element: str, times: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    match = _ELEMENT.fullmatch(element)
    event = times.get(match["video"], {}).get(match["event"], {}) if match else {}
    return (("event", str(event["event"])),) if "event" in event else ()


def _class_names(file: Path, count: int) -> tuple[str, ...]:
    """Names from the official category file where it is there, else the numbers."""
    names = [str(i) for i in range(count)]
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            match = _CATEGORY.match(line.strip())
            if match and int(match[1]) < count:
                names[int(match[1])] = match[2].strip()
    return tuple(names)
