"""The layer to play with: slope and shift on sliders, attention and motion prompt on test clips of the study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.sections.base import Explorer, ExplorerStart, Section, SectionContent, priorities
from analysis.study.arms import Arm, Kind
from analysis.study.cells import SEED, Study
from analysis.verdict.conclusions import Conclusions
from sweeps.records.study_folder import StudyFolder
from vmp.core.errors import InputError
from vmp.core.presets import PRESETS, SOURCE, Pair, finegym_lambda_table

MAX_STARTS = 40
HEALTHY, ILL, PUBLISHED = "Learnt here", "Collapsed here", "Published"
_INTRO = (
    "What slope and shift do to a test clip: the grey difference D of two frames goes through the sigmoid, the "
    "attention A weighs the later frame, and the product P is what the backbone sees. Zero attention leaves mean grey."
)


def _compute(conclusions: Conclusions) -> SectionContent:
    study = conclusions.study
    clips = StudyFolder(study.path).read_example_clips()
    healthy, ill = _learnt(conclusions, collapsed=False), _learnt(conclusions, collapsed=True)
    pairs: list[tuple[str, Pair]] = [(one.where, one) for one in PRESETS.values()]
    pairs += [(f"learnt on FineGym with λ = {one.lambda_:g}", one) for one in finegym_lambda_table()]
    published = [ExplorerStart(group=PUBLISHED, label=text, slope=p.slope, shift=p.shift) for text, p in pairs]
    shrunk = f", shown at {clips.side} x {clips.side} of {clips.size} pixels" if clips.side < clips.size else ""
    caption = f"Frames of the study's own test clips, one of each class{shrunk}, drawn by the published layer. "
    caption += "The histogram under the curve counts D over the clip. V, mean and SD are of this clip alone. "
    if not healthy and not ill:
        caption += "No complete cell of this study has the published layer, so the values to start from are published. "
    caption += f"Published values: {SOURCE}."
    if healthy and not ill:
        caption += " No run of this study's published layer collapsed."
    explorer = Explorer(clips=clips, starts=(*healthy, *ill, *published), caption=caption)
    return SectionContent(intro=_INTRO, explorer=explorer)


def _learnt(conclusions: Conclusions, *, collapsed: bool) -> list[ExplorerStart]:
    """What single cells ended with, one for each arm: the one with the middle shift. Chosen arms come first."""
    study, priority = conclusions.study, priorities(conclusions)
    arms = sorted(
        (arm for arm in study.arms if arm.kind is Kind.VMP),
        key=lambda arm: (arm not in conclusions.chosen, -priority[arm.label], arm.order),
    )
    starts: list[ExplorerStart] = []
    for arm in arms:
        if len(starts) == MAX_STARTS:
            break
        cells = study.rows(arm, "slope", "shift")
        cells = cells[study.is_collapsed[cells] == collapsed]
        is_published = [_has_published_layer(study, cell) for cell in study.hashes(cells)]
        if any(is_published):
            starts.append(_start(study, arm, cells[np.array(is_published)], ILL if collapsed else HEALTHY))
    return starts


def _start(study: Study, arm: Arm, cells: NDArray[np.int64], group: str) -> ExplorerStart:
    slopes, shifts, seeds = (study.numbers(column)[cells] for column in ("slope", "shift", SEED))
    middle = np.argsort(shifts, kind="stable")[len(cells) // 2]
    label = f"{arm.label} (seed {int(seeds[middle])})"
    return ExplorerStart(group=group, label=label, slope=float(slopes[middle]), shift=float(shifts[middle]))


def _has_published_layer(study: Study, cell: str) -> bool:
    """Whether the explorer's mathematics is this cell's: signed grey difference, one sigmoid, the later frame."""
    layer: Any = study.records[cell].settings.get("layer")
    required: Sequence[tuple[tuple[str, ...], Any]] = (
        (("kind",), "vmp"),
        (("motion", "kind"), "frame_difference"),
        (("motion", "channel_order"), "RGB"),
        (("normalization", "kind"), "sigmoid"),
        (("normalization", "signed"), True),
        (("normalization", "sharing"), "layer"),
        (("prompted_frame",), "later"),
    )
    return all(_at(layer, path) == value for path, value in required)


def _at(settings: Any, path: Sequence[str]) -> Any:
    for key in path:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    study = conclusions.study
    folder = StudyFolder(study.path)
    if all(arm.kind is not Kind.VMP for arm in study.arms):
        return "no arm has the layer"
    if not folder.has_example_clips():
        return "the folder holds no pictures of test clips, which vmp sweep run writes beside the plan"
    try:
        return bool(folder.read_example_clips().clips) or "its test clips take more than the page has room for"
    except InputError:
        return "the file with the pictures of its test clips is damaged, and vmp sweep run writes it anew"


EXPLORER = Section(name="explorer", title="Explorer", order=24, compute=_compute, applies=_applies)
