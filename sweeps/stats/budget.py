"""What the best of so many tried settings is expected to be (Dodge et al. 2019), and how much settings vary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats


def expected_best(values: npt.ArrayLike) -> Floats:
    """The expected maximum of 1, 2, ..., N of N values, without bias.

    It is the mean of the maximum over all subsets of that size (Tang et al. 2020); the plug-in estimate of Dodge et
    al., which draws with replacement, is too low.

    Args:
        values: N >= 1 outcomes of settings drawn alike.
    """
    rising = np.sort(np.asarray(values, dtype=np.float64))
    size = len(rising)
    weights = np.full(size, 1 / size)
    expected = np.empty(size)
    for n in range(1, size + 1):
        expected[n - 1] = weights @ rising
        # C(i, n) / C(size, n + 1) from C(i, n - 1) / C(size, n), with i values below the one in question.
        below = np.arange(size)
        weights = weights * (below - n + 1) / n * (n + 1) / max(size - n, 1)
    return expected


def std_over_settings(means: npt.ArrayLike, squared_errors: npt.ArrayLike) -> tuple[float, float]:
    """The standard deviation of k >= 2 settings' means, and what seeds alone would give if the settings were alike.

    Args:
        means: (k,).
        squared_errors: Of each mean over seeds, (k,); NaN where unknown.
    """
    known = np.asarray(squared_errors, dtype=np.float64)
    known = known[~np.isnan(known)]
    alone = float(np.sqrt(known.mean())) if known.size else float("nan")
    return float(np.std(np.asarray(means, dtype=np.float64), ddof=1)), alone
