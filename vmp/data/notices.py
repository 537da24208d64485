"""What must be said of a data set before a study spends hours on it: sentences, each with its counts."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vmp.core.errors import InputError
from vmp.core.text import count, listing
from vmp.data.base import SPLITS, SplitName, VideoSet
from vmp.data.sampling import Sampler, sample_indices

_SHOWN = 5
_LONG = 1_000_000  # frames: no sampler asks for a longer video
_IN_WORDS: dict[SplitName, str] = {"train": "training", "val": "validation", "test": "test"}

Balance = Mapping[tuple[str, SplitName], int]
"""Videos by ``(class, split)``."""


def balance_of(data: VideoSet) -> dict[tuple[str, SplitName], int]:
    """Videos of a data set by class and split."""
    return dict(Counter((data.classes[video.label], video.split) for video in data.videos))


def class_notices(classes: Sequence[str], balance: Balance) -> list[str]:
    """Sentences on classes that cannot be learnt or measured, and on names that may mean one class."""
    notices = []
    if len(classes) < 2:
        notices.append(f"there is a single class ({', '.join(classes) or 'without a name'}): nothing can be learnt")
    for split in SPLITS:
        absent = [name for name in classes if not balance.get((name, split))]
        if absent and len(absent) < len(classes):
            shown = [f"{name} ({_elsewhere(name, balance)})" for name in absent]
            what = f"{count(len(absent), 'class', 'classes')} of {len(classes)} without {_IN_WORDS[split]} videos"
            notices.append(f"{what}: {shortened_list(shown)}")
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike[_plain_name(name)].append(name)
    for names in alike.values():
        if len(names) > 1:
            videos = [f"{name!r} ({sum(balance.get((name, s), 0) for s in SPLITS)} videos)" for name in names]
            notices.append(f"classes that differ only in case, spaces or number form: {listing(videos)}; one class?")
    return notices


def refuse_unlearnable(name: str, classes: Sequence[str], balance: Balance) -> None:
    """Refuse data from which nothing can be learnt.

    Raises:
        InputError: Fewer than two classes have training videos.
    """
    trained = [one for one in classes if balance.get((one, "train"))]
    if len(trained) < 2 and any(balance.get((one, "train")) for one in classes):
        raise InputError(
            f"{name}: only one class has training videos ({trained[0]!r}, of {len(classes)} listed); "
            "a classifier learns from at least two: check the labels and the splits"
        )


def frames_notice(short: Mapping[str, int], frames: int, total: int) -> str | None:
    """A sentence on videos that repeat frames because they are too short, or None."""
    number = sum(short.values())
    if not number:
        return None
    where = ", ".join(f"{short[split]} {_IN_WORDS[split]}" for split in SPLITS if short.get(split))
    return (
        f"{number} of {total} videos are short for the sampler ({where}): a clip of {frames} frames repeats some or "
        "starts again; the difference of repeated frames is zero, which is the layer's input"
    )


def short_videos(lengths: Iterable[tuple[SplitName, int, float]], sampler: Sampler, frames: int) -> dict[str, int]:
    """How many videos of each split repeat frames in a clip of `frames` for no other reason than their length.

    Videos are given as ``(split, number of frames, frames a second)``. A sampler that looks at content
    (`Sampler.needs`) counts by the number of frames alone.
    """

    @functools.cache
    def is_short(length: int, fps: float) -> bool:
        if length < frames:
            return True
        return sampler.needs is None and _repeats(sampler, length, fps, frames) > _repeats(sampler, _LONG, fps, frames)

    found = Counter(split for split, length, fps in lengths if is_short(length, fps))
    return {split: found[split] for split in SPLITS if found[split]}


def groups_of(data: VideoSet) -> dict[str, int] | None:
    """Sources in each split, or None where no source of any video is known."""
    known = [(video.split, video.group) for video in data.videos if video.group is not None]
    if not known:
        return None
    return {split: len({group for where, group in known if where == split}) for split in SPLITS}


def shortened_list(items: Iterable[str], limit: int = _SHOWN) -> str:
    """The first few items, and how many more there are."""
    every = list(items)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def _elsewhere(name: str, balance: Balance) -> str:
    there = [f"{balance[name, split]} in {split}" for split in SPLITS if balance.get((name, split))]
    return listing(there) or "no video at all"


def _plain_name(name: str) -> str:
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split()).replace("_", "").replace("-", "")
    try:
        return repr(float(name.strip()))
    except ValueError:
        return plain


def _repeats(sampler: Sampler, length: int, fps: float, frames: int) -> float:
    """The share of steps in the central test clip of a video that stand still or, past the end, go back."""
    rate = fps if np.isfinite(fps) else 25.0
    call = {"train": False, "seed": 0, "epoch": 0, "video_id": "", "timeline": None}
    indices = sample_indices(sampler, length, rate, frames=frames, **call)  # type: ignore[arg-type]
    return float(np.mean(np.diff(indices) <= 0)) if frames > 1 else 0.0
