"""From the listed values of a numeric factor to the range between them, for searches and for designs that draw arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.records.factors import Scalar, is_number

_LOG_FROM = 10.0  # a factor whose positive values lie this ratio apart is taken on a log scale


@dataclass(frozen=True)
class Scale:
    """How a numeric factor is searched: between `low` and `high`, linearly or in the logarithm.

    Attributes:
        low, high: Bounds of what is proposed.
        log: Whether proposals are even in the logarithm.
        zero_below: Proposals below it stand for exact 0.
        integer: Whether values are whole numbers.
    """

    low: float
    high: float
    log: bool
    zero_below: float
    integer: bool

    @classmethod
    def of(cls, values: Sequence[Scalar], *, integer: bool, log: bool | None = None) -> Scale | None:
        """The scale between the listed values, or None where they are choices.

        Args:
            values: As the study lists them.
            integer: Whether the setting holds whole numbers.
            log: Whether to take the logarithm; None where the positive values span a factor of ten. It needs two
                positive values and no negative one.
        """
        numbers = sorted(float(v) for v in values if is_number(v))  # type: ignore[arg-type]
        if len(numbers) < max(2, len(values)):
            return None
        positive = [number for number in numbers if number > 0]
        if log is None:
            log = numbers[0] >= 0 and len(positive) > 1 and positive[-1] >= _LOG_FROM * positive[0]
        zero = log and numbers[0] == 0
        low = positive[0] / 10 if zero else numbers[0]
        return cls(low, numbers[-1], log, zero_below=positive[0] if zero else -math.inf, integer=integer)

    def value(self, proposed: float) -> Scalar:
        """The factor's value for a proposal."""
        if proposed < self.zero_below:
            return 0.0
        return round(proposed) if self.integer else proposed

    def at(self, share: float) -> Scalar:
        """The value at a share of the range in [0, 1], to 6 significant digits."""
        if self.integer and not self.log:  # each of them as often
            return int(self.low + min(math.floor(share * (self.high - self.low + 1)), self.high - self.low))
        low, high = self.low, self.high
        proposed = low * (high / low) ** share if self.log else low + (high - low) * share
        return self.value(float(f"{proposed:.6g}"))
