"""The verdict of a study without a lambda curve: the arm best on validation, and each arm against its reference."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.study.arms import Arm, Kind, reference_for
from analysis.study.cells import Study
from analysis.verdict.decision import Verdict
from analysis.verdict.evidence import Evidence
from analysis.verdict.selection import best_on_validation, ineligible, like_the_best
from vmp.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ArmVerdict(Verdict):
    """Everything decided about the arms of a study.

    Where the reference itself is best, `main` is the comparison of the runner-up with it.

    Attributes:
        reference_kind: ``control`` or ``baseline`` when each arm is compared with one of those; ``None`` when the
            study has neither and its own reference arm stands in.
        has_control: Whether the study can separate attention from merely using the later frames.
    """

    reference_kind: Kind | None
    has_control: bool

    @property
    def reference_is_best(self) -> bool:
        return bool(self.best and self.main and self.main.reference == self.best.arm)


def arm_verdict(evidence: Evidence) -> ArmVerdict:
    """Decide on a study of any factors.

    References: the control with the same other settings where there is one, or else the backbone alone; a study of the
    layer only is compared with the arm that ``study.reference`` names, or with its first planned arm.
    """
    study = evidence.study
    pairs, kind = reference_pairs(study)
    contrasts = evidence.compare(pairs)
    by_arm = {contrast.arm.label: contrast for contrast in contrasts}
    has_vmp = any(arm.kind is Kind.VMP for arm in study.arms)
    candidates = tuple(s for s in evidence.summaries if s.arm.kind is Kind.VMP or not has_vmp)
    best = best_on_validation(evidence, candidates)
    main = by_arm.get(best.arm.label) if best else None
    if best is not None and main is None:
        runner_up = best_on_validation(evidence, [s for s in candidates if s.arm.label in by_arm])
        main = by_arm[runner_up.arm.label] if runner_up else None
    equal, unclear = like_the_best(evidence, [s.arm for s in candidates], best.arm) if best else ((), ())
    return ArmVerdict(
        candidates=candidates,
        contrasts=contrasts,
        best=best,
        main=main,
        equivalent=equal,
        undistinguished=unclear,
        ineligible=ineligible(candidates),
        reference_kind=kind,
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
    factors = study.plan.study.reference
    if factors is None:
        return study.arms[0]
    for arm in study.arms:
        if all(arm.factors.get(name) == value for name, value in factors.items()):
            return arm
    raise InputError(
        f"'{study.path / 'plan.json'}': study.reference is {factors!r} and no planned arm has these factors; "
        f"name factors of one arm, for example {dict(study.arms[0].factors)!r}"
    )
