"""What each component brings: in the bare and in the full arm, over all orders, and on the path to the best arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from analysis.figures.ablation_path import path_figure
from analysis.figures.component_effects import component_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, Value, why_none
from analysis.sections.factor_effects import INTERACTION_COLUMNS, interaction_row
from analysis.verdict.components import Component, ComponentVerdict
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.ablation_sentences import component_findings, is_interaction
from analysis.words.phrases import VERDICT_WORDS, on_split

_COMPONENTS = (
    Column(key="block", header="block", on_page="if any"),
    Column(key="component", header="component"),
    Column(key="off", header="off"),
    Column(key="on", header="on"),
    Column(key="n", header="n", format="count"),
    Column(key="added_n", header="n in the bare arm", format="count", on_page="never"),
    Column(key="added", header="in the bare arm", format="points"),
    Column(key="added_interval", header="95% interval", format="interval"),
    Column(key="added_p", header="p (adjusted)", format="p", on_page="never"),
    Column(key="added_verdict", header="verdict", on_page="never"),
    Column(key="left_out_n", header="n in the full arm", format="count", on_page="never"),
    Column(key="left_out", header="in the full arm", format="points"),
    Column(key="left_out_interval", header="95% interval", format="interval"),
    Column(key="left_out_p", header="p (adjusted)", format="p", on_page="never"),
    Column(key="left_out_verdict", header="verdict", on_page="never"),
    Column(key="disagreement_n", header="n of both", format="count", on_page="never"),
    Column(key="disagreement", header="full − bare", format="points"),
    Column(key="disagreement_interval", header="95% interval", format="interval"),
    Column(key="interacts", header="interacts"),
)
_SHAPLEY = (
    *_COMPONENTS[:5],
    Column(key="shapley", header="Shapley value", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="p", header="p (adjusted)", format="p"),
)
_STEPS = (
    Column(key="block", header="block", on_page="if any"),
    Column(key="step", header="step", format="count"),
    Column(key="component", header="switched"),
    Column(key="off", header="from"),
    Column(key="on", header="to"),
    Column(key="val", header="validation mean", format="percent"),
    Column(key="test", header="test mean", format="percent"),
    Column(key="n", header="n", format="count"),
    Column(key="gain", header="gain", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="p", header="p (adjusted)", format="p"),
    Column(key="verdict", header="verdict"),
)
_METHOD = (
    "Ablation",
    "A component is a factor with a value that is off and one that is on: those of the design, or in a grid the "
    "reference's (else the first listed) value and the other one; of several others, the one with the highest mean on "
    "validation over all settings. Added: the bare arm with it against the bare arm. Left out: the full arm against "
    "the full arm without it. Both are one family; their differences (full − bare) are another, and only where the "
    "interval of a difference excludes 0 is it called an interaction. Where the arms of a design have them, the "
    "interactions of two components each are a further family. Shapley values are exact means over all orders of "
    "switching on, within each seed; they add up to the full arm minus the bare one and recommend nothing. The path "
    "goes from the bare arm to the one chosen on validation, each step the switch with the highest mean on validation "
    "(Fawcett and Hoos 2016), reported on test. A comparison that the study makes elsewhere has the interval that it "
    "has there.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    verdicts, figures = conclusions.components, []
    for number, verdict in enumerate(verdicts, 1):
        suffix = f"_{number}" if len(verdicts) > 1 else ""
        figures += [
            component_figure(verdict.components, f"components{suffix}"),
            path_figure(verdict, conclusions.study, f"ablation_path{suffix}"),
        ]
    rows = [_row(verdict.block, component) for verdict in verdicts for component in verdict.components]
    caption = (
        f"What each component brings{on_split(conclusions.study)}, in percentage points: added to the bare arm, left "
        "out of the full one, and the difference of both, each over the seeds that have all of its runs."
    )
    tables = [Table(name="ablation", caption=caption, columns=_COMPONENTS, rows=rows, max_rows=40)]
    if values := [row for verdict in verdicts for row in _shapley(verdict)]:
        caption = "What each component brings on average over all orders of switching them on, in percentage points."
        tables.append(Table(name="shapley", caption=caption, columns=_SHAPLEY, rows=values, max_rows=40))
    if pairs := [(verdict.block, contrast) for verdict in verdicts for contrast in verdict.pairwise]:
        caption = "How much what one component brings depends on another one, averaged over the others, in points."
        rows = [interaction_row(*pair) for pair in pairs]
        tables.append(Table(name="pairwise", caption=caption, columns=INTERACTION_COLUMNS, rows=rows, max_rows=40))
    steps = [row for verdict in verdicts for row in _steps(conclusions, verdict)]
    if steps:
        split = conclusions.study.split
        named = {"test": f"{split} mean".strip(), "gain": f"gain{on_split(conclusions.study)}"}
        columns = [replace(c, header=named.get(c.key, c.header)) for c in _STEPS]
        caption = "The path from the bare arm to the best one on validation; accuracies in percent, gains in points."
        tables.append(Table(name="ablation_path", caption=caption, columns=columns, rows=steps, max_rows=40))
    findings = [(verdict.block, component_findings(verdict, conclusions.evidence)) for verdict in verdicts]
    return SectionContent(
        findings=[(block, some) for block, some in findings if some],
        figures=[figure for figure in figures if figure],
        tables=tables,
        method=[_METHOD],
    )


def _row(block: str, component: Component) -> Row:
    c = component
    known = [one for one in (c.added, c.left_out, c.disagreement) if one]
    interacts = None if c.disagreement is None else "yes" if is_interaction(c.disagreement) else "no"
    values = (
        *(block, c.title, c.off, c.on, _seeds([one.n for one in known])),
        *_numbers(c.added),
        *_numbers(c.left_out),
        *_numbers(c.disagreement)[:3],
        interacts,
    )
    return Row(values=values, hashes=tuple(dict.fromkeys(one for contrast in known for one in contrast.hashes)))


def _shapley(verdict: ComponentVerdict) -> list[Row]:
    known = [(component, component.shapley) for component in verdict.components if component.shapley]
    return [
        Row(values=(verdict.block, one.title, one.off, one.on, c.n, c.mean, c.interval, c.p), hashes=c.hashes)
        for one, c in known
    ]


def _seeds(numbers: Sequence[int]) -> Value:
    """Those of the comparisons in a row: ``7``, ``6 to 7``; None without any."""
    if not numbers:
        return None
    return numbers[0] if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _numbers(contrast: Contrast | None) -> tuple[Value, Value, Value, Value, Value]:
    if contrast is None:
        return None, None, None, None, None
    return contrast.n, contrast.mean, contrast.interval, contrast.p, VERDICT_WORDS[contrast.verdict]


def _steps(conclusions: Conclusions, verdict: ComponentVerdict) -> list[Row]:
    if not verdict.path or verdict.bare is None:
        return []
    start = conclusions.evidence.summary(verdict.bare)
    none = [None] * 5
    values: tuple[Value, ...] = (verdict.block, 0, "bare arm", None, None, start.val_mean, start.test_mean, *none)
    rows = [Row(values=values, hashes=start.hashes)]
    for number, step in enumerate(verdict.path, 1):
        summary, c = conclusions.evidence.summary(step.after), step.contrast
        values = (
            *(verdict.block, number, step.title, step.off, step.on, summary.val_mean, summary.test_mean),
            *(c.n, c.mean, c.interval, c.p, VERDICT_WORDS[c.verdict]),
        )
        rows.append(Row(values=values, hashes=c.hashes))
    return rows


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    reason = "it takes an ablation by design, or a grid that crosses two factors fully"
    return bool(conclusions.components) or why_none(conclusions, reason)


ABLATION = Section(name="ablation", title="Ablation", order=27, compute=_compute, applies=_applies)
