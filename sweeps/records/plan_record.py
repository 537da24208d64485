"""What a plan is: the study, how its arms come about, the code and the data, and every planned cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from sweeps.records.factors import Scalar, arm_key
from sweeps.records.file_format import FORMAT, Hash
from vmp.core.outcome import DataSummary, Plain

MetricName = Literal["top1", "mean_class"]


class PlannedCell(Plain):
    """One cell of the plan: a configuration ("arm", named by its factors) with one seed.

    Attributes:
        hash: Name of the cell, 16 hex digits over settings, seed, data and code.
        factors: The varied settings only, as the study names them, e.g. ``{"prompt": "vmp", "lambda": 0.1}``.
            ``None`` says that the factor does not apply to this arm (a control has no lambda).
        seed: The paired seed; every arm of a study runs the same ones.
    """

    hash: Hash
    factors: dict[str, Scalar]
    seed: int


class DesignHeader(Plain):
    """How the arms of a study were planned, where it is no plain grid.

    Attributes:
        settings: The design, as a study file spells it, with its `kind`.
        only_where: The rules on when factors and values apply.
        pairs: The comparisons that follow from it: factors of an arm and of what it is compared with.
        components: Of an ablation: factor -> (off, on).
    """

    settings: dict[str, JsonValue]
    only_where: list[dict[str, JsonValue]] = []
    pairs: list[tuple[dict[str, Scalar], dict[str, Scalar]]] = []
    components: dict[str, tuple[Scalar, Scalar]] = {}

    @property
    def kind(self) -> str:
        return str(self.settings["kind"])


class StudyHeader(Plain):
    """What a study says of itself.

    Attributes:
        name, question: For people.
        margin: Difference of the metric below which two arms count as practically equal, in (0, 1).
        margin_is_default: Whether the margin is the default of `Study`.
        reference: Factors of the arms that the others are compared with, each at its own other settings; None for the
            control, else the baseline. compare: Or pairs of factors, or the factors whose values are compared.
        blocks: Factors whose values are no candidates; None for the data and the backbone.
        settings: The settings that the factors vary, as a study file spells them.
        design: None, and no part of the file, for a plain grid.
    """

    name: str
    question: str = ""
    margin: float = Field(gt=0, lt=1)
    margin_is_default: bool = False
    reference: dict[str, Scalar] | None = None
    compare: str | list[str] | list[tuple[dict[str, Scalar], dict[str, Scalar]]] | None = None
    blocks: list[str] | None = None
    settings: dict[str, JsonValue] = {}
    design: Annotated[DesignHeader | None, Field(exclude_if=lambda design: design is None)] = None

    @property
    def design_pairs(self) -> list[tuple[dict[str, Scalar], dict[str, Scalar]]]:
        """The comparisons that follow from the design; none from a grid."""
        return self.design.pairs if self.design else []


_SEARCH_ONLY = Field(exclude_if=lambda value: not value)  # a grid's plan does not hold it


class Proposal(Plain):
    """A proposal of a search: values within its space, and the number of the arm that they are, repeats alike."""

    params: dict[str, Scalar]
    arm: int


class SearchHeader(Plain):
    """How arms come about.

    Attributes:
        method: ``grid``, or a method of ``vmp sweep run --search``.
        options: Of the method.
        seed: Of the proposals.
        arms: Arms to propose; None for a grid.
        in_flight: Arms at work at a time; the proposals depend on it.
        rungs: Numbers of seeds after which an arm goes on or does not; the last one is all. None for a grid or race.
        factor: One arm in so many goes on from a rung; None where each has all seeds.
        against: What is kept low beside a high accuracy.
        space: Each searched factor's distribution, as Optuna writes it.
        proposals: What was proposed so far, repeats included, in its order.
        proposed: `arms` once the search has ended, also where the space held fewer; None while it runs.
    """

    method: str = "grid"
    options: dict[str, JsonValue] = {}
    seed: int = 0
    arms: int | None = None
    in_flight: int | None = None
    rungs: Annotated[list[int] | None, _SEARCH_ONLY] = None
    factor: Annotated[int | None, _SEARCH_ONLY] = None
    against: Annotated[str | None, _SEARCH_ONLY] = None
    space: Annotated[dict[str, JsonValue], _SEARCH_ONLY] = {}
    proposals: Annotated[list[Proposal], _SEARCH_ONLY] = []
    proposed: int | None = None


class StopHeader(Plain):
    """The rule that may end cells early, see `sweeps.stop.config.StopSettings`."""

    kind: str
    options: dict[str, JsonValue] = {}


class ConfirmationHeader(Plain):
    """The chosen arm of each block and its reference on seeds that the choice never saw.

    Attributes:
        pairs: Factors of the chosen arm and of its reference.
        chosen_on: The seeds that it was chosen on.
        seeds: The fresh ones.
        cells: Theirs; they are no part of the plan's own cells.
    """

    pairs: list[tuple[dict[str, Scalar], dict[str, Scalar]]]
    chosen_on: list[int]
    seeds: list[int]
    cells: list[PlannedCell]


class CodeHeader(Plain):
    """The code that computes the cells of a plan: one hash, and one for each module that any of them uses."""

    hash: str
    modules: dict[str, str] = {}

    def changed(self, modules: Mapping[str, str]) -> list[str]:
        """Those of its modules that are other ones in `modules`, or are gone. One that is new there shows in another
        one, which imports it."""
        return sorted(name for name, digits in self.modules.items() if modules.get(name) != digits)


class Plan(Plain):
    """A study, before and after it runs.

    Attributes:
        format: Of the file.
        study: The definition.
        factors: For each factor the values planned (grid) or proposed so far (search), in the study's order.
        metric: What arms are compared by; cells hold ``val_<metric>`` (select on it) and ``test_<metric>`` (report it).
        seeds: The paired seeds.
        search: How arms come about. code: What computes a cell. data: The study's data set.
        created: When, in ISO 8601.
        cells: Every cell, arms in the study's order and seeds within an arm.
        confirmation: Of the chosen arm, once it was asked for.
        stop: What ends cells early; None where each trains to its end.
    """

    format: Literal[2] = FORMAT
    study: StudyHeader
    factors: dict[str, list[Scalar]]
    metric: MetricName
    seeds: list[int]
    search: SearchHeader = SearchHeader()
    code: CodeHeader
    data: DataSummary
    created: str
    cells: list[PlannedCell]
    confirmation: ConfirmationHeader | None = None
    stop: Annotated[StopHeader | None, Field(exclude_if=lambda stop: stop is None)] = None

    def arms(self) -> dict[str, dict[str, Scalar]]:
        """The factors of each arm, in their order, by a name that equal factors share."""
        return {arm_key(cell.factors): cell.factors for cell in self.cells}

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing among the classes, in (0, 1); None where they are unknown."""
        classes = len(self.data.classes)
        return 1 / classes if classes > 1 else None


def confirmation_plan(plan: Plan) -> Plan | None:
    """The fresh cells of a plan as a plan of their own; None where none are planned."""
    fresh = plan.confirmation
    if fresh is None:
        return None
    return plan.model_copy(update={"cells": fresh.cells, "seeds": fresh.seeds, "confirmation": None})
