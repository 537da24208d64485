"""How the API pages read our docstrings and settings."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_NAMES = re.compile(r"(?<=^    )\w+(, \w+)+(?=: )", re.MULTILINE)
"""Of several settings that are described together: ``train, val, test: Number of videos``."""


class Docstrings(griffe.Extension):
    """Keeps names that share a line together, and shows what `vmp.core.config.config` decorates as a dataclass."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _NAMES.sub(
                lambda names: names[0].replace(" ", "\N{NO-BREAK SPACE}"), obj.docstring.value
            )

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        for decorator in cls.decorators:
            if decorator.callable_path == "vmp.core.config.config":
                call = ast.parse("dataclasses.dataclass(kw_only=True)", mode="eval").body
                decorator.value = griffe.get_expression(call, parent=cls.module) or decorator.value
