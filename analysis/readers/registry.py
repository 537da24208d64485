"""Every kind of store that `vmp report` reads, and how studies are loaded from paths of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.readers import mlflow_store, optuna_store
from analysis.readers.base import Reader
from analysis.readers.columns import FLAG, Columns
from analysis.readers.foreign_study import foreign_study
from analysis.readers.ray_tune_results import RAY_TUNE
from analysis.readers.table_file import TABLE
from analysis.study.cells import Origin, Study
from analysis.study.loading import assemble, load_study
from sweeps.questions import BASELINE, CONTROL, is_block_by_default, prompt_pairs
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan, PlannedCell
from sweeps.records.study_folder import PLAN_FILE
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json, fingerprint
from vmp.core.text import listing

READERS: dict[str, Reader] = {
    "table": TABLE,
    "optuna-sqlite": optuna_store.SQLITE,
    "optuna-journal": optuna_store.JOURNAL,
    "mlflow-sqlite": mlflow_store.SQLITE,
    "mlflow-files": mlflow_store.FILES,
    "ray-tune": RAY_TUNE,
}
BLOCK = "study"
"""The factor whose values are the studies, where several are read together."""
_SQLITE = "sqlite:///"


def load_any(source: str, columns: Columns) -> Study:
    """One study: a folder of this toolkit, or a store of another tool.

    Raises:
        InputError: Nothing there, of no known kind, or what `foreign_study` refuses.
    """
    path = _path(source)
    if (path / PLAN_FILE).is_file():
        if columns != Columns():
            raise InputError(
                f"{FLAG} is for the results of other tools, and '{path}' is a study of this one; leave it out"
            )
        return load_study(path)
    if not path.exists():
        raise InputError(f"'{path}' does not exist; name a study's folder, or the results of another tool")
    for reader in READERS.values():
        if reader.recognizes(path):
            return foreign_study(reader.read(path, columns.study), columns)
    if path.is_dir() and columns == Columns():
        return load_study(path)  # says what a study's folder holds
    titles = listing([reader.title for reader in READERS.values()])
    raise InputError(f"'{path}' is neither a study's folder nor results that can be read ({titles})")


def _path(source: str) -> Path:
    if "://" not in source:
        return Path(source)
    if source.startswith(_SQLITE):
        return Path(source.removeprefix(_SQLITE))
    scheme = source.partition("://")[0]
    raise InputError(
        f"the storage '{scheme}://...' is a server, and only files are read; copy the study to a file first, e.g. by "
        "optuna.copy_study(..., to_storage='sqlite:///study.db')"
    )


def join(studies: Sequence[Study], out: Path) -> Study:
    """Several studies as the blocks of one: the factor `BLOCK` says from which one an arm is.

    Args:
        studies: At least two.
        out: For messages.

    Raises:
        InputError: They report different things, ask different questions, or share a name.
    """
    _check_alike(studies)
    first, names = studies[0], _names(studies)
    cells, records = _joined_cells(studies, names)
    values_of: dict[str, list[Scalar]] = {BLOCK: list(names)}
    for name in first.plan.factors:
        values = {arm_key({name: value}): value for study in studies for value in study.plan.factors[name]}
        values_of[name] = list(values.values())
    plan = first.plan.model_copy(
        update={
            "study": first.plan.study.model_copy(
                update={
                    "name": listing(names),
                    "question": "",
                    "reference": _reference(studies),
                    "blocks": _blocks(studies),
                    "settings": {},
                }
            ),
            "factors": values_of,
            "seeds": sorted({seed for study in studies for seed in study.plan.seeds}),
            "cells": cells,
            "confirmation": None,
        }
    )
    videos = {data: one for study in studies for data, one in study.videos.items()}
    joined = assemble(
        out, Plan.model_validate(plan.model_dump()), records.values(), records.__getitem__, _origin(studies)
    )
    return replace(joined, videos=videos)


def _check_alike(studies: Sequence[Study]) -> None:
    """Refuse studies that cannot be blocks of one."""
    first = studies[0]
    for study in studies[1:]:
        for what, get in (
            ("factors", lambda s: sorted(s.plan.factors)),
            ("the metric", lambda s: s.metric_name),
            ("the split of the reported values", lambda s: s.split),
            ("the margin", lambda s: s.margin),
            ("the reference", lambda s: canonical_json(s.plan.study.reference)),
            ("the comparison", lambda s: canonical_json(s.plan.study.compare)),
        ):
            if get(study) != get(first):
                raise InputError(
                    f"'{first.path}' and '{study.path}' differ in {what} ({get(first)} and {get(study)}), so they "
                    "cannot be blocks of one report; report each by itself, or two of them by --against"
                )
    if BLOCK in first.plan.factors:
        raise InputError(f"'{first.path}' has a factor called '{BLOCK}' already; report each study by itself")


def _joined_cells(studies: Sequence[Study], names: Sequence[str]) -> tuple[list[PlannedCell], dict[str, CellRecord]]:
    """The cells of all studies and their records by the cell's hash; each has its study's name as a factor."""
    cells: list[PlannedCell] = []
    records: dict[str, CellRecord] = {}
    hashes: set[str] = set()
    for name, study in zip(names, studies, strict=True):
        for cell in study.plan.cells:
            factors = {BLOCK: name, **cell.factors}
            cell_hash = fingerprint({"of": cell.hash, BLOCK: name}) if cell.hash in hashes else cell.hash
            hashes.add(cell_hash)
            moved = PlannedCell(hash=cell_hash, factors=factors, seed=cell.seed)
            cells.append(moved)
            if cell.hash in study.records:
                update = {"hash": moved.hash, "factors": factors}
                records[moved.hash] = study.read(cell.hash).model_copy(update=update)
    return cells, records


def _reference(studies: Sequence[Study]) -> dict[str, Scalar] | None:
    """What the arms of each block are compared with: what the studies say, else the first arm of the first, in each."""
    header, arms = studies[0].plan.study, [arm.factors for arm in studies[0].arms]
    is_named = header.reference is not None or header.compare is not None or header.design_pairs
    if is_named or any(prompt_pairs(arms, prompt) for prompt in (CONTROL, BASELINE)):
        return header.reference
    return dict(arms[0])


def _blocks(studies: Sequence[Study]) -> list[str]:
    declared = studies[0].plan.study.blocks
    if declared is None:
        declared = list(filter(is_block_by_default, studies[0].plan.factors))
    return [BLOCK, *declared]


def _origin(studies: Sequence[Study]) -> Origin | None:
    origins = [study.origin for study in studies if study.origin is not None]
    if not origins:
        return None
    notes = tuple(dict.fromkeys(note for origin in origins for note in origin.notes))
    tool = listing(list(dict.fromkeys(origin.tool for origin in origins)))
    return replace(origins[0], tool=tool, sources=tuple(study.path.name for study in studies), notes=notes)


def _names(studies: Sequence[Study]) -> list[str]:
    """A name for each study: its own, or its file's where names are shared."""
    for names in ([s.name for s in studies], [s.path.stem for s in studies], [str(s.path) for s in studies]):
        if len(set(names)) == len(names):
            return names
    raise InputError(f"'{studies[0].path}' is given twice; name each study once")
