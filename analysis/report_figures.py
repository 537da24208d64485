"""Which figures a study gets, drawn and saved, each with its caption and a text for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from analysis.arms import Arm, Kind
from analysis.figures import dots, forest, grid, lambda_curve, manipulation, power_curve, seeds, training
from analysis.figures.style import drawing, new_figure
from analysis.judged import JudgedStudy
from analysis.outcome import Contrast
from analysis.phrases import percent
from analysis.published import SOURCE
from analysis.report_figure import ReportFigure, fill, finish
from analysis.table import curve_table
from analysis.verdict import LambdaVerdict


def report_figures(judged: JudgedStudy, folder: Path) -> tuple[ReportFigure, ...]:
    """Draw every figure that the study has data for into `folder` (SVG and PNG)."""
    figures: list[ReportFigure | None] = []
    with drawing():
        for i, verdict in enumerate(judged.lambda_verdicts):
            suffix = f"_{i + 1}" if len(judged.lambda_verdicts) > 1 else ""
            figures += [_lambda_figure(judged, verdict, folder, suffix), _manipulation(judged, verdict, folder, suffix)]
        if judged.arm_verdict is not None:
            figures += [_grid_figure(judged, folder), _dots_figure(judged, folder)]
        figures.append(_forest_figure(judged.primary, folder, "differences"))
        figures.append(_seeds_figure(judged, folder))
        figures.append(_training_figure(judged, folder))
        figures.append(_power_figure(judged, folder))
    return tuple(figure for figure in figures if figure is not None)


def _lambda_figure(judged: JudgedStudy, verdict: LambdaVerdict, folder: Path, suffix: str) -> ReportFigure | None:
    data = lambda_curve.prepare_lambda_curve(judged.study, verdict)
    if not any(math.isfinite(value) for value in data.mean):
        return None
    figure, axes = new_figure(4.5)
    lambda_curve.draw_lambda_curve(data, ax=axes[0, 0])
    block = f" for {verdict.block}" if verdict.block else ""
    caption = f"Test accuracy against λ{block}. Large dots are means, small dots single seeds"
    caption += ", thin lines join the cells of one seed" if len(judged.study.plan.seeds) <= 12 else ""
    caption += "; open triangles are seeds whose attention collapsed. " if _any_collapse(verdict) else ". "
    if data.reference:
        caption += (
            f"Bars are 95% intervals of the paired difference to {data.reference}, drawn around the mean: a bar clear "
            "of that line is a difference shown by this λ alone, a light band clear of it one that also allows for the "
            f"{len(verdict.points)} values compared. The band may run off the axis when seeds are few."
        )
    else:
        caption += "Bars are 95% intervals of each arm's own mean; the study has no reference arm to pair with."
    levels = [f"{point.summary.arm.label}: {percent(point.summary.test_mean)}" for point in verdict.points[:16]]
    alt = f"Line chart of test accuracy by λ{block}. " + "; ".join(levels)
    for level in data.levels:
        alt += f"; {level.name}: {level.mean:.1f}%"
    return finish(
        figure,
        folder,
        name=f"lambda{suffix}",
        section="hero",
        caption=caption,
        alt=alt + ".",
        titles=lambda_curve.point_titles(data),
    )


def _manipulation(judged: JudgedStudy, verdict: LambdaVerdict, folder: Path, suffix: str) -> ReportFigure | None:
    panels = manipulation.prepare_manipulation(judged.study, verdict)
    if not panels:
        return None
    columns = 3
    rows = math.ceil(len(panels) / columns)
    figure, axes = new_figure(0.4 + 2.3 * rows, rows, columns)
    fill(axes.ravel().tolist(), panels, manipulation.draw_manipulation)
    figure.supxlabel(panels[0].axis.label, fontsize=10)
    block = f" ({verdict.block})" if verdict.block else ""
    caption = f"Did λ do anything{block}? A dot a seed, the line their mean"
    caption += ", open triangles collapsed seeds" if manipulation.has_collapse(panels) else ""
    caption += "; the dashed line is the control" if any(panel.control is not None for panel in panels) else ""
    if any(panel.anchors for panel in panels):
        caption += f"; green diamonds are the published values for the same λ on {SOURCE}"
    alt = "Small multiples against λ of " + ", ".join(panel.title for panel in panels) + "."
    return finish(figure, folder, name=f"manipulation{suffix}", section="manipulation", caption=caption + ".", alt=alt)


def _dots_figure(judged: JudgedStudy, folder: Path) -> ReportFigure | None:
    assert judged.arm_verdict is not None
    data = dots.prepare_dots(judged.study, judged.arm_verdict)
    if not data.rows:
        return None
    figure, axes = new_figure(data.height)
    dots.draw_dots(data, ax=axes[0, 0])
    caption = (
        "Test accuracy by arm: large dots are means with the 95% interval of the arm's own mean, small dots single "
        "seeds (open triangles: collapsed). Judge differences by the paired comparisons, not by these intervals."
    )
    caption += f" The {data.left_out} arms with lower validation means are in the table." if data.left_out else ""
    alt = "Dot plot of test accuracy by arm. " + "; ".join(f"{row.label}: {row.mean:.1f}%" for row in data.rows[:16])
    section = "hero" if grid.crossed_factors(judged.study) is None else "seeds"
    return finish(figure, folder, name="arms", section=section, caption=caption, alt=alt + ".")


def _grid_figure(judged: JudgedStudy, folder: Path) -> ReportFigure | None:
    assert judged.arm_verdict is not None
    crossing = grid.crossed_factors(judged.study)
    if crossing is None:
        return None
    panels = grid.prepare_grids(judged.study, judged.arm_verdict, crossing)
    learnt = any(grid.SHIFT in panel.title for panel in panels)
    columns = 2 if learnt else 1
    rows = math.ceil(len(panels) / columns)
    figure, axes = new_figure(rows * (1.1 + 0.5 * len(panels[0].rows[1])), rows, columns)
    fill(axes.ravel().tolist(), panels, grid.draw_grid)
    caption = (
        f"{crossing.columns} by {crossing.rows}: the test difference of each combination to its reference, in points"
    )
    caption += " (▽ k/n: k of n seeds collapsed)" if any("▽" in t for p in panels for r in p.texts for t in r) else ""
    caption += (
        "; on the right the shift b that training ended with, its mean and standard deviation over seeds"
        if learnt
        else ""
    )
    alt = f"Heat map of the test difference by {crossing.columns} and {crossing.rows}."
    return finish(figure, folder, name="grid", section="hero", caption=caption + ".", alt=alt)


def _forest_figure(contrasts: Sequence[Contrast], folder: Path, name: str) -> ReportFigure | None:
    references = {contrast.reference.label for contrast in contrasts}
    told = references.pop() if len(references) == 1 else "its reference"
    data = forest.prepare_forest(contrasts, told)
    if not data.rows:
        return None
    figure, axes = new_figure(data.height)
    forest.draw_forest(data, ax=axes[0, 0])
    caption = (
        f"Paired differences to {told}. Thick bars: 95% interval of that comparison alone; thin bars: 95% for all "
        f"{contrasts[0].family} of the family together (given at the right); small dots: single seeds; grey zone: the "
        f"margin of ±{data.margin:g} points within which arms count as practically equal."
    )
    caption += f" {data.left_out} more comparisons are in the table." if data.left_out else ""
    alt = "Forest plot of paired differences. " + "; ".join(f"{r.label}: {r.note}" for r in data.rows[:16])
    return finish(figure, folder, name=name, section="comparisons", caption=caption, alt=alt + ".")


def _seeds_figure(judged: JudgedStudy, folder: Path) -> ReportFigure | None:
    arms = _told_arms(judged)
    if len(arms) < 2 or len(judged.study.plan.seeds) > 60:
        return None
    data = seeds.prepare_seed_slopes(judged.study, arms)
    if not any(math.isfinite(value) for _, values, _ in data.lines for value in values):
        return None
    figure, axes = new_figure(3.9)
    seeds.draw_seed_slopes(data, ax=axes[0, 0])
    caption = (
        "The same seed means the same initial weights, split and order of clips in every arm, so each line is one fair "
        "comparison."
    )
    if any(flag for _, _, flags in data.lines for flag in flags):
        caption += " Open triangles are collapsed seeds, which a mean over seeds hides."
    alt = "Line for each seed over " + ", ".join(data.labels) + "."
    return finish(figure, folder, name="seeds", section="seeds", caption=caption, alt=alt)


def _training_figure(judged: JudgedStudy, folder: Path) -> ReportFigure | None:
    arms = training.shown_arms(judged.study.arms, judged.chosen)
    panels = training.prepare_training(curve_table(judged.study), arms, judged.study.plan.metric)
    if not panels:
        return None
    rows = math.ceil(len(panels) / 2)
    figure, axes = new_figure(0.3 + 2.9 * rows, rows, 2)
    fill(axes.ravel().tolist(), panels, training.draw_training)
    caption = "Training: a line an arm, the mean over the seeds that reached the epoch; thin lines are single seeds."
    if len(arms) < len(judged.study.arms):
        caption += f" {len(arms)} of {len(judged.study.arms)} arms are shown, spread over the plan."
    alt = "Curves over epochs of " + ", ".join(panel.title for panel in panels) + "."
    return finish(figure, folder, name="training", section="training", caption=caption, alt=alt)


def _power_figure(judged: JudgedStudy, folder: Path) -> ReportFigure | None:
    vmp = [arm for arm in judged.study.arms if arm.kind is Kind.VMP]
    shown = vmp if len(vmp) <= power_curve.MOST_PANELS else training.shown_arms(vmp, judged.chosen)
    curves = power_curve.prepare_power_curves(judged.study, shown)
    if not curves:
        return None
    columns = min(5, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure, axes = new_figure(0.5 + 1.75 * rows, rows, columns, sharex=True, sharey=True)
    fill(axes.ravel().tolist(), curves, power_curve.draw_power_curve)
    figure.supxlabel("frame difference D", fontsize=10)
    figure.supylabel("attention A", fontsize=10)
    caption = "The power normalisation that was learnt: attention as a function of the frame difference, a line a seed"
    caption += ", dotted where attention collapsed" if any(flag for c in curves for _, _, flag in c.learnt) else ""
    caption += f"; green: published for the same λ on {SOURCE}" if any(c.published for c in curves) else ""
    alt = "Learnt attention curves for " + ", ".join(curve.title for curve in curves) + "."
    return finish(figure, folder, name="power", section="manipulation", caption=caption + ".", alt=alt)


def _told_arms(judged: JudgedStudy) -> list[Arm]:
    """Baseline, control, then lambda 0 and the chosen arm, for the first block; all arms of a small study."""
    if not judged.lambda_verdicts:
        return list(judged.study.arms) if len(judged.study.arms) <= seeds.MOST_ARMS else []
    verdict = judged.lambda_verdicts[0]
    told = [summary.arm for summary in (verdict.baseline, verdict.control) if summary]
    points_ = list(verdict.points)
    if len(told) + len(points_) > seeds.MOST_ARMS:
        ends = [points_[0], verdict.best, points_[-1]]
        points_ = [point for point in points_ if any(point is end for end in ends)]
    return told + [point.summary.arm for point in points_]


def _any_collapse(verdict: LambdaVerdict) -> bool:
    return any(p.summary.collapse and p.summary.collapse.seeds for p in verdict.points)
