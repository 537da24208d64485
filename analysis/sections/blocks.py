"""Does one setting serve all blocks: its largest regret with an interval, and the ranks of settings over blocks."""

from __future__ import annotations

from typing import Literal

from analysis.figures.regret_grid import regret_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.regrets import Regrets, regrets_over_blocks
from analysis.words.findings import Finding
from analysis.words.phrases import p_value
from sweeps.stats.regret import MIN_BLOCKS, MIN_SETTINGS
from vmp.core.text import count

_METHOD = (
    "One setting for all blocks",
    "The regret of a setting in a block is what its mean lies below that of the best setting there, over the seeds "
    "that all settings of the block share. The setting is chosen on validation, where its largest regret over blocks "
    "is the smallest; its regret is reported on test. The interval of the largest regret comes from all pairs of "
    "settings in all blocks at once (paired t, Bonferroni), so it holds with 95% whichever setting is chosen; it is "
    f"wide with few seeds. With {MIN_BLOCKS} blocks and {MIN_SETTINGS} settings or more, ranks are compared over "
    "blocks by Friedman's test and Nemenyi's critical difference, with the block as the unit.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    made = regrets_over_blocks(conclusions)
    assert not isinstance(made, str)
    test = made.test
    columns = [
        Column(key="setting", header="setting"),
        *(Column(key=f"regret_{i + 1}", header=block, format="percent") for i, block in enumerate(made.blocks)),
        Column(key="max_regret", header="largest", format="percent"),
        Column(key="mean_rank", header="mean rank", format="number"),
    ]
    rows = []
    for i, setting in enumerate(made.settings):
        rank = float(made.ranks.mean[i]) if made.ranks else None
        values = (setting, *(float(one) for one in test.regret[:, i]), float(test.max_regret[i]), rank)
        rows.append(
            Row(values=values, hashes=made.hashes[i], priority=-float(test.max_regret[i]), is_chosen=i == test.best)
        )
    caption = "What each setting loses to the best one of each block, in points of "
    caption += f"{conclusions.study.accuracy} (0: it is the best)."
    return SectionContent(
        findings=[("", blocks_regret_findings(made))],
        figures=[regret_figure(made, conclusions.study.accuracy)],
        tables=[Table(name="regret", caption=caption, columns=columns, rows=rows, max_rows=40)],
        method=[_METHOD],
    )


def blocks_regret_findings(made: Regrets) -> list[Finding]:
    """The minimax setting with its regret, and what ranks show."""
    test, name = made.test, made.settings[made.test.best]
    worst = int(test.regret[:, test.best].argmax())
    largest = float(test.regret[worst, test.best])
    every = "both blocks" if len(made.blocks) == 2 else f"all {count(len(made.blocks), 'block')}"
    text = f"One setting for {every}: {name}, whose largest regret on validation is the "
    text += "smallest; on test "
    if largest > 0:
        text += f"it loses at most {100 * largest:.1f} points to the best setting of a block ({made.blocks[worst]})"
    else:
        text += "no setting has a higher mean in any block, a largest regret of 0.0 points"
    text += f", with a 95% interval of {100 * test.low:.1f} to {100 * test.high:.1f} points."
    findings = [Finding(topic="One for all", text=text, contrasts=(made,))]
    if made.ranks is None:
        return findings
    k = made.ranks.mean
    best, last = (made.settings[int(i)] for i in (k.argmin(), k.argmax()))
    text = f"Over {len(made.blocks)} blocks the mean ranks run from {k.min():.2f} ({best}) to {k.max():.2f} ({last}); "
    text += f"Friedman's test of equal ranks has {p_value(made.ranks.p)}, and ranks that differ by "
    text += f"{made.ranks.critical:.2f} or more are distinguished (Nemenyi)."
    return [*findings, Finding(topic="Ranks", text=text, contrasts=(made.ranks,))]


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    made = regrets_over_blocks(conclusions)
    return made if isinstance(made, str) else True


BLOCKS = Section(name="blocks", title="One setting for all blocks", order=35, compute=_compute, applies=_applies)
