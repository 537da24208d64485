"""A study: one typed, validated definition of factors, seeds, data, backbone, budget and metric.

A YAML file and a Python call make the same object::

    Study(name="lambda", factors={"prompt": ["control", "vmp"], "lambda": [0, 1, 10]}, seeds=[0, 1, 2])
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from sweeps.old_forms import new_settings, translate
from sweeps.propose.settings import SearchSettings
from sweeps.questions import Factors, compared_factors, compared_sides, matches, named_pairs, value_pairs
from sweeps.record import Scalar
from sweeps.stop.settings import Stop
from vmp.core.choices import unknown_key
from vmp.core.config import config, from_plain, shown, to_plain
from vmp.core.documents import parse_yaml, read_yaml
from vmp.core.errors import ConfigError, InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.overrides import NotReadError, get, kinds_first, parse_override, put
from vmp.core.paths import expand, looked_for, rebase, rebase_factors
from vmp.experiment import Experiment, Settings
from vmp.identity import canonical, is_read

FACTOR_NAMES = {
    "prompt": "layer.kind",
    "motion": "layer.motion.kind",
    "normalization": "layer.normalization.kind",
    "m": "layer.normalization.start.m",
    "n": "layer.normalization.start.n",
    "slope": "layer.normalization.start.slope",
    "shift": "layer.normalization.start.shift",
    "lambda": "regularizer.lambda",
    "remedy": "regularizer.remedy.kind",
    "sampling": "sampling.kind",
    "backbone": "backbone.kind",
}
"""Short names of the factors that the method's questions are about. Any other factor is a dotted path of a setting."""

