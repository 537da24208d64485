"""Which sections a study's report has, and what stands in each; why it has no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The content of a report.

    Attributes:
        sections: (section, content) in their order.
        absent: (section, reason) for each that this study cannot have.
    """

    sections: tuple[tuple[Section, SectionContent], ...]
    absent: tuple[tuple[Section, str], ...]


def compose(conclusions: Conclusions, sections: Sequence[Section]) -> Composition:
    """Compute every section that applies, in the order of `sections`."""
    made: list[tuple[Section, SectionContent]] = []
    absent: list[tuple[Section, str]] = []
    for section in sections:
        answer = section.applies(conclusions)
        if answer is True:
            made.append((section, section.compute(conclusions)))
        else:
            absent.append((section, str(answer)))
    notes = [note for _, content in made for note in content.method]
    gathered = [
        (section, replace(content, facts=[*content.facts, *notes]) if section.gathers_methods else content)
        for section, content in made
    ]
    return Composition(sections=tuple(gathered), absent=tuple(absent))
