"""From the runs of another tool to a study of this one: a plan of what was run, and a record for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.readers.base import Run, Runs, number
from analysis.readers.columns import FLAG, UNITS, Columns, Resolved, resolve
from analysis.study.cells import Origin, Study
from analysis.study.loading import assemble
from sweeps.questions import BASELINE, CONTROL, PROMPT, PROMPTED
from sweeps.records.cell_record import CellRecord, Provenance
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import CodeHeader, Plan, PlannedCell, StudyHeader
from sweeps.stats.intervals import in_points
from vmp.core.errors import InputError
from vmp.core.fingerprint import fingerprint
from vmp.core.outcome import DataSummary
from vmp.core.text import count

DEFAULT_MARGIN = 0.01
_VAL, _TEST = "val_top1", "test_top1"
_SPLITS = {"val": _VAL, "valid": _VAL, "validation": _VAL, "dev": _VAL, "test": _TEST}


def foreign_study(runs: Runs, columns: Columns) -> Study:
    """The study that `runs` are.

    Raises:
        InputError: `columns` name what is not there, values that are no accuracies, runs that nothing distinguishes.
    """
    resolved = resolve(columns, runs)
    if not resolved.factors:
        raise InputError(
            f"'{runs.path}' has no setting beside the seed, so there are no arms; name some: {FLAG} factors="
        )
    _check_prompt(runs, resolved.factors)
    cells = _cells(runs, resolved, UNITS[columns.unit])
    plan = Plan(
        study=StudyHeader(
            name=runs.name,
            margin=columns.margin or DEFAULT_MARGIN,
            margin_is_default=columns.margin is None,
        ),
        factors=_values(cells, resolved.factors),
        metric="top1",
        seeds=sorted({cell.seed for cell, _ in cells}),
        code=CodeHeader(hash=""),
        data=DataSummary(name="", hash="", splits={}, classes=[], decodable=0),
        created="",
        cells=[cell for cell, _ in cells],
    )
    records = {record.hash: record for _, record in cells if record is not None}
    notes = [*runs.notes, *resolved.notes]
    if resolved.seed is None:
        notes.append(f"{runs.tool} names no seed, so each arm is one run and nothing is compared within seeds.")
    notes += _single_runs(resolved, cells)
    values = [value for record in records.values() for value in record.metrics.values() if value is not None]
    if UNITS[columns.unit] < 1 and values and max(values) <= UNITS[columns.unit]:
        notes.append("Every value is at most 1 and was read as percent; leave unit=percent out if they are fractions.")
    origin = Origin(
        tool=runs.tool, metric="accuracy", split=resolved.reported, sources=(runs.path.name,), notes=tuple(notes)
    )
    return assemble(runs.path, plan, records.values(), records.__getitem__, origin)


def _single_runs(resolved: Resolved, cells: Sequence[tuple[PlannedCell, object]]) -> list[str]:
    """A note where seeds are named and yet no arm has two of them, as a setting such as an output folder makes it."""
    arms = {arm_key(cell.factors) for cell, _ in cells}
    if resolved.seed is None or len({cell.seed for cell, _ in cells}) < 2 or len(arms) < len(cells):
        return []
    unique = [
        name
        for name in resolved.factors
        if len({arm_key({name: cell.factors[name]}) for cell, _ in cells}) == len(cells)
    ]
    why = f" ('{unique[0]}' differs in every run)" if unique else ""
    return [
        f"No two runs share their settings{why}, so no arm has two seeds; name the factors alone: {FLAG} factors=NAME."
    ]


def _cells(runs: Runs, resolved: Resolved, unit: float) -> list[tuple[PlannedCell, CellRecord | None]]:
    """A planned cell and its record for each arm and seed, in the order in which they first occur."""
    groups: dict[tuple[str, int], list[tuple[int, Run]]] = {}
    for place, run in enumerate(runs.runs, 1):
        key = (arm_key(_factors(run, resolved.factors)), _seed(runs, run, resolved.seed, place))
        groups.setdefault(key, []).append((place, run))
    order = {arm: place for place, arm in enumerate(dict.fromkeys(arm for arm, _ in groups))}
    cells = []
    for (_, seed), members in sorted(groups.items(), key=lambda item: order[item[0][0]]):
        values = _measured(runs, members, resolved, unit)
        place, run = members[0]
        factors = _factors(run, resolved.factors)
        cell = PlannedCell(
            hash=fingerprint({"tool": runs.tool, "study": runs.name, "factors": factors, "seed": seed}),
            factors=factors,
            seed=seed,
        )
        cells.append((cell, _record(runs, run, cell, values, place)))
    return cells


def _measured(
    runs: Runs, members: Sequence[tuple[int, Run]], resolved: Resolved, unit: float
) -> dict[str, float | None]:
    """The values of one arm and seed: of its one run, or of its row for each split."""
    values: dict[str, float | None] = {}
    for place, run in members:
        if resolved.split is None:
            keys = [(_TEST, resolved.test), (_VAL, resolved.val)]
        else:
            split = _SPLITS.get(str(run.measured.get(resolved.split)).lower())
            if split is None:
                raise InputError(
                    f"'{runs.path}', run {place}: {resolved.split} is {run.measured.get(resolved.split)!r}, it must be "
                    "'val' or 'test'; leave out rows of other splits"
                )
            keys = [(split, resolved.test)]
        for key, name in keys:
            if name is None:
                continue
            if key in values:
                raise InputError(_twice(runs, run, resolved, place))
            values[key] = _accuracy(runs, run, name, unit, place)
    return values


def _accuracy(runs: Runs, run: Run, name: str, unit: float, place: int) -> float | None:
    value = number(run.measured.get(name))
    if value is None:
        text = run.measured.get(name)
        if run.status == "complete" and isinstance(text, str):
            raise InputError(f"'{runs.path}', run {place}: {name} is {text!r}, it must be a number")
        return None
    if not 0 <= value * unit <= 1:
        rule = "0 and 100" if unit != 1 else "0 and 1"
        way = f"; values in percent are read with {FLAG} unit=percent" if unit == 1 and 0 <= value <= 100 else ""
        raise InputError(
            f"'{runs.path}', run {place}: {name} is {value:g}, and an accuracy, the only kind of value "
            f"that this report is about, lies between {rule}{way}"
        )
    return value * unit


def _twice(runs: Runs, run: Run, resolved: Resolved, place: int) -> str:
    arm = ", ".join(f"{name} = {value}" for name, value in _factors(run, resolved.factors).items())
    if resolved.seed is None:
        return (
            f"'{runs.path}', run {place}: {arm} was run before and no column is named as the seed, so its runs "
            f"cannot be paired with those of other arms; name it: {FLAG} seed=NAME"
        )
    return (
        f"'{runs.path}', run {place}: {arm} was run before with {resolved.seed} = {run.settings.get(resolved.seed)}; "
        f"leave one of the two out, or name what tells them apart: {FLAG} factors=NAME,NAME"
    )


def _record(
    runs: Runs, run: Run, cell: PlannedCell, values: Mapping[str, float | None], place: int
) -> CellRecord | None:
    if run.status == "missing":
        return None
    status, reason = run.status, run.reason
    if status == "complete" and values.get(_TEST) is None:
        status, reason = "failed", f"run {place} has no value"
    return CellRecord(
        status=status,
        reason=reason,
        metrics={name: value for name, value in values.items() if value is not None} if status == "complete" else {},
        hash=cell.hash,
        factors=cell.factors,
        seed=cell.seed,
        provenance=Provenance(
            engine=runs.tool,
            versions={runs.tool: runs.version} if runs.version else {},
            started=run.started,
            seconds=run.seconds,
        ),
    )


def _factors(run: Run, names: Sequence[str]) -> dict[str, Scalar]:
    return {name: run.settings.get(name) for name in names}


def _seed(runs: Runs, run: Run, name: str | None, place: int) -> int:
    if name is None:
        return 0
    value = run.settings.get(name, run.measured.get(name))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(
            f"'{runs.path}', run {place}: {name} is {value!r}, and a seed is a whole number; "
            f"name another column: {FLAG} seed=NAME"
        )
    return value


def _values(cells: Sequence[tuple[PlannedCell, object]], names: Sequence[str]) -> dict[str, list[Scalar]]:
    made: dict[str, list[Scalar]] = {}
    for name in names:
        distinct = {arm_key({name: cell.factors[name]}): cell.factors[name] for cell, _ in cells}
        made[name] = list(distinct.values())
    return made


def _check_prompt(runs: Runs, names: Sequence[str]) -> None:
    """A factor called prompt says in this toolkit what an arm does with the frames."""
    if PROMPT in names:
        known = (PROMPTED, CONTROL, BASELINE)
        for place, run in enumerate(runs.runs, 1):
            if (value := run.settings.get(PROMPT)) not in known:
                raise InputError(
                    f"'{runs.path}', run {place}: the factor '{PROMPT}' is {value!r}, and here it may only be "
                    f"{', '.join(known)}; rename the column where it means something else"
                )


def assumed(study: Study) -> str:
    """In one line how another tool's results were read."""
    assert study.origin is not None
    origin = study.origin
    value = f"a {origin.split} accuracy" if origin.split else "an accuracy on a split that is not known"
    return (
        f"'{study.path}' was read as {count(len(study.cells), 'run')} of {origin.tool}: factors "
        f"{', '.join(study.plan.factors)}; {count(len(study.plan.seeds), 'seed')}; the value is {value}, "
        f"higher is better, and arms within {in_points(study.margin)} of each other count as practically equal"
    )
