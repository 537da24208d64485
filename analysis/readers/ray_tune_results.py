"""Reads a results folder of Ray Tune without Ray: the JSON files of each trial, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.readers.base import Reader, Run, Runs, RunStatus, flat, folders_with, scalar, utc
from vmp.core.errors import InputError
from vmp.core.text import count

TOOL = "Ray Tune"
_PARAMS, _RESULT, _STATE = "params.json", "result.json", "experiment_state-*.json"
_STATUS: dict[str, RunStatus] = {"TERMINATED": "complete", "ERROR": "failed"}
_OF_RAY = frozenset(
    ("timestamp", "checkpoint_dir_name", "done", "training_iteration", "trial_id", "date", "time_this_iter_s",
     "time_total_s", "pid", "hostname", "node_ip", "config", "time_since_restore", "iterations_since_restore",
     "experiment_tag", "should_checkpoint")
)  # fmt: skip


def _read(path: Path, asked: str | None) -> Runs:
    if asked is not None:
        raise InputError(f"'{path}' is one experiment of Ray Tune, so there is no study to name; leave study= out")
    states = _states(path)
    runs, unended = [], 0
    for folder in sorted(folders_with(path, _PARAMS)):
        settings = flat(_json(folder / _PARAMS))
        results = _lines(folder / _RESULT)
        last = results[-1] if results else {}
        status: RunStatus = "failed" if (folder / "error.txt").is_file() else _STATUS.get(
            states.get(str(last.get("trial_id")), "" if states else "TERMINATED"), "missing")  # fmt: skip
        unended += status == "missing"
        measured = {name: scalar(value) for name, value in last.items() if name not in _OF_RAY}
        seconds = last.get("time_total_s")
        runs.append(
            Run(
                settings=settings,
                measured=measured if status == "complete" else {},
                status=status,
                reason="ended with an error, see error.txt of its folder" if status == "failed" else None,
                started=utc(results[0]["timestamp"] - results[0].get("time_this_iter_s", 0)) if results else None,
                seconds=float(seconds) if isinstance(seconds, int | float) else None,
            )
        )
    notes = ["Values are those of each trial's last report."]
    if unended:
        notes.append(f"{count(unended, 'trial')} had not ended and count as missing.")
    return Runs(tool=TOOL, path=path, name=path.name, runs=runs, notes=tuple(notes))


def _states(path: Path) -> dict[str, str]:
    """The status of each trial by its id, as the newest state file says; its pickled parts stay text."""
    files = sorted(path.glob(_STATE))
    if not files:
        return {}
    trials = [json.loads(text) for text, _ in _json(files[-1]).get("trial_data", [])]
    return {str(trial["trial_id"]): str(trial["status"]) for trial in trials}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{path}' of Ray Tune: {error}; move that trial's folder away") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    """The reports of a trial, one a line; a last line that is cut off is left out."""
    if not path.is_file():
        return []
    made, lines = [], path.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines, 1):
        try:
            made.append(json.loads(line))
        except ValueError as error:
            if place < len(lines):
                raise InputError(f"'{path}' is damaged in line {place}; move that trial's folder away") from error
    return made


def _recognizes(path: Path) -> bool:
    try:
        return path.is_dir() and bool(folders_with(path, _PARAMS))
    except OSError:
        return False


RAY_TUNE = Reader(title="a results folder of Ray Tune", recognizes=_recognizes, read=_read)
