"""The verdict as one JSON object for scripts: ``vmp report DIR --json``. It writes nothing.

Keys, schema 1 (new keys may be added; a key that changes its meaning raises `SCHEMA`)::

    schema       1
    study        name of the study
    headline     the sentence that answers its question
    outcome      better | worse | equal | ahead | behind | undecided | none
    chosen       factors of the arm chosen on validation, or null
    reference    factors of the arm that it is compared with, or null
    seeds        the study's seeds
    comparison   {difference, low, high, p, n} on test, or null
    complete     whether nothing remains to run
    cells        {planned, complete, diverged, stopped, failed, missing}
    blocks       [{block, outcome, chosen, reference, comparison}], one for each block of the study
    warnings     sentences about what makes the cells less comparable than they should be
    page         path of the report's page, or null where none was written

Accuracies are fractions. ``low`` and ``high`` are the 95% interval that allows for all comparisons of the family, ``p``
the t test's p value adjusted by Holm; each is null where it does not exist. ``ahead`` and ``behind`` hold for the one
comparison alone, not once the family is allowed for. A study with several blocks has no single answer: there `outcome`
is ``none``, `chosen`, `reference` and `comparison` are null, and `blocks` has the answers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from analysis.study.cells import STATUSES
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Claim, Contrast
from analysis.verdict.decision import Verdict
from analysis.words.headline import headline

SCHEMA = 1


def json_object(conclusions: Conclusions, page: Path | None = None) -> dict[str, Any]:
    """The object of schema 1, of plain values that JSON can hold."""
    study, counts = conclusions.study, conclusions.completeness
    blocks = [{"block": verdict.block, **_answer(verdict)} for verdict in conclusions.verdicts]
    several = {"outcome": Claim.NONE.name.lower(), "chosen": None, "reference": None, "comparison": None}
    return {
        "schema": SCHEMA,
        "study": study.name,
        "headline": headline(conclusions).text,
        **(_answer(conclusions.verdicts[0]) if len(blocks) == 1 else several),
        "seeds": list(study.plan.seeds),
        "complete": counts.is_finished,
        "cells": {name: getattr(counts, name) for name in ("planned", *STATUSES)},
        "blocks": blocks,
        "warnings": list(conclusions.evidence.provenance.warnings),
        "page": str(page) if page else None,
    }


def _answer(verdict: Verdict) -> dict[str, Any]:
    main = verdict.main
    return {
        "outcome": verdict.claim.name.lower(),
        "chosen": dict(verdict.best.arm.factors) if verdict.best else None,
        "reference": dict(main.reference.factors) if main else None,
        "comparison": _comparison(main) if main else None,
    }


def _comparison(contrast: Contrast) -> dict[str, Any]:
    interval = contrast.simultaneous_interval
    return {
        "difference": _or_null(contrast.mean),
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "p": _or_null(contrast.p_t_holm),
        "n": contrast.n,
    }


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
