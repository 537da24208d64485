"""The spelling of 0.1.0: study files, --set keys and factor names written for it are read, with a sentence for each.

There a section was flat (``sampling: {strategy: dense}``); now each choice among kinds is a section of its own
(``sampling: {kind: dense}``), and what a kind does not read is no key of it.
"""

from __future__ import annotations

from typing import Any

from vmp.core.config import Choice, keys_of
from vmp.core.overrides import NotReadError, get, kinds_first, put
from vmp.data.sampling import SAMPLERS
from vmp.experiment import Settings

_START = "layer.normalization.start"
_RENAMED = {
    "sampling.strategy": "sampling.kind",
    "backbone.name": "backbone.kind",
    "layer.prompt": "layer.kind",
    "layer.channel_order": "layer.motion.channel_order",
    "layer.compensation": "layer.motion.kind",
    "layer.m": f"{_START}.m",
    "layer.n": f"{_START}.n",
    "layer.slope": f"{_START}.slope",
    "layer.shift": f"{_START}.shift",
    "layer.init": f"{_START}.kind",
    "layer.preset": f"{_START}.name",
    "layer.learn_slope": "layer.normalization.learn_slope",
    "layer.learn_shift": "layer.normalization.learn_shift",
    "layer.signed": "layer.normalization.signed",
    "layer.sharing": "layer.normalization.sharing",
    "layer.parameter": "layer.normalization.value",
    "layer.learn_parameter": "layer.normalization.learn",
    "train.lambda": "regularizer.lambda",
    "train.optimizer.name": "train.optimizer.kind",
    "train.optimizer.milestones": "train.optimizer.schedule.milestones",
    "train.optimizer.gamma": "train.optimizer.schedule.gamma",
    "train.optimizer.warmup_epochs": "train.optimizer.schedule.warmup_epochs",
    "regularizer.warmup": "regularizer.schedule.share",
    "regularizer.adaptive": "regularizer.weight.kind",
    "regularizer.every": "regularizer.weight.every",
    "regularizer.most": "regularizer.weight.max_weight",
    "regularizer.spread_floor": "regularizer.remedy.floor",
    "regularizer.spread_weight": "regularizer.remedy.weight",
    "regularizer.rest_ceiling": "regularizer.remedy.ceiling",
    "regularizer.rest_weight": "regularizer.remedy.weight",
}
# Values that are called otherwise now, by their old path.
_VALUES = {
    ("regularizer.adaptive", "none"): "fixed",
    ("regularizer.remedy", "spread_floor"): "std_floor",
    ("layer.compensation", "none"): "frame_difference",
    ("layer.compensation", "translation"): "compensated_difference",
}
# A section that was a name: there it may stay one.
_NAMES = (
    "layer.motion",
    "layer.normalization",
    "train.optimizer.schedule",
    "regularizer.schedule",
    "regularizer.remedy",
)


def new_path(path: str) -> str:
    """How a dotted path of 0.1.0 is written now; any other path as it is."""
    return f"{path}.kind" if path in _NAMES else _RENAMED.get(path, path)


def new_value(path: str, value: Any) -> Any:
    """What a value under a dotted path of 0.1.0 is called now."""
    return _VALUES.get((path, value), value) if isinstance(value, str) else value


def new_settings(path: str, value: Any) -> dict[str, Any]:
    """One setting of 0.1.0 as it is written now: dotted paths and values."""
    if path == "backbone.name" and ":" in str(value):
        return {"backbone.kind": "custom", "backbone.factory": value}
    if path == "layer.preset":
        return {f"{_START}.kind": "preset", f"{_START}.name": value}
    return {(path if path in _NAMES else new_path(path)): new_value(path, value)}


def translate(plain: dict[str, Any]) -> list[str]:
    """Rewrite a study's plain content in place; returns a sentence for each thing that was spelled the old way."""
    notes: list[str] = []
    _translate_factors(plain, notes)
    is_old_sampling = isinstance(plain.get("sampling"), dict) and "kind" not in plain["sampling"]
    found = {old: value for old in _RENAMED if (value := _taken(plain, old)) is not None}
    if isinstance(plain.get("layer"), dict):
        plain["layer"].pop("maps", None)
        if plain["layer"].get("normalization") == "constant":
            plain["layer"] = {key: v for key, v in plain["layer"].items() if key == "prompted_frame"}
            found = {old: value for old, value in found.items() if not old.startswith("layer.")} | {
                "layer.prompt": "control"
            }
    if is_old_sampling or "sampling.strategy" in found:
        _choose_sampler(plain, found, notes)
    regularizer = plain.get("regularizer")
    if isinstance(regularizer, dict) and "remedy" in regularizer:
        regularizer["remedy"] = new_value("regularizer.remedy", regularizer["remedy"])
    settings = {path: (old, value) for old in found for path, value in new_settings(old, found[old]).items()}
    for path in kinds_first(settings):
        old, value = settings[path]
        try:
            put(Settings, plain, path, value)
            notes.append(f"{old} is now written {path}: {value!r}")
        except NotReadError as error:
            notes.append(f"{old} did nothing here and is ignored: {error}")
    return notes


def _translate_factors(plain: dict[str, Any], notes: list[str]) -> None:
    factors = plain.get("factors")
    if not isinstance(factors, dict):
        return
    for name in list(factors):
        path = new_path(name)
        if path != name:
            values = factors[name]
            values = [new_value(name, value) for value in values] if isinstance(values, list) else values
            plain["factors"] = factors = {path if key == name else key: factors[key] for key in factors} | {
                path: values
            }
            notes.append(f"the factor {name} is now called {path}")


def _choose_sampler(plain: dict[str, Any], found: dict[str, Any], notes: list[str]) -> None:
    """Old sections held what any sampler reads: keep what the chosen one, or one of the study's factor, reads."""
    section, choice = plain["sampling"], Choice(SAMPLERS, "sampler")  # which finds kinds of one's own, too
    kind = found.get("sampling.strategy", "uniform")
    factors: Any = plain.get("factors") or {}
    kinds = factors.get("sampling", factors.get("sampling.kind", []))
    extra = {key for key in section if key not in keys_of(SAMPLERS["uniform"])} - {"strategy"}
    reading = [k for k in (kind, *kinds) if extra <= set(keys_of(choice.find(str(k))))]
    if extra and reading:
        found["sampling.strategy"] = reading[0]
    elif extra:
        for key in extra - set(keys_of(choice.find(str(kind)))):
            del section[key]
            notes.append(f"sampling.{key} did nothing for the sampler {kind!r} and is ignored")


def _taken(plain: dict[str, Any], path: str) -> Any:
    """The value at an old path, removed from there; None where there is none."""
    *parents, last = path.split(".")
    section = get(plain, ".".join(parents))
    return section.pop(last) if isinstance(section, dict) and last in section else None
