"""Checklists of venues: what the records answer, in a sentence or two, and what they cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.sections.base import Document, Listing, Section, SectionContent
from analysis.study.cells import HASH
from analysis.study.provenance import excluded_videos
from analysis.verdict.conclusions import Conclusions
from analysis.words.headline import findings, headline
from sweeps.stats.decisions import Verdict
from sweeps.stats.means import MIN_SEEDS
from vmp.core.text import count, duration, listing

CANNOT = "cannot tick: "
_DISCLAIMER = (
    "Answers are made from the records of this study alone, for what they say and no more; the paper's own text is for "
    "its authors to answer for."
)
_PAPER = "the records say nothing of the paper's text"
_PEOPLE = "the records say nothing of people or of consequences"
_RIGHTS = "the records name no license and no terms of use"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the records say to an item.

    Attributes:
        text: One or two sentences; or why they cannot answer, without its first words.
        section: Anchor of the section of the report that has the evidence; "" for none.
        is_ticked: Whether they answer it.
    """

    text: str
    section: str = ""
    is_ticked: bool = True


def _cannot(reason: str) -> Callable[[Conclusions], Answer]:
    return lambda _: Answer(text=reason, is_ticked=False)


def _claims(c: Conclusions) -> Answer:
    if c.race is not None:
        return Answer(text=f"The study's own answer: {headline(c).text}", section="race")
    made = [one for one in c.primary if one.verdict is not Verdict.NONE]
    if not made:
        return Answer(text=f"no comparison has the {MIN_SEEDS} seeds that a verdict takes", is_ticked=False)
    text = f"The study's own answer: {headline(c).text}"
    if c.confirmed is None and len(made) > 1:
        text += f" {count(len(made), 'comparison')} were decided together."
    return Answer(text=text, section="findings")


def _limitations(c: Conclusions) -> Answer:
    texts = [one.text for _, some in findings(c) for one in some if one.topic == "Not yet shown"]
    if not texts:
        return Answer(text="the report names no limit of this study beside its cells and seeds", is_ticked=False)
    return Answer(text=" ".join(dict.fromkeys(texts)), section="findings")


def _reproducible(c: Conclusions) -> Answer:
    plan, records = c.study.plan, c.study.records.values()
    if not plan.code.hash or not any(record.settings for record in records):
        return Answer(text="no cell recorded its complete settings and its code", is_ticked=False)
    seeds = count(len(plan.seeds), "seed")
    text = (
        f"Each of {count(len(records), 'cell')} recorded its complete settings, its seed ({seeds}) and the hash of the "
        f"code that computed it (plan: {plan.code.hash})."
    )
    commits = {record.commit for record in records if record.commit}
    dirty = sum(record.dirty is True for record in records)
    if len(commits) == 1:
        text += f" All are of commit {commits.pop()[:12]}"
        text += f", {dirty} of them with uncommitted changes." if dirty else ", without uncommitted changes."
    return Answer(text=text, section="provenance")


def _settings(c: Conclusions) -> Answer:
    records = list(c.study.records.values())
    if not records or not all(record.settings for record in records):
        return Answer(text="no cell recorded its complete settings", is_ticked=False)
    train = records[0].settings.get("train")
    recorded = train if isinstance(train, dict) else {}
    optimizer = recorded.get("optimizer")
    name = optimizer.get("kind") if isinstance(optimizer, dict) else None
    facts = [f"{recorded['epochs']} epochs" if "epochs" in recorded else "",
             f"batches of {recorded['batch_size']}" if "batch_size" in recorded else "", str(name or "")]  # fmt: skip
    parts = [fact for fact in facts if fact]
    text = f"Complete settings are in the record of every cell; varied are {listing(list(c.study.plan.factors))}."
    alike = len({str(record.settings.get("train")) for record in records}) == 1
    text += f" All were trained with {listing(parts)}." if parts and alike else ""
    return Answer(text=text, section="cells")


def _significance(c: Conclusions) -> Answer:
    if c.race is not None:
        text = "The race decides between its arms by intervals that allow for every time at which it looked."
        return Answer(text=text, section="race")
    made = [one for one in c.primary if one.verdict is not Verdict.NONE]
    if not made:
        return Answer(text=f"no two arms share the {MIN_SEEDS} seeds that an interval takes", is_ticked=False)
    constant = sum(one.interval is None for one in made)
    if constant == len(made):
        return Answer(text="no difference varies over seeds, so none has an interval", is_ticked=False)
    fewest, most = min(one.n for one in made), max(one.n for one in made)
    runs = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    family = made[0].family
    together = f", that hold for all {family} comparisons of the family together (Holm)" if family > 1 else ""
    vary = "seeds vary initial weights, order of clips and sampling"
    if c.study.origin is not None:
        vary = f"what seeds vary, {c.study.origin.tool} does not record"
    text = f"Differences within {runs} seeds carry 95% Student's t intervals{together}; {vary}."
    text += f" {constant} of {len(made)} differences do not vary over seeds and carry none." if constant else ""
    return Answer(text=text, section="comparisons")


