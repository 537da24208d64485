"""Studies from YAML files, and the built-in ones: what they extend, overrides, old spellings, paths from the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sweeps.derived import EXTENDS, SIZES, Size, changed, sizes_of
from sweeps.old_forms import new_settings, translate
from sweeps.study import FACTOR_NAMES, Study
from vmp.core.config import from_plain, shown
from vmp.core.documents import parse_yaml, read_yaml
from vmp.core.errors import ConfigError, InputError
from vmp.core.overrides import kinds_first, parse_override, put
from vmp.core.paths import expand, looked_for, rebase, rebase_factors

BASE = "_base"
"""What the built-in studies extend."""


def load_study(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    size: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Study:
    """A study from a YAML file, or a built-in one by its name.

    Args:
        name: Path of a YAML file, or one of `builtin_studies`.
        overrides: ``key=value`` each, dotted keys, values as YAML: ``train.epochs=3``, ``seeds=[0, 1]``,
            ``factors.lambda=[0, 1]``, ``factors.prompt=null`` to drop a factor. Choosing another kind, as by
            ``data.kind=manifest``, starts its section anew.
        size: One of the definition's sizes; None takes the definition as it stands.
        note: Receives a sentence for each thing that is spelled as 0.1.0 spelled it, and for each factor that does
            nothing.

    Raises:
        InputError: No such file, study or size, not YAML, an unknown key (the nearest is named), a value out of range.
    """
    source, plain = _definition(name, size, note)
    changes: dict[str, Any] = {}
    for override in overrides:
        key, value = parse_override(override)
        if key.startswith("factors."):  # a factor's own name may hold dots
            _set_factor(plain, key.removeprefix("factors."), value)
            continue
        settings = new_settings(key, value)
        if key not in settings:
            note(f"--set {key} is now written {', '.join(settings)}")
        changes |= settings
    for text in translate(plain):  # factors that --set named
        note(f"{source}: {text}")
    for path in kinds_first(changes):
        try:
            put(Study, plain, path, changes[path])
        except ConfigError as error:
            raise InputError(f"--set {error}") from error
    study = from_plain(Study, plain, source=source)
    for factor in study.idle_factors():
        note(f"the factor {factor} does nothing: no kind in any arm reads {study.path(factor)}")
    for text in study.design_notes():
        note(text)
    return study


def study_sizes(name: str | Path) -> dict[str, Size]:
    """The sizes of a study, by their names; empty where it has none. Raises InputError as `load_study` does."""
    return {key: size for file in _with_bases(name, lambda text: None) for key, size in file.sizes.items()}


def builtin_studies() -> dict[str, str]:
    """Name -> question of the studies that come with the toolkit."""
    return {name: _read(name, lambda text: None)[1]["question"] for name in _builtin_names() if name != BASE}


def _builtin_names() -> list[str]:
    """The studies that come with the toolkit, and their base."""
    return sorted(file.name[:-5] for file in _builtin_folder().iterdir() if file.name.endswith(".yaml"))


def _definition(name: str | Path, size: str | None, note: Callable[[str], None]) -> tuple[str, dict[str, Any]]:
    """What a study is called in messages, and its plain content: with what it extends, then in its size."""
    files = _with_bases(name, note)
    plain: dict[str, Any] = {}
    for file in files:
        plain = changed(plain, file.content, source=file.source)
        if file.folder is not None:
            _start_paths_from(plain, file.folder)  # those of the bases are absolute by now
    named = {key for file in files for key in file.sizes}
    if size is not None and size not in named:
        source = files[-1].source
        if not named:
            raise InputError(f"{source} has no sizes: leave --size out, or write them under its key `sizes`")
        raise InputError(f"--size {size}: {source} has the sizes {', '.join(sorted(named))}")
    for file in files:
        if size in file.sizes:
            plain = changed(plain, file.sizes[size].changes, source=f"{file.source}: sizes.{size}.changes")
            if file.folder is not None:
                _start_paths_from(plain, file.folder)
    return files[-1].source, plain


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file of a definition.

    Attributes:
        source: What it is called in messages.
        folder: Where its relative paths start; None where that is the current folder.
        content: What it says itself, without `extends` and `sizes`.
        sizes: Its sizes.
    """

    source: str
    folder: Path | None
    content: dict[str, Any]
    sizes: dict[str, Size]


