"""One procedure for a family of paired comparisons: p value, interval and verdict of each come from it and agree.

Every comparison is the mean of within-seed differences, arm - reference, by Student's t with its own standard error.
The family is stepped down in each direction (`sweeps.stats.stepdown`: Holm's procedure and its matching intervals), and
every established claim is read off the resulting simultaneous interval:

    better   the interval lies above 0            worse   it lies below 0
    equal    it lies within the margin, which is at least as strict as two one-sided tests

so that the chance of any false claim of any kind in the family is at most alpha, for differences that are normal with
any standard deviations and correlations. Where runs can collapse, "better" needs two things (an intersection-union
test: the larger of two one-sided p values goes into the step-down): the mean, and that the rate of collapse which would
cancel the gain is excluded (`sweeps.stats.collapse`). Not established: `ahead` and `behind` (clear by this comparison
alone, or but for collapse) and `undecided`. Below 3 seeds there is no verdict, nor over fewer than 3 divisions of the
data (`sweeps.stats.divisions`, where the standard error is another one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.collapse import UNSEEN_DROP, Risk, Runs, collapse_risk
from sweeps.stats.divisions import Divided
from sweeps.stats.means import EXACT, MIN_SEEDS, Means, over_seeds
from sweeps.stats.stepdown import SHARE, Bools, Floats, step_down


class Verdict(StrEnum):
    """What a comparison shows. The first three are established, within the one error of the family."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    AHEAD = "ahead"
    BEHIND = "behind"
    UNDECIDED = "undecided"
    NONE = "none"

    @property
    def established(self) -> bool:
        return self in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUAL)


class Reason(StrEnum):
    """Why a comparison is not established."""

    ESTABLISHED = ""
    SEEDS = "fewer than 3 seeds"
    DIVISIONS = "fewer than 3 divisions of the data"
    NO_VARIATION = "all differences are equal, so there is no error to test against"
    COLLAPSE = "a rate of collapse that would cancel the difference is not excluded"
    FAMILY = "clear by this comparison alone, not beside the others of the family"
    DIFFERENCE = "the interval includes 0"


VERDICTS, REASONS = tuple(Verdict), tuple(Reason)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The procedure on arrays: leading axes are families (e.g. simulated studies), the last one has k comparisons.

    Attributes:
        n: Pairs, or divisions of the data.
        mean, sd: Of the differences; NaN below 3 pairs.
        low, high: Simultaneous interval, within what is possible; NaN below 3 pairs.
        alone: Two-sided p value of the mean by this comparison alone; NaN below 3 pairs and without variation.
        p: Adjusted two-sided p value: at most alpha exactly when the interval excludes 0.
        verdict, reason: Indices into `VERDICTS` and `REASONS`.
        risk, reference_risk: Collapse of the arms and of the references, where runs can collapse.
        risk_error, reference_risk_error: One-sided error at which each of these rates was held against the gain of its
            side.
    """

    n: npt.NDArray[np.int64]
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    alone: Floats
    p: Floats
    verdict: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int64]
    risk: Risk | None
    reference_risk: Risk | None
    risk_error: Floats
    reference_risk_error: Floats

    def are(self, *verdicts: Verdict) -> Bools:
        """Whether each comparison has one of `verdicts`."""
        return np.isin(self.verdict, [VERDICTS.index(verdict) for verdict in verdicts])


def decide(
    differences: npt.ArrayLike | Divided,
    *,
    margin: float,
    alpha: float = 0.05,
    collapsed: npt.ArrayLike | Runs | None = None,
    reference_collapsed: npt.ArrayLike | Runs | None = None,
    unseen_drop: float = UNSEEN_DROP,
    unseen_runs: int = 0,
    limit: float = 1.0,
    share: float = SHARE,
) -> Decisions:
    """Decide families of comparisons.

    Args:
        differences: Within-seed differences (..., k, n), fractions; NaN where a seed has no pair. `Divided` where they
            are over divisions of one data set: n is then their number.
        margin: Positive; differences below it are practically equal. Chosen before the study ran.
        alpha: Family-wise error in (0, 1).
        collapsed: Whether the arm's run collapsed or diverged, same shape: booleans, or numbers with NaN where that is
            unknown or cannot happen. `Runs` where a difference is the mean over several runs, or where several
            comparisons are about the same runs. None where no arm can.
        reference_collapsed: The same of the reference's run.
        unseen_drop: Loss of a collapsed run that is assumed while no run of the family has collapsed. A loss that is
            larger in truth is not guarded against until it is seen; the reference's accuracy minus chance is safe.
        unseen_runs: Further runs of these arms, not of the references, that are no part of the differences, counted
            while no run of the family has collapsed: e.g. those of the study whose choice is confirmed here, if none of
            them collapsed.
        limit: Largest possible difference: 1 for fractions.
        share: See `sweeps.stats.stepdown`.

    Raises:
        ValueError: For a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"the equivalence margin is {margin}; it must be positive and chosen before the study runs")
    d, means, largest = _means(differences)
    n, df, enough = means.n, means.df, means.enough
    mean, sd, error = (np.where(enough, one, np.nan) for one in (means.mean, means.sd, means.error))
    risk = _risk(d, 1, collapsed, unseen_drop, unseen_runs)
    other = _risk(d, -1, reference_collapsed, unseen_drop)
    above = _direction(mean, error, df, risk, alpha, share)
    below = _direction(-mean, error, df, other, alpha, share)
    low, high = np.maximum(above.limit, -limit), np.minimum(-below.limit, limit)

    varies = error > 0
    alone = np.where(varies, np.minimum(2 * np.minimum(above.alone, below.alone), 1.0), np.nan)
    family = enough.sum(axis=-1, keepdims=True)
    identical = enough & (largest < EXACT)
    # A bit-identical arm is equal in as many seeds as the sign-flip test needs to show anything in this family.
    equal = (varies & (low > -margin) & (high < margin)) | (identical & (sign_flip_floor(n, family) <= alpha))
    clear = alone <= alpha
    verdict = _select(
        {
            Verdict.NONE: ~enough,
            Verdict.EQUAL: equal,  # outranks a direction: a difference below the margin is not worth a choice
            Verdict.BETTER: above.rejected,
            Verdict.WORSE: below.rejected,
            Verdict.AHEAD: clear & (mean > 0),
            Verdict.BEHIND: clear & (mean < 0),
        },
        VERDICTS.index(Verdict.UNDECIDED),
    )
    reason = _select(
        {
            Reason.DIVISIONS: ~enough & (means.seeds >= MIN_SEEDS),
            Reason.SEEDS: ~enough,
            Reason.ESTABLISHED: equal | above.rejected | below.rejected,
            Reason.NO_VARIATION: ~varies,
            Reason.COLLAPSE: above.but_collapse | below.but_collapse,
            Reason.FAMILY: clear,
        },
        REASONS.index(Reason.DIFFERENCE),
    )
    return Decisions(
        n=n,
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        alone=alone,
        p=np.minimum(above.p, below.p),
        verdict=verdict,
        reason=reason,
        risk=risk,
        reference_risk=other,
        risk_error=above.risk_error,
        reference_risk_error=below.risk_error,
    )


