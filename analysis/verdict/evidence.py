"""The evidence of a study: every summary and every comparison, computed once and looked up from then on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from analysis.study.arms import Arm
from analysis.study.cells import ARM_ORDER, COLLAPSED, COMPLETE, DIVERGED, HASH, SEED, STATUS, STEADY, Study
from analysis.study.completeness import Completeness, completeness
from analysis.study.provenance import ProvenanceFacts, provenance
from analysis.verdict.contrasts import MIRRORED, Contrast, Sides
from analysis.verdict.summaries import ArmSummary, summarize
from sweeps.questions import CONTROL, counterparts
from sweeps.stats.claims import claims, leave_one_out
from sweeps.stats.collapse import Runs, fill_diverged
from sweeps.stats.decisions import Verdict
from sweeps.stats.divisions import Divided
from sweeps.stats.factorial import by_seed, single_runs
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.signflip import sign_flip_p
from sweeps.stats.stepdown import Floats, holm
from sweeps.stats.variances import StdComparison, compare_stds

Family = Sequence[Sides]


class Evidence:
    """What a study shows, before anything is decided; ask it for numbers as often as needed.

    Args:
        study: The study.
        unseen_runs: See `sweeps.stats.decisions.decide`: further runs of these arms, none of which collapsed.

    Attributes:
        study: The study.
        families: Every family of comparisons made so far, by (metric, name, what is compared).
    """

    def __init__(self, study: Study, *, unseen_runs: int = 0) -> None:
        self.study = study
        self._unseen_runs = unseen_runs
        self.families: dict[tuple[object, ...], tuple[Contrast, ...]] = {}
        self._summaries: dict[str, ArmSummary] = {}
        self._values: dict[tuple[str, bool], Floats] = {}
        self._tables: dict[str, np.ndarray] = {}
        self._stds: dict[tuple[object, ...], tuple[StdComparison, ...]] = {}
        self._without: dict[Contrast, dict[str, Verdict]] = {}

    @cached_property
    def completeness(self) -> Completeness:
        return completeness(self.study)

    @cached_property
    def provenance(self) -> ProvenanceFacts:
        return provenance(self.study)

    @property
    def summaries(self) -> tuple[ArmSummary, ...]:
        """Every arm's summary, in the plan's order."""
        return tuple(self.summary(arm) for arm in self.study.arms)

    def summary(self, arm: Arm) -> ArmSummary:
        if arm.label not in self._summaries:
            self._summaries[arm.label] = self._summarize(arm)
        return self._summaries[arm.label]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The planned seeds, in the plan's order."""
        return tuple(dict.fromkeys(int(seed) for seed in self.study.cells[SEED]))

    def values(self, metric: str, *, survivors: bool = False) -> Floats:
        """A metric of every arm and seed, (arms, seeds), NaN where a cell has none.

        Args:
            metric: Column of ``study.cells``.
            survivors: Leave diverged runs out; else they have the worst value there is (chance, if that is lower), so
                that no arm looks better by losing its bad seeds.
        """
        key = (metric, survivors)
        if key not in self._values:
            known = np.where(self._table(STATUS) == COMPLETE, self._table(metric).astype(float), np.nan)
            diverged = self._table(STATUS) == DIVERGED
            if diverged.any() and not survivors:
                known = fill_diverged(known, diverged, self.study.chance)
            self._values[key] = known
        return self._values[key]

    @cached_property
    def collapsed(self) -> Floats:
        """1 for a collapsed or diverged run, 0 for another one, NaN where none can collapse or it is unknown."""
        flags = self._table(COLLAPSED)
        known = np.array([[math.nan if flag is None else float(flag) for flag in row] for row in flags.tolist()])
        status = self._table(STATUS)
        known = np.where(status == COMPLETE, known, np.nan)
        for row, states in zip(known, status, strict=True):
            if (states == DIVERGED).any():
                row[(states == COMPLETE) & np.isnan(row)] = 0.0
                row[states == DIVERGED] = 1.0
        return known

    @cached_property
    def healthy_runs(self) -> int:
        """The runs that could collapse, each training once, where no run of the study did; 0 where one has."""
        return 0 if (self.collapsed == 1).any() else self._trainings(self.study.arms)

    def _trainings(self, arms: Iterable[Arm]) -> int:
        """The runs of `arms` that could collapse, once each where arms differ in how they are tested alone."""
        known: dict[str, np.ndarray] = {}
        for arm in arms:
            flagged = ~np.isnan(self.collapsed[arm.order])
            known[arm.training] = flagged | known.get(arm.training, np.False_)
        return int(sum(flagged.sum() for flagged in known.values()))

    def compare(self, family: Family, name: str, metric: str | Sequence[str] | None = None) -> tuple[Contrast, ...]:
        """Decide a family of comparisons within seeds.

        Args:
            family: What is compared; the chance of any false claim in it is at most 5%.
            name: Of the family, for people.
            metric: A column, see `Study.column`, or one for each comparison; the test accuracy by default.
        """
        column = metric or self.study.test
        columns = [column] * len(family) if isinstance(column, str) else list(column)
        key = (column if isinstance(column, str) else tuple(columns), name, *(sides.units_key for sides in family))
        if key not in self.families:
            self.families[key] = self._compare(family, name, columns) if family else ()
        return self.families[key]

    def without_one(self, contrast: Contrast) -> dict[str, Verdict]:
        """What a comparison shows, as one of its family, when any one of its seeds, or divisions, is left out."""
        if contrast not in self._without:
            self._without[contrast] = self._leave_out(contrast)
        return self._without[contrast]

    def _leave_out(self, contrast: Contrast) -> dict[str, Verdict]:
        for family in self.families.values():
            for index, one in enumerate(family):
                if one is contrast or (one.metric == contrast.metric and one.sides == contrast.flipped().sides):
                    return self._leave_out_of(family, index, is_flipped=one is not contrast)
        raise ValueError(f"{contrast.sides.subject} against {contrast.sides.against} was not compared by this evidence")

    def _leave_out_of(self, family: Sequence[Contrast], index: int, *, is_flipped: bool) -> dict[str, Verdict]:
        differences, options = self._options([one.sides for one in family], [one.metric for one in family])
        verdicts = [of_family[index] for of_family in leave_one_out(differences, **options)]
        shown = [MIRRORED.get(verdict, verdict) if is_flipped else verdict for verdict in verdicts]
        divisions = family[index].sides.divisions
        names = [str(seed) for seed in self.seeds] if divisions is None else list(divisions.names)
        known = zip(names, shown, _rows(differences)[index], strict=True)
        return {name: verdict for name, verdict, value in known if not math.isnan(value)}

    def compare_stds(self, family: Family) -> tuple[StdComparison, ...]:
        """Compare the standard deviations over seeds of the test accuracy in single pairs, as one family."""
        key = tuple(sides.units_key for sides in family)
        if key not in self._stds:
            self._stds[key] = self._compare_stds(family)
        return self._stds[key]

    def _compare_stds(self, family: Family) -> tuple[StdComparison, ...]:
        values, pairs = self.values(self.study.test, survivors=True), []
        for sides in family:
            a, b = values[sides.arms[0].order], values[sides.references[0].order]
            both = np.isfinite(a) & np.isfinite(b)
            pairs.append((a[both], b[both]))
        return compare_stds(pairs)

    def _table(self, column: str) -> np.ndarray:
        """A column as (arms, seeds); cells that are not planned are None."""
        if column not in self._tables:
            table = np.full((len(self.study.arms), len(self.seeds)), None, dtype=object)
            table[self._places] = self.study.column(column).to_numpy(object)
            self._tables[column] = table
        return self._tables[column]

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each cell in a table."""
        column = {seed: i for i, seed in enumerate(self.seeds)}
        cells = self.study.cells
        return cells[ARM_ORDER].to_numpy(int), np.array([column[int(seed)] for seed in cells[SEED]])

    @cached_property
    def _controls(self) -> list[int | None]:
        """Of each arm the order of its control."""
        factors = [arm.factors for arm in self.study.arms]
        return counterparts(factors, factors, CONTROL)

    def _summarize(self, arm: Arm) -> ArmSummary:
        columns = (STATUS, self.study.val, self.study.test, COLLAPSED, STEADY, HASH)
        row = {column: self._table(column)[arm.order] for column in columns}
        control = self._controls[arm.order]
        of_control = None if control is None else self.values(self.study.test, survivors=True)[control]
        if not self.study.has_validation:
            row[self.study.val] = None
        return summarize(arm, self.seeds, *row.values(), of_control=of_control)

    def _options(self, family: Family, metrics: Sequence[str]) -> tuple[Floats | Divided, dict[str, Any]]:
        """The differences of a family, (k, n) over seeds or by division, and what else `claims` is to know of it."""
        divisions = family[0].divisions
        values = [self.values(metric) for metric in metrics]
        # One list of units for each seed-wise difference: all of a comparison, or those of each division.
        parts = [sides.parts for sides in family]
        each = [[by_seed(of_one, part) for part in of_sides] for of_one, of_sides in zip(values, parts, strict=True)]
        by_division = np.stack([np.stack(rows) for rows in each])  # (k, parts, seeds)
        differences: Floats | Divided = by_division[:, 0]
        if divisions is not None:
            differences = Divided(differences=by_division, overlap=divisions.overlap)
        options: dict[str, Any] = {}
        for name, sign in (("collapsed", 1), ("reference_collapsed", -1)):
            runs = [
                None if sides.is_shape else [single_runs(of_one, part, sign) for part in of_sides]
                for of_one, sides, of_sides in zip(values, family, parts, strict=True)
            ]
            same = _numbered([sides.arms if sign > 0 else sides.references for sides in family])
            options[name] = self._runs(runs, same, are_divisions=divisions is not None)
        limit = 2.0 if any(one.is_shape for one in family) else 1.0
        unseen = self._unseen_runs
        runs_of_arms = options["collapsed"]
        if self.study.test not in metrics and divisions is None and runs_of_arms and runs_of_arms.same is not None:
            # Parts of the test videos: the arms were compared among all others on the whole, whose runs count here too,
            # unless these are averages over settings, of which a seed counts once.
            unseen += max(0, self.healthy_runs - self._trainings({arm for sides in family for arm in sides.arms}))
        options |= {"margin": self.study.margin, "limit": limit, "unseen_runs": unseen}
        return differences, options

    def _runs(
        self, runs: Sequence[Sequence[tuple[Floats, np.ndarray]] | None], same: tuple[int, ...], *, are_divisions: bool
    ) -> Runs | None:
        """The runs of a family, padded with NaN: (k, seeds, r), or (k, divisions, seeds); None where none collapses."""
        stacked = [None if one is None else self._rows_of(one, are_divisions=are_divisions) for one in runs]
        known = [one for one in stacked if one is not None]
        n, width = max([1, *(one.shape[1] for one in known)]), max([1, *(one.shape[2] for one in known)])
        padded = np.full((2, len(runs), n, width), np.nan)
        for i, one in enumerate(stacked):
            if one is not None:
                padded[:, i, : one.shape[1], : one.shape[2]] = one
        differences, flags = padded
        if np.isnan(flags).all():
            return None
        # Averages over several settings, such as effects of factors, all have the same runs (`Runs`).
        are_single = are_divisions or width == 1
        return Runs(
            differences=differences, collapsed=flags, seeds_last=are_divisions, same=same if are_single else None
        )

    def _rows_of(self, parts: Sequence[tuple[Floats, np.ndarray]], *, are_divisions: bool) -> Floats:
        """Differences and flags of the runs of one comparison, (2, n, r); those of a division by seed."""
        rows = [(differences, self.collapsed[arms].T) for differences, arms in parts]
        if not are_divisions:
            return np.stack(rows[0])
        # Several runs of a seed in one division, of other settings, are one run here as well.
        of_divisions = [Runs(differences=differences, collapsed=flags).counted() for differences, flags in rows]
        return np.stack(of_divisions, axis=1)

    def _compare(self, family: Family, name: str, metrics: Sequence[str]) -> tuple[Contrast, ...]:
        differences, options = self._options(family, metrics)
        made, values = claims(differences, **options), _rows(differences)
        divisions = family[0].divisions
        flips = holm([sign_flip_p(row[~np.isnan(row)]) if claim.n >= MIN_SEEDS and divisions is None else math.nan
                      for row, claim in zip(values, made, strict=True)])  # fmt: skip
        hashes, diverged = self._table(HASH), self._table(STATUS) == DIVERGED
        contrasts = []
        for sides, metric, row, claim, flip in zip(family, metrics, values, made, flips, strict=True):
            level, known = self.values(metric), ~np.isnan(row)
            arms = [arm.order for arm in (*sides.arms, *sides.references)]
            paired: np.ndarray = known if divisions is None else np.asarray(~np.isnan(level[arms]).all(axis=0))
            used = paired & ~np.isnan(level[arms])
            contrasts.append(
                Contrast(
                    **vars(claim),
                    sides=sides,
                    family_name=name,
                    metric=metric,
                    split=self.study.split,
                    margin_origin=self.study.margin_origin,
                    seeds=tuple(seed for seed, is_known in zip(self.seeds, paired, strict=True) if is_known),
                    differences=tuple(row[known].tolist()),
                    hashes=tuple(str(one) for one in hashes[arms][used]),
                    filled=int((diverged[arms] & used).sum()),
                    correlation=_correlation(level, sides, known),
                    p_sign_flip=float(flip),
                )
            )
        return tuple(contrasts)


def _rows(differences: Floats | Divided) -> Floats:
    """The differences of each comparison, (k, n), by seed or by division."""
    return differences.of_divisions if isinstance(differences, Divided) else differences


def _numbered(sides: Sequence[Sequence[Arm]]) -> tuple[int, ...]:
    """A number for each list of arms, equal for lists with the same trainings."""
    number: dict[frozenset[str], int] = {}
    return tuple(number.setdefault(frozenset(arm.training for arm in arms), len(number)) for arms in sides)


def _correlation(level: Floats, sides: Sides, known: np.ndarray) -> float:
    """Pearson correlation of the means of both sides over seeds."""
    if known.sum() < MIN_SEEDS or len(sides.units) > 1:
        return math.nan
    a, b = (level[[arm.order for arm in arms]].mean(axis=0)[known] for arms in (sides.arms, sides.references))
    if min(a.std(), b.std()) < 1e-12:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])
