"""A disk that is full, or a quota that is used up, as a sentence and an exit code of its own."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from vmp.core.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT}


class DiskFullError(InputError):
    """Nothing more can be written; what is in place is whole."""

    exit_code = 4


@contextlib.contextmanager
def said_when_full(folder: Path) -> Iterator[None]:
    """Turn an error inside that comes from a full disk into a `DiskFullError`; others pass.

    Args:
        folder: The study's, which the sentence names.

    Raises:
        DiskFullError: See above.
    """
    try:
        yield
    except Exception as error:
        if (full := _cause(error)) is None:
            raise
        where = f" at '{full.filename}'" if isinstance(full, OSError) and full.filename else ""
        raise DiskFullError(
            f"the disk is full{where} ({full.strerror if isinstance(full, OSError) else full}): the finished cells in "
            f"'{folder}' are in place, and nothing is half written; make room, and the same command goes on from there"
        ) from error


def _cause(error: BaseException | None) -> OSError | sqlite3.Error | None:
    """What says in a chain of errors that a disk is full; None where nothing does."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        if isinstance(error, sqlite3.Error) and error.sqlite_errorname == "SQLITE_FULL":
            return error
        error = error.__cause__ or error.__context__
    return None
