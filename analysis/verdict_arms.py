"""The verdict of a study without a lambda curve: the arm best on validation, and each arm against its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.arms import Arm, Kind, reference_for
from analysis.completeness import Completeness, completeness
from analysis.outcome import Contrast, Outcome, compare, like_the_best
from analysis.selection import best_on_validation
from analysis.summary import ArmSummary, summarise
from analysis.table import Study
from sweeps.record import RecordError


@dataclass(frozen=True, kw_only=True)
class ArmVerdict:
    """Everything decided about the arms of a study.

    Attributes:
        study, metric_name, planned_seeds, margin, completeness: As in `analysis.verdict.LambdaVerdict`.
        reference_kind: ``control`` or ``baseline`` when each arm is compared with one of those; ``None`` when the
            study has neither and its own reference arm stands in.
        summaries: Every arm, in the plan's order.
        contrasts: Each compared arm against its reference on test, one family, in the plan's order.
        best: The candidate arm with the best validation mean, ``None`` while fewer than 2 common seeds exist.
        main: The best arm's contrast; of the runner-up to the reference when the reference itself is best.
        equivalent, undistinguished: Other candidates that are practically equal to the best on test, and those not told
            apart from it (see `analysis.outcome.like_the_best`).
        has_control: Whether the study can tell attention from merely using the later frames.
    """

    study: str
    metric_name: str
    planned_seeds: int
    margin: float
    completeness: Completeness
    reference_kind: Kind | None
    summaries: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    best: ArmSummary | None
    main: Contrast | None
    equivalent: tuple[Arm, ...]
    undistinguished: tuple[Arm, ...]
    has_control: bool
    confirmed: bool = False

    @property
    def outcome(self) -> Outcome:
        return self.main.outcome if self.best and self.main else Outcome.UNKNOWN

    @property
    def reference_is_best(self) -> bool:
        return bool(self.best and self.main and self.main.reference == self.best.arm)


def arm_verdict(study: Study) -> ArmVerdict:
    """Judge a study of any factors.

    References: the control with the same other settings where there is one, else the backbone alone; a study of the
    layer only is compared with the arm that ``study.reference`` names, or with its first planned arm.
    """
    pairs, kind = reference_pairs(study)
    contrasts = tuple(compare(study, pairs, study.test))
    by_arm = {contrast.arm.label: contrast for contrast in contrasts}
    summaries = tuple(
        summarise(study, arm, by_arm.get(arm.label) if kind is Kind.CONTROL else None) for arm in study.arms
    )
    has_vmp = any(arm.kind is Kind.VMP for arm in study.arms)
    candidates = [s for s in summaries if s.arm.kind is Kind.VMP or not has_vmp]
    chosen = best_on_validation(study, candidates)
    best = next((s for s in summaries if s.arm == chosen), None)
    main = by_arm.get(chosen.label) if chosen else None
    if chosen is not None and main is None and contrasts:
        runner_up = best_on_validation(study, [s for s in candidates if s.arm.label in by_arm])
        main = by_arm.get(runner_up.label) if runner_up else None
    equal, unclear = like_the_best(study, [s.arm for s in candidates], chosen) if chosen else ([], [])
    return ArmVerdict(
        study=study.name,
        metric_name=study.metric_name,
        planned_seeds=len(study.plan.seeds),
        margin=study.margin,
        completeness=completeness(study),
        reference_kind=kind,
        summaries=summaries,
        contrasts=contrasts,
        best=best,
        main=main,
        equivalent=tuple(equal),
        undistinguished=tuple(unclear),
        has_control=any(arm.kind is Kind.CONTROL for arm in study.arms),
    )


def reference_pairs(study: Study) -> tuple[list[tuple[Arm, Arm]], Kind | None]:
    """The (arm, reference) pairs that answer the study's question, and the kind of their reference."""
    vmp = [arm for arm in study.arms if arm.kind is Kind.VMP]
    for kind in (Kind.CONTROL, Kind.BASELINE):
        pairs = [(arm, other) for arm in vmp if (other := reference_for(arm, study.arms, kind))]
        if pairs:
            return pairs, kind
    reference = _own_reference(study)
    return [(arm, reference) for arm in study.arms if arm != reference], None


def _own_reference(study: Study) -> Arm:
    named = study.plan.study.get("reference")
    if named is None:
        return study.arms[0]
    if isinstance(named, Mapping):
        for arm in study.arms:
            if all(arm.factors.get(name) == value for name, value in named.items()):
                return arm
    raise RecordError(
        f"'{study.path / 'plan.json'}': study.reference is {named!r} and no planned arm has these factors; "
        "name factors of one arm, for example " + repr(dict(study.arms[0].factors))
    )
