"""How the statements of the report were made: which interval, which multiplicity, what these seeds can show."""

from __future__ import annotations

from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions
from sweeps.stats.decisions import sign_flip_floor
from sweeps.stats.intervals import BOOTSTRAP_FROM
from sweeps.stats.planner import min_seeds_by_sign_flips
from vmp.core.text import count


def _compute(conclusions: Conclusions) -> SectionContent:
    study, families = conclusions.study, len(conclusions.verdicts)
    n = len(study.plan.seeds)
    interval = "Student's t" if n < BOOTSTRAP_FROM else "a percentile bootstrap"
    margin = "the default, fixed in advance" if study.plan.study.margin_is_default else "named by the study"
    by_block = f" This study has {families} families, one per block, each bounded by itself." if families > 1 else ""
    facts = [
        (
            "Unit",
            "A cell is one configuration (arm) with one seed. Arms are compared within a seed: the same initial "
            "weights, split and order of clips, so what all arms share cancels.",
        ),
        (
            "Intervals",
            f"95%, by {interval} over seeds. Below 20 seeds bootstrap intervals cover too rarely (83% instead of "
            "95% at 5 seeds), t intervals do not.",
        ),
        (
            "Many arms",
            "Simultaneous intervals are Bonferroni t and p values are adjusted by Holm, over all comparisons of a "
            f"family; the chance of any false claim in it stays at or below 5%.{by_block}",
        ),
        (
            "Practically equal",
            f"Two one-sided t tests at 5% against a margin of ±{100 * study.margin:g} points ({margin}). Not finding a "
            "difference is called undecided, never equal.",
        ),
        (
            "What the seeds can show",
            f"With {count(n, 'paired seed')} the exact sign-flip test cannot give less than "
            f"p = {sign_flip_floor(n):.3g}; it takes {min_seeds_by_sign_flips()} seeds to reach 5%. Verdicts rest on t "
            "intervals, which assume roughly normal differences; where some seeds collapse and others do not, they are "
            "not, and the seeds themselves should be read.",
        ),
    ]
    return SectionContent(facts=facts)


METHODS = Section(
    name="methods", title="How these statements were made", order=130, compute=_compute, gathers_methods=True
)
