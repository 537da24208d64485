"""How every configuration in this project is declared: a frozen, keyword-only dataclass, validated on construction.

A configuration class stands beside the component that it builds, and has one field for each thing that the component
reads. Where there is a choice among kinds, each kind is a class of its own with a ``kind`` field, and one visible
table names them all (`Choice`). Pydantic does the validating; YAML only serialises.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema, core_schema

from vmp.core.choices import find_class, lookup, unknown_key
from vmp.core.errors import ConfigError, InputError

_T = TypeVar("_T")
_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")
# What a value should have been, in the words of a YAML file.
_IN_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping of keys to values",
    "dataclass": "a mapping of keys to values",
    "path": "a path",
}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def config(cls: type[_T]) -> type[_T]:
    """Class decorator: a frozen keyword-only dataclass that refuses unknown keys and values out of type or range."""
    settings = ConfigDict(
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
    )
    made: type[_T] = dataclass(frozen=True, kw_only=True, config=settings)(cls)  # type: ignore[assignment]
    return made


class Choice:
    """Annotation of a field that holds one of several kinds of configuration: one protocol for everything to choose.

        SAMPLERS = {"uniform": Uniform, "dense": Dense}
        sampling: Annotated[Sampler, Choice(SAMPLERS, "sampler")] = Uniform()

    In a study file such a field is a mapping with the key ``kind`` and what that kind reads, or the kind's name alone.
    A kind of your own is named by the dotted path of its class, ``package.module:Class``.

    Args:
        table: Kind -> configuration class; each class has a field ``kind``.
        what: What is chosen, in words: "sampler".
        default: The kind of a mapping that does not say which; None if it must say so.
    """

    def __init__(self, table: Mapping[str, Any], what: str, default: str | None = None) -> None:
        self.table, self.what, self.default = table, what, default

    def find(self, kind: str) -> Any:
        """The configuration class of a kind: from the table, or the class that a dotted path names.

        Raises:
            InputError: No such kind; lists the valid ones and the nearest.
        """
        if ":" in kind:
            return find_class(kind, self.what)
        return lookup(self.table, kind, self.what)

    def kind_of(self, plain: Any) -> str:
        """The kind that a section of a study file asks for. Raises ConfigError where it does not say."""
        if isinstance(plain, str):
            return plain
        if dataclasses.is_dataclass(plain):
            return str(getattr(plain, "kind", None))
        if not isinstance(plain, Mapping):
            raise ConfigError(f"must be the name of a {self.what} or a mapping with its `kind`, got {shown(plain)}")
        kind = plain.get("kind", self.default)
        if not isinstance(kind, str):
            raise ConfigError(f"must be one of {', '.join(self.table)}, got {shown(kind)}", where=("kind",))
        return kind

    def validate(self, value: Any) -> Any:
        """The configuration that `value` describes; a configuration of one of the kinds passes as it is."""
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            kind = getattr(value, "kind", None)
            if type(value) is not self.table.get(str(kind)) and ":" not in str(kind):
                raise ConfigError(f"must be a {self.what}, got a {type(value).__name__}")
            return value
        kind = self.kind_of(value)
        try:
            cls = self.find(kind)
        except InputError as error:
            raise ConfigError(f": {error}", where=("kind",)) from error
        rest = {} if isinstance(value, str) else {key: item for key, item in value.items() if key != "kind"}
        return validate(cls, {"kind": kind, **rest})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)


def to_plain(value: Any, *, defaults: bool = True) -> Any:
    """A configuration as plain dicts, lists and scalars, keyed as in a study file (aliases such as ``lambda``).

    Args:
        value: A configuration, or anything that one holds.
        defaults: False leaves out fields that have their default value (never ``kind``).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {}
        for field in dataclasses.fields(value):
            content = getattr(value, field.name)
            if defaults or field.name == "kind" or content != default_of(type(value), field):
                plain[key_of(type(value), field.name)] = to_plain(content, defaults=defaults)
        return plain
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, defaults=defaults) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, defaults=defaults) for item in value]
    return str(value) if isinstance(value, PurePath) else value


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
        return validate(cls, plain)
    except ConfigError as error:
        raise ConfigError(error.rule, where=error.where, source=source) from error


def validate(cls: type[_T], plain: Any) -> _T:
    """As `from_plain`, for a part of something larger: the error knows the path of the key below `plain`."""
    try:
        return _adapter(cls).validate_python(plain)
    except ValidationError as error:
        # A mistyped key often makes others fail too (a missing one, say): name the cause first.
        raise _explain(cls, min(error.errors(), key=lambda one: one["type"] not in _UNKNOWN_KEY)) from error


def keys_of(cls: Any) -> list[str]:
    """The keys that a configuration class reads, as a study file spells them."""
    return [key_of(cls, field.name) for field in dataclasses.fields(cls)]


def key_of(cls: Any, field: str) -> str:
    """How a study file spells a field: by its alias, if it has one."""
    return cls.__pydantic_fields__[field].alias or field


