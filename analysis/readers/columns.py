"""Which of another tool's names are seed, factors and value: ``--columns seed=run,test=acc,factors=lr,wd``."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.readers.base import Runs
from vmp.core.choices import unknown_key
from vmp.core.errors import InputError
from vmp.core.text import listing

FLAG = "--columns"
KEYS = ("factors", "seed", "value", "split", "val", "test", "unit", "study", "margin")
UNITS = {"fraction": 1.0, "percent": 0.01}
_OTHER_METRICS = ("loss", "error", "err", "mse", "rmse", "mae", "perplexity", "ppl", "nll", "latency", "seconds", "wer")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A map of columns, as it was given.

    Attributes:
        factors: Names of the factors; empty for all settings but the seed.
        seed: Name of the seed.
        value: Name of the value.
        split: With `value`, name of the column that says for each row on which split it was measured.
        val, test: Names of the values to choose by and to report.
        unit: Of the values: ``fraction`` of 1 or ``percent``.
        study: Which study of a store with several.
        margin: Difference in (0, 1) below which arms count as practically equal; None for the default.
        text: The map as it was written.
    """

    factors: tuple[str, ...] = ()
    seed: str | None = None
    value: str | None = None
    split: str | None = None
    val: str | None = None
    test: str | None = None
    unit: str = "fraction"
    study: str | None = None
    margin: float | None = None
    text: str = field(default="", compare=False)


def parse_columns(texts: tuple[str, ...]) -> Columns:
    """The map of ``seed=run,value=acc,factors=lr,wd``: a part without "=" belongs to the key before it.

    Raises:
        InputError: A part without a key, an unknown key, a key twice, or a value that its key does not take.
    """
    given: dict[str, list[str]] = {}
    key = ""
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, equals, value = part.partition("=")
        if equals:
            key = name.strip()
            if key not in KEYS:
                raise InputError(f"{FLAG}: {key} {unknown_key(key, list(KEYS))}")
            if key in given:
                raise InputError(f"{FLAG} names {key} twice; name it once")
            given[key] = [value.strip()]
        elif not key:
            raise InputError(f"{FLAG} {part!r} must be key=column, e.g. {FLAG} seed=run,test=acc,factors=lr,wd")
        else:
            given[key].append(part)
    for name, values in given.items():
        if not all(values):
            raise InputError(f"{FLAG}: {name} names no column; give one or leave {name}= out")
        if name != "factors" and len(values) > 1:
            raise InputError(f"{FLAG}: {name} takes one column, not {listing(values)}; only factors= takes several")
    single = {name: values[0] for name, values in given.items() if name not in ("factors", "margin")}
    columns = Columns(**single, factors=tuple(given.get("factors", ())), margin=_margin(given), text=",".join(texts))
    if columns.unit not in UNITS:
        raise InputError(f"{FLAG}: unit {unknown_key(columns.unit, list(UNITS))}")
    if columns.value and (columns.val or columns.test):
        raise InputError(f"{FLAG}: value= stands for the one value there is; name val= and test= instead, or it alone")
    if columns.split and not columns.value:
        raise InputError(f"{FLAG}: split= says where each row's value was measured; name that value by value=")
    return columns


def _margin(given: dict[str, list[str]]) -> float | None:
    if "margin" not in given:
        return None
    try:
        margin = float(given["margin"][0])
    except ValueError:
        margin = 0.0
    if not 0 < margin < 1:
        raise InputError(f"{FLAG}: margin is {given['margin'][0]!r}, it must be a number in (0, 1), e.g. margin=0.01")
    return margin


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The columns as they are read from one store.

    Attributes:
        factors, seed: Names of settings; seed may be a measured name, or None.
        val, test: Measured names; at least one. split: As in `Columns`; then both are the same name.
        reported: On which split `test`, else `val`, was measured: ``"test"``, ``"validation"``, "" for unknown.
        notes: What was assumed.
    """

    factors: tuple[str, ...]
    seed: str | None
    val: str | None
    test: str | None
    split: str | None
    reported: str
    notes: tuple[str, ...]


def resolve(columns: Columns, runs: Runs) -> Resolved:
    """What the map means for `runs`; what it does not say is taken from what the tool itself says.

    Raises:
        InputError: A column that is not there, a value that is no accuracy, or neither map nor tool says what is what.
    """
    notes: list[str] = []
    for key in ("value", "split", "val", "test"):
        _check(runs, key, getattr(columns, key), runs.measured)
    for name in columns.factors:
        _check(runs, "factors", name, runs.settings)
    seed = columns.seed
    _check(runs, "seed", seed, [*runs.settings, *runs.measured])
    if seed is None and "seed" in (*runs.settings, *runs.measured):
        seed = "seed"
    value = columns.value
    if not (value or columns.val or columns.test):
        value = runs.value
        if value is None:
            raise InputError(
                f"'{runs.path}' does not say which of its columns is the result; name it: {FLAG} test=NAME, or "
                f"value=NAME where no split is known, among {_shown(runs.measured)}"
            )
        notes.append(f"'{value}' is taken as the result, as {runs.tool} says.")
    named = [name for name in (value, columns.val, columns.test) if name]
    for name in named:
        _check_metric(runs, name)
    if value and not columns.split:
        notes.append(f"{runs.tool} does not say on which split '{value}' was measured, so this report does not either.")
    taken = {seed, *named, columns.split}
    if columns.factors:
        if clash := next((name for name in columns.factors if name in taken), None):
            raise InputError(f"{FLAG}: {clash!r} cannot be a factor and the seed, value or split as well; name it once")
        factors = columns.factors
        ignored = [name for name in runs.settings if name not in {*factors, *taken}]
        if ignored:
            notes.append(f"Not read: {_shown(ignored)}.")
    elif runs.factors is not None:
        rest = [name for name in runs.settings if name not in taken]
        raise InputError(
            f"'{runs.path}' does not say which of its columns are factors; name them: {FLAG} factors=NAME,NAME among "
            f"{_shown(rest)}"
        )
    else:
        factors = tuple(name for name in runs.settings if name not in taken)
    if columns.split:
        return Resolved(factors=factors, seed=seed, val=value, test=value, split=columns.split, reported="test",
                        notes=tuple(notes))  # fmt: skip
    reported = "" if value else "test" if columns.test else "validation"
    return Resolved(factors=factors, seed=seed, val=columns.val if columns.test else None,
                    test=columns.test or columns.val or value, split=None, reported=reported,
                    notes=tuple(notes))  # fmt: skip


def _check(runs: Runs, key: str, name: str | None, among: object) -> None:
    names = list(dict.fromkeys(among))  # type: ignore[call-overload]
    if name is not None and name not in names:
        raise InputError(f"{FLAG} {key}={name}: '{runs.path}' has no such column, it has {_shown(names)}")


def _check_metric(runs: Runs, name: str) -> None:
    words = name.lower().replace("/", "_").replace("-", "_").replace(".", "_").split("_")
    if name in runs.minimized:
        why = f"{runs.tool} minimizes '{name}'"
    elif other := next((word for word in words if word in _OTHER_METRICS), None):
        why = f"'{name}' is named a {other}"
    else:
        return
    others = [one for one in runs.measured if one != name]
    way = f"name an accuracy: {FLAG} test=NAME among {_shown(others)}" if others else "record an accuracy beside it"
    raise InputError(f"'{runs.path}': {why}, and this report is about accuracies, where higher is better; {way}")


def _shown(names: object) -> str:
    listed = [str(name) for name in names]  # type: ignore[attr-defined]
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return ", ".join(listed[:12]) + more if listed else "none"
