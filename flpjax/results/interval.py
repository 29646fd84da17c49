"""A median with its interval, as draws give them, and how far the number of draws blurs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import LOST


@dataclass(frozen=True)
class Interval:
    """A median with the bounds of a central interval.

    Attributes:
        median: Of the draws.
        lower: Lower bound.
        upper: Upper bound.
        error: Monte Carlo standard error of the median, from the finite number of draws.
    """

    median: float
    lower: float
    upper: float
    error: float = 0.0

    @classmethod
    def of(cls, draws: NDArray[np.float64], level: float, most_lost: float = LOST) -> Interval | None:
        """Of the draws ``(draw,)`` that are finite; None if a share of more than ``most_lost`` is not, or all."""
        finite = draws[np.isfinite(draws)]
        if not len(finite) or lost(draws) > most_lost:
            return None
        tail = 0.5 * (1.0 - level)
        near = min(0.5 / np.sqrt(len(finite)), 0.5)  # one s.d. of the share of draws that fall below the true median
        below, above, lower, median, upper = np.quantile(finite, [0.5 - near, 0.5 + near, tail, 0.5, 1.0 - tail])
        return cls(float(median), float(lower), float(upper), float(0.5 * (above - below)))

    def to_dict(self, bounds: bool = True) -> dict[str, float | None]:
        """As JSON has it; without ``bounds`` these are null, as of a point fit."""
        lower, upper, error = (self.lower, self.upper, self.error) if bounds else (None, None, None)
        return {"median": self.median, "lower": lower, "upper": upper, "monte_carlo_error": error}


def lost(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the draws ``(draw, …)`` that are not finite, ``(…)``."""
    return np.asarray(1.0 - np.isfinite(draws).mean(axis=0))


def check_level(level: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        InputError: The level is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"the level {level:g} is no probability", remedy="Give it between 0 and 1, say 0.9")
