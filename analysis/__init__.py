"""From the records of a study to tables, figures, verdicts and the report; needs neither torch, ray nor vmp.

    >>> import analysis
    >>> study = analysis.load_study("results/lambda")            # doctest: +SKIP
    >>> analysis.judge(study).headline                           # doctest: +SKIP
    >>> analysis.write_report("results/lambda")                  # doctest: +SKIP

Contents: `load_study` (folder to tidy table), `judge` (all conclusions), `lambda_verdicts` and `arm_verdict` (the
decision objects), `PairedComparison` (the statistic: table in, table out), `report_tables`, `write_report`.
Everything is loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.judged import JudgedStudy, judge
    from analysis.report import write_report
    from analysis.stats.paired import PairedComparison
    from analysis.table import Study, curve_table, load_study
    from analysis.tables import report_tables
    from analysis.verdict import LambdaVerdict, lambda_verdicts
    from analysis.verdict_arms import ArmVerdict, arm_verdict

_HOME = {
    "ArmVerdict": "analysis.verdict_arms",
    "arm_verdict": "analysis.verdict_arms",
    "JudgedStudy": "analysis.judged",
    "judge": "analysis.judged",
    "write_report": "analysis.report",
    "PairedComparison": "analysis.stats.paired",
    "Study": "analysis.table",
    "curve_table": "analysis.table",
    "load_study": "analysis.table",
    "report_tables": "analysis.tables",
    "LambdaVerdict": "analysis.verdict",
    "lambda_verdicts": "analysis.verdict",
}

__all__ = [
    "ArmVerdict",
    "JudgedStudy",
    "LambdaVerdict",
    "PairedComparison",
    "Study",
    "arm_verdict",
    "curve_table",
    "judge",
    "lambda_verdicts",
    "load_study",
    "report_tables",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute '{name}'; it offers {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
