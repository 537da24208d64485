"""Every claim is backed: a sentence that compares names its comparisons, and its numbers are theirs."""

from __future__ import annotations

import re

import pytest

from analysis.report.compose import Composition, compose
from analysis.sections.catalogue import SECTIONS
from analysis.study.factors import block_factors
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Rates
from analysis.verdict.importances import Importances
from analysis.words.findings import Finding
from analysis.words.headline import answer, beside_headline, headline
from analysis.words.phrases import points
from sweeps.race_state import RaceState
from sweeps.stats.collapse import Rate
from sweeps.stats.decisions import Verdict
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, transfer_arms, write_study
from tests.conftest import ROOT

BLOCKS = [
    ArmModel({"backbone": backbone, "prompt": prompt, "lambda": v}, effect=0.05 * (v or 0))
    for backbone in ("slow", "x3d")
    for prompt, v in (("control", None), ("vmp", 0), ("vmp", 1), ("vmp", 2))
]
ARMS = [ArmModel({"prompt": "control", "n": None})]
ARMS += [
    ArmModel({"prompt": "vmp", "n": n}, effect=n, collapsed=frozenset([1] if n < 0 else [])) for n in (-0.3, 0, 0.3)
]
STUDIES = {
    "win": StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05}, collapsed={10: [0, 2]})),
    "loss": StudyModel(arms=lambda_arms({0: -0.15, 1: -0.2, 10: -0.2}), seeds=range(7)),
    "equal": StudyModel(arms=lambda_arms({0: 0.0, 1: 0.0}), seeds=range(8), cell_sd=0.005),
    "leaning": StudyModel(
        arms=lambda_arms({0: 0.05, 0.1: 0.06, 1: 0.05, 10: 0.05, 100: 0.04}), seeds=(0, 1, 2), cell_sd=0.015
    ),
    "undecided": StudyModel(arms=lambda_arms({0: 0.01, 1: 0.0}), seeds=(0, 1, 2), cell_sd=0.03),
    "incomplete": StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2, 5: 0.1}, missing={1: [0]}, stopped={5: [1]})),
    "no reference": StudyModel(arms=[ArmModel({"lambda": v}, effect=0.1 * v) for v in (0, 1)]),
    "blocks": StudyModel(arms=BLOCKS),
    "arms": StudyModel(arms=ARMS),
    "transfers": StudyModel(
        arms=transfer_arms(("none", "occlusion"), {("none", "occlusion", True): -0.1}),
        seeds=(0, 1, 2),
        extra={"reference": {"prompt": "vmp", "transfer": "none"}},
    ),
    "varying": StudyModel(arms=[ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"})], seeds=range(10)),
}
STUDIES |= {
    "starts": StudyModel(arms=STARTS, seeds=(0, 1, 2), cell_sd=0.03, extra={"compare": ["m", "n"]}),
    "remedies": StudyModel(arms=STARTS, extra={"reference": {"lambda": 0}}),
    "diverging": StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}, diverged={1: [2, 4]}), seeds=range(7)),
    "risky": StudyModel(
        arms=[ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"}, effect=0.015)],
        seeds=range(10),
        cell_sd=0.002,
        extra={"margin": 0.001},
    ),
}
PARTS = [
    ArmModel(
        {"lambda": v, "remedy": r, "flip": f}, effect=0.08 * v * f + 0.02 * v, collapsed=frozenset([2] if f else [])
    )
    for v in (0, 1)
    for r in ("none", "std_floor")
    for f in (False, True)
]
SWITCHED = [(4, 0), (2, 0), (1, 0), (3, 7), (5, 7), (6, 7)]
STUDIES |= {
    "ablation": StudyModel(
        arms=PARTS,
        seeds=range(7),
        extra={
            "design": {
                "settings": {"kind": "ablation"},
                "components": {"lambda": (0, 1), "remedy": ("none", "std_floor"), "flip": (False, True)},
                "pairs": [(PARTS[i].factors, PARTS[j].factors) for i, j in SWITCHED],
            }
        },
    ),
    "factorial": StudyModel(arms=PARTS, seeds=range(7)),
}
REFERENCES = sorted(path.parent.name for path in (ROOT / "results" / "reference").glob("*/plan.json"))
SIGNED = re.compile(r"[+−]\d+\.\d")
COMPARES = re.compile(
    r"[+−]\d+\.\d|\bp = |adjusted p|interval|practically equal|beats|does worse|(ahead|behind)|"
    r"varies (less|more)|differ|correlate|arms are: |established|runs? collapsed|matters"
)


@pytest.fixture(params=[*STUDIES, *REFERENCES], scope="module")
def conclusions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    if request.param in REFERENCES:
        return conclude(load_study(ROOT / "results" / "reference" / request.param))
    path = tmp_path_factory.mktemp("study")
    write_study(path, STUDIES[request.param])
    return conclude(load_study(path))


@pytest.fixture(scope="module")
def composition(conclusions: Conclusions) -> Composition:
    return compose(conclusions, SECTIONS)


