"""Every claim is backed: a sentence that compares names its comparisons, and its numbers are theirs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis.report.compose import compose
from analysis.sections.catalogue import SECTIONS
from analysis.study.cells import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Contrast
from analysis.words.findings import Finding
from analysis.words.headline import headline
from analysis.words.phrases import points
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study

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
    "varying": StudyModel(arms=[ArmModel({"prompt": "control"}), ArmModel({"prompt": "vmp"})], seeds=range(10)),
}
SIGNED = re.compile(r"[+−]\d+\.\d")
COMPARES = re.compile(
    r"[+−]\d+\.\d|\bp = |adjusted p|interval|practically equal|distinguishable|beats|does worse|looks (ahead|behind)|"
    r"varies (less|more)|differ|correlate|arms are: "
)


@pytest.fixture(params=STUDIES, scope="module")
def conclusions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    path = tmp_path_factory.mktemp("study")
    write_study(path, STUDIES[request.param])
    return conclude(load_study(path))


def all_findings(conclusions: Conclusions) -> list[Finding]:
    contents = [content for _, content in compose(conclusions, SECTIONS).sections]
    return [headline(conclusions), *(f for c in contents for _, of_block in c.findings for f in of_block)]


def numbers_of(contrast: object) -> set[str]:
    """Every signed number and p value that a sentence may print of a comparison."""
    if not isinstance(contrast, Contrast):
        return set()
    ends = [contrast.interval, contrast.simultaneous_interval, contrast.equivalence_interval]
    shown = {points(v) for one in ends if one for v in (one.low, one.high)} | {points(contrast.mean)}
    # The note on collapse gives the mean over the seeds that did not collapse: a part of the same differences.
    subsets = range(1, 2 ** min(contrast.n, 8))
    values = np.array(contrast.differences[:8])
    shown |= {points(float(values[[(s >> i) & 1 == 1 for i in range(values.size)]].mean())) for s in subsets}
    return shown | {f"{contrast.correlation:+.2f}".replace("-", "−")[:4]}


def test_a_sentence_that_compares_names_its_comparisons(conclusions: Conclusions) -> None:
    for finding in all_findings(conclusions):
        if COMPARES.search(finding.text) and "is possible" not in finding.text:
            is_empty = "No other value is shown" in finding.text and "either:" not in finding.text
            assert finding.contrasts or is_empty, finding.text


def test_the_numbers_of_a_sentence_are_those_of_its_comparisons(conclusions: Conclusions) -> None:
    for finding in all_findings(conclusions):
        allowed = {"0.0"}.union(*(numbers_of(contrast) for contrast in finding.contrasts))
        shown = set(SIGNED.findall(finding.text))
        assert shown <= allowed, (finding.text, shown - allowed)
        for p in re.findall(r"p(?: is| =) ([\d.e-]+\d)", finding.text):
            names = ("p_sign_flip", "p_sign_flip_floor", "p_holm")
            values = [getattr(c, name) for c in finding.contrasts for name in names if hasattr(c, name)]
            assert p in {text for value in values for text in (f"{value:.2g}", f"{value:.4g}")}, finding.text


def test_what_a_sentence_names_is_in_the_files(conclusions: Conclusions) -> None:
    """The comparison behind the headline stands in the table, with the same mean."""
    main = conclusions.verdicts[0].main
    tables = {t.name: t for _, c in compose(conclusions, SECTIONS).sections for t in c.tables}
    if main is not None and main.n >= 2:
        assert any(row.hashes == main.hashes and main.mean in row.values for row in tables["comparisons"].rows)
