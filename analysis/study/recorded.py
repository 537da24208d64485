"""What the records of a study say of how its cells were run, in little room: cells are many and mostly run alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import JsonValue
from pydantic_core import to_json

from sweeps.records.cell_record import CellRecord, Hardware
from vmp.core.outcome import DataSummary, Protocol

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A record without what its cell measured; see `sweeps.records.cell_record.CellRecord` and its `Provenance`.

    Attributes:
        settings, data, protocol, collapse_rule: Of the record.
        epochs: By curve how many it has; 0 where none of them has a number.
        engine, versions, kernel, commit, dirty, hardware, started, is_accepted: Of its provenance; the last one says
            that it is the record of a cell of other code.
    """

    settings: Mapping[str, JsonValue]
    data: DataSummary | None
    protocol: Protocol | None
    collapse_rule: str | None
    epochs: Mapping[str, int]
    engine: str
    versions: Mapping[str, str]
    kernel: str | None
    commit: str | None
    dirty: bool | None
    hardware: Hardware | None
    started: str | None
    is_accepted: bool


class Recorder:
    """Makes `Recorded` of records; parts that are spelt alike are one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, bytes], Any] = {}

    def recorded(self, record: CellRecord) -> Recorded:
        """What is kept of `record`."""
        made, curves = record.provenance, record.curves.items()
        return Recorded(
            settings=self._one(record.settings),
            data=self._one(record.data),
            protocol=self._one(record.protocol),
            collapse_rule=self._one(record.collapse_rule),
            epochs=self._one({name: len(one) if any(v is not None for v in one) else 0 for name, one in curves}),
            engine=self._one(made.engine),
            versions=self._one(made.versions),
            kernel=self._one(made.kernel),
            commit=self._one(made.commit),
            dirty=made.dirty,
            hardware=self._one(made.hardware),
            started=made.started,
            is_accepted=made.accepted_from is not None,
        )

    def _one(self, value: _T) -> _T:
        """The first value that was spelt as `value` is; of nested settings each part is one by itself."""
        if value is None:
            return value
        key = (type(value), to_json(value))
        if key not in self._known:
            self._known[key] = {k: self._one(v) for k, v in value.items()} if isinstance(value, dict) else value
        return self._known[key]
