"""What the page shows besides tables and figures: key facts, the grid of cells, and how the statistics were made."""

from __future__ import annotations

from typing import Any

from analysis.arms import Kind
from analysis.judged import JudgedStudy
from analysis.phrases import number, percent, points, span
from analysis.stats.signflip import seeds_for, smallest_p
from analysis.table import ARM, COLLAPSED, HASH, REASON, SEED, STATUS, Study

MOST_GRID_CELLS = 1200
STATES = ("complete", "collapsed", "diverged", "failed", "missing")


def facts_at_a_glance(judged: JudgedStudy, compute: str) -> list[dict[str, str]]:
    """Up to five (name, value, note) tiles for the top of the page."""
    verdict = judged.verdict
    tiles: list[dict[str, str]] = []
    if judged.lambda_verdicts and len(judged.lambda_verdicts) == 1:
        best = judged.lambda_verdicts[0].best
        note = f"{percent(best.summary.test_mean)} on test" if best else "no choice possible yet"
        tiles.append(_tile("λ chosen on validation", number(best.lambda_) if best else "–", note))
    elif judged.arm_verdict is not None and judged.arm_verdict.best is not None:
        chosen = judged.arm_verdict.best
        tiles.append(_tile("best on validation", chosen.arm.label, f"{percent(chosen.test_mean)} on test"))
    main = verdict.main
    if main is not None and main.band is not None and len(judged.lambda_verdicts) < 2:
        name = {Kind.CONTROL: "against the control", Kind.BASELINE: "against the backbone alone"}
        title = name.get(main.reference.kind, "against the reference")
        tiles.append(_tile(title, f"{points(main.mean)} pts", f"{span(main.band)} · {verdict.outcome.value}"))
    judged_cells = judged.study.cells[judged.study.cells[COLLAPSED].notna()]
    if len(judged_cells):
        collapsed = int(judged_cells[COLLAPSED].astype(bool).sum())
        tiles.append(
            _tile("collapsed", f"{collapsed} of {len(judged_cells)}", "cells with practically constant attention")
        )
    counts = judged.completeness
    tiles.append(_tile("cells complete", f"{counts.complete} of {counts.planned}",
                       f"{len(judged.study.arms)} arms × {len(judged.study.plan.seeds)} seeds"))  # fmt: skip
    tiles.append(_tile("compute", compute, "summed over cells"))
    return tiles


def cell_grid(study: Study) -> dict[str, Any] | None:
    """Arms by seeds with each cell's status, for a picture of completeness; ``None`` when it would be too large."""
    if len(study.cells) > MOST_GRID_CELLS or len(study.plan.seeds) > 40:
        return None
    rows: dict[str, dict[int, dict[str, str]]] = {}
    for cell in study.cells.to_dict("records"):
        state = "collapsed" if cell[COLLAPSED] is True else str(cell[STATUS])
        told = f"{cell[ARM]}, seed {cell[SEED]}: {state}"
        told += f" ({cell[REASON]})" if cell[REASON] else ""
        rows.setdefault(str(cell[ARM]), {})[int(cell[SEED])] = {"state": state, "told": f"{told} · {cell[HASH]}"}
    seeds = list(study.plan.seeds)
    return {
        "seeds": seeds,
        "rows": [{"arm": arm, "cells": [cells.get(seed) for seed in seeds]} for arm, cells in rows.items()],
        "states": [s for s in STATES if any(c["state"] == s for cells in rows.values() for c in cells.values())],
    }


def method_notes(judged: JudgedStudy) -> list[tuple[str, str]]:
    """(term, explanation) pairs: which interval, which multiplicity, what these seeds can show."""
    study = judged.study
    n = len(study.plan.seeds)
    interval = "Student's t" if n < 20 else "a percentile bootstrap"
    margin = "named by the study" if study.plan.study.get("margin") is not None else "the default, fixed in advance"
    families = f" This study has {judged.families} families, one a block, each bounded by itself."
    notes = [
        (
            "Unit",
            "A cell is one configuration (arm) with one seed. Arms are compared within a seed: the same initial "
            "weights, split and order of clips, so what all arms share cancels.",
        ),
        (
            "Selection",
            f"Arms are chosen by validation {study.metric_name}, and everything reported is test {study.metric_name}. "
            "An arm with a diverged seed cannot be chosen.",
        ),
        (
            "Intervals",
            f"95%, by {interval} over seeds. Below 20 seeds bootstrap intervals cover too rarely (83% instead of "
            "95% at 5 seeds), t intervals do not.",
        ),
        (
            "Many arms",
            "Simultaneous intervals are Bonferroni t and p values are adjusted by Holm, over all comparisons of a "
            "family; the chance of any false claim in it stays at or below 5%."
            + (families if judged.families > 1 else ""),
        ),
        (
            "Practically equal",
            f"Two one-sided t tests at 5% against a margin of ±{100 * study.margin:g} points ({margin}). Not finding a "
            "difference is called undecided, never equal.",
        ),
        (
            "What the seeds can show",
            f"With {n} paired seed{'s' if n != 1 else ''} the exact sign-flip test cannot give less than "
            f"p = {smallest_p(n):.3g}; it takes {seeds_for(0.05)} seeds to reach 5%. Verdicts rest on t intervals, "
            "which assume roughly normal differences; where some seeds collapse and others do not, they are not, and "
            "the seeds themselves should be read.",
        ),
        (
            "Diverged, failed, missing",
            "Diverged cells are results without accuracy and stay out of means and comparisons; they are counted. "
            "Failed and missing cells are still to be run.",
        ),
    ]
    rules = {str(r.data["collapse_rule"]) for r in study.records.values() if r.data.get("collapse_rule")}
    if rules:
        notes.append(("Collapse", " / ".join(sorted(rules))))
    if judged.lambda_verdicts:
        notes.append(
            (
                "One standard error",
                "The smallest λ whose paired validation deficit to the best is at most one standard error of that "
                "deficit: the simplest choice the data do not speak against.",
            )
        )
    return notes


def _tile(name: str, value: str, note: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": note}
