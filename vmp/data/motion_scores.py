"""How much changes from frame to frame: the index behind motion-guided sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WINDOW = 7
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CHUNK = 64  # frames at a time: bounds the memory for videos of any length


def motion_scores(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Change from each frame to the next, ``1 - SSIM`` of the grey pictures (Wang et al. 2004; MGSampler uses it so).

    Args:
        frames: ``(n, h, w, 3)`` RGB uint8.

    Returns:
        ``(n - 1,)``, in [0, 2]; 0 for two equal frames. SSIM with a uniform 7 x 7 window (smaller for tiny pictures),
        K1 = 0.01, K2 = 0.03, sample covariances, averaged over all whole windows.
    """
    parts = [_scores(frames[i : i + _CHUNK + 1]) for i in range(0, max(len(frames) - 1, 1), _CHUNK)]
    return np.concatenate(parts)


def _scores(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter

    grey = (frames.astype(np.float32) @ _LUMA).astype(np.float64)
    side = min(_WINDOW, *grey.shape[1:])
    pad = (side - 1) // 2
    inner = (slice(None), slice(pad, grey.shape[1] - pad), slice(pad, grey.shape[2] - pad))
    unbiased = side * side / max(side * side - 1, 1)

    def local(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(uniform_filter(values, size=(0, side, side)))[inner]

    mean, square = local(grey), local(grey * grey)
    a, b = mean[:-1], mean[1:]
    variance = unbiased * (square - mean * mean)
    covariance = unbiased * (local(grey[:-1] * grey[1:]) - a * b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (variance[:-1] + variance[1:] + c2))
    return np.clip(1 - ssim.mean(axis=(1, 2)), 0, 2)
