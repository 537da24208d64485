"""Which arm a study chooses, from its records alone: the report's rule, for what acts on the choice before a report.

In each block the candidate with the highest mean on validation over the seeds that all candidates share, diverged runs
with the worst accuracy; with fewer than 3 such seeds nothing is chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sweeps.questions import Pair, block_names, candidates_by_block, compared_pairs, main_pair, same_on_validation
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from sweeps.stats.choice import Choice, choosable, choose
from sweeps.stats.collapse import fill_diverged
from sweeps.stats.stepdown import Bools, Floats


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """The accuracies of a study's runs.

    Attributes:
        plan: The study. arms: Factors of each arm, in the plan's order. seeds: Rising.
        val, test: (arms, seeds): the study's metric, in [0, 1]; NaN where a run is not complete, unless it diverged.
        stopped: Whether a rule stopped a run of the arm, or a search gave it fewer seeds than the best, (arms,).
        final: Whether a run has ended for good, (arms, seeds): a failed one is tried again.
    """

    plan: Plan
    arms: list[dict[str, Scalar]]
    seeds: list[int]
    val: Floats
    test: Floats
    stopped: Bools
    final: Bools

    @classmethod
    def of(cls, plan: Plan, records: Iterable[CellRecord]) -> Accuracies:
        """From the records of the cells of `plan`."""
        arms, seeds = plan.arms(), sorted(plan.seeds)
        row, column = {key: i for i, key in enumerate(arms)}, {seed: j for j, seed in enumerate(seeds)}
        shape = len(arms), len(seeds)
        val, test = (np.full(shape, np.nan) for _ in range(2))
        diverged, stopped, final = (np.zeros(shape, dtype=bool) for _ in range(3))
        for record in records:
            at = row[arm_key(record.factors)], column[record.seed]
            diverged[at], stopped[at] = record.status == "diverged", record.status == "stopped"
            final[at] = record.status != "failed"
            if record.status == "complete":
                val[at], test[at] = (_number(record, f"{split}_{plan.metric}") for split in ("val", "test"))
        return cls(
            plan=plan,
            arms=list(arms.values()),
            seeds=seeds,
            val=fill_diverged(val, diverged, plan.chance),
            test=fill_diverged(test, diverged, plan.chance),
            stopped=np.asarray(stopped.any(axis=1)) | short_arms(plan),
            final=final,
        )

    def choices(self) -> Iterator[tuple[list[int], Choice]]:
        """For each block in which an arm can be chosen: the candidates, as indices into `arms`, and the choice."""
        names = block_names(self.arms, list(self.plan.factors), self.plan.study.blocks)
        out = self.stopped.copy()
        out[same_on_validation(self.arms)] = True
        for members in candidates_by_block(self.arms, names).values():
            rows = [members[i] for i in choosable(self.val[members], out[members])]
            made = choose(self.val[rows]) if rows else None
            if made is not None:
                yield rows, made

    def chosen_pairs(self) -> Iterator[tuple[Pair, list[int], Choice]]:
        """As `choices`, with the chosen arm and its reference, where it is compared with one."""
        pairs = compared_pairs(self.arms, self.plan.study)
        for rows, made in self.choices():
            if (pair := main_pair(pairs, [rows[i] for i in made.ranking])) is not None:
                yield pair, rows, made


def short_arms(plan: Plan) -> Bools:
    """Whether a search gave an arm fewer seeds than others, (arms,): it lost to another on those that it has."""
    seeds = Counter(arm_key(cell.factors) for cell in plan.cells)
    numbers = np.array([seeds[arm] for arm in plan.arms()])
    return np.asarray((numbers < numbers.max(initial=0)) & (plan.search.factor is not None))


def _number(record: CellRecord, name: str) -> float:
    value = record.metrics.get(name)
    return math.nan if value is None else float(value)
