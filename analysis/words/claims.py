"""One comparison in words: the clause that fits its verdict, and the notes on how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.study.arms import IN_SHORT, Kind
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import VERDICT_WORDS, limits, on_split, p_value, pairs, points, reference_name
from sweeps.stats.claims import Collapse
from sweeps.stats.collapse import Rate
from sweeps.stats.decisions import Reason, Verdict, sign_flip_floor
from sweeps.stats.intervals import in_points
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.planner import min_seeds_by_sign_flips
from vmp.core.text import count, listing


def figures(contrast: Contrast) -> str:
    """The difference, its interval and what the interval allows for."""
    assert contrast.interval is not None
    text = f"{points(contrast.mean)} percentage points{on_split(contrast)} (95% interval {limits(contrast.interval)}"
    return text + f"{_allowing(contrast)}; {pairs(contrast)})"


def claim_clause(subject: str, contrast: Contrast) -> str:
    """What `contrast` shows about `subject` ("VMP with λ = 0.1"), in one clause that fits its verdict."""
    reference, verdict = reference_name(contrast), contrast.verdict
    if verdict is Verdict.NONE:
        few = how_few(contrast)
        needed = f"{MIN_SEEDS}" if contrast.sides.divisions is None else f"{MIN_SEEDS} divisions and {MIN_SEEDS} seeds"
        return f"{subject} cannot be compared with {reference}: {few} so far, and a verdict needs at least {needed}"
    if contrast.is_identical:
        few = "" if verdict is Verdict.EQUAL else ", too few to call the two equal"
        return f"{subject} gives exactly the {_measured(contrast)} of {reference} in each of {pairs(contrast)}{few}"
    if contrast.interval is None:
        return (
            f"whether {subject} differs from {reference} is not decided: all {contrast.n} differences are "
            f"{points(contrast.mean)} percentage points, so they do not vary and there is nothing to test them by"
        )
    if verdict is Verdict.BETTER:
        return f"{subject} beats {reference}: {figures(contrast)}"
    if verdict is Verdict.WORSE:
        return f"{subject} does worse than {reference}: {figures(contrast)}"
    if verdict is Verdict.EQUAL:
        text = (
            f"{subject} is practically equal to {reference}: {points(contrast.mean)} percentage points"
            f"{on_split(contrast)}, within the margin of ±{100 * contrast.margin:g} {contrast.margin_origin} "
            f"(95% interval {limits(contrast.interval)}{_allowing(contrast)}; {pairs(contrast)})"
        )
        is_detectable = contrast.interval.excludes_zero
        return text + (", a difference that is detectable and too small to matter" if is_detectable else "")
    if verdict in (Verdict.AHEAD, Verdict.BEHIND):
        word = "ahead of" if verdict is Verdict.AHEAD else "behind"
        if contrast.reason is Reason.COLLAPSE:
            healthy = "while it does not collapse"
            if verdict is Verdict.BEHIND:
                healthy = f"while {reference} does not collapse"
            return f"{subject} is {word} {reference} {healthy}: {figures(contrast)}; {_at_risk(contrast)}"
        return (
            f"{subject} looks {word} {reference}, but that is not established: {figures(contrast)}, "
            f"although by itself this comparison would be clear ({p_value(contrast.p_alone)})"
        )
    return f"whether {subject} differs from {reference} is not decided by this study: {figures(contrast)}"


def how_few(contrast: Contrast) -> str:
    """What a comparison without a verdict has: ``2 paired seeds``; of averages over settings, seeds that have all."""
    if contrast.sides.divisions is None and len(contrast.sides.units) > 1:
        seeds = count(contrast.n, "seed") if contrast.n else "no seed"
        return f"{seeds} {'have' if contrast.n > 1 else 'has'} all of these runs"
    return pairs(contrast) if contrast.n else f"no paired {contrast.unit}"


def of_divisions(contrast: Contrast, over: str) -> str:
    """What a comparison is over, ``5 divisions``, or of divisions that not all have its runs ``4 of 5 divisions``."""
    divisions = contrast.sides.divisions
    return f"{contrast.n} of {over}" if divisions is not None and contrast.n < len(divisions.names) else over


def short_comparison(subject: str, contrast: Contrast) -> str:
    """One sentence with difference, interval and verdict; empty below 3 seeds."""
    if contrast.verdict is Verdict.NONE:
        return ""
    word = VERDICT_WORDS[contrast.verdict]
    if contrast.interval is None:
        each = f"in each of {contrast.n} {contrast.unit}s"
        return f"{subject}: {points(contrast.mean)} points{on_split(contrast)} {each}: {word}."
    risk = f"; {_at_risk(contrast)}" if contrast.reason is Reason.COLLAPSE else ""
    return f"{subject}: {brief(contrast)}: {word}{risk}."


def brief(contrast: Contrast) -> str:
    """Difference and interval: ``+4.4 points on test (95% interval +1.0 to +7.8, allowing for 4 comparisons)``."""
    difference = f"{points(contrast.mean)} points{on_split(contrast)}"
    if contrast.interval is None:
        return difference
    return f"{difference} (95% interval {limits(contrast.interval)}{_allowing(contrast)})"


def _measured(contrast: Contrast) -> str:
    return f"{contrast.split} accuracy".strip()


def _allowing(contrast: Contrast) -> str:
    return f", allowing for {contrast.family} comparisons" if contrast.family > 1 else ""


def _at_risk(contrast: Contrast) -> str:
    """Why the seeds cannot protect the lead of one side from its collapse."""
    if contrast.verdict is Verdict.AHEAD:
        collapse, whose, lead = contrast.collapse, "its ", "the gain"
    else:
        collapse, whose, lead = contrast.reference_collapse, "", f"the lead of {contrast.sides.against}"
    assert collapse is not None
    seen = _collapsed(contrast, collapse, whose) + ("" if whose else f" with {contrast.sides.against}")
    assumed = ", which is assumed, as none was seen" if collapse.drop_is_assumed else ""
    drop = f"a collapse costs {in_points(collapse.drop, '.0f')}{assumed}"
    return (
        f"{seen}, a rate of up to {collapse.possible_rate:.0%} is not excluded, and "
        f"{max(collapse.cancelling_rate, 0):.0%} would cancel {lead} ({drop})"
    )


def mixed_runs(contrast: Contrast) -> str:
    """A warning for the headline: a mean over collapsed and healthy runs describes neither; empty without any."""
    collapse = contrast.collapse
    is_said = contrast.reason is Reason.COLLAPSE and contrast.verdict is Verdict.AHEAD
    if collapse is None or not collapse.rate.count or is_said:
        return ""
    is_all = contrast.is_pair and collapse.rate.count == collapse.rate.n
    return f"; {_collapsed(contrast, collapse)}" + ("" if is_all else ", so the mean mixes two outcomes")


def _collapsed(contrast: Contrast, collapse: Collapse, whose: str = "its ") -> str:
    """How many runs collapsed; of what is averaged over, how many seeds did in any setting or division."""
    rate = collapse.rate
    ended = how_ended(contrast)
    if len(contrast.sides.units) == 1 and contrast.is_pair:
        return f"{_of_all(rate, whose)}{count(rate.n, 'run')} {ended}"
    where = "setting" if contrast.sides.divisions is None else "division"
    return f"{_of_all(rate, whose)}{count(rate.n, 'seed')} {ended} in {'some' if rate.count else 'any'} {where}"


def how_ended(contrast: Contrast) -> str:
    """What runs that count as collapsed have done; diverged ones are among them."""
    return "collapsed or diverged" if contrast.filled else "collapsed"


def _of_all(rate: Rate, whose: str) -> str:
    """``3 of its``, ``none of its``, ``all of its``: before a number of runs."""
    return f"{'none' if not rate.count else 'all' if rate.count == rate.n else rate.count} of {whose}"


def stability_sentence(contrast: Contrast, without_one: Mapping[str, Verdict]) -> str:
    """What leaving out any one seed, or division, does to a verdict; empty where it cannot be said."""
    if not without_one or contrast.n <= MIN_SEEDS:
        return ""
    unit = contrast.unit
    other = {name: verdict for name, verdict in without_one.items() if verdict is not contrast.verdict}
    lost = [name for name, verdict in other.items() if not verdict.established]
    if contrast.verdict.established:
        if not lost:
            return f"It holds without any one of its {contrast.n} {unit}s."
        if len(lost) == contrast.n:
            return f"It needs every one of its {contrast.n} {unit}s: without any one of them it is not established."
        return f"It rests on single {unit}s: without {_named(unit, lost)} it is not established."
    gained = {name: verdict for name, verdict in other.items() if verdict.established}
    if not gained:
        return f"Without any one of its {contrast.n} {unit}s it is not established either."
    word = " or ".join(dict.fromkeys(VERDICT_WORDS[verdict] for verdict in gained.values()))
    return f"A single {unit} stands in the way: without {_named(unit, list(gained))} the verdict is {word}."


def _named(unit: str, some: list[str]) -> str:
    return f"{unit} {some[0]}" if len(some) == 1 else f"any one of the {unit}s {listing(some)}"


def sign_flip_note(contrast: Contrast) -> str:
    """What the test without assumptions can show with so few seeds and this family."""
    if contrast.sides.divisions is not None:
        return "The sign-flip test takes differences for independent, and divisions share training videos."
    floor, family = contrast.sign_flip_floor, contrast.family
    beside = f" beside the {count(family - 1, 'other')} of its family" if family > 1 else ""
    if floor > 0.05:
        return (
            f"Without assuming normal differences nothing here can reach 5%: with {pairs(contrast)} the sign-flip "
            f"test{beside} cannot fall below p = {floor:.2g}; that takes {min_seeds_by_sign_flips(family)} seeds."
        )
    alone = f", {float(sign_flip_floor(contrast.n)):.2g} alone" if family > 1 else ""
    smallest = f"{floor:.2g}{alone}" if floor >= 0.001 else "below 0.001"
    return (
        f"The sign-flip test, which assumes no normality, gives {p_value(contrast.p_sign_flip)}{beside} (the smallest "
        f"possible p is {smallest})."
    )


def pairing_note(contrast: Contrast) -> str:
    """Whether pairing by seed was worth it; empty where no correlation exists."""
    if math.isnan(contrast.correlation) or contrast.sides.divisions is not None:
        return ""
    use = "pairing by seed pays" if contrast.correlation > 0.3 else "pairing by seed gains little here"
    value = f"{contrast.correlation:+.2f}".replace("-", "−")
    value = "0.00" if value in ("+0.00", "−0.00") else value
    return f"Over seeds {contrast.sides.subject} and {_in_short(contrast)} correlate at {value}: {use}."


def healthy_note(contrast: Contrast) -> str:
    """The difference of the runs that did not collapse; empty where none did."""
    collapse = contrast.collapse
    if collapse is None or not collapse.rate.count or math.isnan(collapse.healthy):
        return ""
    against = _in_short(contrast)
    return f"{points(collapse.healthy)} points on average against {against} (a split seen afterwards, not a test)"


def _in_short(contrast: Contrast) -> str:
    """What it is compared with; the control and the backbone alone by what they are."""
    kind = contrast.reference.kind
    return IN_SHORT[kind] if kind in (Kind.CONTROL, Kind.BASELINE) and contrast.is_pair else contrast.sides.against
