"""Numbers and lists in words, for every sentence and every line of output."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """``4.2 s``, ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size_in_words(number: float) -> str:
    """Bytes as ``512 B``, ``3.4 MB``, ``1.2 GB`` (powers of ten)."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 arm``, ``3 arms``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listing(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)
