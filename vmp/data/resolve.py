"""From what a user types to a data set's configuration: a folder, a CSV file, or a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmp.core.config import Choice
from vmp.core.documents import read_yaml
from vmp.core.errors import ConfigError, InputError
from vmp.core.overrides import parse_override
from vmp.core.paths import looked_for, rebase
from vmp.data.sampling import SAMPLERS, Sampler, Uniform
from vmp.data.sets.video_files import FileDataConfig


def resolve_dataset(path: Path, settings: Sequence[str] = ()) -> FileDataConfig:
    """The data set at `path`.

    Args:
        path: A folder (`FolderData`), a ``.csv`` file (`ManifestData`), or a YAML file whose keys are the fields of a
            data set with its ``kind``, or that has these under the key ``data``.
        settings: ``key=value``, over the file; values are YAML.

    Raises:
        InputError: Nothing there, no data set, or a data set that is not made of video files.
    """
    from vmp.data.registry import DATASETS

    plain = _plain(path)[0]
    plain |= dict(parse_override(setting) for setting in settings)
    try:
        cfg: object = Choice(DATASETS, "data set").validate(plain)
    except ConfigError as error:
        raise ConfigError(error.rule, where=error.where, source=str(path)) from error
    if not isinstance(cfg, FileDataConfig):
        raise InputError(f"{path}: a data set of the kind {plain['kind']!r} has no video files")
    return cfg


def resolve_sampler(path: Path) -> Sampler:
    """How clips will be drawn: as a study at `path` says, else by the default sampler.

    Raises:
        InputError: The study names no sampler that exists.
    """
    sampling = _plain(path)[1].get("sampling")
    return Choice(SAMPLERS, "sampler").validate(sampling) if sampling is not None else Uniform()


def _plain(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data set's own fields, and the study that holds them (empty if there is none)."""
    from vmp.data.registry import DATASETS

    if path.is_dir():
        return {"kind": "folder", "path": str(path)}, {}
    if not path.is_file():
        raise InputError(
            f"{looked_for(path)}: no such folder or file; name a folder of class folders, a CSV or a YAML file"
        )
    if path.suffix.lower() in (".csv", ".tsv"):
        return {"kind": "manifest", "path": str(path)}, {}
    try:
        plain = read_yaml(path)
    except InputError as error:
        raise InputError(f"{path}: is neither a CSV nor a YAML file; name a folder, a .csv or a .yaml file") from error
    study = {}
    if isinstance(plain, dict) and isinstance(plain.get("data"), dict):
        study, plain = plain, plain["data"]
    if not isinstance(plain, dict) or "kind" not in plain:
        raise InputError(f"{path}: names no data set: it needs the key `kind`, or `data` with `kind` in it")
    cls = DATASETS.get(str(plain["kind"]))
    if cls is not None:
        rebase(cls, plain, path.parent)
    return plain, study
