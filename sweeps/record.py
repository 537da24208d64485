"""The record format: what a study leaves on disk, and the only thing that `analysis` reads. See results/README.md.

::

    DIR/plan.json            every planned cell, written before anything runs
    DIR/cells/<hash>.json    one file per finished cell, written atomically, never edited
    DIR/clips.json           a few test clips as pictures, for the report's explorer; no number rests on them
    DIR/videos.json          what the videos of each data set are like, for the report's rule for lambda
    DIR/predictions/         beside the records, see sweeps.predictions

This module knows JSON and files, nothing else: it must stay importable without torch and ray. One file per cell and an
atomic rename instead of a database: readers never lock, a kill never leaves half a record, and a network file system is
enough (see docs/decisions/one-file-per-cell.md).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue, ValidationError

from vmp.core.errors import InputError
from vmp.core.files import write_text
from vmp.core.fingerprint import canonical_json, combined
from vmp.core.outcome import DataSummary, Outcome, Plain, Status

FORMAT: Literal[2] = 2
PLAN_FILE = "plan.json"
CELLS_FOLDER = "cells"
CLIPS_FILE = "clips.json"
VIDEOS_FILE = "videos.json"
CLIP_MAPS_FILE = "clip_maps.json"

Scalar = bool | int | float | str | None
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
MetricName = Literal["top1", "mean_class"]


def arm_key(factors: Mapping[str, Scalar]) -> str:
    """What makes two cells the same arm: equal factors, however they are ordered."""
    return canonical_json(dict(factors))


def cell_hash(science: str, code: str) -> str:
    """The name of a cell: over the hash of what it computes, and the hash of the code that computes it."""
    return combined(science, code)


class PlannedCell(Plain):
    """One cell of the plan: a configuration ("arm", named by its factors) with one seed.

    Attributes:
        hash: Name of the cell, 16 hex digits over settings, seed, data and code.
        factors: The varied settings only, as the study names them, e.g. ``{"prompt": "vmp", "lambda": 0.1}``.
            ``None`` says that the factor does not apply to this arm (a control has no lambda).
        seed: The paired seed; every arm of a study runs the same ones.
    """

    hash: Hash
    factors: dict[str, Scalar]
    seed: int


class DesignHeader(Plain):
    """How the arms of a study were planned, where it is no plain grid.

    Attributes:
        settings: The design, as a study file spells it, with its `kind`.
        only_where: The rules on when factors and values apply.
        pairs: The comparisons that follow from it: factors of an arm and of what it is compared with.
        components: Of an ablation: factor -> (off, on).
    """

    settings: dict[str, JsonValue]
    only_where: list[dict[str, JsonValue]] = []
    pairs: list[tuple[dict[str, Scalar], dict[str, Scalar]]] = []
    components: dict[str, tuple[Scalar, Scalar]] = {}

    @property
    def kind(self) -> str:
        return str(self.settings["kind"])


class StudyHeader(Plain):
    """What a study says of itself.

    Attributes:
        name, question: For people.
        margin: Difference of the metric below which two arms count as practically equal, in (0, 1).
        margin_is_default: Whether the margin is the default of `Study`.
        reference: Factors of the arms that the others are compared with, each at its own other settings; None for the
            control, else the baseline. compare: Or pairs of factors, or the factors whose values are compared.
        blocks: Factors whose values are no candidates; None for the data and the backbone.
        settings: The settings that the factors vary, as a study file spells them.
        design: None, and no part of the file, for a plain grid.
    """

    name: str
    question: str = ""
    margin: float = Field(gt=0, lt=1)
    margin_is_default: bool = False
    reference: dict[str, Scalar] | None = None
    compare: str | list[str] | list[tuple[dict[str, Scalar], dict[str, Scalar]]] | None = None
    blocks: list[str] | None = None
    settings: dict[str, JsonValue] = {}
    design: Annotated[DesignHeader | None, Field(exclude_if=lambda design: design is None)] = None

    @property
    def design_pairs(self) -> list[tuple[dict[str, Scalar], dict[str, Scalar]]]:
        """The comparisons that follow from the design; none from a grid."""
        return self.design.pairs if self.design else []


_SEARCH_ONLY = Field(exclude_if=lambda value: not value)  # a grid's plan does not hold it


class Proposal(Plain):
    """A proposal of a search: values within its space, and the number of the arm that they are, repeats alike."""

    params: dict[str, Scalar]
    arm: int


class SearchHeader(Plain):
    """How arms come about.

    Attributes:
        method: ``grid``, or a method of ``vmp sweep run --search``.
        options: Of the method.
        seed: Of the proposals.
        arms: Arms to propose; None for a grid.
        in_flight: Arms at work at a time; the proposals depend on it.
        rungs: Numbers of seeds after which an arm goes on or does not; the last one is all. None for a grid or race.
        factor: One arm in so many goes on from a rung; None where each has all seeds.
        against: What is kept low beside a high accuracy.
        space: Each searched factor's distribution, as Optuna writes it.
        proposals: What was proposed so far, repeats included, in its order.
        proposed: `arms` once the search has ended, also where the space held fewer; None while it runs.
    """

    method: str = "grid"
    options: dict[str, JsonValue] = {}
    seed: int = 0
    arms: int | None = None
    in_flight: int | None = None
    rungs: Annotated[list[int] | None, _SEARCH_ONLY] = None
    factor: Annotated[int | None, _SEARCH_ONLY] = None
    against: Annotated[str | None, _SEARCH_ONLY] = None
    space: Annotated[dict[str, JsonValue], _SEARCH_ONLY] = {}
    proposals: Annotated[list[Proposal], _SEARCH_ONLY] = []
    proposed: int | None = None


class StopHeader(Plain):
    """The rule that may end cells early, see `sweeps.stop.config.StopSettings`."""

    kind: str
    options: dict[str, JsonValue] = {}


class ConfirmationHeader(Plain):
    """The chosen arm of each block and its reference on seeds that the choice never saw.

    Attributes:
        pairs: Factors of the chosen arm and of its reference.
        chosen_on: The seeds that it was chosen on.
        seeds: The fresh ones.
        cells: Theirs; they are no part of the plan's own cells.
    """

    pairs: list[tuple[dict[str, Scalar], dict[str, Scalar]]]
    chosen_on: list[int]
    seeds: list[int]
    cells: list[PlannedCell]


class CodeHeader(Plain):
    """The code that computes the cells of a plan: one hash, and one for each module that any of them uses."""

    hash: str
    modules: dict[str, str] = {}

    def changed(self, modules: Mapping[str, str]) -> list[str]:
        """Those of its modules that are other ones in `modules`, or are gone. One that is new there shows in another
        one, which imports it."""
        return sorted(name for name, digits in self.modules.items() if modules.get(name) != digits)


class Plan(Plain):
    """A study, before and after it runs.

    Attributes:
        study: The definition.
        factors: For each factor the values planned (grid) or proposed so far (search), in the study's order.
        metric: What arms are compared by; cells hold ``val_<metric>`` (select on it) and ``test_<metric>`` (report it).
        seeds: The paired seeds.
        search: How arms come about. code: What computes a cell. data: The study's data set.
        created: When, in ISO 8601.
        cells: Every cell, arms in the study's order and seeds within an arm.
        confirmation: Of the chosen arm, once it was asked for.
        stop: What ends cells early; None where each trains to its end.
    """

    format: Literal[2] = FORMAT
    study: StudyHeader
    factors: dict[str, list[Scalar]]
    metric: MetricName
    seeds: list[int]
    search: SearchHeader = SearchHeader()
    code: CodeHeader
    data: DataSummary
    created: str
    cells: list[PlannedCell]
    confirmation: ConfirmationHeader | None = None
    stop: Annotated[StopHeader | None, Field(exclude_if=lambda stop: stop is None)] = None

    def arms(self) -> dict[str, dict[str, Scalar]]:
        """The factors of each arm, in their order, by a name that equal factors share."""
        return {arm_key(cell.factors): cell.factors for cell in self.cells}

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing among the classes, in (0, 1); None where they are unknown."""
        classes = len(self.data.classes)
        return 1 / classes if classes > 1 else None


