"""One contract for everything that is chosen by its kind: samplers, motion maps, optimisers, backbones, data sets."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest

from vmp.backbones.registry import BACKBONES
from vmp.core.config import Choice, default_of, from_plain, part_of, to_plain
from vmp.core.errors import InputError
from vmp.core.overrides import put
from vmp.data.registry import DATASETS
from vmp.data.sampling import SAMPLERS
from vmp.experiment import Experiment
from vmp.identity import identity
from vmp.layer.config import LAYERS
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS
from vmp.layer.starts import STARTS
from vmp.training.optim import OPTIMIZERS, RATES
from vmp.training.regularizers import REMEDIES, SCHEDULES, WEIGHTS

# where a study file chooses it -> the table
TABLES: dict[str, dict[str, Any]] = {
    "data": DATASETS,
    "sampling": SAMPLERS,
    "backbone": BACKBONES,
    "layer": LAYERS,
    "layer.motion": MOTIONS,
    "layer.normalization": NORMALIZATIONS,
    "layer.normalization.start": STARTS,
    "train.optimizer": OPTIMIZERS,
    "train.optimizer.schedule": RATES,
    "regularizer.schedule": SCHEDULES,
    "regularizer.weight": WEIGHTS,
    "regularizer.remedy": REMEDIES,
}
REQUIRED = {
    "train": "train.txt",
    "milestones": [1],
    "name": "authors_code",
    "path": "somewhere",
    "annotations": "elsewhere",
    "factory": "tests.vmp.test_kinds:factory",
}
ENTRIES = [(path, kind) for path, table in TABLES.items() for kind in table]


def choice_at(path: str) -> Choice:
    """The choice that a study file offers under a dotted path."""
    owner: Any = Experiment
    for part in path.split("."):
        owner, choice = part_of(owner, part)  # type: ignore[misc]
        owner = choice.find(choice.default or next(iter(choice.table))) if choice else owner
    assert isinstance(choice, Choice)
    return choice


def minimal(cls: Any, kind: str) -> dict[str, Any]:
    """The least that a study file must say to get this kind."""
    needed = [f.name for f in dataclasses.fields(cls) if default_of(cls, f) is dataclasses.MISSING or _required(cls, f)]
    return {"kind": kind} | {name: REQUIRED[name] for name in needed if name != "kind"}


def _required(cls: Any, field: dataclasses.Field[Any]) -> bool:
    return bool(cls.__pydantic_fields__[field.name].is_required())


@pytest.mark.parametrize(("path", "kind"), ENTRIES)
def test_every_entry_keeps_the_protocol(path: str, kind: str) -> None:
    cls, choice = TABLES[path][kind], choice_at(path)
    assert choice.table is TABLES[path]
    assert typing.get_args(cls.__pydantic_fields__["kind"].annotation) == (kind,), "its kind is its key"
    assert cls.__doc__ is not None
    assert cls.__doc__.strip().split("\n\n")[0].endswith(".") or "::" in cls.__doc__, "its docstring is a sentence"
    plain = minimal(cls, kind)
    made = choice.validate(plain)
    assert type(made) is cls
    assert choice.validate(to_plain(made)) == made
    assert choice.validate(to_plain(made, defaults=False)) == made
    if len(plain) == 1:
        assert choice.validate(kind) == made, "the name alone will do"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.kind = "other"
    with pytest.raises(InputError, match="is an unknown key"):
        choice.validate(plain | {"no_such_setting": 1})


@pytest.mark.parametrize("path", TABLES)
def test_a_mistyped_kind_names_the_nearest_and_lists_all(path: str) -> None:
    first = next(iter(TABLES[path]))
    with pytest.raises(InputError, match=rf"Did you mean '{first}'\? Valid: .*{first}"):
        choice_at(path).validate({"kind": f"{first}x"})


OWN = '''
from typing import Literal
import vmp
from vmp.core.config import config
from vmp.data.sampling import Uniform

@config
class Last(Uniform):
    """The last frames of a video."""
    kind: str = "own_sampler:Last"
    back: int = 1

    def indices(self, r):
        return super().indices(r) - 0
'''


def test_a_kind_of_ones_own_is_named_by_its_path_and_its_source_belongs_to_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_sampler.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    plain: dict[str, Any] = {"data": {"kind": "motion", "train": 6, "val": 6, "test": 6}}
    put(Experiment, plain, "sampling.kind", "own_sampler:Last")
    put(Experiment, plain, "sampling.back", 2)
    experiment = from_plain(Experiment, plain, source="test")
    assert to_plain(experiment.sampling) == {"kind": "own_sampler:Last", "num_frames": 8, "back": 2}
    before = identity(experiment)
    (tmp_path / "own_sampler.py").write_text(OWN.replace("- 0", "- 1"))
    assert identity(experiment) != before
    with pytest.raises(InputError, match="has no 'First'"):
        put(Experiment, plain, "sampling.kind", "own_sampler:First")