def _descriptive(c: Conclusions) -> Answer:
    shown = [s for s in c.summaries if s.seeds]
    if not shown:
        return Answer(text="no cell is complete", is_ticked=False)
    fewest, most = min(len(s.seeds) for s in shown), max(len(s.seeds) for s in shown)
    runs = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    text = f"Numbers are means over {runs} runs of an arm, with their standard deviation; single runs are shown too."
    if fewest == most == 1:
        text = "Each number is that of a single run."
    return Answer(text=text, section="numbers")


def _compute(c: Conclusions) -> Answer:
    seconds = c.evidence.provenance.seconds
    if math.isnan(seconds):
        return Answer(text="no cell recorded its time", is_ticked=False)
    machines = {
        f"{h.cpu}, {count(h.cores, 'core') if h.cores else 'cores not recorded'}, {h.memory_gib} GiB, device {h.device}"
        for record in c.study.records.values() if (h := record.hardware)
    }  # fmt: skip
    text = f"The cells took {duration(seconds)} in all. "
    text += f"They ran on {'; '.join(sorted(machines))}." if machines else "Their hardware was not recorded."
    unrecorded = " Runs outside this study, such as those that failed before it, are not counted."
    return Answer(text=text + unrecorded, section="provenance")


def _size_and_budget(c: Conclusions) -> Answer:
    budget = _compute(c)
    if not budget.is_ticked:
        return budget
    return Answer(text=f"{budget.text} The number of parameters is not recorded.", section=budget.section)


def _search(c: Conclusions) -> Answer:
    plan = c.study.plan
    if c.study.origin is not None:
        return Answer(text=f"{c.study.origin.tool} did not record here how the values were chosen", is_ticked=False)
    best = [f"{verdict.best.arm.label}{f' for {verdict.block}' if verdict.block else ''}"
            for verdict in c.verdicts if verdict.best]  # fmt: skip
    spaces = "; ".join(f"{name}: {count(len(values), 'value')}" for name, values in plan.factors.items())
    text = f"{count(len(c.study.arms), 'arm')} by {plan.search.method} over {spaces}."
    text += f" Best on validation: {listing(best)}." if best else " No arm was chosen."
    return Answer(text=text, section="findings")


def _data(c: Conclusions) -> Answer:
    data = c.study.plan.data
    if not data.hash:
        return Answer(text="the data were not recorded", is_ticked=False)
    splits = listing([f"{number} {split}" for split, number in data.splits.items()])
    text = f"Data set '{data.name}', content hash {data.hash}: {splits} videos, "
    text += f"{count(len(data.classes), 'class', 'classes')}."
    return Answer(text=text, section="provenance")


def _dataset(c: Conclusions) -> Answer:
    answer = _data(c)
    if not answer.is_ticked:
        return answer
    return Answer(text=f"{answer.text} A link or DOI is not recorded.", section=answer.section)


def _outcome(c: Conclusions) -> Answer:
    counts = c.study.plan.data.class_counts
    if not counts:
        return Answer(text="how often each class occurs was not recorded", is_ticked=False)
    parts = [f"{split} {min(some)} to {max(some)}" for split, some in counts.items() if some]
    return Answer(
        text=f"The outcome is the class of a video; videos of a class: {listing(parts)}.", section="provenance"
    )


def _excluded(c: Conclusions) -> Answer:
    if not any(record.data for record in c.study.records.values()):
        return Answer(text="no cell recorded which videos it could use", is_ticked=False)
    excluded = excluded_videos(c.study)
    if not excluded:
        return Answer(text="No video that the annotation lists was excluded.", section="provenance")
    were = "was" if len(excluded) == 1 else "were"
    text = f"{count(len(excluded), 'video')} {were} excluded, each with its reason in the report."
    return Answer(text=text, section="provenance")


