"""Honest synthetic study folders: numbers drawn from a stated model, written through the record format itself.

The model of a cell's accuracy is ``base + seed effect + arm effect + cell noise``; the seed effect is shared by every
arm, which is what makes pairing by seed worth something. A collapsed cell takes its control's accuracy (plus a little
noise), as a layer with constant attention does. Attention numbers follow the layer's own equations from (m, n).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.record import CellRecord, Plan, PlannedCell, Scalar, StudyFolder, fingerprint

CLASSES = ["left", "right", "up", "down", "clockwise", "anticlockwise"]
COLLAPSE_RULE = "collapsed when the standard deviation of A over the validation clips is below 0.01"


@dataclass(frozen=True)
class ArmModel:
    """One arm of a synthetic study: what its cells will show.

    Attributes:
        factors: As in the plan.
        effect: Added to the base accuracy.
        m, n: Learnt layer parameters (before per-seed noise); ignored without a layer.
        collapsed: Seeds whose attention becomes constant.
        missing, diverged, failed: Seeds whose cell was not run, went non-finite, or died.
    """

    factors: dict[str, Scalar]
    effect: float = 0.0
    m: float = 0.3
    n: float = 0.1
    collapsed: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    diverged: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class StudyModel:
    """A synthetic study. ``seed_sd`` is shared by the arms, ``cell_sd`` is each cell's own noise."""

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
    search: Mapping[str, Any] = field(default_factory=lambda: {"method": "grid"})
    settings: Mapping[str, Any] = field(default_factory=dict)
    reason: str = "the loss became non-finite in epoch 3"
    draw: int = 7


def lambda_arms(
    effects: Mapping[float, float],
    *,
    baseline: float | None = -0.02,
    control: bool = True,
    collapsed: Mapping[float, Sequence[int]] | None = None,
    missing: Mapping[float, Sequence[int]] | None = None,
    diverged: Mapping[float, Sequence[int]] | None = None,
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
                failed=frozenset((failed or {}).get(value, ())),
            )
        )
    return arms


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
            study={"name": model.name, "question": model.question, **model.extra},
            factors={n: list(dict.fromkeys(a.factors[n] for a in model.arms if n in a.factors)) for n in names},
            metric=model.metric,
            seeds=list(model.seeds),
            search=dict(model.search),
            code={"hash": "c0de" * 4, "files": {"vmp/layer/base.py": "1" * 16}},
            data=_data(),
            created="2025-01-01T00:00:00+00:00",
            cells=planned,
        )
    )
    return folder


def _cell(
    model: StudyModel, arm: ArmModel, seed: int, cell_hash: str, seed_effect: float, noise: np.ndarray
) -> CellRecord:
    prompt = arm.factors.get("prompt", model.settings.get("layer", {}).get("prompt", "vmp"))
    common: dict[str, Any] = {
        "hash": cell_hash,
        "factors": arm.factors,
        "seed": seed,
        "settings": {
            "data": {},
            "sampling": {"num_frames": 8},
            "backbone": {"name": "slow_tiny"},
            "layer": {"prompt": prompt},
            "train": {"epochs": model.epochs, "lambda": arm.factors.get("lambda")},
            **model.settings,
        },
        "data": {
            **_data(),
            "decodable": 1200,
            "excluded": [],
            "protocol": {"views": 1, "crops": 1},
            "collapse_rule": COLLAPSE_RULE,
        },
        "provenance": {
            "versions": {"python": "3.11.9", "torch": "2.14.1", "numpy": "2.4.6"},
            "code": "c0de" * 4,
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "hardware": {"cpu": "Synthetic CPU", "cores": 2, "memory_gib": 8.0, "device": "cpu"},
            "started": f"2025-01-01T00:{seed % 60:02d}:00+00:00",
            "seconds": 11.5,
            "engine": "local",
            "seed_streams": {"init": seed * 10, "order": seed * 10 + 1},
        },
    }
    if seed in arm.failed:
        return CellRecord(status="failed", reason=model.reason, **common)
    collapsed = seed in arm.collapsed
    effect = 0.0 if collapsed else arm.effect
    scale = 0.3 if collapsed else 1.0
    accuracy = model.base + seed_effect + effect
    val, test = (float(np.clip(accuracy + scale * model.cell_sd * noise[i], 0, 1)) for i in (0, 1))
    layer = _layer(prompt, arm, collapsed, noise)
    curves = _curves(model, val, layer)
    if seed in arm.diverged:
        stop = max(2, model.epochs // 2)
        cut: dict[str, list[float | None]] = {name: list(values[:stop]) for name, values in curves.items()}
        cut["train_loss"][-1] = None
        return CellRecord(status="diverged", reason=model.reason, curves=cut, **common)
    metrics: dict[str, Scalar] = {
        "train_loss": curves["train_loss"][-1],
        "val_top1": val,
        "val_mean_class": val - 0.005,
        "test_top1": test,
        "test_mean_class": test - 0.005,
        "test_count": 600,
        **layer,
        "collapsed": collapsed if prompt == "vmp" else None,
        "lambda": arm.factors.get("lambda") if prompt == "vmp" else None,
        "frame_gap_seconds": 0.04,
        "duplicate_frame_ratio": 0.0,
    }
    return CellRecord(status="complete", metrics=metrics, curves=curves, **common)


def _layer(prompt: Scalar, arm: ArmModel, collapsed: bool, noise: np.ndarray) -> dict[str, float | None]:
    names = ("variation", "mean_attention", "log_mean_attention", "attention_std", "attention_at_zero")
    parameters = ("slope", "shift", "m", "n")
    if prompt == "none":
        return dict.fromkeys((*names, *parameters))
    if prompt == "control":
        fixed = {"variation": 0.0, "mean_attention": 1.0, "log_mean_attention": 0.0, "attention_std": 0.0}
        return {**fixed, "attention_at_zero": 1.0, **dict.fromkeys(parameters)}
    m = arm.m + 0.03 * noise[2]
    n = -2.5 + 0.1 * noise[3] if collapsed else arm.n + 0.04 * noise[3]
    slope, shift = 5 / (0.45 * abs(math.tanh(m)) + 0.1), 0.6 * math.tanh(n)
    difference = np.random.default_rng(3).normal(0, 0.05, size=400)
    attention = 1 / (1 + np.exp(-slope * (difference - shift)))
    return {
        "variation": float(np.mean(np.diff(attention) ** 2)),
        "mean_attention": float(attention.mean()),
        "log_mean_attention": float(np.log(attention.mean())),
        "attention_std": float(attention.std()),
        "attention_at_zero": float(1 / (1 + np.exp(slope * shift))),
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
    }
    start = {"slope": 34.0, "shift": 0.0, "m": 0.1, "n": 0.0, "attention_at_zero": 0.5, "mean_attention": 0.5}
    start |= {"variation": 0.05, "attention_std": 0.2}
    for name, first in start.items():
        last = layer[name]
        curves[name] = [None if last is None else float(first + (last - first) * p / progress[-1]) for p in progress]
    return curves


def _data() -> dict[str, Any]:
    return {
        "hash": "da7a" * 4,
        "name": "moving-textures",
        "splits": {"train": 800, "val": 200, "test": 600},
        "classes": CLASSES,
    }
