"""Finding things by name: in one of the project's visible tables, or by the dotted path of one's own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from vmp.core.errors import InputError

_V = TypeVar("_V")


def lookup(table: Mapping[str, _V], name: str, what: str) -> _V:
    """The entry of `table` under `name`; raises `InputError` that lists the valid names and the nearest one."""
    if name in table:
        return table[name]
    nearest = get_close_matches(name, table, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise InputError(f"unknown {what} {name!r}.{hint} Valid: {', '.join(sorted(table))}.")


def unknown_key(key: str, valid: list[str]) -> str:
    """The sentence for a key that does not exist, with the nearest valid one."""
    nearest = get_close_matches(key, valid, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"is an unknown key{hint} (valid keys: {', '.join(valid)})" if valid else "is an unknown key"


def find_object(path: str, what: str) -> Any:
    """The object that ``package.module:name`` names; raises `InputError` if there is none."""
    if (here := str(Path.cwd())) not in sys.path and "" not in sys.path:
        sys.path.append(here)  # a program's own folder is there and the user's is not
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"{what} {path!r}: cannot import {module_name!r} ({error}). "
            "Give 'package.module:name', importable from here."
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        known = ", ".join(sorted(n for n in vars(module) if callable(getattr(module, n)) and not n.startswith("_")))
        raise InputError(f"{what} {path!r}: {module_name} has no {name!r} that can be called. It has: {known}.")
    return found


def find_class(path: str, what: str) -> Any:
    """The configuration class that ``package.module:Class`` names; raises `InputError` if it is none."""
    found = find_object(path, what)
    if not dataclasses.is_dataclass(found):
        raise InputError(f"{what} {path!r} must be a class decorated with `vmp.config` that has a field `kind: str`.")
    return found


def foreign_source(path: str) -> Path | None:
    """The source file of the module that a dotted path names, once it was found; None for a built-in module."""
    source = getattr(sys.modules.get(path.partition(":")[0]), "__file__", None)
    return Path(source) if source else None