def confirmation_plan(plan: Plan) -> Plan | None:
    """The fresh cells of a plan as a plan of their own; None where none are planned."""
    fresh = plan.confirmation
    if fresh is None:
        return None
    return plan.model_copy(update={"cells": fresh.cells, "seeds": fresh.seeds, "confirmation": None})


class Hardware(Plain):
    """The machine of a cell; `device` names the GPU, or is ``cpu``."""

    cpu: str
    cores: int | None
    memory_gib: int
    device: str


class Provenance(Plain):
    """What made a record.

    Attributes:
        engine: The executor.
        versions: Of Python, this package and the libraries that matter.
        kernel: The layer's kernel on this machine.
        code: Hash of the code that computed the cell.
        accepted_from: The cell whose record this one is: the same but for its code, whose change the user vouched for
            by ``--accept-code``; None where the cell's own code computed it.
        commit: Of a checkout; None for an installed package. dirty: Whether that checkout was changed.
        hardware: The machine.
        threads, compile, loader_workers, gradient_checkpointing: How the cell ran, see `vmp.experiment.Runtime`; no
            part of its hash.
        started: In ISO 8601, UTC.
        seconds: Wall time of the cell.
        tries: How often the cell was begun, over all runs, this time included; None where that is not known.
        reused_from: The study's folder that the record was taken from by ``--reuse``; None where it was computed.
        first_of_worker: Whether the cell was its process's first, whose `seconds` hold the warm-up; None if not known.
    """

    engine: str
    versions: dict[str, str] = {}
    kernel: str | None = None
    code: str | None = None
    accepted_from: Hash | None = None
    commit: str | None = None
    dirty: bool | None = None
    hardware: Hardware | None = None
    threads: int | None = None
    compile: bool | None = None
    loader_workers: int | None = None
    gradient_checkpointing: bool | None = None
    started: str | None = None
    seconds: float | None = None
    tries: int | None = None
    reused_from: str | None = None
    first_of_worker: bool | None = None


