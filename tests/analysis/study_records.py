"""Honest synthetic study folders: numbers drawn from a stated model, written through the record format itself.

The model of a cell's accuracy is ``base + seed effect + arm effect + cell noise``; the seed effect is shared by every
arm, which is what makes pairing by seed worth something. A collapsed cell takes its control's accuracy (plus a little
noise), as a layer with constant attention does. Attention numbers follow the layer's own equations from (m, n).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.records.cell_record import CellRecord, Hardware, Provenance
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import CodeHeader, Plan, PlannedCell, SearchHeader, StudyHeader
from sweeps.records.study_folder import StudyFolder
from vmp.core.fingerprint import fingerprint
from vmp.core.outcome import DataSummary, Hits, Protocol, Scores
from vmp.core.power import attention_of, shift_and_derivative, slope_and_derivative

CLASSES = ["left", "right", "up", "down", "clockwise", "anticlockwise"]
VIDEOS = 10_000  # of each stratum; many, so that counting rounds nothing that matters
COLLAPSE_RULE = "collapsed when the standard deviation of A over the validation clips is below 0.01"


@dataclass(frozen=True)
class ArmModel:
    """One arm of a synthetic study: what its cells will show.

    Attributes:
        factors: As in the plan.
        effect: Added to the base accuracy.
        m, n: Learnt layer parameters (before per-seed noise); ignored without a layer.
        collapsed: Seeds whose attention becomes constant.
        missing, diverged, stopped, failed: Seeds whose cell was not run, went non-finite, was ended early, or died.
    """

    factors: dict[str, Scalar]
    effect: float = 0.0
    m: float = 0.3
    n: float = 0.1
    collapsed: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    diverged: frozenset[int] = frozenset()
    stopped: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class StudyModel:
    """A synthetic study. ``seed_sd`` is shared by the arms, ``cell_sd`` is each cell's own noise.

    Attributes:
        extra: Further fields of the study's header.
        strata: By tag what the test accuracy on its videos has above the overall one.
        classes: By class what prompted arms have above the overall accuracy within it; others have the overall one.
    """

    name: str = "lambda"
    question: str = "Which lambda, and how sensitive is the result to it?"
    arms: Sequence[ArmModel] = ()
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    base: float = 0.60
    seed_sd: float = 0.03
    cell_sd: float = 0.012
    epochs: int = 8
    metric: str = "top1"
    extra: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    strata: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    reason: str = "the loss became non-finite in epoch 3"
    draw: int = 7


def transfer_arms(conditions: Sequence[str], gains: Mapping[tuple[str, str, bool], float]) -> list[ArmModel]:
    """Control, layer, and the layer learnt elsewhere; `gains` by where it was learnt, is used, and whether frozen."""
    arms = []
    for used in conditions:
        here = {"transfer.data.condition": None, "transfer.freeze": None, "data.condition": used}
        arms.append(ArmModel({"prompt": "control", "transfer": None, **here}))
        arms.append(ArmModel({"prompt": "vmp", "transfer": "none", **here}, effect=0.05))
        for learnt, frozen in itertools.product(conditions, (True, False)):
            factors = {"transfer.data.condition": learnt, "transfer.freeze": frozen, "data.condition": used}
            effect = 0.05 + gains.get((learnt, used, frozen), 0.0)
            arms.append(ArmModel({"prompt": "vmp", "transfer": "learnt_on", **factors}, effect=effect))
    return arms


def lambda_arms(
    effects: Mapping[float, float],
    *,
    baseline: float | None = -0.02,
    control: bool = True,
    collapsed: Mapping[float, Sequence[int]] | None = None,
    missing: Mapping[float, Sequence[int]] | None = None,
    diverged: Mapping[float, Sequence[int]] | None = None,
    stopped: Mapping[float, Sequence[int]] | None = None,
    failed: Mapping[float, Sequence[int]] | None = None,
) -> list[ArmModel]:
    """Baseline, control and one VMP arm for each lambda of `effects` (test accuracy above the control)."""
    arms = []
    if baseline is not None:
        arms.append(ArmModel({"prompt": "none", "lambda": None}, effect=baseline))
    if control:
        arms.append(ArmModel({"prompt": "control", "lambda": None}))
    for value, effect in effects.items():
        arms.append(
            ArmModel(
                {"prompt": "vmp", "lambda": value},
                effect=effect,
                m=0.3 + 0.1 * math.log1p(value),
                n=0.1 - 0.05 * math.log1p(value),
                collapsed=frozenset((collapsed or {}).get(value, ())),
                missing=frozenset((missing or {}).get(value, ())),
                diverged=frozenset((diverged or {}).get(value, ())),
                stopped=frozenset((stopped or {}).get(value, ())),
                failed=frozenset((failed or {}).get(value, ())),
            )
        )
    return arms


STARTS = [ArmModel({"prompt": "control", "m": None, "n": None, "lambda": None})]
STARTS += [
    ArmModel(
        {"prompt": "vmp", "m": m, "n": n, "lambda": v},
        effect=0.1 if n > -0.1 else 0.0,
        collapsed=frozenset(range(3) if n < -0.1 else ()),
    )
    for m in (0.1, 1.0)
    for n in (-0.6, -0.3, 0.0, 0.3, 0.6)
    for v in (0, 1)
]
"""Initial slope by shift by lambda, as the study `init`: a shift below 0 collapses in every seed."""


def write_study(path: Path, model: StudyModel) -> StudyFolder:
    """Write plan and cells of `model` below `path`; the same model gives the same bytes."""
    folder = StudyFolder(path)
    folder.create()
    rng = np.random.default_rng(model.draw)
    seed_effect = {seed: rng.normal(0, model.seed_sd) for seed in model.seeds}
    names = list(dict.fromkeys(name for arm in model.arms for name in arm.factors))
    planned: list[PlannedCell] = []
    for arm in model.arms:
        for seed in model.seeds:
            cell_hash = fingerprint({"study": model.name, "factors": arm.factors, "seed": seed})
            planned.append(PlannedCell(hash=cell_hash, factors=arm.factors, seed=seed))
            # Drawn even for cells that are left out, so that taking one away changes no other number.
            noise = rng.normal(0, 1, size=8)
            if seed not in arm.missing:
                folder.write_cell(_cell(model, arm, seed, cell_hash, seed_effect[seed], noise))
    folder.write_plan(
        Plan(
            study=StudyHeader(**{"name": model.name, "question": model.question, "margin": 0.02, **model.extra}),
            factors={n: list(dict.fromkeys(a.factors[n] for a in model.arms if n in a.factors)) for n in names},
            metric=model.metric,
            seeds=list(model.seeds),
            search=SearchHeader(**model.search),
            code=CodeHeader(hash="c0de" * 4, modules={"vmp.layer.base": "1" * 16}),
            data=_data(),
            created="2025-01-01T00:00:00+00:00",
            cells=planned,
        )
    )
    return folder


def _cell(
    model: StudyModel, arm: ArmModel, seed: int, cell_hash: str, seed_effect: float, noise: np.ndarray
) -> CellRecord:
    kind = str(arm.factors.get("prompt", model.settings.get("layer", {}).get("kind", "vmp")))
    common: dict[str, Any] = {
        "hash": cell_hash,
        "factors": arm.factors,
        "seed": seed,
        "settings": {"layer": {"kind": kind}, "train": {"epochs": model.epochs}, **model.settings},
        "data": _data(),
        "protocol": Protocol(sampler="uniform", frames=8, rate=None, views=1, crops=1),
        "collapse_rule": COLLAPSE_RULE,
        "provenance": Provenance(
            engine="local",
            versions={"python": "3.11.9", "torch": "2.14.1", "numpy": "2.4.6"},
            kernel="native",
            code="c0de" * 4,
            commit="0123456789abcdef0123456789abcdef01234567",
            dirty=False,
            hardware=Hardware(cpu="Synthetic CPU", cores=2, memory_gib=8, device="cpu"),
            started=f"2025-01-01T00:{seed % 60:02d}:00+00:00",
            seconds=11.5,
        ),
    }
    if seed in arm.failed:
        return CellRecord(status="failed", reason=model.reason, **common)
    collapsed = seed in arm.collapsed
    effect = 0.0 if collapsed else arm.effect
    scale = 0.3 if collapsed else 1.0
    accuracy = model.base + seed_effect + effect
    val, test = (float(np.clip(accuracy + scale * model.cell_sd * noise[i], 0, 1)) for i in (0, 1))
    layer = _layer(kind, arm, collapsed, noise)
    curves = _curves(model, val, layer)
    if seed in arm.diverged:
        stop = max(2, model.epochs // 2)
        cut: dict[str, list[float | None]] = {name: list(values[:stop]) for name, values in curves.items()}
        cut["train_loss"][-1] = None
        return CellRecord(status="diverged", reason=model.reason, curves=cut, **common)
    if seed in arm.stopped:
        cut = {name: list(values[:2]) for name, values in curves.items()}
        return CellRecord(status="stopped", reason="worse than the median after epoch 2", curves=cut, **common)
    metrics: dict[str, Any] = {
        "train_loss": curves["train_loss"][-1],
        "val_top1": val,
        "val_mean_class": val - 0.005,
        "test_top1": test,
        "test_mean_class": test - 0.005,
        "test_count": 600,
        **layer,
        "collapsed": collapsed if kind == "vmp" else None,
        "lambda": arm.factors.get("lambda") if kind == "vmp" else None,
        "frame_gap_seconds": 0.04,
        "duplicate_frame_ratio": 0.0,
    }
    strata = {
        tag: Hits(correct=round(VIDEOS * float(np.clip(test + shift, 0, 1))), total=VIDEOS)
        for tag, shift in model.strata.items()
    }
    gains = [model.classes.get(name, 0.0) * (kind == "vmp") for name in CLASSES] if model.classes else []
    by_class = [Hits(correct=round(VIDEOS * float(np.clip(test + gain, 0, 1))), total=VIDEOS) for gain in gains]
    scores = {"val": Scores(), "test": Scores(strata=strata, classes=by_class)}
    return CellRecord(status="complete", metrics=metrics, curves=curves, scores=scores, **common)


def _layer(kind: str, arm: ArmModel, collapsed: bool, noise: np.ndarray) -> dict[str, float | None]:
    names = ("variation", "mean_attention", "log_mean_attention", "attention_std", "attention_at_zero")
    parameters = ("slope", "shift", "m", "n")
    if kind == "none":
        return dict.fromkeys((*names, *parameters))
    if kind == "control":
        fixed = {"variation": 0.0, "mean_attention": 1.0, "log_mean_attention": 0.0, "attention_std": 0.0}
        return {**fixed, "attention_at_zero": 1.0, **dict.fromkeys(parameters)}
    m = float(arm.m + 0.03 * noise[2])
    n = float(-2.5 + 0.1 * noise[3] if collapsed else arm.n + 0.04 * noise[3])
    slope, shift = slope_and_derivative(m)[0], shift_and_derivative(n)[0]
    difference = np.random.default_rng(3).normal(0, 0.05, size=400)
    attention = 1 / (1 + np.exp(-slope * (difference - shift)))
    return {
        "variation": float(np.mean(np.diff(attention) ** 2)),
        "mean_attention": float(attention.mean()),
        "log_mean_attention": float(np.log(attention.mean())),
        "attention_std": float(attention.std()),
        "attention_at_zero": attention_of(0.0, slope, shift),
        "slope": float(slope),
        "shift": float(shift),
        "m": float(m),
        "n": float(n),
    }


def _curves(model: StudyModel, val: float, layer: Mapping[str, float | None]) -> dict[str, list[float | None]]:
    epochs = np.arange(1, model.epochs + 1)
    progress = 1 - np.exp(-3 * epochs / model.epochs)
    chance = 1 / len(CLASSES)
    rising = [float(chance + (val - chance) * p / progress[-1]) for p in progress]
    falling = [float(1.8 - 1.3 * p) for p in progress]
    curves: dict[str, list[float | None]] = {
        "epoch": [int(e) for e in epochs],
        "train_loss": list(falling),
        "task_loss": list(falling),
        "train_top1": [min(1.0, v + 0.03) for v in rising],
        "val_top1": list(rising),
        "val_mean_class": [v - 0.005 for v in rising],
        "lr": [0.003] * model.epochs,
        "collapsed": [None] * model.epochs,
    }
    start = {"slope": 34.0, "shift": 0.0, "m": 0.1, "n": 0.0, "attention_at_zero": 0.5, "mean_attention": 0.5}
    start |= {"variation": 0.05, "attention_std": 0.2}
    for name, first in start.items():
        last = layer[name]
        curves[name] = [None if last is None else float(first + (last - first) * p / progress[-1]) for p in progress]
    return curves


def _data() -> DataSummary:
    return DataSummary(
        name="moving-textures",
        hash="da7a" * 4,
        splits={"train": 800, "val": 200, "test": 600},
        classes=CLASSES,
        decodable=1200,
    )
