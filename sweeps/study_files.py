"""Studies from YAML files, and the built-in ones: overrides, old spellings, and paths that start from the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from sweeps.old_forms import new_settings, translate
from sweeps.study import FACTOR_NAMES, Study
from vmp.core.config import from_plain
from vmp.core.documents import parse_yaml, read_yaml
from vmp.core.errors import ConfigError, InputError
from vmp.core.overrides import kinds_first, parse_override, put
from vmp.core.paths import expand, looked_for, rebase, rebase_factors


def load_study(
    name: str | Path, overrides: Sequence[str] = (), *, note: Callable[[str], None] = lambda text: None
) -> Study:
    """A study from a YAML file, or a built-in one by its name.

    Args:
        name: Path of a YAML file, or one of `builtin_studies`.
        overrides: ``key=value`` each, dotted keys, values as YAML: ``train.epochs=3``, ``seeds=[0, 1]``,
            ``factors.lambda=[0, 1]``, ``factors.prompt=null`` to drop a factor. Choosing another kind, as by
            ``data.kind=manifest``, starts its section anew.
        note: Receives a sentence for each thing that is spelled as 0.1.0 spelled it, and for each factor that does
            nothing.

    Raises:
        InputError: No such file or study, not YAML, an unknown key (the nearest is named), a value out of range.
    """
    source, plain = _read(name, note)
    if not isinstance(plain, dict):
        raise InputError(f"{source} must hold a mapping of keys to values (name, factors, seeds, data, ...)")
    if isinstance(name, Path) or not _is_bare(name):
        _start_paths_from(plain, Path(expand(str(name))).parent)
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
    for text in translate(plain):
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


def builtin_studies() -> dict[str, str]:
    """Name -> question of the studies that come with the toolkit."""
    files = sorted(_builtin_folder().iterdir(), key=lambda file: file.name)
    return {
        file.name[:-5]: parse_yaml(file.read_text(encoding="utf-8"), source=file.name)["question"]
        for file in files
        if file.name.endswith(".yaml")
    }


def _builtin_folder() -> Any:
    return resources.files("sweeps") / "studies"


def _is_bare(name: str | Path) -> bool:
    """Whether this is the name of a built-in study: what lies in the current folder never hides one."""
    return str(name) in builtin_studies()


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


def _read(name: str | Path, note: Callable[[str], None]) -> tuple[str, Any]:
    """What a study is called in messages, and its plain content."""
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