def _with_bases(name: str | Path, note: Callable[[str], None]) -> list[_File]:
    """The file of a study and those that it extends, the first base first."""
    files: list[_File] = []
    seen: set[Path] = set()
    asked: str | Path | None = name
    while asked is not None:
        source, content = _read(asked, note)
        path = Path(str(_builtin_folder() / f"{asked}.yaml")) if _is_bare(asked) else Path(expand(str(asked)))
        if path.resolve() in seen:
            raise InputError(f"{source} extends itself; name another base")
        seen.add(path.resolve())
        base, sizes = content.pop(EXTENDS, None), sizes_of(content, source=source)
        content.pop(SIZES, None)
        if base is None:
            for text in translate(content):
                note(f"{source}: {text}")
        elif not isinstance(base, str):
            raise InputError(f"{source}: extends must name a built-in study or a file, got {shown(base)}")
        folder = None if _is_bare(asked) else path.parent
        files.append(_File(source=source, folder=folder, content=content, sizes=sizes))
        asked = base if base is None or _is_bare(base) else str(path.parent / expand(base))
    return files[::-1]


def _builtin_folder() -> Any:
    return resources.files("sweeps") / "studies"


def _is_bare(name: str | Path) -> bool:
    """Whether this is the name of a built-in study, or of their base; what lies in the current folder hides none."""
    return str(name) in _builtin_names()


def _start_paths_from(plain: dict[str, Any], folder: Path) -> None:
    """Relative paths in a study file start from its folder; on the command line, from the current one."""
    rebase(Study, plain, folder)
    factors = plain.get("factors")
    if isinstance(factors, dict):
        named = {FACTOR_NAMES.get(name, name): values for name, values in factors.items() if isinstance(name, str)}
        rebase_factors(Study, named, folder)
        moved = {name: named.get(FACTOR_NAMES.get(str(name), str(name)), values) for name, values in factors.items()}
        _name_moved(plain, factors, moved)
        plain["factors"] = moved


def _name_moved(plain: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """Let the design and `only_where` name the values of factors as they are called now."""
    called = {
        (name, old): new
        for name, values in before.items()
        if isinstance(values, list) and values != after[name]
        for old, new in zip(values, after[name], strict=True)
        if isinstance(old, str)
    }

    def renamed(name: Any, value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(name, one) for one in value]
        return called.get((name, value), value) if isinstance(value, str) else value

    def of_section(section: Any) -> Any:
        if isinstance(section, list):
            return [of_section(one) for one in section]
        return {k: renamed(k, v) for k, v in section.items()} if isinstance(section, dict) else section

    design, rules = plain.get("design"), plain.get("only_where")
    if called and isinstance(design, dict):
        plain["design"] = design | {key: of_section(design[key]) for key in ("base", "full") if key in design}
    if called and isinstance(rules, list):
        plain["only_where"] = [
            rule | {"where": of_section(rule.get("where")), "values": renamed(rule.get("factor"), rule.get("values"))}
            if isinstance(rule, dict)
            else rule
            for rule in rules
        ]


def _read(name: str | Path, note: Callable[[str], None]) -> tuple[str, dict[str, Any]]:
    """What a study is called in messages, and the plain content of its file."""
    source, plain = _read_any(name, note)
    if not isinstance(plain, dict):
        raise InputError(f"{source} must hold a mapping of keys to values (name, factors, seeds, data, ...)")
    return source, plain


def _read_any(name: str | Path, note: Callable[[str], None]) -> tuple[str, Any]:
    path = Path(expand(str(name)))
    if not _is_bare(name):
        if path.suffix in (".yaml", ".yml") or path.is_file():
            return f"study file '{name}'", read_yaml(path, "study file")
        raise InputError(
            f"no study '{name}': it is neither a file (looked for {looked_for(path)}) nor one of the "
            f"built-in studies ({', '.join(builtin_studies())})"
        )
    if path.is_file():
        note(f"'{name}' is the built-in study; the file of that name in this folder is './{name}'")
    source = f"built-in study '{name}'"
    text = (_builtin_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    return source, parse_yaml(text, source=source)


def _set_factor(plain: dict[str, Any], factor: str, value: Any) -> None:
    factors = plain.setdefault("factors", {})
    if value is None:
        factors.pop(factor, None)
    else:
        factors[factor] = value if isinstance(value, list) else [value]
