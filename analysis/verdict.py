"""Which lambda, and does VMP help: one decision object, from which every sentence of the report is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.arms import LAMBDA, PROMPT, Arm, Kind, reference_for, value_text
from analysis.completeness import Completeness, completeness
from analysis.outcome import Contrast, Outcome, compare, like_the_best
from analysis.selection import best_on_validation, eligible, within_one_se
from analysis.summary import ArmSummary, summarise
from analysis.table import Study

MOST_BLOCKS = 12


@dataclass(frozen=True, kw_only=True)
class LambdaPoint:
    """One lambda of the curve: its own numbers and its paired comparisons on test."""

    lambda_: float
    summary: ArmSummary
    against_control: Contrast | None
    against_baseline: Contrast | None


@dataclass(frozen=True, kw_only=True)
class LambdaVerdict:
    """Everything decided about lambda in one block (one setting of all other factors).

    Attributes:
        study: The study's name.
        block: The other factors' values in words; empty when nothing else varies.
        metric_name: For people, e.g. "top-1 accuracy".
        planned_seeds: Paired seeds planned.
        margin: Practical-equality margin, as a fraction.
        completeness: Of the whole study.
        points: The curve, by rising lambda. ``against_control.band`` is the simultaneous band.
        control, baseline: The reference arms' summaries, where the study has them.
        best: Arm with the best validation mean, ``None`` while fewer than 2 common seeds exist.
        one_se: Smallest lambda within one paired standard error of the best, on validation.
        equivalent: Lambdas practically equal to the best on test (TOST, Holm over the lambdas), the best included.
        undistinguished: Lambdas whose simultaneous interval to the best includes 0: not told apart, nothing more.
        ineligible: Lambdas that could not be chosen, with the reason in words.
        against_control, against_baseline, against_zero: The best lambda on test against the control, the backbone
            alone, and lambda = 0 (the layer without regulariser).
        control_against_baseline: What the later frames alone do.
        confirmed: Whether the choice was repeated on fresh seeds. A study cannot confirm its own choice.
    """

    study: str
    block: str
    metric_name: str
    planned_seeds: int
    margin: float
    completeness: Completeness
    points: tuple[LambdaPoint, ...]
    control: ArmSummary | None
    baseline: ArmSummary | None
    best: LambdaPoint | None
    one_se: float | None
    equivalent: tuple[float, ...]
    undistinguished: tuple[float, ...]
    ineligible: tuple[tuple[float, str], ...]
    against_control: Contrast | None
    against_baseline: Contrast | None
    against_zero: Contrast | None
    control_against_baseline: Contrast | None
    confirmed: bool = False

    @property
    def main(self) -> Contrast | None:
        """The comparison the headline is about: the control, the fair one; the backbone alone without a control."""
        return self.against_control or self.against_baseline

    @property
    def outcome(self) -> Outcome:
        return self.main.outcome if self.best and self.main else Outcome.UNKNOWN


def lambda_blocks(study: Study) -> dict[tuple[object, ...], list[Arm]]:
    """VMP arms grouped by the values of all other factors, where lambda is what the study is about.

    That takes a curve: 2 lambdas when nothing else varies, else at least 3 in each of at most `MOST_BLOCKS` blocks. A
    study of samplers or of starts that also runs lambda 0 and 1 is a study of arms, and gets an empty answer here.
    """
    others = [name for name in study.plan.factors if name not in (PROMPT, LAMBDA)]
    groups: dict[tuple[object, ...], list[Arm]] = {}
    for arm in study.arms:
        if arm.kind is Kind.VMP and arm.lambda_ is not None:
            groups.setdefault(arm.block(others), []).append(arm)
    least = 2 if len(groups) == 1 else 3
    if len(groups) > MOST_BLOCKS or any(len({arm.lambda_ for arm in arms}) < least for arms in groups.values()):
        return {}
    return {key: sorted(arms, key=lambda a: a.lambda_ or 0.0) for key, arms in groups.items()}


def lambda_verdicts(study: Study) -> tuple[LambdaVerdict, ...]:
    """The verdict on each block of a lambda study; empty when the study varies no lambda."""
    others = [name for name in study.plan.factors if name not in (PROMPT, LAMBDA)]
    blocks = lambda_blocks(study)
    verdicts = []
    for key, arms in blocks.items():
        told = [f"{n} = {value_text(v)}" for n, v in zip(others, key, strict=True) if v is not None]  # type: ignore[arg-type]
        verdicts.append(_judge(study, arms, ", ".join(told) if len(blocks) > 1 else ""))
    return tuple(verdicts)


def _judge(study: Study, arms: Sequence[Arm], block: str) -> LambdaVerdict:
    control = reference_for(arms[0], study.arms, Kind.CONTROL)
    baseline = reference_for(arms[0], study.arms, Kind.BASELINE)
    on_control = compare(study, [(arm, control) for arm in arms], study.test) if control else None
    on_baseline = compare(study, [(arm, baseline) for arm in arms], study.test) if baseline else None
    points = tuple(
        LambdaPoint(
            lambda_=arm.lambda_ or 0.0,
            summary=summarise(study, arm, on_control[i] if on_control else None),
            against_control=on_control[i] if on_control else None,
            against_baseline=on_baseline[i] if on_baseline else None,
        )
        for i, arm in enumerate(arms)
    )
    summaries = [point.summary for point in points]
    chosen = best_on_validation(study, summaries)
    best = next((p for p in points if p.summary.arm == chosen), None)
    one_se: float | None = None
    equivalent: tuple[float, ...] = ()
    undistinguished: tuple[float, ...] = ()
    against_zero: Contrast | None = None
    if best is not None:
        one_se = min(arm.lambda_ or 0.0 for arm in within_one_se(study, summaries, best.summary.arm))
        equal, unclear = like_the_best(study, arms, best.summary.arm)
        equivalent = tuple(sorted([best.lambda_, *(arm.lambda_ or 0.0 for arm in equal)]))
        undistinguished = tuple(sorted(arm.lambda_ or 0.0 for arm in unclear))
        zero = next((p for p in points if p.lambda_ == 0 and p is not best), None)
        if zero is not None:
            # As one of the comparisons of the best with every other lambda, so that the family is the right one.
            pairs = [(best.summary.arm, p.summary.arm) for p in points if p is not best]
            against_zero = next(c for c in compare(study, pairs, study.test) if c.reference == zero.summary.arm)
    return LambdaVerdict(
        study=study.name,
        block=block,
        metric_name=study.metric_name,
        planned_seeds=len(study.plan.seeds),
        margin=study.margin,
        completeness=completeness(study),
        points=points,
        control=summarise(study, control) if control else None,
        baseline=summarise(study, baseline) if baseline else None,
        best=best,
        one_se=one_se,
        equivalent=equivalent,
        undistinguished=undistinguished,
        ineligible=_ineligible(points),
        against_control=best.against_control if best else None,
        against_baseline=best.against_baseline if best else None,
        against_zero=against_zero,
        control_against_baseline=compare(study, [(control, baseline)], study.test)[0] if control and baseline else None,
    )


def _ineligible(points: Sequence[LambdaPoint]) -> tuple[tuple[float, str], ...]:
    allowed = {s.arm.label for s in eligible([p.summary for p in points])}
    reasons = []
    for point in points:
        summary = point.summary
        if summary.arm.label in allowed:
            continue
        if summary.diverged:
            reason = f"{summary.diverged} of {summary.planned} seeds diverged"
        else:
            reason = f"{len(summary.seeds)} of {summary.planned} seeds complete"
        reasons.append((point.lambda_, reason))
    return tuple(reasons)
