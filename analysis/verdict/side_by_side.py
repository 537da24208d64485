"""Two studies side by side: what is planned otherwise in one of them, and which arms of both moved beyond noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.study.arms import Arm, value_text
from analysis.study.cells import ARM, HASH, Study
from analysis.study.loading import assemble
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.evidence import Evidence
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import PlannedCell
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.unpaired import Unpaired, compare_unpaired
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json, fingerprint
from vmp.core.text import count

SIDE, PAIR = "side", "pair"
MAX_NAMED = 6
FAMILY = "the arms of both studies"


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Study A against study B.

    Attributes:
        changes: (what, how) of each part of the plan that differs.
        alike: What does not, by name.
        unknown: What one of them does not record, by name, so that nothing is said of it.
        arms: The arms of both, as A names them.
        paired: A's arm against B's, within the seeds of both; empty where some arm shares fewer than 3 seeds.
        unpaired: The same comparisons over runs as if they shared no seed, where `paired` is empty.
        split: What was measured: ``"test"``, or "" where that is not known.
    """

    changes: tuple[tuple[str, str], ...]
    alike: tuple[str, ...]
    unknown: tuple[str, ...]
    arms: tuple[Arm, ...]
    paired: tuple[Contrast, ...]
    unpaired: tuple[Unpaired, ...]
    split: str


def side_by_side(a: Study, b: Study) -> SideBySide:
    """Compare the plans and the arms that both have.

    Raises:
        InputError: They report another metric, or on another split, so that no number can be compared.
    """
    if (a.metric_name, a.split) != (b.metric_name, b.split):
        raise InputError(
            f"'{a.path}' reports {a.measured} and '{b.path}' {b.measured}, so none of their numbers can be compared"
        )
    shared = _shared(a, b)
    changes, alike, unknown = _plans(a, b, shared)
    paired = _paired(a, b, shared)
    unpaired: tuple[Unpaired, ...] = ()
    if not paired or any(contrast.n < MIN_SEEDS for contrast in paired):
        paired = ()
        values = [study_values.values(study.test) for study, study_values in ((a, Evidence(a)), (b, Evidence(b)))]
        unpaired = compare_unpaired([(_known(values[0][x.order]), _known(values[1][y.order])) for x, y in shared])
    arms = tuple(arm for arm, _ in shared)
    return SideBySide(changes=changes, alike=alike, unknown=unknown, arms=arms, paired=paired, unpaired=unpaired,
                      split=a.split)  # fmt: skip


def _known(row: np.ndarray) -> np.ndarray:
    return row[~np.isnan(row)]


def _shared(a: Study, b: Study) -> list[tuple[Arm, Arm]]:
    """The arms of both: of equal factors, or, where the studies vary other ones, of equal settings in their records."""
    pairs: list[tuple[Arm, Arm]] = []
    for key in (_by_factors, _by_settings):
        of_b = {one: arm for arm in b.arms if (one := key(b, arm)) and arm not in [y for _, y in pairs]}
        for arm in a.arms:
            if arm not in [x for x, _ in pairs] and (one := key(a, arm)) in of_b:
                pairs.append((arm, of_b.pop(one)))
    return sorted(pairs, key=lambda pair: pair[0].order)


def _by_factors(study: Study, arm: Arm) -> str | None:
    return arm_key({name: value for name, value in arm.factors.items() if value is not None})


def _by_settings(study: Study, arm: Arm) -> str | None:
    """The settings of an arm's records; None without any."""
    hashes = study.cells.loc[study.cells[ARM] == arm.label, HASH]
    return next((canonical_json(study.records[h].settings) for h in hashes if h in study.records
                 and study.records[h].settings), None)  # fmt: skip


def _paired(a: Study, b: Study, shared: Sequence[tuple[Arm, Arm]]) -> tuple[Contrast, ...]:
    """Each arm of A against that of B within seeds, all as one family; diverged and collapsed runs as in any study."""
    if not shared or not set(a.plan.seeds) & set(b.plan.seeds):
        return ()
    cells, records = [], {}
    for side, study, arms in (("A", a, [x for x, _ in shared]), ("B", b, [y for _, y in shared])):
        place = {arm_key(arm.factors): i for i, arm in enumerate(arms)}
        for cell in study.plan.cells:
            if (i := place.get(arm_key(cell.factors))) is not None:
                factors: dict[str, Scalar] = {SIDE: side, PAIR: i}
                one = fingerprint({"of": cell.hash, SIDE: side})
                cells.append(PlannedCell(hash=one, factors=factors, seed=cell.seed))
                if cell.hash in study.records:
                    records[one] = study.read(cell.hash).model_copy(update={"hash": one, "factors": factors})
    factors_of = {SIDE: ["A", "B"], PAIR: list(range(len(shared)))}
    plan = a.plan.model_copy(update={"factors": factors_of, "cells": cells, "confirmation": None})
    both = assemble(Path(f"{a.path} and {b.path}"), plan, records.values(), records.__getitem__, a.origin)
    by_key = {arm_key(arm.factors): arm for arm in both.arms}
    sides = [[by_key[arm_key({SIDE: side, PAIR: i})] for side in ("A", "B")] for i in range(len(shared))]
    return Evidence(both).compare([Sides.pair(*pair) for pair in sides], FAMILY)


