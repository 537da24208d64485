"""Reading YAML as its version 1.2 means it: 1e-3 is a number, `no` is a text, and a key given twice is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from vmp.core.errors import InputError


def read_yaml(path: str | Path, what: str = "file") -> Any:
    """The plain content of a YAML file. Raises InputError where it cannot be read or is no YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"cannot read {what} '{path}': {reason}; name a YAML file") from error
    return parse_yaml(text, source=f"{what} '{path}'")


def parse_yaml(text: str, *, source: str) -> Any:
    """Plain dicts, lists and scalars from YAML 1.2 text, by safe construction: no tag can build an object.

    Args:
        text: The document.
        source: Where it came from, for the error.

    Raises:
        InputError: It is not valid YAML, or a mapping names a key twice (says which, and where).
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        key = str(error.problem).partition('"')[2].partition('"')[0]
        raise InputError(f"{source}: the key {key!r} is given twice{_at(error)}; keep one of them") from error
    except YAMLError as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{source} is not valid YAML: {problem}{_at(error)}") from error


def _at(error: YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