def _means(differences: npt.ArrayLike | Divided) -> tuple[Floats, Means, Floats]:
    """The differences over seeds or divisions, their means, and the largest difference of each comparison's runs."""
    if isinstance(differences, Divided):
        largest = np.nanmax(np.abs(differences.differences), axis=(-2, -1), initial=0.0)
        return differences.of_divisions, differences.means(), largest
    d = np.asarray(differences, dtype=np.float64)
    return d, over_seeds(d), np.nanmax(np.abs(d), axis=-1, initial=0.0)


def _risk(
    d: Floats, sign: int, flags: npt.ArrayLike | Runs | None, unseen_drop: float, unseen_runs: int = 0
) -> Risk | None:
    """The risk of collapse of the arms, or with the sign -1 of their references; None where none can collapse."""
    if flags is None:
        return None
    same = flags.about if isinstance(flags, Runs) else None
    return collapse_risk(*_runs(d, sign, flags), unseen_drop, unseen_runs, same=same)


def _runs(d: Floats, sign: int, flags: npt.ArrayLike | Runs) -> tuple[Floats, Floats]:
    """The differences and flags that say how often runs collapse."""
    if not isinstance(flags, Runs):
        return sign * d, np.asarray(flags, dtype=np.float64)
    differences, collapsed = flags.counted()
    return sign * differences, collapsed


@dataclass(frozen=True, kw_only=True)
class _Direction:
    """One direction of the procedure: "above 0"; the other is the same of the negative differences."""

    alone: Floats
    p: Floats
    rejected: Bools
    limit: Floats
    but_collapse: Bools
    risk_error: Floats


def _direction(mean: Floats, error: Floats, df: Floats, risk: Risk | None, alpha: float, share: float) -> _Direction:
    alone = t_p(mean, error, df)
    by_mean = stepped = step_down(alone, alpha, share)
    p, risk_error = stepped.p, np.full(mean.shape, alpha / 2)
    if risk is not None:
        # An arm's own rate is one statement for each arm, so it is stepped down with the mean. The rate of all runs
        # together is one statement for the family: true for all or for none, it is tested once.
        frequent = np.where(np.isnan(alone), np.nan, risk.p_above())
        stepped = step_down(np.where(risk.pooled, alone, np.maximum(alone, frequent)), alpha, share)
        p = np.where(risk.pooled, np.maximum(stepped.p, np.minimum(2 * frequent, 1.0)), stepped.p)
        risk_error = np.where(risk.pooled, alpha / 2, stepped.level)
    rejected = p <= alpha
    with np.errstate(invalid="ignore"):
        quantile = np.where(stepped.level > 0, special.stdtrit(df, np.maximum(stepped.level, 1e-300)), -np.inf)
        limit = np.where(error == 0, -np.inf, mean + quantile * error)
    limit = np.where(stepped.rejected, np.maximum(limit, 0.0), limit)
    if risk is not None:
        limit = np.minimum(limit, risk.lower_limit(risk_error))
        limit = np.where(rejected, np.maximum(limit, 0.0), limit)
    return _Direction(alone=alone, p=p, rejected=rejected, limit=limit, risk_error=risk_error,
                      but_collapse=by_mean.rejected & ~rejected)  # fmt: skip


def _select(cases: Mapping[Verdict, Bools] | Mapping[Reason, Bools], default: int) -> npt.NDArray[np.int64]:
    """The index of the first case that holds."""
    indices = [(VERDICTS if isinstance(case, Verdict) else REASONS).index(case) for case in cases]
    return np.asarray(np.select(list(cases.values()), indices, default), dtype=np.int64)


def t_p(mean: Floats, error: Floats, df: npt.ArrayLike) -> Floats:
    """One-sided p values of "the mean is not above 0"; 0.5 where the error is 0, so that nothing is shown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error == 0, 0.0, mean / error)
    return np.asarray(special.stdtr(np.asarray(df, dtype=np.float64), -t), dtype=np.float64)


def sign_flip_floor(n: npt.ArrayLike, family: npt.ArrayLike = 1) -> Floats:
    """The smallest p value that the sign-flip test can reach beside `family` - 1 others: 2 k / 2^n, at most 1."""
    return np.minimum(1.0, 2.0 * np.asarray(family) / 2.0 ** np.asarray(n, dtype=np.float64))
