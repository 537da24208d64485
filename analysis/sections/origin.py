"""Where the numbers come from: versions, code, hardware, data, protocol, seeds, compute."""

from __future__ import annotations

from analysis.sections.base import Listing, Section, SectionContent
from analysis.study.provenance import excluded_videos
from analysis.verdict.conclusions import Conclusions
from vmp.core.text import count

MAX_EXCLUDED = 200


def _compute(conclusions: Conclusions) -> SectionContent:
    excluded = excluded_videos(conclusions.study)
    were = "was" if len(excluded) == 1 else "were"
    listing = Listing(items=excluded[:MAX_EXCLUDED], title=f"{count(len(excluded), 'video')} {were} excluded")
    return SectionContent(facts=conclusions.evidence.provenance.facts, listings=[listing] if excluded else [])


PROVENANCE = Section(name="provenance", title="Provenance", order=140, compute=_compute)
