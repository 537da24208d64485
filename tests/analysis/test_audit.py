"""The audit of printed tables: a published one is caught, right ones raise nothing, planted faults are all named."""

from __future__ import annotations

import random
import statistics
from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.audit import Audit, audit_table
from analysis.cli import audit
from vmp.core.errors import InputError

BADMINTON = """\
Model,Total Test Images,TP,TN,FP1,FP2,FN,Acc.,Prec.,Rec.,F1,Speed
TrackNetV2,37794,26529,5993,523,511,4731,84.6,90.8,84.8,87.7,162.1 FPS
TrackNetV2 (+Motion),37794,26878,5834,565,672,4845,86.6,90.7,85.1,87.8,161.1 FPS
"""
"""The TrackNetV4 repository's docs/RESULT.md, badminton, as printed."""
RULES = (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_HALF_DOWN)


def audited(folder: Path, text: str) -> Audit:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return audit_table(path)


def rounded(value: Fraction, decimals: int, rule: str) -> str:
    return str((Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal(1).scaleb(-decimals), rule))


def test_the_published_table_is_caught(tmp_path: Path) -> None:
    result = audited(tmp_path, BADMINTON)
    wrong = {(d.row, d.column): (d.printed, d.recomputed) for d in result.disagreements}
    assert wrong["row 1 (TrackNetV2)", "F1"] == ("87.7", "90.2")
    assert wrong["row 2 (TrackNetV2 (+Motion))", "F1"] == ("87.8", "89.8")
    assert wrong["row 1 (TrackNetV2)", "Total Test Images"] == ("37794", "38287")
    assert wrong["row 1 (TrackNetV2)", "Rec."] == ("84.8", "84.9")
    (reversal,) = [text for text in result.reversals if text.startswith("F1")]
    assert "printed 87.7 to 87.8, recomputed 90.2 to 89.8: the order is reversed" in reversal
    (tmp_path / "table.csv").write_text(BADMINTON)
    ran = CliRunner().invoke(audit, [str(tmp_path / "table.csv")])
    assert ran.exit_code == 3
    assert "row 1 (TrackNetV2), F1: printed 87.7, recomputed 90.2 from TP, FP1, FP2 and FN" in ran.output


def right_table(rng: random.Random) -> list[list[str]]:
    """Ratios of random counts and means of random seeds, each rounded from its exact value or from rounded inputs."""
    decimals, rule, scale = rng.choice([1, 2, 3]), rng.choice(RULES), rng.choice([1, 100])
    decimals += 2 if scale == 1 else 0
    headers = ["Model", "Total frames", "TP", "TN", "FP1", "FP2", "FN", "Acc.", "Precision", "Recall", "F1-score"]
    headers += ["seed 0", "seed 1", "seed 2", "mean", "std", "mean - seed 0", "Speed"]
    rows = []
    for i in range(rng.randint(1, 6)):
        tp, tn, fp1, fp2, fn = (rng.randint(1, 30000) for _ in range(5))
        fp = fp1 + fp2
        ratios = (
            Fraction(tp + tn, tp + tn + fp + fn), Fraction(tp, tp + fp), Fraction(tp, tp + fn),
            Fraction(2 * tp, 2 * tp + fp + fn),
        )  # fmt: skip
        seeds = [Fraction(rng.randint(0, 10**6), 10**6) * scale for _ in range(3)]
        mean = sum(seeds) / 3
        std = Fraction(rng.choice([statistics.stdev, statistics.pstdev])([float(s) for s in seeds]))
        row = [f"model {i}", f"{tp + tn + fp + fn:,}" if rng.random() < 0.3 else str(tp + tn + fp + fn)]
        row += [str(count) for count in (tp, tn, fp1, fp2, fn)]
        row += [rounded(scale * ratio, decimals, rule) for ratio in ratios]
        row += [rounded(value, decimals, rule) for value in (*seeds, mean, std, mean - seeds[0])]
        rows.append([*row, "12.5 FPS"])
    return [headers, *rows]


def as_csv(table: list[list[str]], separator: str = ",") -> str:
    return "\n".join(separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in table) + "\n"


def test_right_tables_raise_nothing(tmp_path: Path) -> None:
    rng = random.Random(11)
    for _ in range(50):
        result = audited(tmp_path, as_csv(right_table(rng), rng.choice(",;\t")))
        assert (result.disagreements, result.reversals) == ((), ())
        assert result.checked > 0


