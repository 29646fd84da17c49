"""What runs span together: the convex hull of their tokens per parameter and FLOPs, and how a point lies to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Outline = tuple[tuple[float, float], ...]
"""Corners of a convex hull, each log D/N and log C; of runs on a line, its ends. Empty where N or D is unknown."""


def outline_of(log_ratio: NDArray[np.float64], log_flops: NDArray[np.float64]) -> Outline:
    """Corners of the hull of runs ``(run,)`` (Andrew's monotone chain, 1979)."""
    if np.isnan(log_ratio).any():
        return ()
    points = sorted(set(zip(map(float, log_ratio), map(float, log_flops), strict=True)))
    lower, upper = _half(points), _half(points[::-1])
    return tuple(dict.fromkeys((*lower, *upper)))


def _half(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for x, y in points:
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            kept.pop()
        kept.append((x, y))
    return kept


def flops_near(outline: Outline, log_ratio: float, near: float) -> tuple[float, float]:
    """Least and most log C that an outline has at about some tokens per parameter; beyond them, at the last there are.

    Args:
        outline: Of runs.
        log_ratio: log D/N.
        near: By how much it may differ.
    """
    x, y = np.array(outline).T
    at = np.clip(log_ratio, x.min(), x.max())
    low, high = max(at - near, x.min()), min(at + near, x.max())
    found = [*y[(low <= x) & (x <= high)]]
    for edge in (low, high):
        i, j = np.nonzero((x[:, None] <= edge) & (edge <= x[None, :]) & (x[:, None] < x[None, :]))
        found += [*(y[i] + (edge - x[i]) / (x[j] - x[i]) * (y[j] - y[i]))]
    return float(min(found)), float(max(found))
