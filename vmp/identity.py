"""What decides that two experiments are one computation: the canonical form of a configuration, and its identity.

Within a section, a kind has no field that it does not read. Across sections some settings still do nothing (a control
has no regulariser), and some computations can be spelled in several ways (a preset, or its m and n). Both are resolved
here and nowhere else; `tests/vmp/test_identity.py` walks every setting of every kind and compares with real trainings.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vmp.backbones import custom
from vmp.backbones.registry import DESIGNS, CustomBackbone, DesignedBackbone, canonical_freeze
from vmp.core.choices import foreign_source
from vmp.core.config import key_of, to_plain
from vmp.core.fingerprint import code_fingerprints, file_hash, fingerprint, imports_of
from vmp.data.registry import DATASETS, load_data
from vmp.experiment import Experiment
from vmp.layer.config import AppendedConfig, PromptConfig
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import SigmoidConfig
from vmp.layer.starts import FixedStart
from vmp.training.regularizers import ClosedAtRest, Constant, Fixed, NoRemedy, RegularizerConfig, Relative
from vmp.transfer import LearntOn, NoTransfer

_FORMER: dict[str, Any] = {
    "train.select": "last",
    "backbone.freeze": "none",
    "train.optimizer.layer_decay": 1.0,
    "test.order": "forward",
    "transfer": {"kind": "none"},
}
"""What every cell did before there was a choice, which has no place in a cell's name."""


