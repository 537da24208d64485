"""How every configuration in this project is declared: a frozen, keyword-only dataclass, validated on construction.

A configuration class stands beside the component that it builds. Pydantic does the validating; YAML only serialises.
"""

from __future__ import annotations

import dataclasses
import typing
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vmp.errors import InputError

_T = TypeVar("_T")
_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def config(cls: type[_T]) -> type[_T]:
    """Class decorator: a frozen keyword-only dataclass that refuses unknown keys and values out of type or range."""
    settings = ConfigDict(
        extra="forbid", validate_default=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )
    made: type[_T] = dataclass(frozen=True, kw_only=True, config=settings)(cls)  # type: ignore[assignment]
    return made


def to_plain(value: Any) -> Any:
    """A configuration as plain dicts, lists and scalars, keyed as in a study file (aliases such as ``lambda``)."""
    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)


def from_plain(cls: type[_T], plain: Any, *, source: str) -> _T:
    """A configuration from plain dicts, lists and scalars; the inverse of `to_plain`.

    Args:
        cls: The configuration class.
        plain: Usually what a YAML file held.
        source: Where `plain` came from, for the error.

    Raises:
        InputError: One sentence for the first thing wrong: source, key, rule, and the nearest valid key.
    """
    try:
        return TypeAdapter(cls).validate_python(plain)
    except ValidationError as error:
        # A mistyped key often makes others fail too (a missing one, say): name the cause first.
        problem = min(error.errors(), key=lambda one: one["type"] not in _UNKNOWN_KEY)
        raise InputError(f"{source}: {_describe(cls, problem)}") from error


def _describe(cls: type, problem: Any) -> str:
    location, kind = tuple(problem["loc"]), problem["type"]
    keys, _ = _walk(cls, location)
    where = ".".join(keys)
    if kind in _UNKNOWN_KEY:
        parents, valid = _walk(cls, location[:-1])
        return unknown_key(".".join([*parents, str(location[-1])]), str(location[-1]), valid)
    if kind == "missing":
        return f"{where} is required and missing"
    if kind == "dataclass_type":
        return f"{where or 'the file'} must be a mapping of keys to values, got {problem['input']!r}"
    if kind.startswith("union_tag"):
        tags = problem["ctx"].get("expected_tags")
        return f"{where}.kind must say which one it is{f': {tags}' if tags else ''}, got {problem['input']!r}"
    message = problem["msg"].removeprefix("Value error, ")
    prefix = f"{where}: " if where else ""
    return prefix + message if kind == "value_error" else f"{prefix}{message}, got {problem['input']!r}"


def unknown_key(where: str, key: str, valid: list[str]) -> str:
    """The sentence for a key that does not exist, with the nearest valid one."""
    nearest = get_close_matches(key, valid, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown key {where!r}{hint} (valid keys: {', '.join(valid)})"


def _walk(cls: Any, location: tuple[Any, ...]) -> tuple[list[str], list[str]]:
    """The keys on the way to `location` below `cls`, without the tags that pick a union's member; the keys there."""
    path: list[str] = []
    for part in location:
        if isinstance(cls, UnionType):
            cls = next((one for one in typing.get_args(cls) if part in _tags(one)), None)
            continue
        path.append(str(part))
        field = next((f for name, f in _fields(cls) if part in (name, f.alias)), None)
        cls = field and field.annotation
        if field and isinstance(cls, UnionType) and not field.discriminator:  # an optional section
            cls = next((one for one in typing.get_args(cls) if dataclasses.is_dataclass(one)), None)
    return path, [field.alias or name for name, field in _fields(cls)]


def _fields(cls: Any) -> list[tuple[str, Any]]:
    return list(getattr(cls, "__pydantic_fields__", {}).items())


def _tags(cls: Any) -> tuple[Any, ...]:
    return typing.get_args(dict(_fields(cls))["kind"].annotation)
