"""One paired comparison in words: the clause that fits its claim, and the notes on how far it can be trusted."""

from __future__ import annotations

import math

from analysis.verdict.contrasts import Claim, Contrast
from analysis.words.phrases import limits, number, points, reference_name, seeds
from sweeps.stats.planner import min_seeds_by_sign_flips


def figures(contrast: Contrast) -> str:
    """The difference, its interval and what the interval allows for."""
    assert contrast.simultaneous_interval is not None
    text = f"{points(contrast.mean)} percentage points on test (95% interval {limits(contrast.simultaneous_interval)}"
    if contrast.family > 1:
        text += f", allowing for the {contrast.family} comparisons made"
    return text + f"; {seeds(contrast.n)})"


def claim_clause(subject: str, contrast: Contrast) -> str:
    """What `contrast` shows about `subject` ("VMP with λ = 0.1"), in one clause that fits its claim."""
    reference, claim = reference_name(contrast), contrast.claim
    if claim is Claim.NONE:
        few = seeds(contrast.n) if contrast.n else "no paired seed"
        return f"{subject} cannot be compared with {reference}: {few} so far, and an interval needs at least 2"
    if claim is Claim.BETTER:
        return f"{subject} beats {reference}: {figures(contrast)}"
    if claim is Claim.WORSE:
        return f"{subject} does worse than {reference}: {figures(contrast)}"
    if contrast.is_identical:
        few = "" if claim is Claim.EQUAL else ", too few to call the two equal"
        return f"{subject} gives exactly the test accuracy of {reference} in each of {seeds(contrast.n)}{few}"
    if claim is Claim.EQUAL:
        assert contrast.equivalence_interval is not None
        text = (
            f"{subject} is practically equal to {reference}: {points(contrast.mean)} percentage points on test, "
            f"within the margin of ±{100 * contrast.margin:g} set beforehand "
            f"(90% interval {limits(contrast.equivalence_interval)}; {seeds(contrast.n)})"
        )
        is_detectable = contrast.simultaneous_interval is not None and contrast.simultaneous_interval.excludes_zero
        return text + (", a difference that is detectable and too small to matter" if is_detectable else "")
    if contrast.interval is None:
        return (
            f"whether {subject} differs from {reference} is not decided: all {contrast.n} differences are "
            f"{points(contrast.mean)} percentage points, so they do not vary and there is nothing to test them by"
        )
    if claim in (Claim.AHEAD, Claim.BEHIND):
        word = "ahead of" if claim is Claim.AHEAD else "behind"
        return (
            f"{subject} looks {word} {reference}, but that is not established: {figures(contrast)}, "
            f"although this comparison alone would exclude zero ({limits(contrast.interval)})"
        )
    return f"whether {subject} differs from {reference} is not decided by this study: {figures(contrast)}"


def short_comparison(subject: str, contrast: Contrast) -> str:
    """One sentence with difference, interval and claim; empty below 2 seeds."""
    if contrast.n < 2:
        return ""
    if contrast.simultaneous_interval is None:
        each = f"{points(contrast.mean)} points on test in each of {contrast.n} seeds"
        return f"{subject}: {each}: {contrast.claim.value}."
    allowing = f", allowing for {contrast.family} comparisons" if contrast.family > 1 else ""
    return (
        f"{subject}: {points(contrast.mean)} points on test "
        f"(95% interval {limits(contrast.simultaneous_interval)}{allowing}): {contrast.claim.value}."
    )


def sign_flip_note(contrast: Contrast) -> str:
    """What the assumption-free test can show with so few seeds."""
    floor = contrast.p_sign_flip_floor
    if floor > 0.05:
        return (
            f"With {seeds(contrast.n)} the exact sign-flip test cannot fall below p = {number(floor)}, so without "
            f"assuming normal differences nothing here can reach 5%; that takes at least {min_seeds_by_sign_flips()} "
            "seeds."
        )
    return (
        f"The exact sign-flip test, which assumes no normality, gives p = {contrast.p_sign_flip:.2g} for this "
        f"comparison alone (the smallest possible p with {seeds(contrast.n)} is {floor:.2g})."
    )


def pairing_note(contrast: Contrast) -> str:
    """Whether pairing by seed was worth it; empty where no correlation exists."""
    if math.isnan(contrast.correlation):
        return ""
    use = "pairing by seed pays" if contrast.correlation > 0.3 else "pairing by seed gains little here"
    return f"Over seeds the two arms correlate at {contrast.correlation:+.2f}".replace("-", "−") + f": {use}."