@pytest.mark.parametrize("column", ["Total frames", "Acc.", "Precision", "Recall", "F1-score", "mean", "std"])
def test_a_planted_fault_is_named_and_nothing_else(tmp_path: Path, column: str) -> None:
    rng = random.Random(column)
    for _ in range(10):
        table = right_table(rng)
        at, row = table[0].index(column), rng.randrange(1, len(table))
        old = Decimal(table[row][at].replace(",", ""))
        table[row][at] = str(old + (Decimal(20) if old > 1 else Decimal("0.2")))
        expected = {column, "mean - seed 0"} if column == "mean" else {column}
        found = audited(tmp_path, as_csv(table)).disagreements
        assert column in {d.column for d in found} <= expected
        assert {d.row for d in found} == {f"row {row} (model {row - 1})"}


def test_a_number_cut_instead_of_rounded_is_said_to_be_so(tmp_path: Path) -> None:
    (found,) = audited(tmp_path, "model,correct,total,acc\na,877,1000,87.7\nb,8778,10000,87.7\n").disagreements
    assert (found.recomputed, found.is_rounding, found.row) == ("87.8", True, "row 2 (b)")


def test_f1_of_printed_precision_and_recall_allows_for_their_rounding(tmp_path: Path) -> None:
    text = "model,precision,recall,f1\na,0.91,0.79,0.84\nb,0.91,0.79,0.86\n"  # 0.8457; from 0.840 to 0.851
    assert [d.row for d in audited(tmp_path, text).disagreements] == ["row 2 (b)"]


def test_last_rows_are_sums_or_means(tmp_path: Path) -> None:
    sums = "game,TP,FP,precision\na,10,5,66.7\nb,20,5,80.0\nTotal,30,11,73.2\n"
    (found,) = audited(tmp_path, sums).disagreements
    assert (found.column, found.printed, found.recomputed) == ("FP", "11", "10")
    means = "game,precision,recall,f1\na,0.5,0.5,0.5\nb,0.7,0.7,0.7\nmean,0.6,0.6,0.9\n"
    assert {d.column for d in audited(tmp_path, means).disagreements} == {"f1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,speed\na,3\n", "has nothing to recompute"),
        ("model,TP\n", "has no row below its headers"),
        ("model,TP\na,1,2\n", "row 2 has 3 cells, the header row has 2"),
    ],
)
def test_what_cannot_be_audited_is_refused_with_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audited(tmp_path, text)


@pytest.mark.parametrize("cell", ["†71.0", r"\textbf{71.0}", "<b>71.0</b>", "71.0*", "$71.0$", "7.10e1"])
def test_a_number_is_read_through_its_markup(tmp_path: Path, cell: str) -> None:
    result = audited(tmp_path, f"a,seed 0,seed 1,mean\nA,{cell},73.0,72.0\nB,{cell},73.0,75.0")
    assert (result.checked, [d.row for d in result.disagreements], result.unread) == (2, ["row 2 (B)"], ())


def test_a_mean_is_not_held_against_the_seeds_that_could_be_read(tmp_path: Path) -> None:
    result = audited(tmp_path, "a,seed 0,seed 1,seed 2,mean\nA,see text,72,73,72\nB,n.a.,72,73,72.5\nC,-,72,74,73")
    assert (result.checked, result.disagreements) == (2, ())
    assert result.unread == ("row 1 (A), seed 0: 'see text' is no number",)


def test_a_comma_before_decimals_is_none_of_thousands(tmp_path: Path) -> None:
    result = audited(tmp_path, "a;TP;FP;FN;TN;Recall;F1\nA;90;10;0;100;1,000;0,947\nB;90;10;0;100;1,0;0,937")
    assert [(d.row, d.column, d.recomputed) for d in result.disagreements] == [("row 2 (B)", "F1", "0.947")]


@pytest.mark.parametrize("header", ["mean", "Mean ± std"])
def test_what_stands_after_a_plus_minus_is_checked_too(tmp_path: Path, header: str) -> None:
    text = f"a,seed 0,seed 1,{header}\nA,70,72,71.0 ± 1.4\nB,70,72,71.0 +/- 1.0\nC,70,72,71.0 \\pm 3.4"
    (only,) = audited(tmp_path, text).disagreements
    assert (only.row, only.column, only.printed) == ("row 3 (C)", f"{header}, after ±", "3.4")


def test_what_was_not_read_or_checked_is_said(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("model,TP,FP,precision,speed\na,10,5,66.7,3\nb,about 7,5,66.7,4\nc,-,5,80,4\n")
    ran = CliRunner().invoke(audit, [str(path)])
    assert ran.exit_code == 0
    assert "row 2 (b), TP: 'about 7' is no number, so it was left out" in ran.output
    assert "nothing in the table to check speed against" in ran.output
    assert "1 number recomputed, none in disagreement" in ran.output