@pytest.fixture(scope="module")
def all_findings(conclusions: Conclusions, composition: Composition) -> list[Finding]:
    beside = beside_headline(conclusions)
    shown = [headline(conclusions), *([beside] if beside else [])]
    return [*shown, *(f for _, content in composition.sections for _, of_block in content.findings for f in of_block)]


def numbers_of(behind: object) -> set[str]:
    """Every signed number that a sentence may print of what is behind it."""
    if isinstance(behind, RaceState):
        values = [value for arm in behind.arms for value in (arm.difference, arm.low, arm.high)]
        return {points(value) for value in values if value is not None}
    if not isinstance(behind, Contrast):
        return set()
    ends = [behind.interval.low, behind.interval.high] if behind.interval else []
    healthy = [behind.collapse.healthy] if behind.collapse else []
    texts = {points(value) for value in (*ends, *healthy, behind.mean)}
    return texts | {f"{behind.correlation:+.2f}".replace("-", "−")[:4]}


def p_values_of(behind: object) -> set[str]:
    names = ("p", "p_alone", "p_sign_flip", "sign_flip_floor", "p_holm")
    return {f"{getattr(behind, name):.2g}" for name in names if hasattr(behind, name)}


def test_a_sentence_that_compares_names_its_comparisons(conclusions: Conclusions, all_findings: list[Finding]) -> None:
    blocks = block_factors(conclusions.study)
    names = {name for arm in conclusions.study.arms for name in (arm.label, arm.label_without(blocks))}
    labels = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
    for finding in all_findings:
        said = labels.sub("", finding.text)  # an arm may be called frame_difference
        if COMPARES.search(said) and not finding.text.startswith(("The study has no", "The choice among")):
            assert finding.contrasts, finding.text


def test_the_numbers_of_a_sentence_are_those_of_its_comparisons(all_findings: list[Finding]) -> None:
    for finding in all_findings:
        allowed = {"0.0"}.union(*(numbers_of(behind) for behind in finding.contrasts))
        shown = set(SIGNED.findall(finding.text))
        assert shown <= allowed, (finding.text, shown - allowed)
        known = set[str]().union(*(p_values_of(behind) for behind in finding.contrasts))
        for p in re.findall(r"p(?: is| =) ([\d.e-]+\d)", finding.text):
            assert p in known, finding.text


def test_counts_of_runs_are_those_of_the_cells(all_findings: list[Finding]) -> None:
    """``3 of 7 runs collapsed``: a rate behind the sentence has these counts."""
    for finding in all_findings:
        rates = [rate for behind in finding.contrasts for rate in rates_of(behind)]
        counts = {(rate.count, rate.n) for rate in rates}
        raced = [arm for behind in finding.contrasts if isinstance(behind, RaceState) for arm in behind.arms]
        counts |= {(arm.collapsed, arm.runs) for arm in raced}
        text = finding.text.split("; ", 1)[-1] if "of which" in finding.text else finding.text
        for count, n in re.findall(r"(\d+) of (?:its )?(\d+) runs? collapsed", text):
            assert (int(count), int(n)) in counts, finding.text


def rates_of(behind: object) -> list[Rate]:
    if isinstance(behind, Rate):
        return [behind]
    if isinstance(behind, Rates):
        return [behind.subject, behind.against]
    return [behind.collapse.rate] if isinstance(behind, Contrast) and behind.collapse else []


def test_shares_are_those_of_the_importances(all_findings: list[Finding]) -> None:
    """``n 95% (84% to 100%)``: share and interval of a factor above its floor."""
    for finding in all_findings:
        for made in (behind for behind in finding.contrasts if isinstance(behind, Importances)):
            result = made.result
            known = zip(made.factors, result.share, result.low, result.high, result.is_above, strict=True)
            ends = {(f.title, *(f"{100 * v:.0f}" for v in values)) for f, *values, above in known if above}
            assert set(re.findall(r"(\S+) (\d+)% \((\d+)% to (\d+)%\)", finding.text)) <= ends, finding.text


def test_an_established_word_stands_on_an_established_verdict(all_findings: list[Finding]) -> None:
    """``beats``, ``does worse than``, ``practically equal`` are claims; each needs a comparison with that verdict."""
    words = {"beats": Verdict.BETTER, "does worse than": Verdict.WORSE, "is practically equal": Verdict.EQUAL}
    for finding in all_findings:
        verdicts = {behind.verdict for behind in finding.contrasts if isinstance(behind, Contrast)}
        for word, verdict in words.items():
            if word in finding.text:
                assert verdict in verdicts, finding.text


def test_what_a_sentence_names_is_in_the_files(conclusions: Conclusions, composition: Composition) -> None:
    """The comparison behind the headline stands in a table, with the same mean and cells."""
    main = answer(conclusions)
    rows = [row for _, c in composition.sections for table in c.tables for row in table.rows]
    if main is not None and main.verdict is not Verdict.NONE and conclusions.over_blocks is None:
        assert any(row.hashes == main.hashes and main.mean in row.values for row in rows)
