"""Reads an Optuna storage without Optuna: an SQLite file by its tables, a journal file by its lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.readers.base import Reader, Run, Runs, RunStatus, number, one_study, query, scalar, tables_of
from sweeps.records.factors import Scalar
from vmp.core.errors import InputError

TOOL = "Optuna"
SCHEMA = 12
"""Of its SQLite tables, since Optuna 3; it is the only one that this reader knows."""
_JOURNAL_START = b'{"op_code":'
_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
_STATUS: dict[str, tuple[RunStatus, str | None]] = {
    "COMPLETE": ("complete", None),
    "PRUNED": ("stopped", "pruned by Optuna"),
    "FAIL": ("failed", "failed in Optuna, which records no reason"),
}
_METRIC_NAMES = "study:metric_names"


@dataclass
class _Trial:
    state: str
    start: str | None = None
    end: str | None = None
    params: dict[str, Scalar] = field(default_factory=dict)
    values: list[float | None] = field(default_factory=list)
    attributes: dict[str, Scalar] = field(default_factory=dict)


@dataclass
class _Study:
    name: str
    directions: list[str]
    metric_names: list[str] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)


def _read_sqlite(path: Path, asked: str | None) -> Runs:
    (schema, version), *_ = query(path, "SELECT schema_version, library_version FROM version_info") or [(None, "")]
    if schema != SCHEMA:
        raise InputError(
            f"'{path}' is an Optuna storage of schema {schema}, this version reads schema {SCHEMA}; "
            f"run `optuna storage upgrade --storage sqlite:///{path}` on a copy"
        )
    ids = {name: key for key, name in query(path, "SELECT study_id, study_name FROM studies ORDER BY study_id")}
    key = ids[one_study(path, "study", list(ids), asked)]
    directions = query(path, "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective", (key,))
    names = query(
        path, "SELECT value_json FROM study_system_attributes WHERE study_id = ? AND key = ?", (key, _METRIC_NAMES)
    )
    study = _Study(
        name=next(name for name, other in ids.items() if other == key),
        directions=[str(direction) for (direction,) in directions],
        metric_names=json.loads(names[0][0]) if names else [],
    )
    trials = {
        trial: _Trial(state=state, start=start, end=end)
        for trial, state, start, end in query(
            path,
            "SELECT trial_id, state, datetime_start, datetime_complete FROM trials WHERE study_id = ? ORDER BY number",
            (key,),
        )
    }
    of_study = "FROM {} JOIN trials USING (trial_id) WHERE study_id = ?"
    sql = f"SELECT trial_id, param_name, param_value, distribution_json {of_study.format('trial_params')}"
    for trial, name, value, distribution in query(path, f"{sql} ORDER BY param_id", (key,)):
        trials[trial].params[name] = _external(value, distribution)
    sql = f"SELECT trial_id, value {of_study.format('trial_values')}"
    for trial, value in query(path, f"{sql} ORDER BY objective", (key,)):
        trials[trial].values.append(value)
    sql = f'SELECT trial_id, "key", value_json {of_study.format("trial_user_attributes")}'
    for trial, name, value in query(path, f"{sql} ORDER BY trial_user_attribute_id", (key,)):
        trials[trial].attributes[name] = scalar(json.loads(value))
    return _runs(path, study, list(trials.values()), str(version))


def _read_journal(path: Path, asked: str | None) -> Runs:
    studies: dict[int, _Study] = {}
    trials: list[_Trial] = []
    created = 0
    lines = path.read_bytes().split(b"\n")
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            match entry["op_code"]:
                case 0:
                    if entry["study_name"] not in {study.name for study in studies.values()}:
                        directions = ["MAXIMIZE" if code == 2 else "MINIMIZE" for code in entry["directions"]]
                        studies[created] = _Study(name=entry["study_name"], directions=directions)
                        created += 1
                case 1:
                    studies.pop(entry["study_id"], None)
                case 3:
                    if entry["study_id"] in studies and _METRIC_NAMES in entry["system_attr"]:
                        studies[entry["study_id"]].metric_names = entry["system_attr"][_METRIC_NAMES]
                case 4:
                    if entry["study_id"] in studies:
                        studies[entry["study_id"]].trials.append(len(trials))
                        trials.append(_created(entry))
                case 5 | 6 | 8:
                    if entry["trial_id"] < len(trials) and not _is_finished(trials[entry["trial_id"]]):
                        _apply(trials[entry["trial_id"]], entry)
                case _:
                    pass
        except (ValueError, KeyError, IndexError, TypeError) as error:
            if place == len(lines):  # a writer may be in the middle of its last line
                break
            raise InputError(
                f"'{path}' is damaged in line {place}: {type(error).__name__}: {error}; remove that line from a copy"
            ) from error
    by_name = {study.name: study for study in studies.values()}
    study = by_name[one_study(path, "study", list(by_name), asked)]
    return _runs(path, study, [trials[i] for i in study.trials], "")


def _created(entry: Mapping[str, Any]) -> _Trial:
    distributions = entry.get("distributions", {})
    values = entry.get("values")
    return _Trial(
        state=_STATES[entry.get("state", 0)],
        start=entry.get("datetime_start"),
        end=entry.get("datetime_complete"),
        params={name: _external(value, distributions[name]) for name, value in entry.get("params", {}).items()},
        values=list(values) if values is not None else [v for v in [entry.get("value")] if v is not None],
        attributes={name: scalar(value) for name, value in entry.get("user_attrs", {}).items()},
    )


def _is_finished(trial: _Trial) -> bool:
    return trial.state in _STATUS


def _apply(trial: _Trial, entry: Mapping[str, Any]) -> None:
    if entry["op_code"] == 5:
        trial.params[entry["param_name"]] = _external(entry["param_value_internal"], entry["distribution"])
    elif entry["op_code"] == 8:
        trial.attributes |= {name: scalar(value) for name, value in entry["user_attr"].items()}
    else:
        trial.state = _STATES[entry["state"]]
        trial.start = entry.get("datetime_start", trial.start)
        trial.end = entry.get("datetime_complete", trial.end)
        if entry.get("values") is not None:
            trial.values = list(entry["values"])


def _external(value: float, distribution: str) -> Scalar:
    """A parameter as it was set, from the number that Optuna stores for it."""
    about = json.loads(distribution)
    kind, attributes = about["name"], about["attributes"]
    if kind == "CategoricalDistribution":
        return scalar(attributes["choices"][int(value)])
    return int(value) if kind.startswith("Int") else float(value)


def _runs(path: Path, study: _Study, trials: list[_Trial], version: str) -> Runs:
    names = study.metric_names or (
        ["value"] if len(study.directions) == 1 else [f"values_{i}" for i in range(len(study.directions))]
    )
    minimized = {name for name, direction in zip(names, study.directions, strict=True) if direction == "MINIMIZE"}
    runs = []
    for trial in trials:
        status, reason = _STATUS.get(trial.state, ("missing", None))
        values = dict(zip(names, map(number, trial.values), strict=False)) if status == "complete" else {}
        runs.append(
            Run(
                settings=trial.params,
                measured={**trial.attributes, **values},
                status=status,
                reason=reason,
                started=trial.start,
                seconds=_seconds(trial.start, trial.end),
            )
        )
    return Runs(
        tool=TOOL,
        path=path,
        name=study.name,
        runs=runs,
        value=names[0] if len(names) == 1 else None,
        minimized=frozenset(minimized),
        version=version,
    )


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _is_journal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_JOURNAL_START)).replace(b" ", b"") == _JOURNAL_START
    except OSError:
        return False


SQLITE = Reader(
    title="an Optuna storage in SQLite",
    recognizes=lambda path: {"version_info", "studies", "trials"} <= tables_of(path),
    read=_read_sqlite,
)
JOURNAL = Reader(title="a journal file of Optuna", recognizes=_is_journal, read=_read_journal)
