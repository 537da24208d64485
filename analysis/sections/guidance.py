"""Guidance: a rule for choosing lambda from statistics of the videos, beside the best constant, over data sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.arms import LAMBDA, value_text
from analysis.study.cells import ARM, HASH, Study
from analysis.study.factors import block_factors
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.summaries import ArmSummary
from analysis.words.findings import Finding
from analysis.words.phrases import p_value
from sweeps.records.factors import Scalar
from sweeps.stats.guidance import MIN_SETS, Rule, rules
from vmp.core.metrics import METRICS
from vmp.core.text import listing

GAP = "frame_gap_seconds"
STATISTICS = {
    GAP: METRICS[GAP].title,
    "difference_sd": "spread of the frame difference",
    "static_share": "share of static pixels",
    "camera_motion": "camera's motion",
}
"""Of the videos, with titles: the first as cells record it, the others as the study's ``videos.json`` has them."""
_SMALLEST = 1e-3  # the rule goes by the logarithm; a statistic below counts as this
_COLUMNS = (
    Column(key="statistic", header="rule by"),
    Column(key="data_sets", header="data sets", format="count"),
    Column(key="rule_loss", header="loss of the rule", format="percent"),
    Column(key="constant_loss", header="loss of the best constant", format="percent"),
    Column(key="p", header="p (sign flips, adjusted)", format="p"),
    Column(key="slope", header="slope", format="number"),
)
_METHOD = (
    "Guidance",
    "For each data set a rule is fitted on the others: the place of the value that is best on validation, among the "
    "values in their order, by least squares on the logarithm of the statistic. Its loss is what the value that it "
    "names misses, on the data set left out, of that set's best value; the best constant of the other data sets is "
    "measured alike. The rule is called better only where sign flips over the data sets show it (6 at least).",
)


@dataclass(frozen=True, kw_only=True)
class _Sets:
    """The data sets.

    Attributes:
        names: Theirs.
        values: Of lambda, rising.
        chosen_on, reported: Means on validation and on test, (sets, values).
        statistics: By name, (sets,).
    """

    names: tuple[str, ...]
    values: tuple[Scalar, ...]
    chosen_on: np.ndarray
    reported: np.ndarray
    statistics: dict[str, np.ndarray]


def _sets(conclusions: Conclusions) -> _Sets | str:
    """The data sets of a study, or the reason why there is no rule."""
    study = conclusions.study
    of_data = [name for name in block_factors(study) if name == "study" or name.split(".")[0] == "data"]
    verdicts = [verdict for verdict in conclusions.verdicts if verdict.axis and verdict.axis.name == LAMBDA]
    if not of_data or len(verdicts) < MIN_SETS:
        number = len(conclusions.verdicts) if of_data else 1
        varied = "" if len(verdicts) == len(conclusions.verdicts) else " over which λ alone is varied"
        return f"a rule for λ takes {MIN_SETS} data sets{varied}, and there {'is' if number == 1 else 'are'} {number}"
    by_value = [{value: summary for value, summary, _ in verdict.points if summary.seeds} for verdict in verdicts]
    values = sorted(set.intersection(*(set(one) for one in by_value)))
    if len(values) < 2 or not study.has_validation:
        return "the data sets do not share two values of λ with results on validation"
    known = {name: _statistic(study, [list(one.values()) for one in by_value], name) for name in STATISTICS}
    usable = {name: some for name, some in known.items() if (some > 0).all() and len(set(some.tolist())) > 1}
    if not usable:
        titles = listing([f"the {title}" for title in STATISTICS.values()])
        return f"each statistic of the videos ({titles}) is not known or the same for all data sets"
    return _Sets(
        names=tuple(verdict.block for verdict in verdicts),
        values=tuple(values),
        chosen_on=np.array([[one[value].val_mean for value in values] for one in by_value]),
        reported=np.array([[one[value].test_mean for value in values] for one in by_value]),
        statistics=usable,
    )


def _statistic(study: Study, sets: Sequence[Sequence[ArmSummary]], name: str) -> np.ndarray:
    """The mean of a statistic over the cells of each data set; NaN where it is not known for one of them."""
    made = []
    for summaries in sets:
        cells = study.cells[study.cells[ARM].isin([s.arm.label for s in summaries])]
        values = cells[GAP].dropna() if name == GAP else _of_videos(study, cells[HASH], name)
        made.append(max(float(np.mean(values)), _SMALLEST) if len(values) else math.nan)
    return np.array(made)


def _of_videos(study: Study, hashes: Iterable[str], name: str) -> list[float]:
    """A statistic of the videos of each of these cells, those left out of whose videos nothing is known."""
    records = (study.records.get(cell) for cell in hashes)
    data_sets = (study.videos.get(record.data.hash) for record in records if record is not None and record.data)
    return [float(getattr(one, name)) for one in data_sets if one is not None]


def _compute(conclusions: Conclusions) -> SectionContent:
    sets = _sets(conclusions)
    assert isinstance(sets, _Sets)
    made = rules(np.stack(list(sets.statistics.values())), sets.chosen_on, sets.reported)
    titled = [(STATISTICS[name], rule) for name, rule in zip(sets.statistics, made, strict=True)]
    rows = [
        Row(values=(title, len(sets.names), float(r.regret.mean()), float(r.constant_regret.mean()), r.p, r.slope))
        for title, r in titled
    ]
    values = listing([value_text(value) for value in sets.values])
    caption = (
        f"Choosing λ among {values} for a data set that was left out: the accuracy lost against its own best value, in "
        "percentage points, mean over data sets."
    )
    findings = [
        Finding(topic="Guidance", text=_sentence(title, rule, len(sets.names)), contrasts=(rule,))
        for title, rule in titled
    ]
    table = Table(name="guidance", caption=caption, columns=_COLUMNS, rows=rows)
    return SectionContent(findings=[("", findings)], tables=[table], method=[_METHOD])


def _sentence(title: str, rule: Rule, sets: int) -> str:
    loss, constant = 100 * float(rule.regret.mean()), 100 * float(rule.constant_regret.mean())
    text = (
        f"A rule that chooses λ by the {title} loses {loss:.1f} points on a data set that was left out, the best "
        f"constant {constant:.1f} (mean over {sets}): "
    )
    if rule.is_better:
        return f"{text}better than a constant ({p_value(rule.p)}, sign flips over data sets)."
    few = "" if 2 / 2**sets <= 0.05 else f"; with {sets} data sets nothing better could be shown"
    return f"{text}no better than a constant{few}."


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    sets = _sets(conclusions)
    return sets if isinstance(sets, str) else True


GUIDANCE = Section(name="guidance", title="Choosing λ for new data", order=78, compute=_compute, applies=_applies)
