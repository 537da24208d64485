"""What each method gains against how much its settings matter, and what trying more settings is worth."""

from __future__ import annotations

import math
from typing import Literal

from analysis.figures.gain_and_sensitivity import sensitivity_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.over_settings import MIN_SETTINGS, Method, dimensions, methods_of
from analysis.words.claims import brief
from analysis.words.findings import Finding
from analysis.words.phrases import on_split, percent
from vmp.core.text import count, listing

MAX_NAMED = 3
TRIED = 5
_COLUMNS = (
    Column(key="method", header="method"),
    Column(key="settings", header="settings", format="count"),
    Column(key="best", header="best on validation"),
    Column(key="gain", header="its gain", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="std", header="SD over settings", format="percent"),
    Column(key="std_of_seeds", header="of seeds alone", format="percent"),
    Column(key="expected_1", header="expected best of 1", format="percent"),
    Column(key=f"expected_{TRIED}", header=f"of {TRIED}", format="percent"),
    Column(key="expected_all", header="of all", format="percent"),
)
_METHOD = (
    "Sensitivity",
    "A method is what shares a prompt, the data and all named choices (backbone, sampler, motion map); its settings "
    f"are the values of its numeric factors. Sensitivity is the standard deviation of {MIN_SETTINGS} settings' test "
    "means or more, over the ranges that the study chose, so it compares methods tuned over equal ranges only (Adkins "
    "et al. 2024). Expected best validation: the mean over all subsets of so many settings (Dodge et al. 2019, in the "
    "unbiased form of Tang et al. 2020), as if settings were drawn at random; the best of many is flattered by its "
    "noise. Gains are those of the families of comparisons; everything else here describes and claims nothing.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    methods = methods_of(conclusions)
    rows = []
    for m in methods:
        gain = (m.gain.mean, m.gain.interval) if m.gain else (None, None)
        stds = [value if math.isfinite(value) else None for value in (m.std, m.std_of_seeds)]
        some = m.expected[TRIED - 1] if len(m.expected) >= TRIED else None
        values = (m.name, len(m.settings), m.best.arm.label, *gain, *stds, m.expected[0], some, m.expected[-1])
        rows.append(Row(values=values, hashes=m.hashes, priority=len(m.settings)))
    caption = (
        f"Methods by their settings: the gain of the best{on_split(conclusions.study)}, in points; the standard "
        "deviation of their means there, in points; and the validation accuracy to expect of the best of so many "
        "settings tried, in percent."
    )
    return SectionContent(
        findings=[("", sensitivity_findings(conclusions, methods))],
        figures=[sensitivity_figure(methods, conclusions.study.split)],
        tables=[Table(name="sensitivity", caption=caption, columns=_COLUMNS, rows=rows, max_rows=40)],
        method=[_METHOD],
    )


def sensitivity_findings(conclusions: Conclusions, methods: tuple[Method, ...]) -> list[Finding]:
    """Gain and sensitivity of the methods with the most settings; the budget; effective dimensionality."""
    able = sorted((m for m in methods if math.isfinite(m.std)), key=lambda m: -len(m.settings))
    findings = []
    for m in able[:MAX_NAMED]:
        text = f"{m.name}, {count(len(m.settings), 'setting')}: SD {100 * m.std:.1f} points over settings"
        if math.isfinite(m.std_of_seeds):
            text += f", of which seeds alone would give {100 * m.std_of_seeds:.1f}"
        text += f"; the best on validation is {m.best.arm.label}"
        text += f": {brief(m.gain)} against {m.gain.sides.against}." if m.gain else ", without a reference."
        findings.append(Finding(topic="Gain and sensitivity", text=text, contrasts=(m.gain,) if m.gain else ()))
    findings.append(Finding(topic="Budget", text=_budget(able[0], methods)))
    known = dimensions(conclusions)
    if known is not None:
        size, names = known
        text = f"Effective dimensionality: {count(size, 'factor')} ({names}) account for 90% of what factors above the "
        text = text.replace("account", "accounts") if size == 1 else text
        text += "noise floor do by themselves." if size else ""
        if not size:
            text = "Effective dimensionality: 0, as no factor is above its noise floor."
        assert not isinstance(conclusions.importances, str)
        findings.append(Finding(topic="Dimensions", text=text, contrasts=(conclusions.importances,)))
    return findings


def _budget(method: Method, methods: tuple[Method, ...]) -> str:
    tried = min(TRIED, len(method.expected))
    text = f"One setting of {method.name} tried at random is expected at {percent(method.expected[0])} on validation"
    text += f", the best of {tried} at {percent(method.expected[tried - 1])}"
    if len(method.expected) > tried:
        text += f", of all {len(method.expected)} at {percent(method.expected[-1])}"
    others = [m for m in methods if m.kind is not method.kind and m.choices in ("", method.choices)]
    passed: dict[int | None, list[str]] = {}  # by how many settings it takes, None where all are too few
    for other in others[:MAX_NAMED]:
        where = next((n + 1 for n, value in enumerate(method.expected) if value > other.expected[-1]), None)
        passed.setdefault(where, []).append(f"the {other.name} ({percent(other.expected[-1])})")
    parts = [
        f"passes {listing(named)} from {count(where, 'setting')} on" if where else _passes_none(named)
        for where, named in passed.items()
    ]
    return f"{text}. It {' and '.join(parts)}." if parts else f"{text}."


def _passes_none(named: list[str]) -> str:
    if len(named) == 2:
        return f"passes neither {' nor '.join(named)}"
    return f"does not pass {named[0]}" if len(named) == 1 else f"passes none of {listing(named)}"


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if conclusions.race:
        return "a race stops arms that are worse, so settings differ in their seeds"
    if not conclusions.study.has_validation:
        return "nothing was recorded to choose a setting by beside the reported values"
    return any(len(m.settings) >= MIN_SETTINGS for m in methods_of(conclusions)) or (
        f"it takes a method with {MIN_SETTINGS} settings of its numeric factors"
    )


SENSITIVITY = Section(name="sensitivity", title="Gain and sensitivity", order=56, compute=_compute, applies=_applies)
