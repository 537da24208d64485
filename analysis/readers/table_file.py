"""Reads a table with one run in each row: CSV or Parquet."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.readers.base import Reader, Run, Runs, scalar
from vmp.core.errors import InputError

_ENDINGS = {".csv": "CSV", ".parquet": "Parquet"}


def _read(path: Path, asked: str | None) -> Runs:
    if asked is not None:
        raise InputError(f"'{path}' is one table, so there is no study to name in it; leave study= out")
    tool = _ENDINGS[path.suffix.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Else pandas makes an index of the first column where rows have more cells than the header.
            frame = pd.read_parquet(path) if tool == "Parquet" else pd.read_csv(path, index_col=False)
    except pd.errors.ParserWarning as error:
        raise InputError(f"'{path}' has rows of more cells than its header; give each column a header") from error
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"cannot read '{path}' as {tool}: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise InputError(f"'{path}' has no row below its header; give a table with a run in each row")
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"'{path}' has two columns called {twice!r}; rename one")
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in frame.itertuples(index=False, name=None)]
    # A column may be a setting or a measured value: the map of columns says which it is.
    runs = [Run(settings=row, measured=row) for row in rows]
    return Runs(tool=tool, path=path, name=path.stem, runs=runs, factors=())


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if value is None or value != value or value is pd.NA else scalar(value)


TABLE = Reader(
    title="a table (.csv, .parquet)",
    recognizes=lambda path: path.suffix.lower() in _ENDINGS and path.is_file(),
    read=_read,
)
