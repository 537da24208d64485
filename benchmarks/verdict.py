"""How long the verdict on a study takes: reading its records alone, then table, evidence and every conclusion.

    python benchmarks/verdict.py [STUDY FOLDER...]

Without folders, the reference studies. The baseline of the ratio is reading the same records in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import beside_headline, findings, headline
from sweeps.records.study_folder import StudyFolder

REFERENCE = Path(__file__).parent.parent / "results" / "reference"
ROUNDS = 9


def seconds(work: Callable[[], object]) -> float:
    """Median over rounds; the first one, which imports and fills caches, is not among them."""
    work()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def read(path: Path) -> list[object]:
    """The baseline: the records of a study, read."""
    folder = StudyFolder(path)
    return list(folder.records(folder.read_plan()))


def decide(path: Path) -> object:
    """Table, evidence and every conclusion."""
    return conclude(load_study(path))


def decide_and_word(path: Path) -> object:
    """The same, and the sentences."""
    conclusions = conclude(load_study(path))
    return headline(conclusions), beside_headline(conclusions), findings(conclusions)


def main() -> None:
    """Print a line for each study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="study folders [default: the reference studies]")
    folders = parser.parse_args().folders or sorted(path.parent for path in REFERENCE.glob("*/plan.json"))
    print(f"{'study':<16}{'cells':>6}{'records':>12}{'verdict':>12}{'and words':>12}{'verdict / records':>20}")
    for path in folders:
        cells = len(StudyFolder(path).read_plan().cells)
        base, verdict, words = (seconds(lambda p=path, f=f: f(p)) for f in (read, decide, decide_and_word))
        times = "".join(f"{1000 * value:>9.0f} ms" for value in (base, verdict, words))
        print(f"{path.name:<16}{cells:>6}{times}{verdict / base:>20.1f}")


if __name__ == "__main__":
    main()
