"""Shared by the tests of verdicts: a synthetic study, what is concluded from it, and all that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.headline import findings
from tests.analysis.study_records import ArmModel, StudyModel, write_study


def conclude_on(folder: Path, arms: Sequence[ArmModel], **model: object) -> Conclusions:
    write_study(folder, StudyModel(arms=arms, **model))  # type: ignore[arg-type]
    return conclude(load_study(folder))


def best_label(verdict: BlockVerdict) -> str | None:
    return verdict.best.arm.label if verdict.best else None


def words_of(conclusions: Conclusions) -> str:
    return " ".join(finding.text for _, of_block in findings(conclusions) for finding in of_block)


def blocks(**effects: tuple[float, ...]) -> list[ArmModel]:
    arms = []
    for backbone, of_lambdas in effects.items():
        arms.append(ArmModel({"backbone": backbone, "prompt": "control", "lambda": None}))
        arms += [
            ArmModel({"backbone": backbone, "prompt": "vmp", "lambda": v}, effect=e)
            for v, e in zip((0, 1), of_lambdas, strict=True)
        ]
    return arms
