"""What one family of paired comparisons entitles a report to say: a claim for each, with the numbers behind it.

The procedure is `sweeps.stats.decisions`; here one family goes in and plain objects come out, for people and pages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeps.stats.collapse import UNSEEN_DROP, Rate, Runs, exact_limits, rate
from sweeps.stats.decisions import REASONS, VERDICTS, Decisions, Reason, Verdict, decide, sign_flip_floor
from sweeps.stats.divisions import Divided
from sweeps.stats.intervals import Interval
from sweeps.stats.stepdown import Floats, holm

METHOD = "simultaneous t, Holm"
OVER_DIVISIONS = "simultaneous t corrected for shared training videos (Nadeau and Bengio) and shared seeds, Holm"


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """The runs of one side of a comparison by outcome; its gain over the other side in fractions.

    Attributes:
        rate: Collapsed or diverged runs, of the runs that have a pair; over divisions of the data, seeds with such a
            run in any of them.
        healthy: Mean gain of the seeds without a collapsed run; NaN without any.
        drop: Mean loss of a collapsed run over the family; an assumption while none has collapsed.
        drop_is_assumed: That assumption.
        cancelling_rate: The rate of collapse at which the mean gain would be 0; NaN where no rate does that.
        possible_rate: The largest rate that the runs do not exclude, at the error that decided this claim: from the
            arm's own runs, or from all runs of the family while none has collapsed.
    """

    rate: Rate
    healthy: float
    drop: float
    drop_is_assumed: bool
    cancelling_rate: float
    possible_rate: float


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One comparison, decided as one of a family.

    Attributes:
        n: Seeds that both arms have, or divisions of the data in which both have one.
        mean, sd: Of the within-seed differences, or of their means in each division; NaN below 3 of them.
        interval: The one interval of this comparison; None below 3 seeds and where all differences are equal.
        p: Adjusted two-sided p value; at most 1 - level exactly when the interval excludes 0. NaN below 3 seeds.
        p_alone: Of this comparison alone, by the paired t test. Not what decides.
        sign_flip_floor: The smallest p value, adjusted by Holm, that a sign-flip test with these seeds can reach beside
            the others of the family with theirs.
        family: Comparisons decided together.
        margin: Differences below it are practically equal.
        verdict, reason: What is shown, and why not more.
        collapse, reference_collapse: Of the arm and of its reference; None where runs of that side cannot collapse.
    """

    n: int
    mean: float
    sd: float
    interval: Interval | None
    p: float
    p_alone: float
    sign_flip_floor: float
    family: int
    margin: float
    verdict: Verdict
    reason: Reason
    collapse: Collapse | None
    reference_collapse: Collapse | None


def claims(
    differences: npt.ArrayLike | Divided,
    *,
    margin: float,
    alpha: float = 0.05,
    collapsed: npt.ArrayLike | Runs | None = None,
    reference_collapsed: npt.ArrayLike | Runs | None = None,
    unseen_drop: float = UNSEEN_DROP,
    unseen_runs: int = 0,
    limit: float = 1.0,
) -> tuple[Claim, ...]:
    """Decide one family.

    Args:
        differences: (k, n) within-seed differences, NaN where a seed has no pair; or `Divided` of (k, J, R).
        margin, alpha, collapsed, reference_collapsed, unseen_drop, unseen_runs, limit: See
            `sweeps.stats.decisions.decide`.

    Returns:
        A claim for each of the k rows, in their order.
    """
    if isinstance(differences, Divided):
        values, method = differences.of_divisions, OVER_DIVISIONS
    else:
        values, method = np.asarray(differences, dtype=np.float64), METHOD
    made = decide(differences, margin=margin, alpha=alpha, collapsed=collapsed, reference_collapsed=reference_collapsed,
                  unseen_drop=unseen_drop, unseen_runs=unseen_runs, limit=limit)  # fmt: skip
    family = int((~np.isnan(made.mean)).sum())
    # By Holm as the p values are: beside comparisons of more seeds, which come before it, less is asked of one.
    stepped = holm(np.where(np.isnan(made.mean), np.nan, sign_flip_floor(made.n)))
    floors = np.where(np.isnan(stepped), sign_flip_floor(made.n, max(family, 1)), stepped)
    arms, references = (_flags_of_pairs(values, flags) for flags in (collapsed, reference_collapsed))
    return tuple(
        Claim(
            n=int(made.n[i]),
            mean=float(made.mean[i]),
            sd=float(made.sd[i]),
            interval=_interval(made, i, alpha, method),
            p=float(made.p[i]),
            p_alone=float(made.alone[i]),
            sign_flip_floor=float(floors[i]),
            family=family,
            margin=margin,
            verdict=VERDICTS[made.verdict[i]],
            reason=REASONS[made.reason[i]],
            collapse=_collapse(made, 1, i, arms, alpha),
            reference_collapse=_collapse(made, -1, i, references, alpha),
        )
        for i in range(len(values))
    )


