"""How every configuration in this project is declared: a frozen, keyword-only dataclass, validated on construction.

A configuration class stands beside the component that it builds. Pydantic does the validating; YAML only serialises.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def config(cls: type[_T]) -> type[_T]:
    """Class decorator: a frozen keyword-only dataclass that refuses unknown keys and values of the wrong type or range."""
    settings = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)
    return dataclass(frozen=True, kw_only=True, config=settings)(cls)


def to_plain(value: Any) -> Any:
    """A configuration as plain dicts, lists and scalars, keyed as in a study file (aliases such as ``lambda``)."""
    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)
