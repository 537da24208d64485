"""Reads the runs of an MLflow experiment without MLflow: a local folder of files, or an SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.readers.base import (
    Reader,
    Run,
    Runs,
    RunStatus,
    folders_with,
    number,
    one_study,
    query,
    spelt,
    tables_of,
    utc,
)
from sweeps.records.factors import Scalar
from vmp.core.documents import parse_yaml
from vmp.core.errors import InputError
from vmp.core.text import count

TOOL = "MLflow"
_META, _ACTIVE = "meta.yaml", "active"
_STATUS: dict[str, tuple[RunStatus, str | None]] = {
    "FINISHED": ("complete", None),
    "FAILED": ("failed", "failed, as MLflow says"),
    "KILLED": ("stopped", "killed, as MLflow says"),
}
_CODES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


@dataclass
class _Logged:
    status: str
    start: int | None
    end: int | None
    params: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, Scalar] = field(default_factory=dict)


def _read_sqlite(path: Path, asked: str | None) -> Runs:
    sql = "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = ? AND experiment_id IN"
    sql += " (SELECT experiment_id FROM runs) ORDER BY experiment_id"
    ids = {str(name): key for key, name in query(path, sql, (_ACTIVE,))}
    name = one_study(path, "experiment", list(ids), asked)
    sql = "SELECT run_uuid, status, start_time, end_time, lifecycle_stage FROM runs WHERE experiment_id = ?"
    rows = query(path, f"{sql} ORDER BY start_time, run_uuid", (ids[name],))
    logged = {key: _Logged(status, start, end) for key, status, start, end, stage in rows if stage == _ACTIVE}
    of_runs = "JOIN runs USING (run_uuid) WHERE experiment_id = ?"
    for key, param, value in query(path, f'SELECT run_uuid, "key", value FROM params {of_runs}', (ids[name],)):
        if key in logged:
            logged[key].params[param] = spelt(value)
    sql = f'SELECT run_uuid, "key", value, is_nan FROM latest_metrics {of_runs}'
    for key, metric, value, is_nan in query(path, sql, (ids[name],)):
        if key in logged:
            logged[key].metrics[metric] = None if is_nan else number(value)
    return _runs(path, name, list(logged.values()), len(rows) - len(logged))


def _read_files(path: Path, asked: str | None) -> Runs:
    experiments = {}
    for folder in sorted(folders_with(path, _META)):
        about = _meta(folder)
        if about.get("lifecycle_stage", _ACTIVE) == _ACTIVE and folders_with(folder, _META):
            experiments[str(about.get("name", folder.name))] = folder
    name = one_study(path, "experiment", list(experiments), asked)
    logged, deleted = [], 0
    for folder in folders_with(experiments[name], _META):
        about = _meta(folder)
        if about.get("lifecycle_stage", _ACTIVE) != _ACTIVE:
            deleted += 1
            continue
        params = {key: spelt(text) for key, text in _texts(folder / "params").items()}
        metrics: dict[str, Scalar] = {
            key: _latest(folder, key, text) for key, text in _texts(folder / "metrics").items()
        }
        status = about.get("status")
        status = _CODES.get(status, "") if isinstance(status, int) else str(status)
        logged.append((about.get("start_time") or 0, folder.name,
                       _Logged(status, about.get("start_time"), about.get("end_time"), params, metrics)))  # fmt: skip
    return _runs(path, name, [one for *_, one in sorted(logged, key=lambda entry: entry[:2])], deleted)


def _meta(folder: Path) -> Mapping[str, Any]:
    file = folder / _META
    try:
        about = parse_yaml(file.read_text(encoding="utf-8"), source=f"'{file}'")
    except OSError as error:
        raise InputError(f"cannot read '{file}' of MLflow: {error.strerror or error}") from error
    if not isinstance(about, Mapping):
        raise InputError(f"'{file}' of MLflow holds no mapping; move that folder away")
    return about


def _texts(folder: Path) -> dict[str, str]:
    """The files below a folder by their names, which may hold "/"."""
    files = sorted(entry for entry in folder.rglob("*") if entry.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def _latest(folder: Path, key: str, text: str) -> float | None:
    """The value of a metric at its last step; of equal steps the later time, as MLflow itself takes it."""
    try:
        rows = [line.split() for line in text.splitlines() if line.strip()]
        points = [(int(row[2]) if len(row) > 2 else 0, int(row[0]), float(row[1])) for row in rows]
    except (ValueError, IndexError) as error:
        raise InputError(f"'{folder / 'metrics' / key}' of MLflow is damaged: {error}; move that run away") from error
    return number(max(points)[2]) if points else None


def _runs(path: Path, name: str, logged: list[_Logged], deleted: int) -> Runs:
    runs = []
    for one in logged:
        status, reason = _STATUS.get(one.status, ("missing", None))
        ended = one.start is not None and one.end is not None
        runs.append(
            Run(
                settings=one.params,
                measured=one.metrics if status == "complete" else {},
                status=status,
                reason=reason,
                started=utc(one.start / 1000) if one.start is not None else None,
                seconds=(one.end - one.start) / 1000 if ended else None,  # type: ignore[operator]
            )
        )
    notes = ["Values are those that each run logged last."]
    if deleted:
        notes.append(f"{count(deleted, 'run')} that MLflow marks as deleted were left out.")
    return Runs(tool=TOOL, path=path, name=name, runs=runs, notes=tuple(notes))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and any(path.glob(f"*/*/{_META}")) and any(path.glob(f"*/{_META}"))
    except OSError:
        return False


SQLITE = Reader(
    title="an MLflow store in SQLite",
    recognizes=lambda path: {"experiments", "runs", "latest_metrics", "params"} <= tables_of(path),
    read=_read_sqlite,
)
FILES = Reader(title="a folder of MLflow runs (mlruns)", recognizes=_is_folder, read=_read_files)
