"""How networks standardise what they read and give: round numbers, so that nearby ladders share compiled programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = tuple[float, ...]


def rounded(values: NDArray[Any]) -> Numbers:
    """To fifths of a nat: round numbers read well, and nearby ladders share their compiled programs."""
    return tuple(round(5.0 * float(v)) / 5.0 for v in values)


def power_of_two(spread: float, least: float = 1e-3) -> float:
    """The nearest: a standardised number need only be about 1. Of numbers that vary by less than ``least``, 1."""
    return float(2.0 ** np.round(np.log2(spread))) if spread > least else 1.0
