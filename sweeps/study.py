"""A study: one typed, validated definition of factors, seeds, data, backbone, budget and metric.

A YAML file and a Python call make the same object::

    Study(name="lambda", factors={"prompt": ["control", "vmp"], "lambda": [0, 1, 10]}, seeds=[0, 1, 2])
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from sweeps.propose.settings import SearchSettings
from sweeps.record import Scalar
from vmp.core.config import config, from_plain, to_plain, unknown_key
from vmp.core.errors import InputError
from vmp.experiment import Experiment, Settings

FACTOR_NAMES = {
    "prompt": "layer.prompt",
    "lambda": "train.lambda",
    "m": "layer.m",
    "n": "layer.n",
    "slope": "layer.slope",
    "shift": "layer.shift",
    "sampling": "sampling.strategy",
    "backbone": "backbone.name",
}
"""Short names of the factors that the method's questions are about. Any other factor is a dotted path of a setting."""


@config
class Study(Settings):
    """The definition of a study: the settings that its factors vary (`vmp.experiment.Settings`), and how.

    Attributes:
        name: Short name, for titles.
        question: What the study is to answer, in one sentence.
        factors: Setting -> values. A key is a short name (`FACTOR_NAMES`) or a dotted path such as
            ``train.optimizer.lr``. The grid is the full factorial, in this order.
        seeds: Every arm runs all of them. Arms are compared within a seed: it fixes the start, the order of clips and
            the sampling for all arms alike.
        metric: ``top1`` or ``mean_class``; arms are chosen on validation and reported on test.
        reference: Factors of the arm that the others are compared with, e.g. ``{lambda: 0}``; None takes the control,
            or the baseline, or the first arm.
        search: Propose arms within the ranges of the factors' values; None runs the grid.
        margin: Difference in `metric` below which two arms count as practically equal; set before the run.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    question: str = ""
    factors: dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = Field(default_factory=dict)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2)
    metric: Literal["top1", "mean_class"] = "top1"
    reference: dict[str, Scalar] | None = None
    search: SearchSettings | None = None
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02

    def __post_init__(self) -> None:
        for name, values in [("seeds", self.seeds), *((f"factors.{k}", v) for k, v in self.factors.items())]:
            if len(set(map(repr, values))) < len(values):
                raise ValueError(f"{name} lists a value twice: {list(values)}")
        arms = [factors for factors, _ in self.arms()]  # each a valid experiment, before any of them costs an hour
        wanted = (self.reference or {}).items()
        if not any(wanted <= factors.items() for factors in arms):
            raise ValueError(f"reference {self.reference} is none of the arms; give factors of one, such as {arms[0]}")

    def arms(self) -> Iterator[tuple[dict[str, Scalar], Experiment]]:
        """The arms of the grid: ``(factors, experiment)``, without repeats, in the order of the factorial.

        A factor that does nothing in an arm is None there: a control has no lambda, so the factorial of
        ``prompt: [control, vmp]`` with five lambdas has six arms.
        """
        seen: set[str] = set()
        for values in itertools.product(*self.factors.values()):
            factors, experiment = self.arm(dict(zip(self.factors, values, strict=True)))
            key = repr(to_plain(experiment))
            if key not in seen:
                seen.add(key)
                yield factors, experiment

    def arm(self, factors: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], Experiment]:
        """One arm: the study's settings with `factors` put in. Raises InputError for a factor or value that is none."""
        plain = self.settings()
        for name, value in factors.items():
            _put(plain, FACTOR_NAMES.get(name, name), value, where=f"factors.{name}")
        text = ", ".join(f"{name}={value!r}" for name, value in factors.items())
        experiment = from_plain(Experiment, plain, source=f"arm {text}" if text else "settings")
        return {k: v if experiment.has_effect(self.path(k)) else None for k, v in factors.items()}, experiment

    @staticmethod
    def path(factor: str) -> str:
        """The dotted path of the setting that a factor varies."""
        return FACTOR_NAMES.get(factor, factor)

    def setting(self, factor: str) -> Any:
        """What the setting that a factor varies is in the study itself, before any factor is put in."""
        value: Any = self.settings()
        for part in self.path(factor).split("."):
            value = value[part]
        return value

    def settings(self) -> dict[str, Any]:
        """The settings that factors vary, as plain nested data."""
        return {section.name: to_plain(getattr(self, section.name)) for section in dataclasses.fields(Settings)}

    def to_plain(self) -> dict[str, Any]:
        """The whole definition as plain data; ``load_study`` reads it back."""
        return to_plain(self)

    def smallest_p_value(self) -> float:
        """What the exact sign-flip test of two arms cannot go below with these seeds: 2 / 2^n."""
        return min(1.0, 2.0 / 2 ** len(self.seeds))