def _plans(
    a: Study, b: Study, shared: Sequence[tuple[Arm, Arm]]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...]]:
    """What differs between the plans, the parts that do not, and those that one of them does not record."""
    in_both = [x for x, _ in shared], [y for _, y in shared]
    recorded: dict[str, Callable[[Study], bool]] = {
        "settings": lambda study: any(record.settings for record in study.records.values()),
        "data": lambda study: bool(study.plan.data.hash),
        "code": lambda study: bool(study.plan.code.hash),
        "search": lambda study: study.origin is None,
        "versions": lambda study: any(record.versions for record in study.records.values()),
    }
    unknown = tuple(name for name, is_in in recorded.items() if not (is_in(a) and is_in(b)))
    parts: list[tuple[str, list[str]]] = [
        ("arms", _only([[arm.label for arm in study.arms if arm not in some]
                        for study, some in zip((a, b), in_both, strict=True)])),
        ("settings", [*_pairs(_settings(a, in_both[0]), _settings(b, in_both[1]))]),
        ("seeds", _sets(a.plan.seeds, b.plan.seeds)),
        ("data", [*_pairs(_data(a), _data(b))]),
        ("code", _code(a, b)),
        ("search", [*_pairs(_flat(a.plan.search.model_dump()), _flat(b.plan.search.model_dump()))]),
        ("margin", [*_pairs({"margin": a.margin}, {"margin": b.margin})]),
        ("versions", [*_pairs(_versions(a), _versions(b))]),
    ]  # fmt: skip
    known = [(name, some) for name, some in parts if name not in unknown]
    changes = tuple((name, one) for name, some in known for one in some)
    return changes, tuple(name for name, some in known if not some), unknown


def _sets(a: Sequence[int], b: Sequence[int]) -> list[str]:
    return _only([[str(one) for one in a if one not in b], [str(one) for one in b if one not in a]])


def _only(sides: Sequence[list[str]]) -> list[str]:
    return [f"only in {side}: {_named(some)}" for side, some in zip("AB", sides, strict=True) if some]


def _named(some: Sequence[str]) -> str:
    more = f" and {len(some) - MAX_NAMED} more" if len(some) > MAX_NAMED else ""
    return "; ".join(some[:MAX_NAMED]) + more


def _settings(study: Study, arms: Sequence[Arm]) -> dict[str, Any]:
    """The settings that the cells of `arms` share, flat; of cells of all arms where `arms` is empty."""
    hashes = study.cells.loc[study.cells[ARM].isin([arm.label for arm in arms]), HASH] if arms else study.records
    known = [study.records[one] for one in hashes if one in study.records]
    records = [_flat(record.settings) for record in known if record.settings]
    if not records:
        return {}
    first = records[0]
    alike = {key for key in first if all(one.get(key, _MISSING) == first[key] for one in records)}
    return {key: value for key, value in first.items() if key in alike}


_MISSING = object()


def _data(study: Study) -> dict[str, Any]:
    data = study.plan.data
    return {"name": data.name, "hash": data.hash, "classes": len(data.classes), **_flat({"videos": data.splits})}


def _versions(study: Study) -> dict[str, Any]:
    versions: dict[str, list[str]] = {}
    for record in study.records.values():
        for name, version in record.versions.items():
            versions.setdefault(name, []).append(version)
    return {name: "/".join(sorted(set(some))) for name, some in versions.items()}


def _code(a: Study, b: Study) -> list[str]:
    codes = a.plan.code, b.plan.code
    if codes[0].hash == codes[1].hash:
        return []
    names = sorted({*codes[0].changed(codes[1].modules), *codes[1].changed(codes[0].modules)})
    return [f"{count(len(names), 'module')} differ: {_named(names)}" if names else "another code hash"]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            made |= _flat(value, f"{prefix}{key}.")
        else:
            made[f"{prefix}{key}"] = value
    return made


def _pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """``key: value in A, value in B`` for each key whose values differ."""
    for key in dict.fromkeys([*a, *b]):
        first, second = a.get(key, _MISSING), b.get(key, _MISSING)
        if first is _MISSING or second is _MISSING or canonical_json(first) != canonical_json(second):
            yield f"{key}: {_text(first)} in A, {_text(second)} in B"


def _text(value: Any) -> str:
    if value is _MISSING:
        return "not the same in all cells, or absent"
    return value_text(value) if value is None or isinstance(value, bool | int | float | str) else str(value)
