"""Several studies in one document: the question and the answer of each, and every arm with the layer at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.figures.figure import ReportFigure
from analysis.figures.specification_curve import specification_figure
from analysis.report.draw import save_figures
from analysis.sections.hero import HERO
from analysis.sections.specification import compared, curve_finding, differences_by_seed
from analysis.study.arms import LAMBDA, Arm, Kind
from analysis.study.cells import Study
from analysis.study.factors import Factor
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Contrast, Sides
from analysis.words.findings import Finding
from analysis.words.headline import beside_headline, findings, headline
from sweeps.questions import CONTROL, counterparts
from sweeps.records.cell_record import CellRecord
from sweeps.stats.specification import specification
from vmp.core.errors import InputError
from vmp.core.text import count

PAGE = "README.md"
FAMILY = "every arm against its control"
_LAMBDAS = ("above 1", "above 0.1, to 1", "above 0, to 0.1", "0")
_START = "n at the start"
_STARTS = ("above 0", "0", "below 0", "drawn", "none")
_CAPTION = (
    "Above, every arm's difference to the control of its own other settings, by rising effect, with the interval that "
    "holds for all such arms of its study together, over folds where a study has them; the grey zone is where chance "
    "alone leaves each place in 95% of the sign patterns. Open circles: arms of which some runs collapsed or diverged. "
    "Below, the study of the arm in that column, its λ and its start: a pattern from left to right is a choice that "
    "matters. It is a picture and no test: what is claimed stands in the studies."
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one study says.

    Attributes:
        name: Of the study, see `read_all`.
        study: The study.
        headline: The sentence that answers its question.
        findings: (block, sentences) pairs beside it, block "" for a study of one.
        figure: The figure of the answer, called `name`; None where it has none.
    """

    name: str
    study: Study
    headline: str
    findings: tuple[tuple[str, tuple[Finding, ...]], ...]
    figure: ReportFigure | None


@dataclass(frozen=True, kw_only=True)
class EveryArm:
    """Every arm with the layer of several studies against the control of its own other settings.

    Attributes:
        contrasts: One for each arm, or for each setting over the divisions of a data set; an arm that several studies
            ran is that of the most seeds.
        finding: How many are ahead, and how many lie outside what chance gives.
        figure: Their specification curve.
    """

    contrasts: tuple[Contrast, ...]
    finding: Finding
    figure: ReportFigure


def answer_of(name: str, conclusions: Conclusions) -> Answer:
    """The answer of a study, as its report gives it."""
    drawn = HERO.compute(conclusions).figures if HERO.applies(conclusions) is True else []
    figure = replace(drawn[0], name=name) if drawn else None
    pairs = findings(conclusions)
    beside = beside_headline(conclusions)
    if beside is not None and not any(beside.text == one.text for _, some in pairs for one in some):
        pairs = (("", (beside,)), *pairs)
    said = headline(conclusions).text
    return Answer(name=name, study=conclusions.study, headline=said, findings=pairs, figure=figure)


def every_arm(studies: Mapping[str, Conclusions]) -> EveryArm | None:
    """All arms of `studies` (by their names) that have a control, as one specification curve; None without any.

    Runs of one seed share their sign over all studies: equal settings and seed are one cell, whichever study ran it.
    """
    by_cell: dict[str, _Compared] = {}
    for name, conclusions in studies.items():
        for one in _against_control(name, conclusions):
            known = by_cell.get(one.record.hash)
            if known is None or known.shown.n < one.shown.n:
                by_cell[one.record.hash] = one
    if not by_cell:
        return None
    names = tuple(dict.fromkeys(one.study for one in by_cell.values()))
    contrasts = tuple(_described(one, order) for order, one in enumerate(by_cell.values()))
    curve = specification(differences_by_seed([one.by_seed for one in by_cell.values()]))
    levels = {"study": names, LAMBDA: _LAMBDAS, _START: _STARTS}
    present = {name: {contrast.arm.factors[name] for contrast in contrasts} for name in levels}
    factors = [
        Factor(name=name, levels=tuple(v for v in values if v in present[name]), is_ordered=False)
        for name, values in levels.items()
    ]
    drawn = specification_figure(contrasts, curve, factors)
    figure = replace(drawn, name="every-arm", caption=_CAPTION)
    return EveryArm(contrasts=contrasts, finding=curve_finding(contrasts, curve), figure=figure)


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """An arm of a study against its control.

    Attributes:
        study: Its name.
        shown: The comparison with its interval.
        by_seed: The same one over seeds, where `shown` is over divisions of the data; else `shown`.
        record: Of the arm's first cell.
    """

    study: str
    shown: Contrast
    by_seed: Contrast
    record: CellRecord


def _against_control(name: str, conclusions: Conclusions) -> list[_Compared]:
    study = conclusions.study
    all_factors = [arm.factors for arm in study.arms]
    controls = {
        arm: study.arms[control]
        for arm, control in zip(study.arms, counterparts(all_factors, all_factors, CONTROL), strict=True)
        if arm.kind is Kind.VMP and control is not None
    }
    return [
        _Compared(study=name, shown=one, by_seed=other, record=_first_record(study, one.arm))
        for one, other in zip(*compared(conclusions, controls, FAMILY), strict=True)
    ]


