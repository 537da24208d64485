"""Two studies side by side in words: what changed in the plan, and what moved beyond noise."""

from __future__ import annotations

from analysis.study.cells import Study
from analysis.verdict.side_by_side import SideBySide
from analysis.words.claims import short_comparison
from analysis.words.phrases import limits, points
from sweeps.stats.decisions import Verdict
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.unpaired import Unpaired
from vmp.core.text import count, listing

MAX_ARMS = 12


def side_by_side_lines(a: Study, b: Study, made: SideBySide) -> list[str]:
    """Lines to print: the two studies, what changed, each arm of both or, of many, those that moved, and a summary."""
    lines = [f"A: {a.path} ({a.name}), {len(a.cells)} cells", f"B: {b.path} ({b.name}), {len(b.cells)} cells"]
    lines += [f"Changed, {what}: {how}" for what, how in made.changes]
    if made.alike:
        lines.append(f"Alike: {listing(list(made.alike))}")
    if made.unknown:
        lines.append(f"Not compared, as A or B does not record it: {listing(list(made.unknown))}")
    if not made.arms:
        return [*lines, "No arm is in both, so nothing can be compared."]
    texts = _paired(made) if made.paired else _unpaired(made)
    moved = [text for text, is_moved in texts if is_moved]
    shown = moved if len(texts) > MAX_ARMS else [text for text, _ in texts]
    lines += shown
    if len(shown) < len(texts):
        lines.append(f"Not listed: {count(len(texts) - len(shown), 'arm')} not shown to have moved")
    return [*lines, f"{_summary(len(moved), len(texts))} ({_how(made)})"]


def _summary(moved: int, arms: int) -> str:
    return f"Moved beyond noise: {moved or 'none'} of {count(arms, 'arm')} of both"


def _how(made: SideBySide) -> str:
    if made.paired:
        return "paired within the seeds of both"
    if all(one.interval is None for one in made.unpaired):
        return f"nothing to judge by: below {MIN_SEEDS} runs of a side"
    return f"not paired: not every arm has {MIN_SEEDS} seeds in common; Welch, by the smaller number of runs"


def _paired(made: SideBySide) -> list[tuple[str, bool]]:
    texts = []
    for arm, contrast in zip(made.arms, made.paired, strict=True):
        if contrast.is_identical:
            text = f"{arm.label}, A against B: exactly the same in each of {count(contrast.n, 'paired seed')}."
        else:
            text = short_comparison(f"{arm.label}, A against B", contrast)
        texts.append((text, contrast.verdict in (Verdict.BETTER, Verdict.WORSE)))
    return texts


def _unpaired(made: SideBySide) -> list[tuple[str, bool]]:
    each = zip(made.arms, made.unpaired, strict=True)
    return [(f"{arm.label}, A against B: {_difference(one, made.split)}.", one.is_shown) for arm, one in each]


def _difference(one: Unpaired, split: str) -> str:
    runs = f"{one.n} and {count(one.against_n, 'run')}"
    if one.interval is None:
        return f"{runs}, too few or without any variation, so nothing is said"
    on = f" on {split}" if split else ""
    allowing = f", allowing for {one.family} comparisons" if one.family > 1 else ""
    moved = "moved" if one.is_shown else "not shown to have moved"
    return f"{points(one.mean)} points{on} (95% interval {limits(one.interval)}{allowing}; {runs}): {moved}"
