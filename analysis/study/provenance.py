"""Where a study's numbers come from: versions, code, hardware, data, protocol, seeds, compute, as its cells say.

Nothing is filled in: what no cell recorded is reported as not recorded, and what differs between cells is shown apart.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.study.cells import SECONDS, Study
from analysis.study.recorded import Recorded
from analysis.words.phrases import in_runs
from sweeps.records.plan_record import Plan
from vmp.core.fingerprint import canonical_json, code_fingerprints
from vmp.core.outcome import Plain
from vmp.core.text import count, duration, listing

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, kw_only=True)
class ProvenanceFacts:
    """Facts in words.

    Attributes:
        facts: (name, text) pairs for a two-column list.
        warnings: Sentences about what makes the cells less comparable than they should be.
        seconds: Total compute of all recorded cells, NaN when no cell recorded any.
    """

    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    seconds: float


def provenance(study: Study) -> ProvenanceFacts:
    """Collect provenance over the study's records."""
    records = list(study.records.values())
    plan, origin = study.plan, study.origin
    warnings: list[str] = []

    def fact(name: str, get: Callable[[Recorded], Any], *, alike: bool = True) -> tuple[str, str]:
        counts, texts = Counter[str](), dict[str, str]()
        for value, number in _alike([get(record) for record in records]):
            key = canonical_json(value)
            counts[key] += number
            texts[key] = _in_words(value)
        if len(counts) > 1:
            if alike:
                warnings.append(f"The cells were not all run with the same {name}: {len(counts)} differ.")
            return name, "; ".join(f"{texts[key]} ({count(number, 'cell')})" for key, number in counts.most_common())
        return name, next(iter(texts.values()), NOT_RECORDED)

    search = {"method": plan.search.method, **plan.search.options}
    if plan.search.arms is not None:
        search |= {"arms": plan.search.arms, "seed": plan.search.seed}
    seconds = study.cells[SECONDS].dropna()
    total = float(seconds.sum()) if len(seconds) else math.nan
    compute = f"{duration(total)} in {count(len(seconds), 'cell')}" if len(seconds) else NOT_RECORDED
    started = sorted(record.started for record in records if record.started)
    facts = [
        ("plan created", plan.created or NOT_RECORDED),
        ("seeds", in_runs(plan.seeds)),
        ("search", ", ".join(f"{key} = {value}" for key, value in search.items()) if not origin else NOT_RECORDED),
        ("data set", plan.data.name or NOT_RECORDED),
        ("data hash", plan.data.hash or NOT_RECORDED),
        ("groups", "not known" if plan.data.groups is None else _in_words(plan.data.groups)),
        ("splits", _in_words(plan.data.splits) or NOT_RECORDED),
        fact("decodable videos", lambda r: r.data and r.data.decodable),
        fact("protocol", lambda r: r.protocol, alike=False),
        fact("collapse rule", lambda r: r.collapse_rule),
        ("code hash", plan.code.hash or NOT_RECORDED),
        fact("commit", lambda r: r.commit, alike=False),  # the code of each cell is in its hash
        fact("versions", lambda r: r.versions),
        fact("kernel", lambda r: r.kernel, alike=False),
        fact("hardware", lambda r: r.hardware),
        fact("engine", lambda r: r.engine, alike=False),
        ("compute", compute),
        ("run", f"{started[0]} to {started[-1]} (starts of the first and last cell)" if started else NOT_RECORDED),
    ]
    if origin is not None:
        facts.insert(0, ("read from", f"{listing(list(origin.sources))}, recorded by {origin.tool}"))
    about = (*warnings, *(origin.notes if origin else ()), *_contradictions(study, records), *_of_the_data(study))
    return ProvenanceFacts(facts=tuple(facts), warnings=about, seconds=total)


def changed_code(plan: Plan) -> str | None:
    """A sentence where the installed code would compute a study's cells anew; None where it is the code of the plan."""
    names = plan.code.changed(code_fingerprints())
    if not plan.code.modules or not names:
        return None
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"the code that computes a cell has changed since this study was planned ({shown}); the report stands, and "
        "the same `vmp sweep run` would compute the cells anew"
    )


def collapse_rules(study: Study) -> tuple[str, ...]:
    """The rules by which the cells were called collapsed; one, unless code or settings changed in between."""
    return tuple(sorted({record.collapse_rule for record in study.records.values() if record.collapse_rule}))


def excluded_videos(study: Study) -> tuple[tuple[str, str], ...]:
    """(video, reason) of everything that could not be used, each once."""
    excluded: dict[str, str] = {}
    for record in study.records.values():
        for video in record.data.excluded if record.data else ():
            excluded.setdefault(video.id, video.reason)
    return tuple(sorted(excluded.items()))


def _contradictions(study: Study, records: list[Recorded]) -> list[str]:
    notes = []
    dirty = sum(record.dirty is True for record in records)
    if dirty:
        notes.append(f"{dirty} of {len(records)} cells were run from a working tree with uncommitted changes.")
    if not any(factor.startswith("data.") for factor in study.plan.factors):  # else it varies its data on purpose
        hashes = [record.data.hash for record in records if record.data]
        if differing := sum(digits != study.plan.data.hash for digits in hashes):
            notes.append(f"{differing} of {len(records)} cells carry another data hash than the plan.")
    if accepted := sum(record.is_accepted for record in records):
        notes.append(
            f"{accepted} of {len(records)} cells were computed by other code than the plan's: somebody vouched by "
            "--accept-code that no number depends on the difference."
        )
    return notes


def _of_the_data(study: Study) -> list[str]:
    """What was ignored in the data, or is wrong with them, as the plan and the cells say."""
    notes: dict[str, None] = dict.fromkeys(study.plan.data.notes)
    for record in study.records.values():
        notes |= dict.fromkeys(record.data.notes if record.data else ())
    # Divisions of one data set, such as folds, differ in what they say of each split: in brackets.
    of_all: dict[str, list[str]] = {}
    for note in notes:
        of_all.setdefault(_BRACKETS.sub("", note), []).append(note)
    return [f"Data: {some[0] if len(some) == 1 else whole}" for whole, some in of_all.items()]


_BRACKETS = re.compile(r" \([^()]*\)")


def _alike(values: Sequence[Any]) -> list[tuple[Any, int]]:
    """What there is among `values` as plain data, and how often; what `Recorder` made one object is met as one."""
    first = {id(value): value for value in values}
    counts = Counter(map(id, values))
    known = [(value, counts[key]) for key, value in first.items() if value not in (None, {}, "")]
    return [(value.model_dump() if isinstance(value, Plain) else value, number) for value, number in known]


def _in_words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    parts = [(key, _in_words(item)) for key, item in value.items() if item is not None]
    return ", ".join(f"{key.replace('_', ' ')} {text}" for key, text in parts)
