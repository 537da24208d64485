"""Hashes that name settings, data and code, so that a finished cell is recognised and a changed one is not reused."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent.parent


def canonical_json(value: Any) -> str:
    """`value` as JSON text with one spelling: sorted keys, no spaces, no NaN, 1 for 1.0. Equal values, equal bytes."""
    return json.dumps(_spelt_once(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def fingerprint(value: Any) -> str:
    """16 hex digits over `value`'s canonical JSON: equal plain values give equal digits on every machine."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def combined(*parts: str | int) -> str:
    """16 hex digits over short texts, such as other fingerprints, and numbers."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:16]


def _spelt_once(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _spelt_once(item) for key, item in value.items()}
    return [_spelt_once(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def code_fingerprints(
    entry: str = "vmp.experiment", *, optional: frozenset[str] = frozenset(), used: frozenset[str] = frozenset()
) -> dict[str, str]:
    """``{module: hash}`` of the modules of this package that `entry` can reach by imports, itself included.

    Comments, docstrings and layout do not count: editing them invalidates no finished cell. Modules that only look at
    results or draw are not reached, so changing them re-runs nothing either.

    Args:
        entry: Where the imports are followed from.
        optional: Modules that a table of kinds imports whichever kind is used; they count where they are in `used`, or
            where another optional module that counts imports them.
        used: Modules that count, beside `entry`.
    """
    found: dict[str, str] = {}
    waiting = [entry, *sorted(used)]
    while waiting:
        module = waiting.pop()
        if module in found or (source := _source(module)) is None:
            continue
        found[module], imports = _hash_and_imports(source)
        waiting.extend(name for name in imports if name not in optional or module in optional)
    return dict(sorted(found.items()))


def imports_of(path: Path) -> tuple[str, ...]:
    """The modules that a file of Python names in its imports; none for other files."""
    return _hash_and_imports(path)[1]


@cache
def _hash_and_imports(path: Path) -> tuple[str, tuple[str, ...]]:
    text, imports = path.read_text(encoding="utf-8"), list[str]()
    if path.suffix == ".py":
        tree = ast.parse(text)
        imports, text = _imports(tree), ast.unparse(_strip_docstrings(tree))
    elif path.suffix == ".c":
        text = _strip_comments(text)
    return hashlib.sha256(text.encode()).hexdigest()[:16], tuple(imports)


def _source(module: str) -> Path | None:
    if module.split(".")[0] != _PACKAGE.name or module == _PACKAGE.name:
        return None  # the package's own contents page computes nothing
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py", path.with_suffix(".c")):
        if candidate.is_file():
            return candidate
    return None


def _imports(tree: ast.AST) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]  # an imported name may be a module
    return names


def _strip_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


_TEXT_OR_COMMENT = re.compile(r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*|/\*.*?\*/""", re.DOTALL)


def _strip_comments(source: str) -> str:
    """C without comments, blank lines and indentation."""
    code = _TEXT_OR_COMMENT.sub(lambda match: match["text"] or " ", source)
    return "\n".join(line for raw in code.splitlines() if (line := raw.strip()))


def file_hash(path: Path) -> str:
    """16 hex digits over the content of a file; read once for as long as it does not change."""
    status = path.stat()
    return _content_hash(path, status.st_size, status.st_mtime_ns)


@cache
def _content_hash(path: Path, size: int, modified: int) -> str:
    del size, modified  # they make a changed file another key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
