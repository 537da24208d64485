"""The record format: what a study leaves on disk, and the only thing that `analysis` reads.

::

    DIR/plan.json            every planned cell, written before anything runs
    DIR/cells/<hash>.json    one finished cell each, written atomically, never edited

This module knows JSON and files, nothing else: it must stay importable without torch, ray and vmp.
One file a cell and an atomic rename instead of a database: readers never lock, a kill never leaves half a
record, and a network file system is enough (see docs/decisions/one-file-a-cell.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT: Literal[1] = 1
PLAN_FILE = "plan.json"
CELLS_FOLDER = "cells"

Status = Literal["complete", "diverged", "failed"]
Scalar = bool | int | float | str | None


class RecordError(ValueError):
    """A study folder that cannot be read or written as one; the message names the file and the way out."""

    exit_code = 2


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class PlannedCell(_Record):
    """One cell of the plan: a configuration ("arm", told by its factors) with one seed.

    Attributes:
        hash: Name of the cell, 16 hex digits over settings, seed, data and code.
        factors: The varied settings only, as the study names them, e.g. ``{"prompt": "vmp", "lambda": 0.1}``.
            ``None`` says that the factor does not apply to this arm (a control has no lambda).
        seed: The paired seed; every arm of a study runs the same ones.
    """

    hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    factors: dict[str, Scalar]
    seed: int


class Plan(_Record):
    """The whole study, before and after it runs.

    Attributes:
        study: The resolved study definition as plain data.
        factors: For each factor the values planned (grid) or proposed so far (search), in the study's order.
        metric: What arms are compared by, ``"top1"`` or ``"mean_class"``; cells hold ``val_<metric>`` (select on it)
            and ``test_<metric>`` (report it).
        seeds: The paired seeds.
        search: ``{"method": "grid"}``, or ``{"method": "tpe", "arms": N}`` with the number of arms to propose, and
            ``"proposed": N`` once the search has ended, also where the space held fewer.
        code: ``{"hash": ..., "files": {path: hash}}`` of the code that computes a cell.
        data: ``{"hash": ..., "name": ..., "splits": {"train": n, "val": n, "test": n}, "classes": [...]}``.
        cells: Every cell, arms in the study's order and seeds within an arm.
    """

    format: Literal[1] = FORMAT
    study: dict[str, Any]
    factors: dict[str, list[Scalar]]
    metric: str
    seeds: list[int]
    search: dict[str, Any]
    code: dict[str, Any]
    data: dict[str, Any]
    created: str
    cells: list[PlannedCell]


class CellRecord(_Record):
    """What one cell leaves behind.

    Attributes:
        status: ``complete``; ``diverged`` (training became non-finite: a result, never repeated); ``failed`` (an
            error or a dead worker: repeated by the next run).
        reason: One sentence for ``diverged`` and ``failed``, else ``None``.
        metrics: Scalars at the end of training. ``None`` where a number does not exist for the arm.
        curves: One list for each measured quantity, an entry an epoch; ``curves["epoch"]`` counts from 1.
        settings: The complete resolved configuration that was run.
        data: Data hash, decodable count, split sizes, sampling protocol.
        provenance: Versions, code hash, commit, hardware, start, seconds, engine.
    """

    format: Literal[1] = FORMAT
    hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    factors: dict[str, Scalar]
    seed: int
    status: Status
    reason: str | None = None
    metrics: dict[str, Scalar] = {}
    curves: dict[str, list[float | None]] = {}
    settings: dict[str, Any] = {}
    data: dict[str, Any] = {}
    provenance: dict[str, Any] = {}


_T = TypeVar("_T", bound=_Record)


def canonical_json(value: Any) -> str:
    """`value` as JSON text with one spelling: sorted keys, no spaces, no NaN. Equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def fingerprint(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def write_text_atomically(path: Path, text: str) -> None:
    """Write so that `path` holds either its old content or all of `text`, whatever dies in between."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class StudyFolder:
    """Reads and writes one study's records below `path`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.plan_path = self.path / PLAN_FILE
        self.cells_path = self.path / CELLS_FOLDER

    def create(self) -> None:
        """Make the folder, or say in one sentence why it cannot be made or written."""
        try:
            self.cells_path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise RecordError(
                f"cannot write the study folder '{self.path}': {error.strerror or error}; "
                "give --out a folder that you may write to"
            ) from error

    def has_plan(self) -> bool:
        return self.plan_path.is_file()

    def read_plan(self) -> Plan:
        """The plan. Raises RecordError when the folder is no study or the file is damaged."""
        if not self.has_plan():
            raise RecordError(
                f"'{self.path}' holds no study: there is no {PLAN_FILE} in it; "
                "name the folder given to `vmp sweep run STUDY --out DIR`"
            )
        return _read(self.plan_path, Plan)

    def write_plan(self, plan: Plan) -> None:
        write_text_atomically(
            self.plan_path, json.dumps(plan.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"
        )

    def cell_path(self, cell_hash: str) -> Path:
        return self.cells_path / f"{cell_hash}.json"

    def has_cell(self, cell_hash: str) -> bool:
        return self.cell_path(cell_hash).is_file()

    def read_cell(self, cell_hash: str) -> CellRecord:
        """One record. Raises RecordError when the file is damaged or belongs to another cell."""
        record = _read(self.cell_path(cell_hash), CellRecord)
        if record.hash != cell_hash:
            raise RecordError(
                f"'{self.cell_path(cell_hash)}' holds the record of cell {record.hash}; "
                "move it away and run the study again to redo the cell"
            )
        return record

    def write_cell(self, record: CellRecord) -> None:
        text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"
        write_text_atomically(self.cell_path(record.hash), text)

    def records(self, plan: Plan) -> Iterator[CellRecord]:
        """The records there are for the plan's cells, in the plan's order."""
        for cell in plan.cells:
            if self.has_cell(cell.hash):
                yield self.read_cell(cell.hash)


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read '{path}': {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"'{path}' is damaged{f' at {where!r}' if where else ''}: {first['msg']}; "
            "move it away and run the study again to redo what it held"
        ) from error
