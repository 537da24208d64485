"""Which lambda, and does VMP help: what is decided about a curve over lambda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.study.arms import LAMBDA, PROMPT, Arm, Kind, reference_for, value_text
from analysis.study.cells import Study
from analysis.verdict.contrasts import Contrast
from analysis.verdict.decision import Verdict
from analysis.verdict.evidence import Evidence
from analysis.verdict.selection import best_on_validation, ineligible, like_the_best, within_one_se
from analysis.verdict.summaries import ArmSummary
from sweeps.record import Scalar

MAX_BLOCKS = 12


@dataclass(frozen=True, kw_only=True)
class LambdaVerdict(Verdict):
    """Everything decided about lambda in one block (one setting of all other factors).

    The candidates are the curve, by rising lambda; `contrasts` has one comparison for each of them, in that order, or
    none where the study has neither control nor baseline.

    Attributes:
        control, baseline: The reference arms' summaries, where the study has them.
        one_se: Smallest lambda within one paired standard error of the best, on validation.
        against_baseline: The best lambda against the backbone alone, where the control is the main reference.
        against_zero: The best lambda against lambda = 0, the layer without regulariser.
        control_against_baseline: What the later frames alone do.
    """

    control: ArmSummary | None
    baseline: ArmSummary | None
    one_se: float | None
    against_baseline: Contrast | None
    against_zero: Contrast | None
    control_against_baseline: Contrast | None

    @property
    def points(self) -> tuple[tuple[float, ArmSummary, Contrast | None], ...]:
        """The curve: (lambda, summary, comparison with the main reference)."""
        contrasts = self.contrasts or (None,) * len(self.candidates)
        return tuple((lambda_of(s.arm), s, c) for s, c in zip(self.candidates, contrasts, strict=True))

    @property
    def best_lambda(self) -> float | None:
        return lambda_of(self.best.arm) if self.best else None


def lambda_of(arm: Arm) -> float:
    """The lambda of an arm on a curve."""
    return arm.lambda_ or 0.0


def lambda_verdicts(evidence: Evidence) -> tuple[LambdaVerdict, ...]:
    """The verdict on each block of a lambda study; empty when the study is not about lambda."""
    study = evidence.study
    others = [name for name in study.plan.factors if name not in (PROMPT, LAMBDA)]
    blocks = lambda_blocks(study)
    verdicts = []
    for key, arms in blocks.items():
        settings = [
            f"{name} = {value_text(value)}" for name, value in zip(others, key, strict=True) if value is not None
        ]
        verdicts.append(_decide(evidence, arms, ", ".join(settings) if len(blocks) > 1 else ""))
    return tuple(verdicts)


def lambda_blocks(study: Study) -> dict[tuple[Scalar, ...], list[Arm]]:
    """VMP arms grouped by the values of all other factors, where lambda is what the study is about.

    That takes a curve: 2 lambdas when nothing else varies, otherwise at least 3 in each of at most `MAX_BLOCKS` blocks.
    A study of samplers or of starts that also runs lambda 0 and 1 is a study of arms, and gets an empty answer here.
    """
    others = [name for name in study.plan.factors if name not in (PROMPT, LAMBDA)]
    groups: dict[tuple[Scalar, ...], list[Arm]] = {}
    for arm in study.arms:
        if arm.kind is Kind.VMP and arm.lambda_ is not None:
            groups.setdefault(arm.block(others), []).append(arm)
    minimum = 2 if len(groups) == 1 else 3
    if len(groups) > MAX_BLOCKS or any(len({arm.lambda_ for arm in arms}) < minimum for arms in groups.values()):
        return {}
    return {key: sorted(arms, key=lambda_of) for key, arms in groups.items()}


def _decide(evidence: Evidence, arms: Sequence[Arm], block: str) -> LambdaVerdict:
    control = reference_for(arms[0], evidence.study.arms, Kind.CONTROL)
    baseline = reference_for(arms[0], evidence.study.arms, Kind.BASELINE)
    reference = control or baseline
    contrasts = evidence.compare([(arm, reference) for arm in arms]) if reference else ()
    candidates = tuple(evidence.summary(arm) for arm in arms)
    best = best_on_validation(evidence, candidates)
    one_se = against_zero = against_baseline = None
    equal: tuple[Contrast, ...] = ()
    unclear: tuple[Contrast, ...] = ()
    if best is not None:
        one_se = min(lambda_of(arm) for arm in within_one_se(evidence, candidates, best.arm))
        equal, unclear = like_the_best(evidence, arms, best.arm)
        # As one of the comparisons of the best with every other lambda, so that the family is the right one.
        others = evidence.compare([(best.arm, arm) for arm in arms if arm != best.arm])
        against_zero = next((c for c in others if c.reference.lambda_ == 0), None)
        if control and baseline:
            on_baseline = evidence.compare([(arm, baseline) for arm in arms])
            against_baseline = next(c for c in on_baseline if c.arm == best.arm)
    return LambdaVerdict(
        block=block,
        candidates=candidates,
        contrasts=contrasts,
        best=best,
        main=next((c for c in contrasts if best and c.arm == best.arm), None),
        equivalent=equal,
        undistinguished=unclear,
        ineligible=ineligible(candidates),
        control=evidence.summary(control) if control else None,
        baseline=evidence.summary(baseline) if baseline else None,
        one_se=one_se,
        against_baseline=against_baseline,
        against_zero=against_zero,
        control_against_baseline=evidence.compare([(control, baseline)])[0] if control and baseline else None,
    )
