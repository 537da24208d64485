"""Types of command line parameters that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class UserPath(click.Path):
    """A path; a ``~`` that the shell left alone, as in ``--out=~/study``, is the home folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        from vmp.core.paths import expand

        return super().convert(expand(value) if isinstance(value, str) else value, param, context)
