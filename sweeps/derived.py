"""Definitions that change another one: `extends` names it, and `sizes` hold what a smaller or larger run changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from sweeps.study import Study
from vmp.core.choices import unknown_key
from vmp.core.config import config, from_plain, part_of, shown
from vmp.core.errors import ConfigError, InputError
from vmp.core.overrides import KIND, put
from vmp.experiment import Settings

EXTENDS, SIZES = "extends", "sizes"
_SECTIONS = tuple(field.name for field in dataclasses.fields(Settings))


@config
class Size:
    """One of the sizes in which a study can be run.

    Attributes:
        takes: How long it takes, and on what, as somebody measured or estimated it.
        changes: What this size changes in the definition, in the form of a definition.
    """

    takes: Annotated[str, Field(max_length=200)] = ""
    changes: dict[str, Any] = Field(default_factory=dict)


def sizes_of(plain: Mapping[str, Any], *, source: str) -> dict[str, Size]:
    """The sizes of a definition as its file holds it, by name. Raises InputError for another form."""
    sizes = plain.get(SIZES)
    if sizes is None:
        return {}
    if not isinstance(sizes, Mapping) or not all(isinstance(name, str) for name in sizes):
        raise InputError(f"{source}: sizes must map names, such as quick, to what they change, got {shown(sizes)}")
    return {name: from_plain(Size, size or {}, source=f"{source}: sizes.{name}") for name, size in sizes.items()}


def changed(base: Mapping[str, Any], changes: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """The definition `base` with `changes` in it.

    A section of settings (`data`, `layer`, `train`, ...) is changed key by key, as `--set` changes it, so another kind
    starts it anew; anything else (`factors`, `seeds`, `compare`, ...) is replaced, and null removes it.

    Raises:
        InputError: A key that no such section has; names the nearest.
    """
    plain = dict(base)
    for key, value in changes.items():
        if key in _SECTIONS and plain.get(key) is not None and isinstance(value, Mapping | str):
            try:
                _change(plain, key, value)
            except ConfigError as error:
                raise InputError(f"{source}: {error}") from error
        elif value is None:
            plain.pop(key, None)
        else:
            plain[key] = value
    return plain


def _change(plain: dict[str, Any], path: str, value: Any) -> None:
    """Put `value` at `path`; of a mapping that stands for a section each key, the kind first."""
    owner, choice = _section_at(plain, path)
    if isinstance(value, str) and choice is not None:
        put(Study, plain, f"{path}.{KIND}", value)
    elif isinstance(value, Mapping) and owner is not None:
        for key in sorted(value, key=lambda key: key != KIND):
            if not isinstance(key, str):
                raise ConfigError(unknown_key(str(key), []), where=tuple(path.split(".")))
            _change(plain, f"{path}.{key}", value[key])
    else:
        put(Study, plain, path, value)


def _section_at(plain: Mapping[str, Any], path: str) -> tuple[Any, Any]:
    """The configuration class of the section at `path`, and the choice among kinds; (None, None) where a value is."""
    owner: Any = Study
    choice: Any = None
    content: Any = plain
    for part in path.split("."):
        found = part_of(owner, part) if dataclasses.is_dataclass(owner) else None
        if found is None:
            return None, None
        owner, choice = found
        content = content.get(part) if isinstance(content, Mapping) else content
        if choice is not None:
            owner = choice.find(choice.kind_of({} if content is None else content))
    return (owner if dataclasses.is_dataclass(owner) else None), choice
