"""Every quantity that a cell measures, in one catalogue: `METRICS`. A record may hold these and no others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vmp.core.choices import lookup

Unit = Literal["fraction", "nats", "seconds", "count", "flag", "1"]
Better = Literal["higher", "lower"] | None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured quantity.

    Attributes:
        key: Its name in records and tables.
        title: Its name for people.
        symbol: As the paper or the report writes it, "" where it has none.
        unit: ``fraction`` lies in [0, 1], ``flag`` is true or false, ``1`` has no unit and any sign.
        better: Which way is better; None where neither is.
    """

    key: str
    title: str
    symbol: str = ""
    unit: Unit = "1"
    better: Better = None


_ALL = (
    Metric(key="val_top1", title="validation top-1 accuracy", unit="fraction", better="higher"),
    Metric(key="val_mean_class", title="validation mean-class accuracy", unit="fraction", better="higher"),
    Metric(key="val_loss", title="validation loss", unit="nats", better="lower"),
    Metric(key="test_top1", title="test top-1 accuracy", unit="fraction", better="higher"),
    Metric(key="test_mean_class", title="test mean-class accuracy", unit="fraction", better="higher"),
    Metric(key="test_loss", title="test loss", unit="nats", better="lower"),
    Metric(key="test_count", title="test videos", unit="count"),
    Metric(key="train_top1", title="training top-1 accuracy", unit="fraction", better="higher"),
    Metric(key="train_loss", title="training loss", unit="nats", better="lower"),
    Metric(key="task_loss", title="training loss of the task alone", unit="nats", better="lower"),
    Metric(key="lambda", title="effective weight of V", symbol="λ"),
    Metric(key="variation", title="temporal attention variation", symbol="V"),
    Metric(key="mean_attention", title="mean attention", symbol="A"),
    Metric(key="log_mean_attention", title="log of the mean attention"),
    Metric(key="attention_std", title="standard deviation of the attention"),
    Metric(key="attention_at_zero", title="attention at rest", symbol="A(0)"),
    Metric(key="slope", title="slope", symbol="a"),
    Metric(key="shift", title="shift", symbol="b"),
    Metric(key="m", title="slope parameter", symbol="m"),
    Metric(key="n", title="shift parameter", symbol="n"),
    Metric(key="collapsed", title="attention collapsed", unit="flag", better="lower"),
    Metric(key="frame_gap_seconds", title="time between sampled frames", unit="seconds"),
    Metric(key="duplicate_frame_ratio", title="share of repeated frames", unit="fraction"),
    Metric(key="epoch", title="epoch", unit="count"),
    Metric(key="lr", title="learning rate"),
)
METRICS: dict[str, Metric] = {metric.key: metric for metric in _ALL}

COMPARED = {"top1": "top-1 accuracy", "mean_class": "mean-class accuracy"}
"""What a study may compare arms by: it selects on ``val_<name>`` and reports ``test_<name>``."""


def metric(key: str) -> Metric:
    """The catalogue's entry; raises `InputError` that lists the valid keys."""
    return lookup(METRICS, key, "metric")


def check_values(key: str, values: Iterable[object]) -> None:
    """Refuse what cannot be values of the metric `key`: an unknown key, not a number, out of range.

    Raises:
        ValueError: Says which key and which rule.
    """
    unit = metric(key).unit
    least, most = (0.0, 1.0) if unit == "fraction" else (-math.inf, math.inf)
    for value in values:
        if value is None or (unit == "flag" and isinstance(value, bool)):
            continue
        if unit == "flag":
            raise ValueError(f"{key} is {value!r}, it must be true, false or null")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{key} is {value!r}, it must be a finite number or null")
        if not least <= value <= most:
            raise ValueError(f"{key} is {value!r}, it must be a number in [0, 1] or null")