def _transformed(c: Conclusions) -> Answer:
    protocols = {r.protocol.model_dump_json(): r.protocol for r in c.study.records.values() if r.protocol}
    if not protocols:
        return Answer(text="how clips are made from videos was not recorded", is_ticked=False)
    if len(protocols) > 1:
        return Answer(text=f"Clips are made in {len(protocols)} ways, which the report lists.", section="provenance")
    p = next(iter(protocols.values()))
    text = (
        f"Clips: sampler {p.sampler}, {p.frames} frames; at test {count(p.views, 'view')} and {count(p.crops, 'crop')}."
    )
    return Answer(text=f"{text} Normalization and augmentation are in each cell's settings.", section="provenance")


def _evaluation(c: Conclusions) -> Answer:
    if not c.study.has_validation:
        return Answer(
            text="one value was recorded for each run, so nothing separates choosing from reporting", is_ticked=False
        )
    if c.race is None and not any(verdict.best for verdict in c.verdicts):
        return Answer(text="no arm was chosen: too few seeds are complete", is_ticked=False)
    text = f"Arms are chosen by validation {c.study.metric_name} and reported on {c.study.measured}"
    return Answer(text=f"{text}, over the seeds that all candidates share.", section="methods")


def _baselines(c: Conclusions) -> Answer:
    made = [contrast for contrast in c.primary if contrast.verdict is not Verdict.NONE]
    references = list(dict.fromkeys(contrast.sides.against for contrast in made))
    if not references:
        return Answer(text=f"no two arms share the {MIN_SEEDS} seeds that a comparison takes", is_ticked=False)
    more = f" and {len(references) - 4} more" if len(references) > 4 else ""
    return Answer(text=f"Compared with: {'; '.join(references[:4])}{more}.", section="comparisons")


def _separation(c: Conclusions) -> Answer:
    data = c.study.plan.data
    if not data.hash:
        return Answer(text="the data were not recorded", is_ticked=False)
    if data.groups is None:
        return Answer(
            text="the sources of the videos are not known, so that the splits share none is not known", is_ticked=False
        )
    sources = listing([f"{number} in {split}" for split, number in data.groups.items()])
    text = f"Sources of videos: {sources}; a source in two splits is refused before anything runs."
    return Answer(text=text, section="provenance")


def _metrics(c: Conclusions) -> Answer:
    return Answer(text=f"Arms are compared by {c.study.measured}.", section="numbers")


def _environment(c: Conclusions) -> Answer:
    versions = {str(sorted(r.versions.items())): r.versions for r in c.study.records.values()}
    known = [one for one in versions.values() if one]
    if not known:
        return Answer(text="no cell recorded its versions", is_ticked=False)
    names = ", ".join(f"{name} {version}" for name, version in known[0].items())
    more = f" {len(known) - 1} other sets of versions occur as well." if len(known) > 1 else ""
    return Answer(text=f"Versions: {names}.{more}", section="provenance")


