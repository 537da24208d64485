"""The arms of a study: what each configuration is called, what kind it is, and what it may fairly be compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from sweeps.questions import BASELINE, CONTROL, PROMPT, PROMPTED, block_names, matches, training_key
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import Plan
from vmp.core.fingerprint import canonical_json

LAMBDA = "lambda"


class Kind(StrEnum):
    """What an arm does with the frames: nothing, attention fixed at 1 on the later frames, or the layer.

    Other tools' results are of `OTHER` kind unless they say: nothing is known of their arms but their settings.
    """

    BASELINE = "baseline"
    CONTROL = "control"
    VMP = "vmp"
    OTHER = "other"


IN_SHORT = {Kind.BASELINE: "the backbone alone", Kind.CONTROL: "the control", Kind.VMP: "the reference",
            Kind.OTHER: "the reference"}  # fmt: skip
"""A reference arm by its kind, in the middle of a sentence."""
_KIND_OF_PROMPT = {BASELINE: Kind.BASELINE, CONTROL: Kind.CONTROL, PROMPTED: Kind.VMP, Kind.OTHER: Kind.OTHER}
_KIND_NAME = {Kind.BASELINE: "backbone alone", Kind.CONTROL: "control (A = 1)", Kind.VMP: "VMP",
              Kind.OTHER: "the only setting"}  # fmt: skip


_AT_BASE = "the base settings"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One configuration of a study.

    Attributes:
        label: Unique in its study, for people: ``"λ = 0.1"``, ``"control (A = 1)"``.
        kind: Baseline, control or VMP.
        factors: The plan's factors of this arm; ``None`` where one does not apply.
        order: Position in the plan, from 0.
        parts: What the label is joined of: a factor, or an empty text for none, and how it is written.
    """

    label: str
    kind: Kind
    factors: Mapping[str, Scalar] = field(hash=False)
    order: int
    parts: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def lambda_(self) -> float | None:
        """The arm's planned lambda (>= 0), or ``None`` when it is not varied or does not apply."""
        value = self.factors.get(LAMBDA)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    @cached_property
    def training(self) -> str:
        """What it trains, as a key: arms that differ in how they are tested alone share the runs that may collapse."""
        return training_key(self.factors)

    def block(self, names: Sequence[str]) -> tuple[Scalar, ...]:
        """The arm's values of `names`, in that order."""
        return tuple(self.factors.get(name) for name in names)

    def label_without(self, names: Sequence[str]) -> str:
        """The label without the factors `names`, where a sentence or a heading has named their values already."""
        return ", ".join(text for name, text in self.parts if name not in names) or "VMP"


def arms_of(plan: Plan, fixed_prompt: str | None = None) -> tuple[Arm, ...]:
    """The distinct arms of `plan`, in its order.

    Args:
        plan: The study's plan.
        fixed_prompt: The layer's prompt where the study does not vary it (``"vmp"`` when unknown: a study of the
            layer's own settings has nothing else to vary), or `Kind.OTHER` for arms that are not known to have a layer.
    """
    distinct = plan.arms()
    names = list(dict.fromkeys(name for factors in distinct.values() for name in factors))
    values = {name: [factors.get(name) for factors in distinct.values()] for name in names}
    written = {name: _spellings(values[name]) for name in names}
    varied = [name for name in names if len(written[name]) > 1]
    base = _first_base(plan)
    blocks = block_names(list(distinct.values()), list(plan.factors), plan.study.blocks)
    arms: list[Arm] = []
    for order, factors in enumerate(distinct.values()):
        kind = _KIND_OF_PROMPT.get(str(factors.get(PROMPT, fixed_prompt or PROMPTED)), Kind.VMP)
        at_base = {n for n in base if matches(factors, {n: base[n]})}
        applied = [n for n in varied if factors.get(n) is not None and n not in at_base]
        applied = [n for n in applied if n != PROMPT or str(factors[n]) not in _KIND_OF_PROMPT]
        parts = [(n, f"{factor_name(n)} = {written[n][canonical_json(factors[n])]}") for n in applied]
        if base and kind is Kind.VMP and not any(name in base for name in applied):
            parts.append(("", _AT_BASE))  # after the block's own
        is_all_block = kind is Kind.VMP and not base and all(name in blocks for name in applied)
        if kind in (Kind.BASELINE, Kind.CONTROL) or is_all_block or not parts:
            parts.insert(0, ("", _KIND_NAME[kind]))
        label = ", ".join(text for _, text in parts)
        arms.append(Arm(label=label, kind=kind, factors=dict(factors), order=order, parts=tuple(parts)))
    return tuple(_distinct_labels(arms))


def _first_base(plan: Plan) -> Mapping[str, Scalar]:
    """The first base of a one-at-a-time design, by whose changes arms are named; empty for another design."""
    design = plan.study.design
    bases = design.settings.get("base") if design is not None and design.kind == "one_at_a_time" else None
    base = bases[0] if isinstance(bases, list) and bases else bases
    return base if isinstance(base, dict) else {}  # type: ignore[return-value]


def value_text(value: Scalar) -> str:
    """One factor value for people: ``0.1``, ``on``, ``uniform``; an en dash where it does not apply."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def factor_name(name: str) -> str:
    """A factor's name for people."""
    return "λ" if name == LAMBDA else name


def _spellings(values: Sequence[Scalar]) -> dict[str, str]:
    """Each distinct value in as few digits as keep them distinct (a search proposes 0.12345678 and 0.12345679)."""
    distinct = {canonical_json(value): value for value in values}
    texts: dict[str, str] = {}
    for digits in (4, 6, 9, 17):
        texts = {
            key: f"{value:.{digits}g}" if isinstance(value, float) else value_text(value)
            for key, value in distinct.items()
        }
        if len(set(texts.values())) == len(texts):
            break
    return texts


def _distinct_labels(arms: Sequence[Arm]) -> list[Arm]:
    """Number the labels that still coincide (text factors can be spelt like numbers)."""
    labels = Counter(arm.label for arm in arms)
    return [arm if labels[arm.label] == 1 else _numbered(arm) for arm in arms]


def _numbered(arm: Arm) -> Arm:
    number = f" (arm {arm.order + 1})"
    *first, (name, text) = arm.parts
    return replace(arm, label=arm.label + number, parts=(*first, (name, text + number)))
