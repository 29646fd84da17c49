"""The convex hull of a ladder's runs in the plane of log D/N and log C, and the range of C that it has near a D/N."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Outline = tuple[tuple[float, float], ...]
"""Vertices (log D/N, log C) of a convex hull; the two ends if all runs lie on a line. Empty if N or D is unknown."""


def convex_hull(log_ratio: NDArray[np.float64], log_flops: NDArray[np.float64]) -> Outline:
    """Vertices of the hull of runs: ``log_ratio`` ``(run,)`` log D/N, ``log_flops`` ``(run,)`` log C (Andrew 1979)."""
    if np.isnan(log_ratio).any():
        return ()
    points = sorted(set(zip(map(float, log_ratio), map(float, log_flops), strict=True)))
    lower, upper = _monotone_chain(points), _monotone_chain(points[::-1])
    return tuple(dict.fromkeys((*lower, *upper)))


def _monotone_chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the hull of sorted points: those that turn clockwise are dropped."""
    chain: list[tuple[float, float]] = []
    for x, y in points:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain


def flops_range_at(outline: Outline, log_ratio: float, tolerance: float) -> tuple[float, float]:
    """Lowest and highest log C of a hull where log D/N is within ``tolerance`` of ``log_ratio``.

    Args:
        outline: Vertices of the hull.
        log_ratio: log D/N; a value outside the hull is moved to its nearest end.
        tolerance: In log D/N.
    """
    x, y = np.array(outline).T
    centre = np.clip(log_ratio, x.min(), x.max())
    low, high = max(centre - tolerance, x.min()), min(centre + tolerance, x.max())
    heights = [*y[(low <= x) & (x <= high)]]
    for edge in (low, high):
        i, j = np.nonzero((x[:, None] <= edge) & (edge <= x[None, :]) & (x[:, None] < x[None, :]))
        heights += [*(y[i] + (edge - x[i]) / (x[j] - x[i]) * (y[j] - y[i]))]
    return float(min(heights)), float(max(heights))
