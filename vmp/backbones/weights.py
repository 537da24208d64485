"""Pretrained weights from a local file, with a report of what fitted and what did not."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vmp.core.errors import InputError
from vmp.core.paths import looked_for

_NESTED = ("model_state", "state_dict", "model", "module")  # where training scripts keep the weights
_STRIPPED = ("module.", "model.", "backbone.", "network.")  # what wrappers put in front of a name
# Names in published files that a library has since changed: transformers' VideoMAE kept these biases apart.
_RENAMED = {
    ".attention.attention.q_bias": ".attention.attention.query.bias",
    ".attention.attention.v_bias": ".attention.attention.value.bias",
}
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class CheckpointReport:
    """Names of the module's tensors that were `loaded`, stayed as they were (`missing`), have another shape in the file
    (`reshaped`), and names in the file that the module does not have (`unused`)."""

    path: Path
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    reshaped: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every tensor of the module was loaded, and every one of the file used."""
        return not (self.missing or self.reshaped or self.unused)

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.reshaped)
        lines = [f"{self.path}: {len(self.loaded)} of {total} tensors loaded"]
        for words, names in (
            ("kept as initialised, not in the file", self.missing),
            ("kept as initialised, another shape in the file", self.reshaped),
            ("in the file, not in the module", self.unused),
        ):
            if names:
                rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                lines.append(f"  {words}: {', '.join(names[:_SHOWN])}{rest}")
        return "\n".join(lines)


def check_is_there(path: Path) -> None:
    """Raise `InputError` unless `path` is a file."""
    if not path.is_file():
        raise InputError(f"checkpoint {looked_for(path)} does not exist. Give a local .safetensors or torch file.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a torch file read with weights_only=True: no code of the file is run.

    Raises: `InputError` if the file is missing, unreadable, or holds no tensors by name.
    """
    check_is_there(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"checkpoint {path} holds more than tensors and is not read, because that could run code. Save "
            "its state_dict alone, best as .safetensors."
        ) from error
    except Exception as error:  # both readers raise errors of their own kinds for damaged files
        raise InputError(f"checkpoint {path} cannot be read: {type(error).__name__}: {error}") from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise InputError(f"checkpoint {path} holds no tensors by name. Save a state_dict.")
    return tensors


def load_checkpoint(module: nn.Module, path: Path) -> CheckpointReport:
    """Copy what fits from a file into `module`, by name and shape, whatever wrappers' prefixes either side carries.

    A classifier for another number of classes does not fit and stays as it was initialised; the report says so.

    Raises: `InputError` if the file cannot be read, or if nothing fits.
    """
    own = module.state_dict()
    tensors = {_bare(name): value for name, value in read_weights(path).items()}
    by_bare = {_bare(name): name for name in own}
    fitting = {by_bare[k]: v for k, v in tensors.items() if k in by_bare and v.shape == own[by_bare[k]].shape}
    reshaped = tuple(by_bare[k] for k, v in tensors.items() if k in by_bare and v.shape != own[by_bare[k]].shape)
    if not fitting:
        theirs, ours = (", ".join(list(names)[:3]) for names in (tensors, by_bare))
        raise InputError(
            f"checkpoint {path} fits nothing in this {type(module).__name__}: it has {theirs}, ..., "
            f"the module has {ours}, .... Choose the backbone that the weights were made for."
        )
    module.load_state_dict(fitting, strict=False)
    return CheckpointReport(
        path=path,
        loaded=tuple(name for name in own if name in fitting),
        missing=tuple(name for name in own if name not in fitting and name not in reshaped),
        reshaped=reshaped,
        unused=tuple(name for name in tensors if name not in by_bare),
    )


def _bare(name: str) -> str:
    while name.startswith(_STRIPPED):
        name = name[next(len(prefix) for prefix in _STRIPPED if name.startswith(prefix)) :]
    ending = next((one for one in _RENAMED if name.endswith(one)), "")
    return name.removesuffix(ending) + _RENAMED.get(ending, "")
