"""Independent random streams derived from one seed, so that arms can be paired.

Each purpose has its own stream that depends on the seed and the purpose alone, never on the arm, the worker or the
order of the cells: every arm of a study starts from the same weights and sees the same clips in the same order.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for `purpose` under `seed`: ``derive_seed(3, "order", epoch)``. Stable across machines."""
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator on the stream that `derive_seed` names."""
    return np.random.default_rng(derive_seed(seed, *purpose))
