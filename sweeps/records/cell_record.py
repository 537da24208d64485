"""What one cell leaves behind: its outcome, its place in the study, and what made it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, JsonValue

from sweeps.records.factors import Scalar
from sweeps.records.file_format import FORMAT, Hash
from vmp.core.fingerprint import combined
from vmp.core.outcome import Outcome, Plain, Status


def cell_hash(science: str, code: str) -> str:
    """The name of a cell: over the hash of what it computes, and the hash of the code that computes it."""
    return combined(science, code)


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
        format: Of the file.
        hash: The cell's name, see `cell_hash`.
        science: Hash of the seed and of all that decides the cell's numbers but the code; None if not recorded.
        factors, seed: Of the cell, see `sweeps.records.plan_record.PlannedCell`.
        settings: The complete configuration that was run, as a study file spells it.
        provenance: What made it.
    """

    format: Literal[2] = FORMAT
    hash: Hash
    science: Hash | None = None
    factors: dict[str, Scalar]
    seed: int
    settings: dict[str, JsonValue] = {}
    provenance: Provenance

    def with_provenance(self, **changes: object) -> CellRecord:
        """The same record with `changes` in its provenance."""
        return self.model_copy(update={"provenance": self.provenance.model_copy(update=changes)})


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
