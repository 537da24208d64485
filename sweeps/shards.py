"""A fixed part of a plan, for runs that do not talk to each other: ``vmp sweep run STUDY --out DIR --shard 3/10``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeps.records.factors import arm_key
from vmp.core.errors import InputError

if TYPE_CHECKING:
    from sweeps.plan import Task  # with torch, which `vmp sweep status` does without

SLURM = "slurm"
"""What ``--shard`` takes for the shard that the variables of a SLURM job array name."""


@dataclass(frozen=True)
class Shard:
    """Number `index`, from 1, of the `count` parts of a plan."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks of this shard, in their order.

        Cells are dealt out in turn, an arm's seeds after each other, so that every shard has its share of every arm.
        Which cells a shard has depends on the cells alone, not on the order in which a study file lists them.
        """
        dealt = sorted(tasks, key=lambda task: (arm_key(task.factors), task.seed))
        mine = {task.hash for task in dealt[self.index - 1 :: self.count]}
        return [task for task in tasks if task.hash in mine]


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that ``--shard`` names.

    Args:
        text: ``3/10``, or ``slurm`` for the one that the variables of a job array name.
        environment: Of the process.

    Raises:
        InputError: Not of this form, a shard that does not exist, or no job array without gaps.
    """
    if text == SLURM:
        return _of_slurm(environment)
    match = re.fullmatch(r"(\d+)/(\d+)", text.replace(" ", ""))
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(
            f"--shard must be a number of a count, from 1/10 to 10/10, or '{SLURM}' in a SLURM job array; got {text!r}"
        )
    return Shard(int(match[1]), int(match[2]))


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    names = [f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "COUNT", "MIN")]
    try:
        number, count, first = (int(environment.get(name, "")) for name in names)
        step = int(environment.get("SLURM_ARRAY_TASK_STEP", "1"))
    except ValueError:
        raise InputError(
            f"--shard {SLURM} reads {', '.join(names)}, which a SLURM job array sets: submit with "
            "`sbatch --array=1-10`, or give the shard itself: --shard 3/10"
        ) from None
    index, remainder = divmod(number - first, max(step, 1))
    if count == 1 or remainder or not 0 <= index < count:
        raise InputError(
            f"--shard {SLURM} needs a whole job array without gaps, such as --array=1-10; this is task {number} of "
            f"{count}, the first being {first}. To submit one task of ten again, name its shard: --shard {number}/10"
        )
    return Shard(index + 1, count)