def _first_record(study: Study, arm: Arm) -> CellRecord:
    return study.read(study.hashes(study.rows(arm))[0])


def _described(one: _Compared, order: int) -> Contrast:
    """The comparison with its arm named by study, lambda and start, as the figure's matrix has them."""
    name, contrast, record = one.study, one.shown, one.record
    value = round(float(record.metrics.get("lambda") or 0.0), 6)  # recorded in float32
    chosen = _LAMBDAS[3 if value == 0 else 2 if value <= 0.1 else 1 if value <= 1 else 0]
    factors = {"study": name, LAMBDA: chosen, _START: _start(record)}
    arm = Arm(label=f"{name}: {contrast.sides.subject}", kind=Kind.VMP, factors=factors, order=2 * order)
    control = replace(contrast.reference, label="the control", order=2 * order + 1)
    return replace(contrast, sides=Sides.pair(arm, control))


def _start(record: CellRecord) -> str:
    layer = record.settings.get("layer")
    normalization = layer.get("normalization") if isinstance(layer, dict) else None
    start = normalization.get("start") if isinstance(normalization, dict) else None
    if isinstance(start, dict) and start.get("kind") == "published":
        return _STARTS[3]
    n = record.start.get("n")
    if not isinstance(n, float | int):
        return _STARTS[4]
    return _STARTS[0 if n > 1e-6 else 1 if n > -1e-6 else 2]


def write_atlas(sources: Sequence[Path], studies: Mapping[str, Conclusions], out: Path) -> Path:
    """Write the document, Markdown with its pictures, into the folder `out`.

    Args:
        sources: Where the studies are, as the document names them in its commands.
        studies: Their conclusions by name, in that order, see `read_all`.
        out: The folder; files of the same names are replaced.

    Returns:
        The path of the document. The same records give the same text.

    Raises:
        InputError: `out` cannot be written.
    """
    answers, everything = [answer_of(name, one) for name, one in studies.items()], every_arm(studies)
    figures = [answer.figure for answer in answers if answer.figure]
    figures += [everything.figure] if everything else []
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_figures(figures, out, meanwhile=lambda: None)
        for figure in figures:
            (out / f"{figure.name}.svg").unlink()
        (out / PAGE).write_text(atlas_text(sources, answers, everything, out), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot write to '{out}': {error.strerror or error}; give --out another folder") from error
    return out / PAGE


def atlas_text(sources: Sequence[Path], answers: Sequence[Answer], everything: EveryArm | None, out: Path) -> str:
    """The document in Markdown; `sources` as its commands name them."""
    cells = sum(len(answer.study.cells) for answer in answers)
    lines = [
        "# Gallery of answers",
        "",
        f"{count(len(answers), 'study', 'studies')}, {count(cells, 'cell')}. Every sentence below is its report's own; "
        "`vmp report` beside it makes the page with tables, methods and the cells behind it. This document was written "
        f"by `vmp atlas {' '.join(map(os.fspath, sources))} --out {os.fspath(out)}`.",
        "",
    ]
    if everything is not None:
        lines += ["## Every arm with the layer against its control", ""]
        lines += [f"> {everything.finding.text}", "", *_picture(everything.figure), everything.figure.caption, ""]
    for source, answer in zip(sources, answers, strict=True):
        lines += _section(source, answer)
    return "\n".join(lines)


def _section(source: Path, answer: Answer) -> list[str]:
    study = answer.study
    lines = [f"## {answer.name}", ""]
    lines += [f"**{study.question}**", ""] if study.question else []
    lines += [f"> {answer.headline}", ""]
    lines += _picture(answer.figure) if answer.figure else []
    lines += ["<details markdown><summary>All findings</summary>", ""]
    for block, some in answer.findings:
        lines += [f"In {block}:", ""] if block else []
        lines += [f"- *{finding.topic}.* {finding.text}" for finding in some]
        lines += [""] if some else []
    lines += ["</details>", ""]
    seeds = count(len(study.plan.seeds), "seed")
    lines += [f"{count(len(study.cells), 'cell')}, {seeds}: `vmp report {os.fspath(source)} --out DIR`", ""]
    return lines


def _picture(figure: ReportFigure) -> list[str]:
    return [f"![{figure.alt.replace('[', '(').replace(']', ')')}]({figure.name}.png)", ""]


def read_all(sources: Sequence[Path]) -> dict[str, Conclusions]:
    """The conclusions of every study folder by the study's name; by the folder's where several studies share theirs.

    Raises:
        InputError: A folder holds no study or has cells still to run, or two have neither name for their own.
    """
    made: list[Conclusions] = []
    for source in sources:
        conclusions = conclude(load_study(source))
        if not conclusions.completeness.is_finished:
            raise InputError(f"'{source}' has cells still to run; `vmp sweep run` completes it")
        made.append(conclusions)
    own = [one.study.name for one in made]
    names = [name if own.count(name) == 1 else source.resolve().name for name, source in zip(own, sources, strict=True)]
    for name, study in zip(names, own, strict=True):
        if names.count(name) > 1:
            raise InputError(
                f"two of the folders hold a study named '{study}' and would both be {name}.png; give one, or "
                "rename one of the folders"
            )
    return dict(zip(names, made, strict=True))
