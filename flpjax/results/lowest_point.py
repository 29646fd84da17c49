"""Where a loss is lowest, draw by draw: from the best point of a grid on, finer ones around it, and a parabola at last.

No law needs a closed form of its optimum, and none with several valleys deceives a search that begins with a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

ZOOM = 5  # points of finer grids along each feature, each half as wide as the one before
MIDDLE, NEXT = ZOOM // 2, 2.0 / (ZOOM - 1)  # the one in the middle, and the distance of its neighbours, in widths

Floats = NDArray[np.float64]
Losses = Callable[[Floats], Floats]
"""``(draw, point, feature) -> (draw, point)``; what is not finite is not the lowest."""


def lowest_point(
    losses: Losses, grid: Floats, coarse: Floats, step: Floats, zooms: int, highest: Floats | None = None
) -> tuple[Floats, Floats]:
    """Each draw's lowest point, and the loss there.

    Args:
        losses: At points of each draw's own.
        grid: ``(point, feature)`` of the coarse grid.
        coarse: ``(draw, point)`` losses there.
        step: ``(feature,)`` between neighbours of the grid.
        zooms: How many finer grids follow.
        highest: ``(feature,)`` beyond which no point may lie; None for no limit.

    Returns:
        ``(draw, feature)`` and ``(draw,)``.
    """
    filled = np.where(np.isfinite(coarse), coarse, np.inf)
    row, best = np.arange(len(filled)), filled.argmin(axis=1)
    place, value = grid[best], filled[row, best]
    offsets = np.array(list(product(np.linspace(-1.0, 1.0, ZOOM), repeat=grid.shape[1])))
    limit = np.full(grid.shape[1], np.inf) if highest is None else highest

    def around() -> tuple[Floats, Floats]:
        points = np.minimum(place[:, None, :] + offsets * step, limit)
        found = losses(points)
        return points, np.where(np.isfinite(found), found, np.inf)

    for _ in range(zooms):
        points, found = around()
        best = found.argmin(axis=1)
        place, value = points[row, best], found[row, best]
        step = 0.5 * step
    points, found = around()
    features = grid.shape[1]
    middle = sum(MIDDLE * ZOOM**k for k in range(features))
    centre = found[:, middle]
    place, value = place.copy(), centre.copy()
    for k in range(features):
        beside = ZOOM ** (features - 1 - k)  # points of the last feature are next to one another
        left, right = found[:, middle - beside], found[:, middle + beside]
        with np.errstate(invalid="ignore", divide="ignore"):
            bend = left - 2.0 * centre + right
            shift = np.where(bend > 0, np.clip(0.5 * (left - right) / bend, -1.0, 1.0), 0.0)
            shift, fall = np.nan_to_num(shift), np.nan_to_num(0.25 * (left - right) * shift)
        place[:, k] = np.minimum(place[:, k] + shift * NEXT * step[k], limit[k])
        value -= fall
    return place, value
