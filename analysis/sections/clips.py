"""Clips won and lost: the test videos on which the chosen arm gains and loses most against its reference."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from analysis.figures.clip_gains import ClipGain, clip_figure
from analysis.sections.base import (
    Column,
    Gallery,
    Listing,
    Picture,
    Row,
    Section,
    SectionContent,
    Table,
    Value,
    scores_suffixes,
    why_no_scores,
)
from analysis.study.cells import Study
from analysis.study.clip_scores import PairedScores, kept_models
from analysis.verdict.conclusions import Conclusions
from sweeps.predictions import largest_gains
from sweeps.records.clip_pictures import ClipMap
from sweeps.records.file_format import DamagedRecord
from sweeps.records.study_folder import StudyFolder
from vmp.core.text import count, listing

NUMBER = 10
_COLUMNS = (
    Column(key="arm", header="arm", on_page="if varied"),
    Column(key="reference", header="against", on_page="if varied"),
    Column(key="clip", header="test video", format="code"),
    Column(key="class", header="class"),
    Column(key="probability", header="right class, arm", format="percent"),
    Column(key="reference_probability", header="reference", format="percent"),
    Column(key="difference", header="difference", format="points"),
    Column(key="seeds_ahead", header="seeds with a gain", format="count"),
    Column(key="right", header="right in seeds, arm", format="count"),
    Column(key="reference_right", header="reference", format="count"),
    Column(key="n", header="seeds", format="count"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    sentences, figures, rows = [], [], []
    galleries: list[Gallery] = []
    listings: list[Listing] = []
    for paired, suffix in zip(conclusions.paired_scores, scores_suffixes(conclusions), strict=True):
        gains = paired.gains.mean(axis=0)
        chosen = largest_gains(gains, NUMBER)
        sentences.append(_sentence(paired, gains))
        rows += [_row(paired, i) for i in chosen]
        if chosen:
            clips = [_clip(paired, i) for i in chosen]
            figures.append(clip_figure(clips, paired.arm, paired.reference, suffix))
        sentence, of_maps, commands = _maps(conclusions.study, paired, chosen)
        sentences.append(sentence)
        galleries += of_maps
        listings += commands
    caption = (
        f"The test videos with the largest gain and with the largest loss, at most {NUMBER} of each: mean over seeds "
        "of the probability that the chosen arm and its reference give the right class, in percent, the difference in "
        "points, and in how many seeds each is right."
    )
    return SectionContent(
        intro=" ".join(one for one in sentences if one),
        figures=figures,
        galleries=galleries,
        listings=listings,
        tables=[Table(name="clips", caption=caption, columns=_COLUMNS, rows=rows)] if rows else [],
    )


def _sentence(paired: PairedScores, gains: np.ndarray) -> str:
    won, lost = int((gains > 0).sum()), int((gains < 0).sum())
    if not won and not lost:
        seeds = count(len(paired.seeds), "seed")
        same = f"{paired.arm.label} and {paired.reference.label} give the right class the same mean probability"
        return f"{same} in all {count(len(gains), 'test video')}, over {seeds}."
    return (
        f"Of {count(len(gains), 'test video')}, {paired.arm.label} gives the right class a higher mean probability "
        f"than {paired.reference.label} in {won} and a lower one in {lost}, over {count(len(paired.seeds), 'seed')}. "
        "The videos below are picked because they stand out, so fresh seeds would show them less far apart: they are "
        "for looking at, and show nothing by themselves."
    )


def _clip(paired: PairedScores, i: int) -> ClipGain:
    return ClipGain(
        clip=paired.clips[i],
        label=paired.classes[paired.labels[i]],
        of_arm=float(paired.of_arm.right[:, i].mean()),
        of_reference=float(paired.of_reference.right[:, i].mean()),
        seeds=tuple(paired.of_arm.right[:, i].tolist()),
    )


def _row(paired: PairedScores, i: int) -> Row:
    clip, label = _clip(paired, i), paired.labels[i]
    hits = [int((side.predicted[:, i] == label).sum()) for side in (paired.of_arm, paired.of_reference)]
    ahead = int((paired.gains[:, i] > 0).sum())
    names = (paired.arm.label, paired.reference.label, clip.clip, clip.label)
    values: tuple[Value, ...] = (*names, clip.of_arm, clip.of_reference, clip.gain, ahead, *hits, len(paired.seeds))
    return Row(values=values, hashes=paired.hashes)


def _maps(study: Study, paired: PairedScores, chosen: list[int]) -> tuple[str, list[Gallery], list[Listing]]:
    """The attention maps of these videos; else how they are drawn, by a saved model and where the files are at hand."""
    if not chosen or not _is_prompted(study, paired):
        return "", [], []
    if gallery := _gallery(study, paired, chosen):
        return "", [gallery], []
    models = kept_models(paired, study.path)
    if not models:
        return "Their attention maps need a saved model of the arm (vmp sweep run --keep-weights chosen).", [], []
    seed, cell = next(iter(models.items()))
    model = shlex.quote(str(study.path / "models" / cell))
    root = _root(study.records[cell].settings.get("data"))
    files = {paired.clips[i]: root / paired.files[i] for i in chosen} if root is not None else {}
    at_hand = {clip: file for clip, file in files.items() if file.is_file()}
    if not at_hand:
        return f"Their attention maps: vmp show VIDEO --model {model} where the videos are at hand.", [], []
    items = [(clip, f"vmp show {shlex.quote(str(file))} --model {model}") for clip, file in at_hand.items()]
    return "", [], [Listing(items=items, title=f"Commands that draw their attention maps (model of seed {seed})")]


def _gallery(study: Study, paired: PairedScores, chosen: list[int]) -> Gallery | None:
    """The maps that the sweep has drawn; None where it has drawn none of these cells or not all of these videos."""
    try:
        arms = StudyFolder(study.path).read_clip_maps().arms
    except DamagedRecord:  # the next run draws them anew
        return None
    drawn = next((one for one in arms if one.cells == list(paired.hashes)), None)
    by_video = {one.video: one for one in drawn.maps} if drawn else {}
    if drawn is None or any(paired.clips[i] not in by_video for i in chosen):
        return None
    gains = paired.gains.mean(axis=0)
    pictures = {i: _picture(_clip(paired, i), by_video[paired.clips[i]]) for i in chosen}
    return Gallery(
        caption=f"Steps of each video's test clip and below them the attention that {paired.arm.label} gives them "
        f"(model of seed {drawn.seed}, cell {drawn.model}), from dark (0) to bright (1).",
        groups=[
            ("Won", [pictures[i] for i in chosen if gains[i] > 0]),
            ("Lost", [pictures[i] for i in chosen if gains[i] < 0]),
        ],
    )


def _picture(clip: ClipGain, drawn: ClipMap) -> Picture:
    gain = f"right class {100 * clip.of_reference:.0f}% to {100 * clip.of_arm:.0f}%, mean attention {drawn.mean:.2f}"
    frames = listing([str(frame) for frame in drawn.frames])
    return Picture(
        title=f"{clip.clip} ({clip.label})",
        note=gain,
        jpeg=drawn.jpeg,
        width=drawn.width,
        height=drawn.height,
        alt=f"Frames {frames} of {clip.clip} with the attention that they get; {gain}.",
    )


def _is_prompted(study: Study, paired: PairedScores) -> bool:
    layer: Any = study.records[paired.hashes[0]].settings.get("layer")
    return isinstance(layer, dict) and layer.get("kind") not in ("none", "control")


def _root(data: Any) -> Path | None:
    """The folder that the names of videos start from, as far as the settings of the data tell."""
    if not isinstance(data, dict):
        return None
    root, path = data.get("root"), data.get("path")
    if isinstance(root, str):
        return Path(root)
    if not isinstance(path, str):
        return None
    return Path(path) if Path(path).is_dir() else Path(path).parent


CLIPS = Section(
    name="clips", title="Clips won and lost", order=62, compute=_compute, applies=why_no_scores, is_folded=True
)