def load_study(name: str | Path, overrides: Sequence[str] = ()) -> Study:
    """A study from a YAML file, or a built-in one by its name.

    Args:
        name: Path of a YAML file, or one of `builtin_studies`.
        overrides: ``key=value`` each, dotted keys, values as YAML: ``train.epochs=3``, ``seeds=[0, 1]``,
            ``factors.lambda=[0, 1]``, ``factors.prompt=null`` to drop a factor. Giving another ``data.kind`` starts the
            data section anew.

    Raises:
        InputError: No such file or study, not YAML, an unknown key (the nearest is named), a value out of range.
    """
    source, text = _read(name)
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise InputError(
            f"{source} must hold a mapping of keys to values (name, factors, seeds, data, ...), not {plain!r}"
        )
    for override in sorted(overrides, key=lambda one: not one.startswith("data.kind=")):
        _override(plain, override)
    return from_plain(Study, plain, source=source)


def builtin_studies() -> dict[str, str]:
    """Name -> question of the studies that come with the toolkit."""
    files = sorted(_builtin_folder().iterdir(), key=lambda file: file.name)
    return {
        file.name[:-5]: yaml.safe_load(file.read_text())["question"] for file in files if file.name.endswith(".yaml")
    }


def _builtin_folder() -> Any:
    return resources.files("sweeps") / "studies"


def _read(name: str | Path) -> tuple[str, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        try:
            return f"study file '{name}'", path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise InputError(
                f"cannot read study file '{name}': {reason}; name a YAML file or a built-in study"
            ) from error
    builtin = builtin_studies()
    if str(name) not in builtin:
        raise InputError(
            f"no study '{name}': it is neither a file nor one of the built-in studies ({', '.join(builtin)})"
        )
    return f"built-in study '{name}'", (_builtin_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def _override(plain: dict[str, Any], text: str) -> None:
    key, equals, value_text = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set {text!r} must be key=value, e.g. --set train.epochs=3")
    try:
        value = yaml.safe_load(value_text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {text!r}: the value is not valid YAML") from error
    head, _, factor = key.partition(".")
    if head == "factors" and factor:  # a factor's own name may hold dots
        factors = plain.setdefault("factors", {})
        if value is None:
            factors.pop(factor, None)
        else:
            factors[factor] = value if isinstance(value, list) else [value]
        return
    if key == "data.kind" and plain.get("data", {}).get("kind", "motion") != value:
        plain["data"] = {"kind": value}
        return
    section = plain
    *parents, last = key.split(".")
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise InputError(f"--set {text!r}: '{parent}' holds a value, not a section")
    section[last] = value


def _put(plain: dict[str, Any], path: str, value: Scalar, *, where: str) -> None:
    """Set the existing setting at dotted `path`; the error for a path that does not exist names the nearest."""
    section: Any = plain
    *parents, last = path.split(".")
    for depth, part in enumerate([*parents, last]):
        if not isinstance(section, dict) or part not in section:
            valid = list(section) if isinstance(section, dict) else []
            if depth == 0:
                valid = [*FACTOR_NAMES, *valid]
            raise InputError(f"{where}: {unknown_key(path, part, valid)}")
        if depth < len(parents):
            section = section[part]
    if isinstance(section[last], dict):
        raise InputError(f"{where}: '{path}' is a section, not a setting; name one of {', '.join(section[last])}")
    section[last] = value


def is_number(value: Scalar) -> bool:
    """Whether a factor's value can be searched as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