def leave_one_out(
    differences: npt.ArrayLike | Divided,
    *,
    margin: float,
    alpha: float = 0.05,
    collapsed: npt.ArrayLike | Runs | None = None,
    reference_collapsed: npt.ArrayLike | Runs | None = None,
    unseen_drop: float = UNSEEN_DROP,
    unseen_runs: int = 0,
    limit: float = 1.0,
) -> list[tuple[Verdict, ...]]:
    """The verdicts of a family without each of its n seeds, or divisions, in turn: n tuples of k verdicts.

    A claim that one seed makes or breaks is to be worded as such. Arguments as of `claims`.
    """
    without: Floats | Divided
    if isinstance(differences, Divided):
        without = differences.without_each_division()
        values = without.of_divisions
    else:
        each = np.asarray(differences, dtype=np.float64)
        without = values = np.where(np.eye(each.shape[-1], dtype=bool)[:, None, :], np.nan, each)
    made = decide(without, margin=margin, alpha=alpha, collapsed=_without(collapsed, values),
                  reference_collapsed=_without(reference_collapsed, values), unseen_drop=unseen_drop,
                  unseen_runs=unseen_runs, limit=limit)  # fmt: skip
    return [tuple(VERDICTS[v] for v in row) for row in made.verdict]


def _without(flags: npt.ArrayLike | Runs | None, without: Floats) -> Floats | Runs | None:
    if flags is None:
        return None
    if isinstance(flags, Runs):
        return flags.without_each()
    return np.broadcast_to(np.asarray(flags, dtype=np.float64), without.shape)


def _flags_of_pairs(values: Floats, collapsed: npt.ArrayLike | Runs | None) -> Floats:
    """Flags of what counts as a run and is part of a difference, (k, runs); NaN for the others."""
    if collapsed is None:
        return np.full(values.shape, np.nan)
    if isinstance(collapsed, Runs):
        differences, flags = collapsed.counted()
    else:
        differences, flags = values, np.asarray(collapsed, dtype=np.float64)
    return np.where(np.isnan(differences), np.nan, flags)


def _interval(made: Decisions, i: int, alpha: float, method: str) -> Interval | None:
    if not made.sd[i] > 0:
        return None
    return Interval(low=float(made.low[i]), high=float(made.high[i]), level=1 - alpha, method=method,
                    is_open=bool(made.p[i] <= alpha))  # fmt: skip


def _collapse(made: Decisions, sign: int, i: int, flags: Floats, alpha: float) -> Collapse | None:
    """The runs of one side of comparison `i`: the arm's for `sign` 1, the reference's for -1."""
    risk, errors = (made.risk, made.risk_error) if sign > 0 else (made.reference_risk, made.reference_risk_error)
    if risk is None or np.isnan(flags[i]).all():
        return None
    error = errors[i] if errors[i] > 0 else alpha / 2
    possible = float(exact_limits(risk.count[i], risk.n[i], error)[1]) if risk.n[i] else 1.0
    cancelling = float(risk.cancelling_rate[i])
    if made.p[i] <= alpha and sign * made.mean[i] > 0 and cancelling < possible:
        possible = cancelling  # as its interval ends at 0
    return Collapse(
        rate=rate(int(np.nansum(flags[i])), int((~np.isnan(flags[i])).sum()), 1 - alpha),
        healthy=float(risk.healthy[i]),
        drop=float(risk.drop[i]),
        drop_is_assumed=not np.nansum(flags),
        cancelling_rate=cancelling,
        possible_rate=possible,
    )
