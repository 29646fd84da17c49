"""How good one forecast was: whether its intervals held what came, how wide they were, CRPS and interval score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.results.record import crps

Floats = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.9, 0.95)
WIDE = 0.9  # level of the width and of the interval score


class Scored(NamedTuple):
    """One forecast of one number."""

    covered: tuple[bool, ...]  # level by level of LEVELS
    width: float  # of the 90 % interval
    crps: float
    interval_score: float  # of the 90 % interval

    @classmethod
    def of(cls, draws: Floats, actual: float) -> Scored | None:
        """Of the draws ``(draw,)`` that are finite; None if none is."""
        finite = np.sort(draws[np.isfinite(draws)])
        if not len(finite):
            return None
        bounds = [np.quantile(finite, [0.5 * (1.0 - p), 0.5 * (1.0 + p)]) for p in LEVELS]
        low, high = map(float, bounds[LEVELS.index(WIDE)])
        return cls(
            tuple(bool(lower <= actual <= upper) for lower, upper in bounds),
            high - low,
            crps(finite, actual),
            interval_score(low, high, actual, WIDE),
        )


def interval_score(low: float, high: float, actual: float, level: float) -> float:
    """Width, and ``2 / (1 − level)`` times the miss (Gneiting & Raftery 2007, eq. 43)."""
    return high - low + 2.0 / (1.0 - level) * (max(low - actual, 0.0) + max(actual - high, 0.0))


def summary(scored: Iterable[Scored]) -> dict[str, object]:
    """Number of cells, coverage, and means; null without cells."""
    cells = list(scored)

    def mean(values: Iterable[float]) -> float | None:
        return float(np.mean(list(values))) if cells else None

    return {
        "cells": len(cells),
        "coverage": {f"{100 * p:.0f}": mean(c.covered[i] for c in cells) for i, p in enumerate(LEVELS)},
        "width90": mean(c.width for c in cells),
        "crps": mean(c.crps for c in cells),
        "interval_score90": mean(c.interval_score for c in cells),
    }
