"""Looking a name up in one of the project's visible tables, with an error that a reader can act on."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from vmp.errors import InputError

_V = TypeVar("_V")


def lookup(table: Mapping[str, _V], name: str, what: str) -> _V:
    """The entry of `table` under `name`; raises `InputError` that lists the valid names and the nearest one."""
    if name in table:
        return table[name]
    nearest = get_close_matches(name, table, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise InputError(f"unknown {what} {name!r}.{hint} Valid: {', '.join(sorted(table))}.")
