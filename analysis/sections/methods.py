"""How the statements of the report were made: which interval, which multiplicity, what these seeds can show."""

from __future__ import annotations

from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Divisions
from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.intervals import in_points
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.planner import min_seeds_by_sign_flips
from vmp.core.text import count


def _compute(conclusions: Conclusions) -> SectionContent:
    study = conclusions.study
    header = study.plan.study
    margin = "the default, fixed in advance" if header.margin_is_default else "named by the study"
    if study.origin is not None:
        margin = f"{'the default of this report' if header.margin_is_default else 'named for this report'}"
    shared = "the same initial weights, split and order of clips"
    if study.origin is not None:
        shared = f"runs with the same number in {study.origin.tool}, which does not record what they share"
    made = {
        name: family
        for (metric, name, *_), family in conclusions.evidence.families.items()
        if metric == study.test or isinstance(metric, tuple)
    }
    sizes = {name: family[0].family for name, family in made.items() if family and family[0].family}
    families = [f"{name} ({count(size, 'comparison')})" for name, size in sizes.items()]
    facts = [
        (
            "Unit",
            f"A cell is one configuration (arm) with one seed. Arms are compared within a seed: {shared}, so what all "
            f"arms share cancels. No verdict stands on fewer than {MIN_SEEDS} seeds.",
        ),
        (
            "One procedure",
            "P value, interval and verdict of a comparison come from one procedure and cannot disagree: Student's t "
            "on the differences within seeds, stepped down over its family (Holm) with the simultaneous intervals "
            "that belong to it. Better, worse and practically equal are read off the interval; the chance of any "
            "false one in a family is at most 5%. An interval that ends at 0 because the step-down says so is "
            "written 'above 0': the direction is shown, the size is not.",
        ),
        ("Families on this page", "; ".join(families) + ". Each is bounded by itself." if families else "none"),
        (
            "Practically equal",
            f"The interval lies within ±{in_points(study.margin)} ({margin}). Not finding a difference is called "
            "undecided, never equal.",
        ),
    ]
    over_seeds = [c.n for family in made.values() for c in family if c.sides.divisions is None]
    if sizes and over_seeds:
        facts.append(("What the seeds can show", _of_seeds(max(over_seeds), max(sizes.values()))))
    over = conclusions.over_blocks
    if over is not None and over.divisions is not None:
        facts.insert(2, ("Divisions of the data", _of_divisions(over.divisions)))
    return SectionContent(facts=facts)


def _of_seeds(n: int, largest: int) -> str:
    """What the sign-flip test can show with the seeds of the comparisons that have most, beside its largest family."""
    return (
        f"With {count(n, 'paired seed')}, the most of a comparison here, the smallest p of the sign-flip test, which "
        f"assumes no normality, is {_smallest(n, 1)} alone and {_smallest(n, largest)} in the largest family; it takes "
        f"{min_seeds_by_sign_flips()} and {min_seeds_by_sign_flips(largest)} seeds to reach 5%. Verdicts rest on t, "
        "which assumes roughly normal differences; where some seeds collapse and others do not, they are not, and the "
        "seeds themselves should be read."
    )


def _smallest(n: int, family: int) -> str:
    p = float(sign_flip_floor(n, family))
    return f"{p:.2g}" if p >= 0.0001 else "below 0.0001"


def _of_divisions(divisions: Divisions) -> str:
    return (
        "Over all divisions the same procedure is made on the mean difference of each division over its seeds. As "
        "divisions share training videos, the variance of their mean is sd² times 1/J + n2/n1 (Nadeau and Bengio, "
        f"Machine Learning 52, 2003), here J = {len(divisions.names)} divisions and n2/n1 = {divisions.overlap:.2f}, "
        "test over training videos. As divisions share seeds, the variance of the mean over the seeds' effects (what a "
        "seed does alike in every division) is added; degrees of freedom are Welch's. A seed counts as collapsed once, "
        "in however many divisions it did. Seeds alone would make it look far more certain than other divisions would "
        "bear out."
    )


METHODS = Section(
    name="methods", title="How these statements were made", order=130, compute=_compute, gathers_methods=True
)