def identity(experiment: Experiment, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything but seed and code that decides a number: experiments with equal identities are one computation.

    Data count by their content and not by the place where they lie: a moved folder is the same data.

    Args:
        experiment: The experiment.
        settings: Its canonical form as plain data, where that is at hand.
    """
    settings = _copied(settings or to_plain(canonical(experiment)))
    for path, data in data_sets(experiment).items():
        section, key = _place(settings, path)
        section[key] = {"content": load_data(data).fingerprint, "size": data.size}  # and not the place where it lies
    for section in settings.values():
        if isinstance(section, dict):
            section.pop("checkpoint", None)  # its content counts, below
    for path, former in _FORMER.items():
        section, key = _place(settings, path)
        if section[key] == former:
            del section[key]
    return settings | {"files": {name: file_hash(path) for name, path in outside_files(experiment).items()}}


def _place(settings: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The section that a dotted path ends in, and its key there."""
    *parents, key = path.split(".")
    return functools.reduce(lambda inside, name: inside[name], parents, settings), key


def _copied(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of which sections can be changed."""
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in plain.items()}


def code_of(experiment: Experiment) -> dict[str, str]:
    """``{module: hash}`` of the code that computes `experiment`, as `vmp.core.fingerprint.code_fingerprints` has it.

    A data set, motion map or backbone that the experiment does not use is no part of it. What reads annotations is
    none either: all that it does shows in the fingerprint of the data.
    """
    return code_fingerprints(optional=KIND_MODULES, used=_modules_of(experiment))


def code_hash(experiment: Experiment) -> str:
    """16 hex digits over `code_of`."""
    return _code_hash(_modules_of(experiment))


@functools.cache
def _code_hash(used: frozenset[str]) -> str:
    return fingerprint(code_fingerprints(optional=KIND_MODULES, used=used))


def _modules_of(experiment: Experiment) -> frozenset[str]:
    """The modules of the kinds that an experiment uses."""
    used = {cls.__module__ for data in data_sets(experiment).values() for cls in type(load_data(data)).__mro__}
    if isinstance(experiment.backbone, DesignedBackbone):
        used.add(experiment.backbone.design.builder.__module__)
    if isinstance(experiment.backbone, CustomBackbone):
        used.add(custom.__name__)
    for section in (experiment.layer, experiment.backbone, experiment.sampling, experiment.train):
        used |= {cls.__module__ for part in _configurations(section) for cls in type(part).__mro__}
    for path in outside_files(experiment).values():
        used |= set(imports_of(path)) if path.suffix == ".py" else set()
    return frozenset(used)


def data_sets(experiment: Experiment) -> dict[str, Any]:
    """The data sets that an experiment trains on, by the dotted path of their settings."""
    transfer = experiment.transfer
    if isinstance(transfer, LearntOn) and experiment.layer.learns:  # else nothing is learnt that could be carried
        return {"data": experiment.data, "transfer.data": transfer.data}
    return {"data": experiment.data}


KIND_MODULES = frozenset(
    {cls.__module__ for table in (DATASETS, MOTIONS) for cls in table.values()}
    | {design.builder.__module__ for design in DESIGNS.values()}
    | {custom.__name__}
)
"""Modules of the kinds that a table lists, one or a few kinds each; the tables import them all."""


def canonical(experiment: Experiment) -> Experiment:
    """The one form of everything that computes the same as `experiment`."""
    for path, neutral in idle_settings(experiment).items():
        experiment = _replaced(experiment, path.split("."), neutral)
    layer, backbone, train = experiment.layer, experiment.backbone, experiment.train
    if isinstance(layer, PromptConfig | AppendedConfig):
        motion = layer.motion.canonical(experiment.sampling.num_frames)
        experiment = _replaced(experiment, ["layer", "motion"], motion)
    normalization = getattr(layer, "normalization", None)
    if isinstance(normalization, SigmoidConfig) and (pair := normalization.start.pair()) is not None:
        experiment = _replaced(experiment, ["layer", "normalization", "start"], FixedStart(m=pair[0], n=pair[1]))
    if layer.has_attention and experiment.regularizer is None:
        experiment = _replaced(experiment, ["regularizer"], RegularizerConfig())
    if isinstance(backbone, DesignedBackbone):
        experiment = _replaced(experiment, ["backbone", "dropout"], backbone.dropout_rate)
    experiment = _replaced(experiment, ["backbone", "freeze"], _freeze(experiment))
    for path, data in data_sets(experiment).items():
        if hasattr(data, "canonical"):
            experiment = _replaced(experiment, path.split("."), data.canonical())
    optimizer = train.optimizer
    if layer.learns and optimizer.prompt_lr is None:
        experiment = _replaced(experiment, ["train", "optimizer", "prompt_lr"], optimizer.lr)
    rate = optimizer.schedule.canonical(train.epochs)
    return _replaced(experiment, ["train", "optimizer", "schedule"], rate)


def idle_settings(experiment: Experiment) -> dict[str, Any]:
    """Dotted paths of settings and sections that do nothing beside the others, with what stands in their place."""
    idle: dict[str, Any] = {}
    layer, regularizer = experiment.layer, experiment.regularizer
    if not layer.has_attention:
        idle["regularizer"] = None
    elif regularizer is not None and regularizer.lambda_ == 0:
        idle |= {"regularizer.schedule": Constant(), "regularizer.weight": Fixed()}
        if isinstance(regularizer.remedy, Relative):
            idle["regularizer.remedy"] = NoRemedy()
    if not layer.learns:
        idle |= {"train.optimizer.prompt_lr": None, "transfer": NoTransfer()}
    if isinstance(layer, PromptConfig):
        idle |= _idle_in_prompt(layer, regularizer)
    freeze = _freeze(experiment)
    if freeze in ("all", "all_but_head"):
        idle["train.optimizer.layer_decay"] = 1.0  # there is no second stage that learns
    if freeze == "all" and isinstance(experiment.backbone, DesignedBackbone):
        idle["backbone.dropout"] = 0.0  # nothing is dropped in what is frozen
    if layer.extra_frames == 0 and hasattr(experiment.sampling, "span"):
        idle["sampling.span"] = "baseline"  # nothing has to be fitted in
    if not experiment.data.has_room and experiment.augment.scale[1] == 1:
        idle["augment.crop"] = "center"
    return idle


def _freeze(experiment: Experiment) -> str:
    """The one form of what is frozen."""
    if experiment.backbone.freeze == "none":
        return "none"
    size = experiment.data.size
    return canonical_freeze(experiment.backbone, num_frames=experiment.sampling.num_frames, size=size)


def _idle_in_prompt(layer: PromptConfig, regularizer: RegularizerConfig | None) -> dict[str, Any]:
    """What the motion map or the normalisation of a prompt makes of settings beside it."""
    idle: dict[str, Any] = {}
    if layer.motion.is_magnitude and isinstance(layer.normalization, SigmoidConfig):
        idle["layer.normalization.signed"] = True
    remedy, at_rest = regularizer.remedy if regularizer else None, layer.normalization.attention_at_rest
    if isinstance(remedy, ClosedAtRest) and at_rest is not None and at_rest <= remedy.ceiling:
        idle["regularizer.remedy"] = NoRemedy()
    return idle


def is_read(experiment: Experiment, path: str) -> bool:
    """Whether the setting at a dotted path, which its kind reads, can change a number of this experiment."""
    return not any(path == idle or path.startswith(f"{idle}.") for idle in idle_settings(experiment))


def outside_files(experiment: Experiment) -> dict[str, Path]:
    """Files outside this package that decide what is computed: a checkpoint, the sources of kinds of one's own."""
    files = experiment.backbone.files()
    for kind in _foreign_kinds(experiment):
        source = foreign_source(kind)
        if source is not None:
            files[kind] = source
    return files


def _foreign_kinds(value: Any) -> Iterator[str]:
    for part in _configurations(value):
        kind = getattr(part, "kind", "")
        if isinstance(kind, str) and ":" in kind:
            yield kind


def _configurations(value: Any) -> Iterator[Any]:
    """A configuration and those that it holds."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if (names := _field_names(type(part))) is not None:
            yield part
            values = [getattr(part, name) for name in names]
            waiting.extend(value for value in values if type(value) not in _PLAIN)


_PLAIN = frozenset({bool, int, float, str, type(None)})


def _names_of_fields(cls: Any) -> tuple[str, ...] | None:
    """The names of a configuration's fields; None for another class."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else None


def _names_by_keys(cls: Any) -> dict[str, str]:
    """The names of a configuration's fields, by the keys that a study file spells them with."""
    return {key_of(cls, name): name for name in _field_names(cls) or ()}


# A study asks the same of each of its arms.
_field_names: Callable[[Any], tuple[str, ...] | None] = functools.cache(_names_of_fields)
_names_by_key: Callable[[Any], dict[str, str]] = functools.cache(_names_by_keys)


def _replaced(section: Any, path: list[str], value: Any) -> Any:
    """`section` with another value at `path`; a path whose kind does not read it changes nothing."""
    names = _names_by_key(type(section))
    if path[0] not in names:
        return section
    name = names[path[0]]
    before = getattr(section, name)
    after = value if len(path) == 1 else _replaced(before, path[1:], value)
    if after is before or (type(after) is type(before) and after == before):
        return section  # each replacement would be validated anew
    return dataclasses.replace(section, **{name: after})