class CellRecord(Outcome):
    """What one cell leaves behind: its `vmp.core.outcome.Outcome`, its place in the study, and what made it.

    Attributes:
        settings: The complete configuration that was run, as a study file spells it.
        science: Hash of the seed and of all that decides the cell's numbers but the code; None if not recorded.
    """

    format: Literal[2] = FORMAT
    hash: Hash
    science: Hash | None = None
    factors: dict[str, Scalar]
    seed: int
    settings: dict[str, JsonValue] = {}
    provenance: Provenance


class ExampleClip(Plain):
    """A test clip as a picture.

    Attributes:
        video: The video's id.
        label: Its class.
        frames: Which frames of the video, in the clip's order.
        png: They side by side, as a PNG in base64.
    """

    video: str
    label: str
    frames: list[int] = Field(min_length=2)
    png: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+=*$")]


class ExampleClips(Plain):
    """Test clips that the report's explorer draws the attention on, see `sweeps.example_clips`.

    Attributes:
        data: Hash of the data set.
        size: Side of the frames that the cells see, in pixels.
        side: Side of the pictures, at most `size`.
        mean, std: Channel statistics that a clip is normalised with.
        clips: One of each class, of the first classes.
    """

    format: Literal[2] = FORMAT
    data: str
    size: int = Field(ge=1)
    side: int = Field(ge=1)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    clips: list[ExampleClip]


class DataStatistics(Plain):
    """What the videos of one data set are like, see `sweeps.video_statistics`; means over its training videos.

    Attributes:
        data: Hash of the data set.
        videos: Number of videos looked at.
        difference_sd: Root mean square of the difference of two frames of a clip, in units of the full gray range.
        static_share: Share of pixels that differ by less than 10 of 255 between two frames of a clip.
        camera_motion: Length of the shift of the picture between two frames of a clip, as a share of its height.
    """

    data: str
    videos: int = Field(ge=1)
    difference_sd: float = Field(ge=0)
    static_share: float = Field(ge=0, le=1)
    camera_motion: float = Field(ge=0)


