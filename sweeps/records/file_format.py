"""What all files of a study share: JSON with the number of the format, and how a damaged one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from vmp.core.errors import InputError
from vmp.core.files import write_text
from vmp.core.outcome import Plain

FORMAT: Literal[2] = 2
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

_T = TypeVar("_T", bound=BaseModel)


class DamagedRecord(InputError):
    """A file of a study that is torn, or that holds another cell: it costs what it held, and nothing else."""


def read_file(path: Path, kind: type[_T]) -> _T:
    """A file of a study as `kind`. Raises DamagedRecord for a torn one, InputError for another format."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["loc"] != ("format",))
        where = ".".join(str(part) for part in first["loc"])
        if where == "format":
            raise InputError(
                f"'{path}' has the record format {first['input']!r}, this version reads format {FORMAT}; "
                "run the study again in an empty folder, or report it with the version that wrote it"
            ) from error
        raise DamagedRecord(
            f"'{path}' is damaged{f' at {where!r}' if where else ''}: {_rule(first)}; "
            "move it away and run the study again to redo what it held"
        ) from error


def write_file(path: Path, record: Plain) -> None:
    """Leave `record` in a file, whole or not at all; an older file is replaced. Raises OSError."""
    write_text(path, record.model_dump_json(indent=1) + "\n")


def _rule(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")