def default_of(cls: Any, field: dataclasses.Field[Any]) -> Any:
    """The default value of a field of a configuration class; `dataclasses.MISSING` if it must be given."""
    return cls.__pydantic_fields__[field.name].get_default(call_default_factory=True)


def part_of(cls: Any, key: str) -> tuple[Any, Choice | None] | None:
    """What stands under `key` of a configuration class: its type, and the choice among kinds if it is one.

    None where the class does not read the key. The type is a configuration class for a section, else a value's type.
    """
    for field in dataclasses.fields(cls):
        if key in (field.name, key_of(cls, field.name)):
            info = cls.__pydantic_fields__[field.name]
            choice = next((one for one in info.metadata if isinstance(one, Choice)), None)
            return _section(info.annotation), choice
    return None


def _section(annotation: Any) -> Any:
    """The configuration class in an annotation such as ``Section | None``, else the annotation."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next((one for one in typing.get_args(annotation) if dataclasses.is_dataclass(one)), annotation)
    return annotation


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(cls: type[_T]) -> TypeAdapter[_T]:
    return _ADAPTERS.setdefault(cls, TypeAdapter(cls)) if cls not in _ADAPTERS else _ADAPTERS[cls]


def _explain(cls: Any, problem: Any) -> ConfigError:
    """What pydantic found, as one sentence."""
    where, kind = [str(part) for part in problem["loc"]], problem["type"]
    if kind in _UNKNOWN_KEY:
        *parents, key = where
        owner = cls
        for parent in parents:
            owner = (part_of(owner, parent) or (None,))[0] if dataclasses.is_dataclass(owner) else None
        valid = keys_of(owner) if owner is not None and dataclasses.is_dataclass(owner) else []
        return ConfigError(unknown_key(key, valid), where=tuple(where))
    if kind == "missing" and not where[-1].isdigit():
        return ConfigError("is required and missing", where=tuple(where))
    if kind == "value_error":
        inner = problem["ctx"]["error"]
        if isinstance(inner, ConfigError) and not inner.source:
            return ConfigError(inner.rule, where=(*where, *inner.where))
        return ConfigError(str(inner), where=tuple(where), is_sentence=True)
    where, wanted = _of_file(cls, where)
    if wanted is None:
        names = (words for name, words in _IN_WORDS.items() if kind.startswith(name) and "_" in kind)
        wanted = next(names, None) if kind.endswith(("_type", "_parsing")) else None
    rule = problem["msg"]
    if wanted is not None and (kind.endswith(("_type", "_parsing", "_from_float")) or kind in _OF_LENGTH):
        least = problem.get("ctx", {}).get("min_length") if kind == "too_short" else None
        rule = f"must be {wanted}" + (
            f" with at least {least}" if least is not None and not wanted[10:11].isdigit() else ""
        )
    rule = rule.replace("Input should be", "must be")
    return ConfigError(f"{rule[:1].lower()}{rule[1:]}, got {shown(problem['input'])}", where=tuple(where))


def _of_file(cls: Any, where: list[str]) -> tuple[list[str], str | None]:
    """The keys of `where` without what only a validator sees, and what must stand there, as a person would say it."""
    owner, path = cls, []
    for part in where:
        if typing.get_origin(owner) is dict:
            path.append(part)
            owner = typing.get_args(owner)[1]
            continue
        found = part_of(owner, part) if dataclasses.is_dataclass(owner) else None
        if found is None:
            break
        path.append(part)
        owner = found[0]
    beyond = where[len(path) :]
    numbers = [part for part in beyond if part.isdigit()]
    if dataclasses.is_dataclass(owner) or not path:
        return where, None
    words = words_of(owner)
    return [*path, *numbers[:1]] if numbers and not words else path, words or None


def words_of(annotation: Any) -> str:
    """What a value of this type is, in the words of a YAML file: ``a list of 3 numbers``; empty if none are known."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return words_of(arguments[0])
    if origin in (typing.Union, types.UnionType):
        words = [words_of(one) for one in arguments if one is not type(None)]
        plain = {"a whole number", "a number"}
        if plain <= set(words):
            words.remove("a whole number")
        null = " (or null)" if type(None) in arguments else ""
        return " or ".join(dict.fromkeys(words)) + null if all(words) else ""
    if origin in (tuple, list):
        inner = [one for one in arguments if one is not Ellipsis]
        item = words_of(inner[0]) if inner else ""
        number = f"{len(inner)} " if origin is tuple and Ellipsis not in arguments else ""
        return f"a list of {number}{_PLURAL.get(item.removesuffix(' (or null)'), 'values')}"
    if origin is typing.Literal:
        return f"one of {', '.join(shown(one) for one in arguments)}"
    return _TYPES.get(annotation, "")


_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
_PLURAL = {"a whole number": "whole numbers", "a number": "numbers", "a text": "texts"}
_OF_LENGTH = ("too_long", "too_short", "missing")


def shown(value: Any) -> str:
    """A value as a YAML file would have it, on one line."""
    if dataclasses.is_dataclass(value):
        value = to_plain(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    words = {True: "true", False: "false", None: "null"}
    return words.get(value, repr(value)) if isinstance(value, bool | None) else repr(value)
