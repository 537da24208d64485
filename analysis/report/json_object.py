"""The verdict as one JSON object for scripts: ``verdict.json`` beside the page, and ``vmp report DIR --json``.

Keys, schema 2 (new keys may be added; a key that changes its meaning raises `SCHEMA`)::

    schema       2
    study        name of the study
    headline     the sentence that answers its question
    outcome      better | worse | equal | ahead | behind | undecided | none
    chosen       factors of the arm chosen on validation, or null
    reference    factors of the arm that `comparison` is with, or null where it is with several
    seeds        the study's seeds
    comparison   {subject, against, difference, low, high, p, n, unit, family, reason} on test, or null; `unit` says
                 what `n` counts: ``seed``, or ``division`` of the data
    equivalent   factors of the arms shown to be practically equal to their reference
    possible     factors of the arms that may be the best: none is shown to be worse by more than the margin
    collapse     {count, n, low, high} of the chosen arm's runs that collapsed or diverged, or null
    effects      [{factor, comparison, collapse: {subject, against, p}}] of a study that crosses factors
    components   [{block, component, off, on, added, left_out, disagreement, shapley}] of an ablation or a
                 full grid; each of the last four is a comparison or null
    importance   {method, factors: [{factor, share, low, high, floor, above, total}]} as shares in [0, 1], or null
    race         of a study that was raced, as `vmp sweep replay --json` prints it, or null; by block in its `blocks`
    confirmation [{chosen, reference, outcome, comparison}] on fresh seeds, empty where none were run
    complete     whether nothing remains to run
    cells        {planned, complete, diverged, stopped, failed, missing}
    blocks       [{block, outcome, chosen, reference, comparison, equivalent, possible, collapse, effects}], one each
    warnings     sentences about what makes the cells less comparable than they should be
    page         path of the report's page, or null where none was written

Accuracies and rates are fractions. `outcome` is that of `comparison`: ``better``, ``worse`` and ``equal`` are
established claims, ``ahead`` and ``behind`` are not. It is the comparison of the headline: on fresh seeds where they
were run, else the leading effect of a study that crosses factors, else that of the chosen arm. ``low``, ``high`` and
``p`` allow for all comparisons of its family; each is null where it does not exist. Over several blocks it is the
comparison over all of them, and `chosen` is null where they have no setting in common.
"""

from __future__ import annotations

import json
import math
from typing import Any

from analysis.study.cells import STATUSES
from analysis.verdict.components import Component
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Effect
from analysis.verdict.importances import Importances
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.headline import answer, block_answer, headline
from sweeps.stats.collapse import Rate
from sweeps.stats.decisions import Verdict

SCHEMA = 2


def json_object(conclusions: Conclusions, page: str | None = None) -> dict[str, Any]:
    """The object of schema 2, of plain values that JSON can hold."""
    study, counts, fresh = conclusions.study, conclusions.completeness, conclusions.confirmed
    blocks = [{"block": v.block, **_block(v, block_answer(v, conclusions))} for v in conclusions.verdicts]
    own = _block(conclusions.verdicts[0], answer(conclusions)) if len(blocks) == 1 else _over_blocks(conclusions)
    return {
        "schema": SCHEMA,
        "study": study.name,
        "headline": headline(conclusions).text,
        **own,
        "seeds": list(study.plan.seeds),
        "components": [_component(v.block, one) for v in conclusions.components for one in v.components],
        "importance": None if isinstance(conclusions.importances, str) else _importance(conclusions.importances),
        "race": conclusions.race and conclusions.race.to_json(),
        "confirmation": [{"chosen": dict(c.arm.factors), **_compared(c)} for c in fresh.contrasts] if fresh else [],
        "complete": counts.is_finished,
        "cells": {name: getattr(counts, name) for name in ("planned", *STATUSES)},
        "blocks": blocks,
        "warnings": list(conclusions.evidence.provenance.warnings),
        "page": page,
    }


def json_text(conclusions: Conclusions, page: str | None = None) -> str:
    """The object as text."""
    return json.dumps(json_object(conclusions, page), indent=1, allow_nan=False, ensure_ascii=False)


def _block(verdict: BlockVerdict, contrast: Contrast | None) -> dict[str, Any]:
    endings = verdict.best.endings if verdict.best else None
    return {
        "chosen": dict(verdict.best.arm.factors) if verdict.best else None,
        **_compared(contrast),
        "equivalent": [dict(c.arm.factors) for c in verdict.contrasts if c.is_pair and c.verdict is Verdict.EQUAL],
        "possible": [dict(arm.factors) for arm in verdict.chosen.possible] if verdict.chosen else [],
        "collapse": _rate(endings.rate) if endings else None,
        "effects": [_effect(effect) for effect in verdict.effects],
    }


def _over_blocks(conclusions: Conclusions) -> dict[str, Any]:
    over = conclusions.over_blocks
    chosen = None
    if over is not None and over.chosen is not None:
        arms = list(over.arms.values())
        chosen = {name: value for name, value in arms[0].factors.items() if all(a.factors[name] == value for a in arms)}
    return {
        "chosen": chosen,
        **_compared(answer(conclusions)),
        "equivalent": [],
        "possible": [],
        "collapse": None,
        "effects": [_effect(effect) for effect in over.effects] if over else [],
    }


def _compared(contrast: Contrast | None) -> dict[str, Any]:
    return {
        "outcome": (contrast.verdict if contrast else Verdict.NONE).value,
        "reference": dict(contrast.reference.factors) if contrast and contrast.is_pair else None,
        "comparison": _comparison(contrast) if contrast else None,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    rates = effect.rates
    return {
        "factor": effect.factor.name if effect.factor else None,
        "outcome": effect.contrast.verdict.value,
        "comparison": _comparison(effect.contrast),
        "collapse": {"subject": _rate(rates.subject), "against": _rate(rates.against), "p": _or_null(rates.p)}
        if rates
        else None,
    }


def _component(block: str, component: Component) -> dict[str, Any]:
    compared = {name: getattr(component, name) for name in ("added", "left_out", "disagreement", "shapley")}
    return {
        "block": block,
        "component": component.title,
        "off": component.off,
        "on": component.on,
        **{name: contrast and _comparison(contrast) for name, contrast in compared.items()},
    }


def _importance(made: Importances) -> dict[str, Any]:
    result = made.result
    rows = [
        {
            "factor": factor.name,
            "share": _or_null(float(result.share[i])),
            "low": _or_null(float(result.low[i])),
            "high": _or_null(float(result.high[i])),
            "floor": _or_null(float(result.floor[i])),
            "above": bool(result.is_above[i]),
            "total": None if result.total is None else _or_null(float(result.total[i])),
        }
        for i, factor in enumerate(made.factors)
    ]
    return {"method": result.method, "factors": rows}


def _comparison(contrast: Contrast) -> dict[str, Any]:
    interval = contrast.interval
    return {
        "subject": contrast.sides.subject,
        "against": contrast.sides.against,
        "difference": _or_null(contrast.mean),
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "p": _or_null(contrast.p),
        "n": contrast.n,
        "unit": contrast.unit,
        "family": contrast.family,
        "reason": contrast.reason.value,
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"count": rate.count, "n": rate.n, "low": rate.low, "high": rate.high}


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