Arm = tuple[dict[str, Scalar], Experiment]
"""``(factors, experiment)``; a factor that does nothing in the arm is None."""


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
        reference: Factors of the arm that the others are compared with, each at its own other settings, e.g.
            ``{lambda: 0}``; None takes the control, or the baseline, or the first arm.
        compare: Instead of a reference: pairs of factors, ``[[{remedy: relative}, {remedy: none}]]``, or the name of
            one factor or several whose values are compared with each other, at the same other settings.
        blocks: Factors whose values are no candidates: each gets a verdict, then one over all. None takes every
            setting of the data, and the backbone.
        search: Propose arms within the ranges of the factors' values; None runs the grid.
        margin: Difference in `metric` below which two arms count as practically equal; set before the run.
        tries: How often a run tries a cell whose worker dies under it.
        stop: A rule that ends cells early; None lets each train to its end. A stopped cell is out of every comparison.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    question: str = ""
    factors: dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = Field(default_factory=dict)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2)
    metric: Literal["top1", "mean_class"] = "top1"
    reference: dict[str, Scalar] | None = None
    compare: str | tuple[str, ...] | tuple[tuple[dict[str, Scalar], dict[str, Scalar]], ...] | None = None
    blocks: tuple[str, ...] | None = None
    search: SearchSettings | None = None
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    tries: Annotated[int, Field(ge=1)] = 2
    stop: Stop | None = None

    def __post_init__(self) -> None:
        for name, values in [("seeds", self.seeds), *((f"factors.{k}", v) for k, v in self.factors.items())]:
            if len(set(map(canonical_json, values))) < len(values):
                raise ValueError(f"{name} lists a value twice: {shown(values)}")
        arms = [factors for factors, _ in self.arms()]  # each a valid experiment, before any of them costs an hour
        self._check_question(arms)

    def _check_question(self, arms: Sequence[Factors]) -> None:
        """Refuse a comparison that no two arms can make."""
        if self.reference is not None and self.compare is not None:
            raise ValueError("reference and compare both say what is compared; give one of them")
        if self.reference is not None and not any(matches(factors, self.reference) for factors in arms):
            raise ValueError(
                f"reference {shown(self.reference)} is none of the arms; give factors of one, such as {shown(arms[0])}"
            )
        for name in [*(self.blocks or ()), *compared_factors(self)]:
            if name not in self.factors:
                raise ValueError(f"{name} {unknown_key(name, list(self.factors))}: blocks and compare name factors")
        for name in compared_factors(self):
            if not value_pairs(arms, name):
                raise ValueError(f"compare: no two arms differ in {name} alone; give pairs of factors instead")
        for first, second in compared_sides(self):
            if not named_pairs(arms, first, second):
                raise ValueError(
                    f"compare: no arm with {shown(first)} and arm with {shown(second)} agree in all other factors; "
                    f"name factors of arms, such as {shown(arms[0])}"
                )

    def arms(self) -> Iterator[Arm]:
        """The arms of the grid: ``(factors, experiment)``, without repeats, in the order of the factorial.

        A factor that does nothing in an arm is None there: a control has no lambda, so the factorial of
        ``prompt: [control, vmp]`` with five lambdas has six arms.
        """
        return _distinct(self._combinations())

    def _combinations(self) -> Iterator[Arm]:
        """The full factorial, with repeats where a factor does nothing."""
        for values in itertools.product(*self.factors.values()):
            yield self.arm(dict(zip(self.factors, values, strict=True)))

    def arm(self, factors: Mapping[str, Scalar]) -> Arm:
        """One arm: the study's settings with `factors` put in. Raises InputError for a factor or value that is none."""
        plain = self.settings()
        names = {self.path(name): name for name in factors}
        unread = set()
        for path in kinds_first(names):
            try:
                put(Settings, plain, path, factors[names[path]])
            except NotReadError:
                unread.add(names[path])
            except ConfigError as error:
                if "." not in path:
                    keys = [*FACTOR_NAMES, *(field.name for field in dataclasses.fields(Settings))]
                    raise InputError(f"factors.{names[path]} {unknown_key(path, keys)}") from error
                raise InputError(f"factors.{names[path]}: {error}") from error
        text = ", ".join(f"{name}={value!r}" for name, value in factors.items())
        experiment = from_plain(Experiment, plain, source=f"arm {text}" if text else "settings")
        read = {name for path, name in names.items() if name not in unread and is_read(experiment, path)}
        return {name: value if name in read else None for name, value in factors.items()}, experiment

    def idle_factors(self) -> list[str]:
        """The factors that do nothing in any arm."""
        arms = [factors for factors, _ in self._combinations()]
        return [
            name
            for name, values in self.factors.items()
            if any(value is not None for value in values) and all(factors[name] is None for factors in arms)
        ]

    @staticmethod
    def path(factor: str) -> str:
        """The dotted path of the setting that a factor varies."""
        return FACTOR_NAMES.get(factor, factor)

    def setting(self, factor: str) -> Any:
        """What the setting that a factor varies is in the study itself; None where its kind does not read it."""
        sections = {section.name: to_plain(getattr(self, section.name)) for section in dataclasses.fields(Settings)}
        return get(sections, self.path(factor))

    def settings(self) -> dict[str, Any]:
        """The settings that factors vary, as plain nested data; what has its default value is left out."""
        names = [section.name for section in dataclasses.fields(Settings)]
        return {name: to_plain(getattr(self, name), defaults=False) for name in names}

    def to_plain(self) -> dict[str, Any]:
        """The whole definition as plain data; ``load_study`` reads it back."""
        return to_plain(self)


def _distinct(arms: Iterable[Arm]) -> Iterator[Arm]:
    """Arms without those that compute the same as one before them."""
    seen: set[str] = set()
    for factors, experiment in arms:
        key = canonical_json(to_plain(canonical(experiment)))
        if key not in seen:
            seen.add(key)
            yield factors, experiment


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
        plain["factors"] = {
            name: named.get(FACTOR_NAMES.get(str(name), str(name)), values) for name, values in factors.items()
        }


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


def is_number(value: Scalar) -> bool:
    """Whether a factor's value can be searched as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
