"""What finished cells say of the seeds that a study needs: `vmp sweep seeds`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.questions import compared_pairs
from sweeps.records.factors import arm_key
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.intervals import in_points
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.planner import SeedPlan, min_seeds_by_sign_flips, sd_limits, seed_plan, seeds_by_t
from sweeps.status import SCHEMA
from vmp.core.errors import InputError
from vmp.core.text import count

SEEDS = (3, 5, 6, 7, 8, 10, 12, 15, 20, 30)
POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """Finished cells as a pilot, and the planner's table made from them; accuracies are fractions.

    Attributes:
        metric: What is compared, on test.
        difference: True difference that is to be shown.
        family: Comparisons that are made together: every arm with its reference.
        n: Fewest paired seeds behind a comparison of the pilot.
        sd: Of the paired differences, pooled over the comparisons.
        sd_interval: 95% interval of the true one, were all comparisons one.
        correlation: Of an arm and its reference over seeds, mean over the comparisons; NaN where an arm does not vary.
        table: What the family can show, by number of seeds.
    """

    metric: str
    difference: float
    family: int
    n: int
    sd: float
    sd_interval: tuple[float, float]
    correlation: float
    table: tuple[SeedPlan, ...]

    def lines(self) -> list[str]:
        """As text."""
        low, high = self.sd_interval
        needed = seeds_by_t(self.difference, self.sd, self.family, POWER)
        return [
            f"Pilot: {count(self.family, 'comparison')} on test {self.metric}, each of {count(self.n, 'paired seed')} "
            "or more.",
            f"SD of the paired differences {100 * self.sd:.1f} points (95% interval {100 * low:.1f} to "
            f"{100 * high:.1f}); arms and their references correlate at {self.correlation:+.2f} over seeds.",
            f"To show a difference of {in_points(self.difference)} in a family of {self.family}:",
            "  seeds   one arm   named arm   chosen arm   least p by sign flips   collapse excluded above",
            *(
                f"  {row.n:>5}   {row.single:>7.0%}   {row.given_arm:>9.0%}   {row.chosen_arm:>10.0%}   "
                f"{row.sign_flip_floor:>21.4f}   {row.excluded_rate:>23.0%}"
                for row in self.table
            ),
            f"{needed} seeds show it in an arm named beforehand with probability {POWER:.0%}."
            if needed
            else f"No number of seeds up to 200 shows it with probability {POWER:.0%}.",
            f"The sign-flip test needs {min_seeds_by_sign_flips(self.family)} seeds to show anything in this family.",
            "One arm: alone, such as a confirmation on fresh seeds. Named: it alone differs. Chosen: on validation, "
            "all arms being equally better.",
        ]

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep seeds --json`` prints."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "difference": self.difference,
            "family": self.family,
            "pilot": {
                "seeds": self.n,
                "sd": self.sd,
                "sd_interval": list(self.sd_interval),
                "correlation": None if math.isnan(self.correlation) else self.correlation,
            },
            "table": [vars(row) for row in self.table],
        }


def read_pilot(folder: StudyFolder, difference: float | None = None, seeds: Sequence[int] = SEEDS) -> Pilot:
    """Make the planner's table from the finished cells of a study.

    Args:
        folder: The study.
        difference: To be shown, a fraction; the study's margin if not given.
        seeds: Numbers of seeds to consider, each at least 3.

    Raises:
        InputError: No two arms share 2 finished seeds, or no difference between them varies.
    """
    if seeds and min(seeds) < MIN_SEEDS:
        raise InputError(
            f"--seeds must be at least {MIN_SEEDS} each, got {min(seeds)}: a verdict needs {MIN_SEEDS} seeds"
        )
    plan = folder.read_plan()
    values: dict[str, dict[int, float]] = {}
    for record in folder.records(plan):
        value = record.metrics.get(f"test_{plan.metric}")
        if record.status == "complete" and isinstance(value, float | int):
            values.setdefault(arm_key(record.factors), {})[record.seed] = float(value)
    pairs = []
    arms = list(plan.arms().values())
    for i, j in compared_pairs(arms, plan.study):
        a, b = (values.get(arm_key(arms[k]), {}) for k in (i, j))
        common = sorted(a.keys() & b.keys())
        if len(common) >= 2:
            pairs.append(np.array([[a[seed], b[seed]] for seed in common]).T)
    variances = [float(np.var(a - b, ddof=1)) for a, b in pairs]
    if not pairs or max(variances) < 1e-12:
        raise InputError(
            f"'{folder.path}' is no pilot yet: it takes an arm and its reference with 2 finished seeds in common whose "
            "differences vary; run more cells first"
        )
    sd, n = math.sqrt(float(np.mean(variances))), min(pair.shape[1] for pair in pairs)
    vary = [(a, b) for a, b in pairs if np.std(a) > 1e-12 and np.std(b) > 1e-12]
    target = plan.study.margin if difference is None else difference
    return Pilot(
        metric=plan.metric,
        difference=target,
        family=len(pairs),
        n=n,
        sd=sd,
        sd_interval=sd_limits(sd, n),
        correlation=float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in vary])) if vary else math.nan,
        table=tuple(seed_plan(seeds, target, sd, len(pairs), np.random.default_rng(0))),
    )
