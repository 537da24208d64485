"""Changing settings by dotted path: one parser for every ``--set KEY=VALUE``, and for the factors of a study."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from vmp.core.choices import unknown_key
from vmp.core.config import Choice, keys_of, part_of, shown
from vmp.core.documents import parse_yaml
from vmp.core.errors import ConfigError, InputError

KIND = "kind"
_part_of: Callable[[Any, str], tuple[Any, Choice | None] | None] = functools.cache(part_of)
"""`part_of`, which a study asks the same things for each of its arms."""


class NotReadError(ConfigError):
    """The setting exists, but not for the kind that is chosen beside it."""


def parse_override(text: str, *, flag: str = "--set", example: str = "train.epochs=3") -> tuple[str, Any]:
    """``key=value`` with a dotted key and a YAML value. Raises InputError, which names `flag`, for another form."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{flag} {text!r} must be key=value, e.g. {flag} {example}")
    return key.strip(), parse_yaml(value, source=f"{flag} {text!r}")


def kinds_first(paths: Iterable[str]) -> list[str]:
    """Paths in the order to apply them: a choice of kind before what that kind reads, outer ones first."""
    return sorted(paths, key=lambda path: (not path.endswith(f".{KIND}"), path.count(".")))


def put(cls: Any, plain: MutableMapping[str, Any], path: str, value: Any) -> None:
    """Set the setting at a dotted path of `plain`, which describes a configuration of class `cls`.

    Choosing another kind starts that section anew: what the new kind reads too, as the same type, is kept, the rest is
    dropped (`val` is a number of videos in one data set and a file in another).

    Raises:
        NotReadError: The kind chosen beside it does not read this setting, another kind does.
        ConfigError: No such setting; names the nearest.
    """
    *parents, last = path.split(".")
    section: MutableMapping[str, Any] = plain
    owner, choice = cls, None
    for depth, part in enumerate(parents):
        owner_of_part = _part_of(owner, part) if dataclasses.is_dataclass(owner) else None
        if owner_of_part is None:
            raise _no_such(owner, choice, parents[: depth + 1])
        kind, choice = owner_of_part
        content = section.get(part)
        if choice is not None:
            content = {KIND: content} if isinstance(content, str) else dict(content or {})
            owner = None if last == KIND and depth == len(parents) - 1 else choice.find(choice.kind_of(content))
        else:
            content, owner = dict(content or {}), kind
        if not dataclasses.is_dataclass(owner) and owner is not None:
            raise ConfigError("holds a value, not a section", where=tuple(parents[: depth + 1]))
        section[part] = content
        section = content
    if choice is not None and last == KIND and owner is None:
        _choose(section, choice, value, where=(*parents, last))
        return
    found = _part_of(owner, last)
    if found is None:
        raise _no_such(owner, choice, [*parents, last])
    section[last] = {KIND: value} if found[1] is not None and isinstance(value, str) else value


def get(plain: Any, path: str) -> Any:
    """The value at a dotted path of plain data, None where there is nothing."""
    for part in path.split("."):
        plain = plain.get(part) if isinstance(plain, MutableMapping) else None
    return plain


def _choose(section: MutableMapping[str, Any], choice: Choice, value: Any, where: tuple[str, ...]) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"must be the name of a {choice.what}, got {shown(value)}", where=where)
    if value == choice.kind_of(section or {KIND: choice.default or value}):
        section[KIND] = value
        return
    try:
        new, old = choice.find(value), choice.find(choice.kind_of(section or {KIND: choice.default or value}))
    except InputError as error:
        raise ConfigError(f": {error}", where=where) from error
    for key in list(section):
        before, after = _part_of(old, key), _part_of(new, key)
        if after is None or (before is not None and before[0] != after[0]):
            del section[key]
    section[KIND] = value


def _no_such(owner: Any, choice: Choice | None, path: list[str]) -> ConfigError:
    key = path[-1]
    if choice is not None:
        readers = [kind for kind, cls in choice.table.items() if _part_of(cls, key) is not None]
        if readers:
            section = ".".join(path[:-1])
            rule = f"is read by {', '.join(readers)} alone: set {section}.{KIND} to one of these, or leave it out"
            return NotReadError(rule, where=tuple(path))
    return ConfigError(unknown_key(key, keys_of(owner) if dataclasses.is_dataclass(owner) else []), where=tuple(path))