Item = tuple[str, Callable[[Conclusions], Answer]]
_NEURIPS: Sequence[Item] = (
    ("1. Claims", _claims),
    ("2. Limitations", _limitations),
    ("3. Theory assumptions and proofs", _cannot("the records hold experiments, no theory")),
    ("4. Experimental result reproducibility", _reproducible),
    ("5. Open access to data and code", _cannot("whether data and code are public is not recorded")),
    ("6. Experimental setting and details", _settings),
    ("7. Experiment statistical significance", _significance),
    ("8. Experiments compute resources", _compute),
    ("9. Code of ethics", _cannot(_PEOPLE)),
    ("10. Broader impacts", _cannot(_PEOPLE)),
    ("11. Safeguards", _cannot(_PEOPLE)),
    ("12. Licenses for existing assets", _cannot(_RIGHTS)),
    ("13. New assets", _cannot("what is released is not recorded")),
    ("14. Crowdsourcing and research with human subjects", _cannot(_PEOPLE)),
    ("15. Institutional review board approvals", _cannot(_PEOPLE)),
    ("16. Declaration of LLM usage", _cannot(_PAPER)),
)
_REFORMS: Sequence[Item] = (
    ("1a. Population of the claim", _cannot(_PAPER)),
    ("1b. Motivation for that population", _cannot(_PAPER)),
    ("1c. Motivation for machine learning", _cannot(_PAPER)),
    ("2a. Dataset", _dataset),
    ("2b. Code", _reproducible),
    ("2c. Computing infrastructure", _compute),
    ("2d. README", _cannot("the records hold no README")),
    ("2e. Reproduction script", _cannot("the records hold no script")),
    ("3a. Sources of data", _cannot("when and how the videos were collected and labelled is not recorded")),
    ("3b. Sampling frame", _cannot("what the videos were sampled from is not recorded")),
    ("3c. Why the dataset is useful", _cannot(_PAPER)),
    ("3d. Outcome variable", _outcome),
    ("3e. Number of samples", _data),
    ("3f. Missing data", _excluded),
    ("3g. Representativeness", _cannot(_PAPER)),
    ("4a. Excluded samples", _excluded),
    ("4b. Impossible or corrupt samples", _excluded),
    ("4c. Transformations", _transformed),
    ("5a. Models", _settings),
    ("5b. Why these models", _cannot(_PAPER)),
    ("5c. Evaluation", _evaluation),
    ("5d. Model selection", _evaluation),
    ("5e. Hyper-parameter selection", _search),
    ("5f. Baselines", _baselines),
    ("6a. Separation of training and test data", _separation),
    ("6b. Dependencies or duplicates between samples", _cannot("whether videos repeat each other is not recorded")),
    ("6c. Legitimacy of features", _cannot("by what a class is recognised is for the authors to say")),
    ("7a. Metrics", _metrics),
    ("7b. Uncertainty", _significance),
    ("7c. Statistical tests", _significance),
    ("8a. External validity", _cannot(_PAPER)),
    ("8b. Contexts where the findings may not hold", _limitations),
)
_ACL: Sequence[Item] = (
    ("A1. Limitations", _limitations),
    ("A2. Risks", _cannot(_PEOPLE)),
    ("B1. Creators of artifacts", _cannot(_PAPER)),
    ("B2. License or terms", _cannot(_RIGHTS)),
    ("B3. Intended use", _cannot(_RIGHTS)),
    ("B4. Personal or offensive content", _cannot(_PEOPLE)),
    ("B5. Documentation of artifacts", _cannot(_PAPER)),
    ("B6. Statistics of the data", _data),
    ("C1. Model size, budget and infrastructure", _size_and_budget),
    ("C2. Setup and best-found hyperparameters", _search),
    ("C3. Descriptive statistics", _descriptive),
    ("C4. Parameters of packages", _environment),
)
CHECKLISTS: dict[str, Sequence[Item]] = {
    "NeurIPS paper checklist": _NEURIPS,
    "REFORMS (Kapoor et al. 2024)": _REFORMS,
    "ACL Responsible NLP Research checklist, A to C": _ACL,
}
"""By title the items, in the order and by the numbers of each checklist."""


def answers(conclusions: Conclusions) -> dict[str, list[tuple[str, Answer]]]:
    """Every item of every checklist with its answer; what answers several is made once."""
    made: dict[Callable[[Conclusions], Answer], Answer] = {}
    for items in CHECKLISTS.values():
        for _, answer in items:
            if answer not in made:
                made[answer] = answer(conclusions)
    return {title: [(item, made[answer]) for item, answer in items] for title, items in CHECKLISTS.items()}


def _content(conclusions: Conclusions) -> SectionContent:
    made = answers(conclusions)
    listings = []
    for title, items in made.items():
        ticked = sum(answer.is_ticked for _, answer in items)
        shown = [(item, answer.text if answer.is_ticked else f"{CANNOT}{answer.text}.") for item, answer in items]
        listings.append(Listing(items=shown, title=f"{title}: {ticked} of {len(items)} items answered"))
    return SectionContent(
        intro=f"{_DISCLAIMER} With links to sections and cells: appendix/checklists.md.",
        listings=listings,
        documents=[Document(name="checklists", text=_markdown(conclusions, made))],
    )


def _markdown(conclusions: Conclusions, made: dict[str, list[tuple[str, Answer]]]) -> str:
    study = conclusions.study
    hashes = list(study.cells.loc[study.cells[HASH].isin(study.records), HASH])
    cells = f"Cells behind them: {len(hashes)}, listed in [tables/cells.csv](../tables/cells.csv)"
    lines = [f"# Checklists: {_escaped(study.name)}", "", f"{_DISCLAIMER} {cells}.", ""]
    for title, items in made.items():
        lines += [f"## {title}", ""]
        for item, answer in items:
            if answer.is_ticked:
                where = f" ([evidence](../index.html#{answer.section}))" if answer.section else ""
                lines.append(f"- [x] **{item}** {_escaped(answer.text)}{where}")
            else:
                lines.append(f"- [ ] **{item}** {CANNOT}{_escaped(answer.text)}.")
        lines.append("")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|" else character for character in text)


CHECKLISTS_SECTION = Section(name="checklists", title="Checklists", order=145, compute=_content, is_folded=True)
