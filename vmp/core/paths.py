"""Paths as people write them: with `~`, and relative to the file that names them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from vmp.core.config import key_of, part_of
from vmp.core.errors import InputError


def expand(text: str) -> str:
    """`text` with a leading ``~`` or ``~user`` as that home folder; raises InputError where there is none."""
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError as error:
        raise InputError(f"{text}: no such home folder; write the path out") from error


class _IsPath:
    """Marks a field of a configuration that holds a path."""


PathText = Annotated[str, AfterValidator(expand), _IsPath()]
"""The type of a field that holds a path as text. In a study file a relative one starts from the file's folder."""


PathField = Annotated[Path, AfterValidator(lambda path: Path(expand(str(path)))), _IsPath()]
"""The same for a field that holds a `Path`."""


def looked_for(path: str | Path) -> str:
    """A path for a message that says it is not there: a relative one with the folder that it was looked for in."""
    return str(path) if Path(path).is_absolute() else f"{path} (in {Path.cwd()})"


def is_path(cls: Any, key: str) -> bool:
    """Whether a configuration class reads a path under `key`."""
    for field in dataclasses.fields(cls):
        if key in (field.name, key_of(cls, field.name)):
            info = cls.__pydantic_fields__[field.name]
            inner = [one for part in typing.get_args(info.annotation) for one in getattr(part, "__metadata__", ())]
            return any(isinstance(one, _IsPath) for one in (*info.metadata, *inner))
    return False


def rebase(cls: Any, plain: MutableMapping[str, Any], folder: Path) -> None:
    """Let every relative path in `plain`, which describes a configuration of class `cls`, start from `folder`."""
    for key, value in plain.items():
        if isinstance(value, str) and is_path(cls, key):
            plain[key] = based(value, folder)
        elif isinstance(value, MutableMapping) and (found := part_of(cls, key)) is not None:
            owner, choice = found
            if choice is not None:
                try:
                    owner = choice.find(choice.kind_of(value))
                except InputError:  # said when the section is read
                    continue
            if dataclasses.is_dataclass(owner):
                rebase(owner, value, folder)


def rebase_factors(cls: Any, factors: MutableMapping[str, Any], folder: Path) -> None:
    """The same for factors that vary a path: ``{"data.path": ["a.csv", "b.csv"]}``."""
    for name, values in factors.items():
        *parents, last = name.split(".")
        owners: list[Any] = [cls]
        for parent in parents:
            parts = [part_of(owner, parent) for owner in owners if dataclasses.is_dataclass(owner)]
            owners = [
                one
                for part in parts
                if part is not None
                for one in (part[1].table.values() if part[1] is not None else [part[0]])
            ]
        if isinstance(values, list) and any(dataclasses.is_dataclass(o) and is_path(o, last) for o in owners):
            factors[name] = [based(value, folder) if isinstance(value, str) else value for value in values]


def based(text: str, folder: Path) -> str:
    """The path that `text` means in a file that lies in `folder`."""
    return str(folder.absolute() / expand(text))
