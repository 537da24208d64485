"""Where a study's numbers come from: versions, code, hardware, data, protocol, seeds, compute, as its cells say.

Nothing is filled in: what no cell recorded is reported as not recorded, and what differs between cells is told apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.table import SECONDS, Study
from sweeps.record import CellRecord, canonical_json

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Facts in words.

    Attributes:
        facts: (name, text) pairs for a two-column list.
        warnings: Sentences about what makes the cells less comparable than they should be.
        seconds: Total compute of all recorded cells, NaN when no cell recorded any.
    """

    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    seconds: float


def provenance(study: Study) -> Provenance:
    """Collect provenance over the study's records."""
    records = list(study.records.values())
    warnings: list[str] = []

    def fact(
        name: str, get: Callable[[CellRecord], Any], show: Callable[[Any], str] = str, *, alike: bool = True
    ) -> tuple[str, str]:
        found = Counter(canonical_json(value) for record in records if (value := get(record)) not in (None, {}, ""))
        shown = {canonical_json(v): show(v) for record in records if (v := get(record)) not in (None, {}, "")}
        if len(found) > 1:
            if alike:
                warnings.append(f"The cells were not all run with the same {name}: {len(found)} differ.")
            return name, "; ".join(f"{shown[key]} ({count} cells)" for key, count in found.most_common())
        return name, next(iter(shown.values()), NOT_RECORDED)

    facts = [
        ("plan created", study.plan.created or NOT_RECORDED),
        ("seeds", ", ".join(str(seed) for seed in study.plan.seeds)),
        ("search", ", ".join(f"{k} = {v}" for k, v in study.plan.search.items()) or NOT_RECORDED),
        ("data set", str(study.plan.data.get("name", NOT_RECORDED))),
        ("data hash", str(study.plan.data.get("hash", NOT_RECORDED))),
        ("splits", _pairs(study.plan.data.get("splits")) or NOT_RECORDED),
        fact("decodable clips", lambda r: r.data.get("decodable")),
        fact("protocol", lambda r: r.data.get("protocol"), _pairs, alike=False),
        fact("collapse rule", lambda r: r.data.get("collapse_rule")),
        ("code hash", str(study.plan.code.get("hash", NOT_RECORDED))),
        fact("commit", lambda r: r.provenance.get("commit")),
        fact("versions", lambda r: r.provenance.get("versions"), _pairs),
        fact("hardware", lambda r: r.provenance.get("hardware"), _pairs),
    ]
    engines = Counter(str(r.provenance.get("engine", NOT_RECORDED)) for r in records)
    facts.append(
        ("engine", "; ".join(f"{name} ({count} cells)" for name, count in engines.most_common()) or NOT_RECORDED)
    )
    seconds = study.cells[SECONDS].dropna()
    total = float(seconds.sum()) if len(seconds) else math.nan
    facts.append(("compute", f"{duration(total)} in {len(seconds)} cells" if len(seconds) else NOT_RECORDED))
    started = sorted(str(r.provenance["started"]) for r in records if r.provenance.get("started"))
    facts.append(
        ("run", f"{started[0]} to {started[-1]} (starts of the first and last cell)" if started else NOT_RECORDED)
    )
    return Provenance(facts=tuple(facts), warnings=(*warnings, *_contradictions(study, records)), seconds=total)


def excluded_clips(study: Study) -> tuple[tuple[str, str], ...]:
    """(clip, reason) of everything that could not be decoded, each once."""
    found: dict[str, str] = {}
    for record in study.records.values():
        for entry in record.data.get("excluded") or ():
            if isinstance(entry, (list, tuple)) and len(entry) == 2:
                found.setdefault(str(entry[0]), str(entry[1]))
    return tuple(sorted(found.items()))


def duration(seconds: float) -> str:
    """``"12.3 s"``, ``"4.5 min"`` or ``"7.1 h"``."""
    if math.isnan(seconds):
        return NOT_RECORDED
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _contradictions(study: Study, records: list[CellRecord]) -> list[str]:
    notes = []
    dirty = sum(1 for r in records if r.provenance.get("dirty") is True)
    if dirty:
        notes.append(f"{dirty} of {len(records)} cells were run from a working tree with uncommitted changes.")
    for name, planned in (("data", study.plan.data.get("hash")), ("code", study.plan.code.get("hash"))):
        if name == "data" and any(factor.startswith("data.") for factor in study.plan.factors):
            continue  # the study varies its data on purpose
        differing = 0
        for record in records:
            found = record.data.get("hash") if name == "data" else record.provenance.get("code")
            differing += found is not None and planned is not None and found != planned
        if differing:
            notes.append(f"{differing} of {len(records)} cells carry another {name} hash than the plan.")
    return notes


def _pairs(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    return ", ".join(f"{key} {_pairs(item) if isinstance(item, Mapping) else item}" for key, item in value.items())
