"""Looking a data set over before a study spends days on it: what is broken, how it is balanced, what leaks."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vmp.core.errors import InputError
from vmp.core.files import replacing
from vmp.data.base import SplitName
from vmp.data.cache.clips import ClipStore
from vmp.data.cache.folder import CacheFolder
from vmp.data.notices import class_notices, frames_notice, short_videos
from vmp.data.sampling import Sampler, Uniform
from vmp.data.sets.video_files import FileDataConfig, Item, Listing, open_store, read_quarantine, stream_notes
from vmp.video import VideoInfo

_DEFAULT = Uniform()


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """What a scan found.

    Attributes:
        name: Of the data set.
        listed: Videos that the annotation lists for use.
        usable: Of these, how many decode and are not quarantined: the decodable count.
        broken: ``(id, split, reason)`` of videos that do not decode and are not quarantined.
        quarantined: ``(id, reason)``.
        excluded: ``(id, reason)`` of what the annotation reader left out (e.g. missing source videos).
        balance: Usable videos by ``(class, split)``.
        seconds: Length of each usable video whose frame rate is known.
        frames: Length of each usable video.
        rates: Usable videos by frame rate, rounded to 0.01; nan where unknown.
        sizes: Usable videos by ``(width, height)``.
        codecs: Usable videos by codec.
        concealed: ``(id, frames)`` of videos with frames that the decoder patched up.
        copies: Groups of ids with the same content in different splits, as ``(id, split)``.
        shared_sources: ``{group: splits}`` of sources that occur in more than one split.
        notes: Sentences on what was ignored or is not known, on classes that cannot be learnt or measured, and on
            videos that are too short for a clip.
    """

    name: str
    listed: int
    usable: int
    broken: tuple[tuple[str, SplitName, str], ...]
    quarantined: tuple[tuple[str, str], ...]
    excluded: tuple[tuple[str, str], ...]
    balance: dict[tuple[str, SplitName], int]
    seconds: tuple[float, ...]
    frames: tuple[int, ...]
    rates: dict[float, int]
    sizes: dict[tuple[int, int], int]
    codecs: dict[str, int]
    concealed: tuple[tuple[str, int], ...]
    copies: tuple[tuple[tuple[str, SplitName], ...], ...]
    shared_sources: dict[str, tuple[SplitName, ...]]
    notes: tuple[str, ...]


def scan(
    cfg: FileDataConfig, *, sampler: Sampler = _DEFAULT, frames: int = 9, folder: CacheFolder | None = None
) -> ScanReport:
    """Decode every video of a data set (into the cache) and report; broken videos are found, not raised.

    Args:
        cfg: The data set.
        sampler: How clips will be drawn.
        frames: Frames of a clip, with the one that the layer takes.
        folder: Cache; None for the one that the environment names.

    Raises:
        InputError: The annotation cannot be read, or the cache cannot be used.
    """
    listing = cfg.listing()
    quarantined = read_quarantine(cfg.quarantine, listing)
    items = [item for item in listing.items if item.id not in quarantined]
    store = open_store(items, listing.name, cfg.geometry, folder or CacheFolder.from_environment())
    pairs = list(zip(items, store.infos, strict=True))
    good = [(item, info) for item, info in pairs if isinstance(info, VideoInfo)]
    balance = dict(Counter((listing.classes[item.label], item.split) for item, _ in good))
    short = short_videos([(item.split, info.frames, info.fps) for item, info in good], sampler, frames)
    sentence = frames_notice(short, frames, len(good))
    notes = [*listing.notes, *stream_notes(store.infos), *class_notices(listing.classes, balance)]
    return ScanReport(
        name=listing.name,
        listed=len(listing.items),
        usable=len(good),
        broken=tuple((item.id, item.split, str(e)) for item, e in pairs if isinstance(e, InputError)),
        quarantined=tuple(quarantined.items()),
        excluded=listing.excluded,
        balance=balance,
        seconds=tuple(info.frames / info.fps for _, info in good if np.isfinite(info.fps)),
        frames=tuple(info.frames for _, info in good),
        rates=dict(Counter(round(info.fps, 2) if np.isfinite(info.fps) else float("nan") for _, info in good)),
        sizes=dict(Counter((info.width, info.height) for _, info in good)),
        codecs=dict(Counter(info.codec for _, info in good)),
        concealed=tuple((item.id, info.concealed) for item, info in good if info.concealed),
        copies=_copies(items, store),
        shared_sources=_shared(listing),
        notes=(*notes, *([sentence] if sentence else [])),
    )


def write_quarantine(report: ScanReport, path: str | Path) -> int:
    """Write ``id, reason`` of all broken and already quarantined videos; returns their number.

    Raises:
        InputError: The file cannot be written.
    """
    rows = sorted([*report.quarantined, *((name, reason) for name, _, reason in report.broken)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("id", "reason"), *rows])
    try:
        with replacing(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the quarantine file cannot be written ({error.strerror})") from error
    return len(rows)


def describe(report: ScanReport) -> str:
    """The report as text for a terminal."""
    lines = [f"{report.name}: {report.usable} of {report.listed} listed videos can be used"]
    lines += _section("To look at", report.notes)
    lines += _section("Broken", [f"{name} ({split}): {reason}" for name, split, reason in report.broken])
    lines += _section("Quarantined", [f"{name}: {reason}" for name, reason in report.quarantined])
    reasons = Counter(reason for _, reason in report.excluded)
    lines += _section("Left out by the annotation", [f"{count} x {reason}" for reason, count in reasons.items()])
    lines += _section("Frames patched up by the decoder", [f"{name}: {count}" for name, count in report.concealed])
    lines += _section(
        "Same content in different splits", [", ".join(f"{n} ({s})" for n, s in group) for group in report.copies]
    )
    shared = [f"{group}: {', '.join(splits)}" for group, splits in report.shared_sources.items()]
    lines += _section("Sources that feed more than one split", shared)
    if report.usable:
        lines += ["", *_balance(report), "", *_lengths(report)]
    return "\n".join(lines)


def _section(title: str, rows: Sequence[str], limit: int = 20) -> list[str]:
    if not rows:
        return []
    more = [f"  ... and {len(rows) - limit} more"] if len(rows) > limit else []
    return ["", f"{title} ({len(rows)}):", *(f"  {row}" for row in rows[:limit]), *more]


def _balance(report: ScanReport) -> list[str]:
    classes = sorted({name for name, _ in report.balance})
    width = max(len(name) for name in [*classes, "class", "all"])
    columns: list[SplitName] = ["train", "val", "test"]
    rows = [f"{'class':{width}} " + "".join(f"{split:>7}" for split in columns)]
    rows += [f"{name:{width}} " + "".join(f"{report.balance.get((name, s), 0):7}" for s in columns) for name in classes]
    totals = [sum(n for (_, s), n in report.balance.items() if s == split) for split in columns]
    return [*rows, f"{'all':{width}} " + "".join(f"{total:7}" for total in totals)]


def _lengths(report: ScanReport) -> list[str]:
    def spread(values: Sequence[float], unit: str) -> str:
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        return f"{low:g} to {high:g} {unit}, median {middle:g}"

    def most(counts: dict[str, int]) -> str:
        top = sorted(counts.items(), key=lambda item: -item[1])
        return ", ".join(f"{n} x {name}" for name, n in top[:5]) + (", ..." if len(top) > 5 else "")

    lines = [f"Length: {spread(report.frames, 'frames')}"]
    if report.seconds:
        lines[0] += "; " + spread([round(s, 2) for s in report.seconds], "s")
    lines.append("Frame rate: " + most({"unknown" if r != r else f"{r:g}": n for r, n in report.rates.items()}))
    lines.append("Picture: " + most({f"{w} x {h}": n for (w, h), n in report.sizes.items()}))
    return [*lines, "Codec: " + most(report.codecs)]


def _copies(items: Sequence[Item], store: ClipStore) -> tuple[tuple[tuple[str, SplitName], ...], ...]:
    by_content: defaultdict[object, list[Item]] = defaultdict(list)
    for i, item in enumerate(items):
        if item.path.exists():
            interval = dataclasses.astuple(item.interval) if item.interval else None
            by_content[(store.content(i), interval)].append(item)
    groups = [group for group in by_content.values() if len({item.split for item in group}) > 1]
    return tuple(tuple((item.id, item.split) for item in group) for group in groups)


def _shared(listing: Listing) -> dict[str, tuple[SplitName, ...]]:
    splits: defaultdict[str, set[SplitName]] = defaultdict(set)
    for item in listing.items:
        if item.group is not None:
            splits[item.group].add(item.split)
    return {group: tuple(sorted(where)) for group, where in sorted(splits.items()) if len(where) > 1}