class DataStatisticsFile(Plain):
    """``videos.json``: one entry for each data set of the study."""

    format: Literal[2] = FORMAT
    data_sets: list[DataStatistics]


class ClipMap(Plain):
    """A test video that an arm wins or loses, as a picture.

    Attributes:
        video: The video's id.
        frames: The frames shown, as numbers in the video.
        mean: Mean attention of the whole clip, in [0, 1].
        jpeg: These frames side by side, below them their attention, as a JPEG in base64.
        width, height: Of the picture, in pixels.
    """

    video: str
    frames: list[int] = Field(min_length=1)
    mean: float
    jpeg: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+=*$")]
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class ClipMapsOfArm(Plain):
    """The videos that one chosen arm wins and loses most, see `sweeps.clip_maps`.

    Attributes:
        cells: Whose predictions say so: the arm's, then its reference's.
        model: The arm's cell whose model draws the attention.
        seed: Its seed.
        maps: One for each video.
    """

    cells: list[Hash]
    model: Hash
    seed: int
    maps: list[ClipMap]


class ClipMaps(Plain):
    """Attention maps of the test videos that the chosen arms win and lose."""

    format: Literal[2] = FORMAT
    arms: list[ClipMapsOfArm]


class CellHead(BaseModel):
    """What a status needs of a record: a tenth of the time of reading all of it, for thousands of cells."""

    class Tries(BaseModel):
        """How often the cell was begun, see `Provenance`."""

        tries: int | None = None

    format: Literal[2]
    hash: Hash
    status: Status
    reason: str | None = None
    provenance: Tries


_T = TypeVar("_T", bound=BaseModel)
_Record = TypeVar("_Record", CellRecord, CellHead)


class DamagedRecord(InputError):
    """A file of a study that is torn, or that holds another cell: it costs what it held, and nothing else."""


