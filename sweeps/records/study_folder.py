"""The folder of a study: where its files lie, and how they are read and written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sweeps.records.cell_record import CellHead, CellRecord
from sweeps.records.clip_pictures import ClipMaps, ExampleClips
from sweeps.records.data_statistics import DataStatistics, DataStatisticsFile
from sweeps.records.factors import contradict
from sweeps.records.file_format import DamagedRecord, read_file, write_file
from sweeps.records.plan_record import Plan
from vmp.core.errors import InputError

PLAN_FILE = "plan.json"
CELLS_FOLDER = "cells"
CLIPS_FILE = "clips.json"
VIDEOS_FILE = "videos.json"
CLIP_MAPS_FILE = "clip_maps.json"

_Record = TypeVar("_Record", CellRecord, CellHead)


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
        """Make the folder. Raises InputError where it cannot be made or written."""
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
        return read_file(self.plan_path, Plan)

    def write_plan(self, plan: Plan) -> None:
        write_file(self.plan_path, plan)

    def has_example_clips(self) -> bool:
        return self.clips_path.is_file()

    def read_example_clips(self) -> ExampleClips:
        """The example clips. Raises DamagedRecord when the file is damaged."""
        return read_file(self.clips_path, ExampleClips)

    def write_example_clips(self, clips: ExampleClips) -> None:
        write_file(self.clips_path, clips)

    def read_data_statistics(self) -> list[DataStatistics]:
        """What the videos of each data set are like, none without the file. Raises DamagedRecord for a damaged one."""
        return read_file(self.videos_path, DataStatisticsFile).data_sets if self.videos_path.is_file() else []

    def write_data_statistics(self, data_sets: list[DataStatistics]) -> None:
        write_file(self.videos_path, DataStatisticsFile(data_sets=data_sets))

    def read_clip_maps(self) -> ClipMaps:
        """The attention maps of videos won and lost, none without the file. Raises DamagedRecord for a damaged one."""
        return read_file(self.clip_maps_path, ClipMaps) if self.clip_maps_path.is_file() else ClipMaps(arms=[])

    def write_clip_maps(self, maps: ClipMaps) -> None:
        write_file(self.clip_maps_path, maps)

    def cell_path(self, cell_hash: str) -> Path:
        return self.cells_path / f"{cell_hash}.json"

    def has_cell(self, cell_hash: str) -> bool:
        return self.cell_path(cell_hash).is_file()

    def read_cell(self, cell_hash: str) -> CellRecord:
        """One record. Raises DamagedRecord when the file is damaged or belongs to another cell."""
        return self._read_cell(cell_hash, CellRecord)

    def _read_cell(self, cell_hash: str, kind: type[_Record]) -> _Record:
        record = read_file(self.cell_path(cell_hash), kind)
        if record.hash != cell_hash:
            raise DamagedRecord(
                f"'{self.cell_path(cell_hash)}' holds the record of cell {record.hash}; "
                "move it away and run the study again to redo the cell"
            )
        return record

    def write_cell(self, record: CellRecord) -> None:
        write_file(self.cell_path(record.hash), record)

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
