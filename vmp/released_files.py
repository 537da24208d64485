"""Checkpoints in the form of the authors' released code: slope and shift read out, the backbone in our names.

The released code of Chen et al. (arXiv 2407.03179) trains the TimeSformer of facebookresearch/TimeSformer, with or
without the layer in front, and writes torch files with the keys ``model_state``, ``epoch``, ``cfg`` and
``optimizer_state``. The translation of names is that of transformers' ``convert_timesformer_to_pytorch.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vmp.backbones import transformers
from vmp.backbones.registry import BACKBONES, DESIGNS, BackboneConfig, check_backbone
from vmp.backbones.weights import read_weights
from vmp.core.errors import InputError
from vmp.core.power import SHIFT_LIMIT, SLOPE_RANGE, m_from_slope, n_from_shift
from vmp.core.presets import Pair
from vmp.core.text import count, listing
from vmp.data.notices import shortened_list

PATCH = 16
"""Side of a patch in pixels, of every TimeSformer in the registry."""
OPEN, CLOSED = 0.9, 0.1
"""Attention at D = 0 from which a layer is called open at rest, and up to which closed."""
_OURS = "network.timesformer."
_OUTSIDE = {
    "cls_token": f"{_OURS}embeddings.cls_token",
    "pos_embed": f"{_OURS}embeddings.position_embeddings",
    "time_embed": f"{_OURS}embeddings.time_embeddings",
    "patch_embed.proj": f"{_OURS}embeddings.patch_embeddings.projection",
    "norm": f"{_OURS}layernorm",
    "head": "network.classifier",
}
_IN_BLOCK = {
    "norm1": "layernorm_before",
    "attn.qkv": "attention.attention.qkv",
    "attn.proj": "attention.output.dense",
    "temporal_norm1": "temporal_layernorm",
    "temporal_attn.qkv": "temporal_attention.attention.qkv",
    "temporal_attn.proj": "temporal_attention.output.dense",
    "temporal_fc": "temporal_dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_OF_BACKBONE = re.compile(r"(cls_token|pos_embed|time_embed)$|(patch_embed|norm|head)\.|blocks\.\d+\.")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")

AtRest = Literal["open", "between", "closed"]


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """The tensors of one file.

    Attributes:
        path: The file.
        prefix: What stands in front of the backbone's names, such as ``model.``.
        backbone: The backbone's tensors by the names of facebookresearch/TimeSformer, without the prefix.
        others: All other tensors, by their names in the file.
    """

    path: Path
    prefix: str
    backbone: Mapping[str, Tensor]
    others: Mapping[str, Tensor]

    @property
    def scalars(self) -> list[str]:
        """Names of the other tensors that hold one number: where a layer has its slope and shift."""
        return [name for name, value in self.others.items() if _is_scalar(value)]


@dataclass(frozen=True, kw_only=True)
class ReleasedLayer:
    """The two parameters of a file's layer.

    Attributes:
        slope_name, shift_name: Tensors that they were taken from.
        read_as: What these hold: ``m and n``, or ``slope and shift``.
        pair: m and n, with slope, shift and the attention at rest.
    """

    slope_name: str
    shift_name: str
    read_as: Literal["m and n", "slope and shift"]
    pair: Pair

    @property
    def at_rest(self) -> AtRest:
        """Whether the attention is near 1, near 0 or neither where nothing changes (D = 0)."""
        attention = self.pair.attention_at_zero
        return "open" if attention >= OPEN else "closed" if attention <= CLOSED else "between"


@dataclass(frozen=True, kw_only=True)
class ReleasedBackbone:
    """A file's backbone as one of the registry.

    Attributes:
        config: The backbone's settings.
        frames: Frames that its time embeddings are for: those that reach it, after the layer.
        size: Side of a frame in pixels.
        classes: Length of the logits.
        weights: float32 tensors by the names of the module that `config` builds.
    """

    config: BackboneConfig
    frames: int
    size: int
    classes: int
    weights: Mapping[str, Tensor]

    def weights_for(self, frames: int) -> dict[str, Tensor]:
        """The weights for clips of `frames` frames: another number takes the nearest time embeddings.

        facebookresearch/TimeSformer does so in every forward pass whose clip is not as long as its embeddings.
        """
        name = _OUTSIDE["time_embed"]
        embeddings = self.weights[name].transpose(1, 2)
        resized = torch.nn.functional.interpolate(embeddings, size=frames, mode="nearest").transpose(1, 2)
        return {**self.weights, name: resized}


def read_released(path: Path) -> ReleasedFile:
    """Read a file of the released form; no code of the file is run.

    Raises:
        InputError: The file cannot be read, holds more than tensors and plain values, or no TimeSformer.
    """
    tensors = read_weights(path)
    marks = [name for name in tensors if name == "cls_token" or name.endswith(".cls_token")]
    if len(marks) != 1:
        found = f"has several ({', '.join(marks)})" if marks else f"has none (but {shortened_list(tensors)})"
        raise InputError(
            f"{path}: a TimeSformer of the released code has one tensor called cls_token, and this file {found}"
        )
    prefix = marks[0].removesuffix("cls_token")
    is_backbone = {
        name: name.startswith(prefix) and _OF_BACKBONE.match(name.removeprefix(prefix)) is not None for name in tensors
    }
    return ReleasedFile(
        path=path,
        prefix=prefix,
        backbone={name.removeprefix(prefix): value for name, value in tensors.items() if is_backbone[name]},
        others={name: value for name, value in tensors.items() if not is_backbone[name]},
    )


def read_layer(
    file: ReleasedFile, *, slope_name: str | None = None, shift_name: str | None = None, what: str = "the file"
) -> ReleasedLayer:
    """Slope and shift of a file's layer.

    They are the only two tensors of one element that the backbone does not have, called the same but for an ``m`` and
    an ``n``, or an ``a`` and a ``b``, at the end. Those called a and b may hold slope and shift themselves, or the
    parameters that these are made of, as in the first author's later code: a number that a slope can be, in (9.09, 50],
    with one in (-0.6, 0.6) is taken for slope and shift, anything else for m and n.

    Args:
        file: The file.
        slope_name, shift_name: Names of the two tensors in the file, where they are not plain from the above.
        what: How messages call the file's place on the command line.

    Raises:
        InputError: Which tensors are meant is not clear, a named one is not there or has more than one element, or a
            value is not finite.
    """
    if (slope_name is None) != (shift_name is None):
        raise InputError("--slope-name and --shift-name go together: give both, or neither")
    if slope_name is None or shift_name is None:
        slope_name, shift_name = _pair_of_names(file, what)
    for option, name in (("--slope-name", slope_name), ("--shift-name", shift_name)):
        if name not in file.others or not _is_scalar(file.others[name]):
            candidates = f": these are {shortened_list(file.scalars)}" if file.scalars else ", and it has none"
            raise InputError(
                f"{option} {name}: must name a tensor of one element in {file.path}, beside its backbone{candidates}"
            )
    first, second = (file.others[name].double().item() for name in (slope_name, shift_name))
    for name, value in ((slope_name, first), (shift_name, second)):
        if not math.isfinite(value):
            raise InputError(f"{file.path}: {name} is {value}, which no layer can work with")
    is_slope = SLOPE_RANGE[0] < first <= SLOPE_RANGE[1] and abs(second) < SHIFT_LIMIT
    if is_slope and not (slope_name.endswith("m") and shift_name.endswith("n")):
        pair = Pair(m=m_from_slope(first), n=n_from_shift(second))
        return ReleasedLayer(slope_name=slope_name, shift_name=shift_name, read_as="slope and shift", pair=pair)
    return ReleasedLayer(slope_name=slope_name, shift_name=shift_name, read_as="m and n", pair=Pair(m=first, n=second))


def refuse_layer(file: ReleasedFile, what: str = "WITHOUT") -> None:
    """Raise InputError for a file that should have no layer and has numbers that its backbone does not have."""
    if file.scalars:
        raise InputError(
            f"{what} {file.path} holds {shortened_list(file.scalars)}, of one element and not of its backbone, as a "
            "file with the layer does; give the file that was trained without it"
        )


def fit_backbone(file: ReleasedFile) -> ReleasedBackbone:
    """The backbone of the registry that a file's tensors are those of, with every tensor in its place.

    Width, depth, patch size, frames, frame size and classes are those of the tensors' shapes; the number of attention
    heads shows in no shape and is the registry's (12 for the width 768, as in facebookresearch/TimeSformer).

    Raises:
        InputError: The tensors have the form of no backbone of the registry, one is missing, has another shape, or
            holds numbers that are not finite.
    """
    tensors = file.backbone
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    _check_ranks(file, shapes)
    width, side = shapes["cls_token"][-1], shapes["patch_embed.proj.weight"][-1]
    depth = 1 + max((int(found[1]) for name in tensors if (found := _BLOCK.fullmatch(name))), default=-1)
    frames, classes = shapes["time_embed"][1], shapes["head.weight"][0]
    cells = math.isqrt(max(shapes["pos_embed"][1] - 1, 0))
    kind = next((kind for kind, form in _forms().items() if form == (width, depth)), None)
    if kind is None or side != PATCH or cells**2 + 1 != shapes["pos_embed"][1]:
        known = listing([f"{name} (width {form[0]}, {form[1]} blocks)" for name, form in _forms().items()])
        raise InputError(
            f"{file.path}: holds a TimeSformer of width {width} with {count(depth, 'block')}, patches of {side} pixels "
            f"and {shapes['pos_embed'][1]} position embeddings; the backbones of the registry are {known}, with "
            f"patches of {PATCH} pixels and as many embeddings as patches of a square frame, and one more"
        )
    config, size = BACKBONES[kind](kind=kind), cells * PATCH
    try:
        check_backbone(config, num_classes=classes, num_frames=frames, size=size)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    with torch.random.fork_rng(devices=[]):
        expected = config.build(num_classes=classes, num_frames=frames, size=(size, size)).state_dict()
    theirs = _names(depth)
    assert set(theirs.values()) == set(expected), "the registry's TimeSformer has tensors that have no translation"
    missing = [name for name in theirs if name not in tensors]
    if missing:
        raise InputError(
            f"{file.path}: has no {shortened_list(missing)} ({count(len(missing), 'tensor')} of {len(theirs)} of a "
            f"{kind} missing), so the backbone would not be the one that was trained"
        )
    reshaped = [
        f"{name} {_shape(shapes[name])} instead of {_shape(expected[ours].shape)}"
        for name, ours in theirs.items()
        if shapes[name] != tuple(expected[ours].shape)
    ]
    if reshaped:
        raise InputError(
            f"{file.path}: {count(len(reshaped), 'tensor')} of the backbone {'has' if len(reshaped) == 1 else 'have'} "
            f"another shape than those of a {kind}: {shortened_list(reshaped)}"
        )
    broken = [name for name in theirs if not bool(torch.isfinite(tensors[name]).all())]
    if broken:
        raise InputError(
            f"{file.path}: {shortened_list(broken)} hold numbers that are not finite; the training diverged"
        )
    weights = {ours: tensors[name].float() for name, ours in theirs.items()}
    return ReleasedBackbone(config=config, frames=frames, size=size, classes=classes, weights=weights)


def unused_tensors(file: ReleasedFile, layer: ReleasedLayer | None) -> list[str]:
    """Names of tensors in a file that belong neither to the backbone of the registry nor to the layer."""
    depth = 1 + max((int(found[1]) for name in file.backbone if (found := _BLOCK.fullmatch(name))), default=-1)
    known = _names(depth)
    taken = {layer.slope_name, layer.shift_name} if layer is not None else set()
    beside = [f"{file.prefix}{name}" for name in file.backbone if name not in known]
    return [*beside, *(name for name in file.others if name not in taken)]


def _pair_of_names(file: ReleasedFile, what: str) -> tuple[str, str]:
    """The names of slope and shift, where there is no choice."""
    names = file.scalars
    if not names:
        raise InputError(
            f"{what} {file.path} holds no tensor of one element beside its backbone, so no slope and shift; is it the "
            "file without the layer?"
        )
    for first, second in (names, names[::-1]) if len(names) == 2 else ():
        if first[:-1] == second[:-1] and first[-1] + second[-1] in ("mn", "ab"):
            return first, second
    raise InputError(
        f"{what} {file.path}: which tensors are slope and shift is not clear; of one element, beside the backbone's, "
        f"{'is' if len(names) == 1 else 'are'} {shortened_list(names, 8)}: name them by --slope-name and --shift-name"
    )


def _check_ranks(file: ReleasedFile, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise InputError unless the tensors are there, and have the axes, that the backbone's form is read from."""
    ranks = {"cls_token": 3, "pos_embed": 3, "time_embed": 3, "patch_embed.proj.weight": 4, "head.weight": 2}
    absent = [name for name in ranks if name not in shapes]
    if absent:
        raise InputError(
            f"{file.path}: has no {shortened_list(absent)}, from which the form of the backbone is read; a "
            "TimeSformer with divided space-time attention and a classifier has them"
        )
    for name, rank in ranks.items():
        if len(shapes[name]) != rank:
            raise InputError(f"{file.path}: {name} has the shape {_shape(shapes[name])}, and {rank} axes are expected")


def _forms() -> dict[str, tuple[int, int]]:
    """Width and depth of each TimeSformer of the registry, by kind."""
    return {
        kind: (design.options["hidden"], design.options["layers"])
        for kind, design in DESIGNS.items()
        if design.builder is transformers.build_timesformer
    }


def _names(depth: int) -> dict[str, str]:
    """Names of facebookresearch/TimeSformer -> names of the module that the registry builds, for so many blocks."""
    parts = dict(_OUTSIDE)
    for block in range(depth):
        parts |= {
            f"blocks.{block}.{theirs}": f"{_OURS}encoder.layer.{block}.{ours}" for theirs, ours in _IN_BLOCK.items()
        }
    alone = ("cls_token", "pos_embed", "time_embed")
    return {
        f"{theirs}{ending}": f"{ours}{ending}"
        for theirs, ours in parts.items()
        for ending in (("",) if theirs in alone else (".weight", ".bias"))
    }


def _is_scalar(value: Tensor) -> bool:
    return value.numel() == 1 and value.is_floating_point()


def _shape(shape: Iterable[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
