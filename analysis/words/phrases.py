"""The numbers and names that sentences are made of."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from analysis.study.arms import IN_SHORT, Arm, Kind
from analysis.study.cells import Study
from analysis.study.completeness import Completeness
from analysis.verdict.contrasts import Contrast
from sweeps.stats.collapse import Rate
from sweeps.stats.decisions import Verdict
from sweeps.stats.intervals import Interval
from vmp.core.metrics import Metric
from vmp.core.text import count, listing

REFERENCE = {
    Kind.CONTROL: "the control (attention fixed at 1 on the same frames)",
    Kind.BASELINE: IN_SHORT[Kind.BASELINE],
}
VERDICT_WORDS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.EQUAL: "practically equal",
    Verdict.AHEAD: "ahead, not established",
    Verdict.BEHIND: "behind, not established",
    Verdict.UNDECIDED: "undecided",
    Verdict.NONE: "no verdict",
}
MAX_NAMES = 6


def percent(fraction: float) -> str:
    """An accuracy in [0, 1] as ``"71.2%"``; an en dash for NaN."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


_NONE = "0.0"


def points(fraction: float) -> str:
    """A difference of accuracies as signed percentage points, ``"+11.7"``, with a true minus sign."""
    if math.isnan(fraction):
        return "–"
    return f"{100 * fraction:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def limits(interval: Interval) -> str:
    """An interval of a difference in percentage points: ``"+1.0 to +3.2"``, with an open end ``"above 0 to +3.2"``."""
    low, high = points(interval.low), points(interval.high)
    if interval.is_open and interval.low >= 0 and low == _NONE:
        return f"above 0 to {high}"
    if interval.is_open and interval.high <= 0 and high == _NONE:
        return f"{low} to below 0"
    return f"{low} to {high}"


def p_value(p: float) -> str:
    """``"p = 0.012"``, ``"p < 0.001"``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def number(value: float) -> str:
    """A setting such as lambda in at most 4 significant digits."""
    return f"{value:.4g}"


def runs_of(rising: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last number of each run of whole numbers that follow each other."""
    runs: list[tuple[int, int]] = []
    for one in rising:
        if runs and one == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], one)
        else:
            runs.append((one, one))
    return runs


def in_runs(numbers: Iterable[int]) -> str:
    """Whole numbers, three or more that follow each other by their ends: ``"0 to 4, 7 and 8"``."""
    parts: list[str] = []
    for first, last in runs_of(sorted(set(numbers))):
        parts += [f"{first} to {last}"] if last - first > 1 else map(str, range(first, last + 1))
    return listing(parts)


def metric_title(metric: Metric) -> str:
    """A measured quantity for people, with its symbol where it has one."""
    return f"{metric.title} {metric.symbol}".strip()


def rate_text(rate: Rate) -> str:
    """Runs with an outcome: ``"3 of 7 runs"``."""
    return f"{rate.count} of {count(rate.n, 'run')}"


def on_split(measured: Study | Contrast) -> str:
    """Where the reported values were measured, after a noun: ``" on test"``; empty where nothing says."""
    return f" on {measured.split}" if measured.split else ""


def names(arms: Sequence[Arm]) -> str:
    """The arms by their labels, the first few of many; arms that differ in lambda alone by its values."""
    values = [arm.lambda_ for arm in arms]
    if arms and all(value is not None and arm.label.startswith("λ = ") and "," not in arm.label
                    for arm, value in zip(arms, values, strict=True)):  # fmt: skip
        known = sorted(value for value in values if value is not None)
        if len(known) > MAX_NAMES:
            return f"{len(known)} values of λ from {number(known[0])} to {number(known[-1])}"
        return listing([f"λ = {number(value)}" for value in known])
    more = f" and {len(arms) - MAX_NAMES} more" if len(arms) > MAX_NAMES else ""
    return "; ".join(arm.label for arm in arms[:MAX_NAMES]) + more


def pairs(contrast: Contrast) -> str:
    """What stands behind a comparison: ``7 paired seeds``, or divisions of the data with their seeds."""
    if contrast.sides.divisions is None:
        return count(contrast.n, "paired seed")
    return f"{count(contrast.n, 'division')} of the videos, each the mean of {count(len(contrast.seeds), 'seed')}"


def verdict_counts(contrasts: Iterable[Contrast]) -> str:
    """How many comparisons have which verdict: ``2 better and 5 undecided``."""
    counts = Counter(contrast.verdict for contrast in contrasts)
    return listing([f"{counts[verdict]} {VERDICT_WORDS[verdict]}" for verdict in Verdict if verdict in counts])


def provisional(counts: Completeness, clause: str) -> str:
    """A clause as a sentence, marked as provisional while cells are to be run."""
    if counts.is_finished:
        return f"{capital(clause)}."
    if counts.failed == 0 and counts.missing == 0:
        return f"Provisional, with {count(counts.unproposed, 'arm')} of the search still to come: {clause}."
    return f"Provisional, with {counts.complete} of {counts.planned} {counts.cells} complete: {clause}."


def capital(text: str) -> str:
    """A text as the start of a sentence; λ stays λ, and a setting (``motion = rgb``) is spelt as it is."""
    is_setting = re.match(r"\S+ = ", text) is not None
    return text if is_setting or not text[0].isascii() else text[0].upper() + text[1:]


def subject_name(contrast: Contrast) -> str:
    """The subject in words, with ``VMP with`` where its reference is no prompted arm."""
    if not contrast.is_pair or contrast.arm.kind is not Kind.VMP:
        return contrast.sides.subject
    return vmp_with(contrast.sides.subject)


def vmp_with(setting: str) -> str:
    """The layer with a setting by its label: ``VMP with λ = 0.1``; ``VMP`` where nothing but a block is set."""
    return setting if setting.split(", ")[0] == "VMP" else f"VMP with {setting}"


def without_block(text: str, block: str) -> str:
    """A sentence without the settings that the heading above it names already.

    Args:
        text: With arms by their labels, in which settings are joined by commas: ``data.fold = 1, λ = 0.1``. A setting
            that stands alone stays, as it is all that the arm is called.
        block: The settings of the heading, joined alike: ``data.fold = 1``; empty for a study of one block.
    """
    for setting in block.split(", ") if block else ():
        whole = re.escape(setting) + r"(?![\w/]|\.\d)"  # not the start of another value: 1 of 10, of 1.5 or of 1/3
        text = re.sub(rf", {whole}|(?<![\w.]){whole}, ", "", text)
    return text


def reference_name(contrast: Contrast) -> str:
    """What it is compared with in words: what its kind means where the arm is of another kind, else its label."""
    if not contrast.is_pair:
        return contrast.sides.against
    if contrast.reference.kind is not contrast.arm.kind:
        return REFERENCE.get(contrast.reference.kind, contrast.reference.label)
    if (
        contrast.arm.kind is Kind.VMP
        and contrast.reference.lambda_ == 0
        and contrast.arm.lambda_ is not None
        and "," not in contrast.reference.label
    ):
        return f"{contrast.reference.label} (the layer without its regulariser)"
    return contrast.reference.label