class StudyFolder:
    """Reads and writes one study's records below `path`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.plan_path = self.path / PLAN_FILE
        self.cells_path = self.path / CELLS_FOLDER
        self.clips_path = self.path / CLIPS_FILE
        self.videos_path = self.path / VIDEOS_FILE
        self.clip_maps_path = self.path / CLIP_MAPS_FILE

    def create(self) -> None:
        """Make the folder, or say in one sentence why it cannot be made or written."""
        try:
            self.cells_path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise InputError(
                f"cannot write the study folder '{self.path}': {error.strerror or error}; "
                "give --out a folder that you may write to"
            ) from error

    def has_plan(self) -> bool:
        return self.plan_path.is_file()

    def read_plan(self) -> Plan:
        """The plan. Raises InputError when the folder is no study or the file is damaged."""
        if not self.has_plan():
            raise InputError(
                f"'{self.path}' holds no study: there is no {PLAN_FILE} in it; "
                "name the folder given to `vmp sweep run STUDY --out DIR`"
            )
        return _read(self.plan_path, Plan)

    def write_plan(self, plan: Plan) -> None:
        write_text(self.plan_path, _to_text(plan))

    def has_example_clips(self) -> bool:
        return self.clips_path.is_file()

    def read_example_clips(self) -> ExampleClips:
        """The example clips. Raises DamagedRecord when the file is damaged."""
        return _read(self.clips_path, ExampleClips)

    def write_example_clips(self, clips: ExampleClips) -> None:
        write_text(self.clips_path, _to_text(clips))

    def read_data_statistics(self) -> list[DataStatistics]:
        """What the videos of each data set are like, none without the file. Raises DamagedRecord for a damaged one."""
        return _read(self.videos_path, DataStatisticsFile).data_sets if self.videos_path.is_file() else []

    def write_data_statistics(self, data_sets: list[DataStatistics]) -> None:
        write_text(self.videos_path, _to_text(DataStatisticsFile(data_sets=data_sets)))

    def read_clip_maps(self) -> ClipMaps:
        """The attention maps of videos won and lost, none without the file. Raises DamagedRecord for a damaged one."""
        return _read(self.clip_maps_path, ClipMaps) if self.clip_maps_path.is_file() else ClipMaps(arms=[])

    def write_clip_maps(self, maps: ClipMaps) -> None:
        write_text(self.clip_maps_path, _to_text(maps))

    def cell_path(self, cell_hash: str) -> Path:
        return self.cells_path / f"{cell_hash}.json"

    def has_cell(self, cell_hash: str) -> bool:
        return self.cell_path(cell_hash).is_file()

    def read_cell(self, cell_hash: str) -> CellRecord:
        """One record. Raises DamagedRecord when the file is damaged or belongs to another cell."""
        return self._read_cell(cell_hash, CellRecord)

    def _read_cell(self, cell_hash: str, kind: type[_Record]) -> _Record:
        record = _read(self.cell_path(cell_hash), kind)
        if record.hash != cell_hash:
            raise DamagedRecord(
                f"'{self.cell_path(cell_hash)}' holds the record of cell {record.hash}; "
                "move it away and run the study again to redo the cell"
            )
        return record

    def write_cell(self, record: CellRecord) -> None:
        write_text(self.cell_path(record.hash), _to_text(record))

    def find_cell(self, cell_hash: str, on_damage: Callable[[str], None] | None = None) -> CellRecord | None:
        """One record, or None without one. A damaged one goes to `on_damage` as a sentence, or raises DamagedRecord."""
        if not self.has_cell(cell_hash):
            return None
        try:
            return self.read_cell(cell_hash)
        except DamagedRecord as error:
            if on_damage is None:
                raise
            on_damage(str(error))
            return None

    def records(self, plan: Plan, on_damage: Callable[[str], None] | None = None) -> Iterator[CellRecord]:
        """The records there are for the plan's cells, in the plan's order; see `find_cell` for damaged ones.

        A cell keeps its name where a study gains or drops a factor, so its record may name other factors than the plan;
        it then comes with the plan's. A record whose values contradict the plan's comes as it is.
        """
        for cell in plan.cells:
            record = self.find_cell(cell.hash, on_damage)
            if record is None:
                continue
            if record.factors != cell.factors and not contradict(record.factors, cell.factors):
                record = record.model_copy(update={"factors": cell.factors})
            yield record

    def heads(self, plan: Plan, on_damage: Callable[[str], None]) -> Iterator[CellHead]:
        """As `records`, with no more of each than its status needs; a torn file goes to `on_damage` as a sentence."""
        there = {entry.name for entry in os.scandir(self.cells_path)} if self.cells_path.is_dir() else set()
        for cell in plan.cells:
            if f"{cell.hash}.json" in there:
                try:
                    yield self._read_cell(cell.hash, CellHead)
                except DamagedRecord as error:
                    on_damage(str(error))

    def set_aside(self, cell_hash: str) -> Path:
        """Move a damaged record out of the way of the one that will replace it, and return its new place."""
        path = self.cell_path(cell_hash)
        return path.replace(path.with_suffix(".damaged"))


def contradict(recorded: Mapping[str, Scalar], planned: Mapping[str, Scalar]) -> bool:
    """Whether a factor has two values. One that only the plan or only the record names was added or dropped since."""
    if str(recorded) == str(planned):  # as for nearly every cell, and found in a tenth of the time
        return False
    both = [name for name in recorded if recorded[name] is not None and planned.get(name) is not None]
    return arm_key({name: recorded[name] for name in both}) != arm_key({name: planned[name] for name in both})


def _to_text(record: Plain) -> str:
    return record.model_dump_json(indent=1) + "\n"


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["loc"] != ("format",))
        where = ".".join(str(part) for part in first["loc"])
        if where == "format":
            raise InputError(
                f"'{path}' has the record format {first['input']!r}, this version reads format {FORMAT}; "
                "run the study again in an empty folder, or report it with the version that wrote it"
            ) from error
        raise DamagedRecord(
            f"'{path}' is damaged{f' at {where!r}' if where else ''}: {_rule(first)}; "
            "move it away and run the study again to redo what it held"
        ) from error


def _rule(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")
