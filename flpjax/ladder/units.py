"""What values of a column are expressed in, and how that becomes the canonical unit, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unit:
    """A unit of a column.

    Attributes:
        name: As a mapping file writes it.
        factor: What values, or their logarithms, are multiplied by.
        logarithm: Whether the canonical unit is one of logarithms, as nats are of a perplexity.
    """

    name: str
    factor: float = 1.0
    logarithm: bool = False

    def canonical(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(row,)`` values in this unit → in the canonical one."""
        if not self.logarithm:
            return values * self.factor
        with np.errstate(divide="ignore", invalid="ignore"):  # what has no logarithm is refused by its reader
            return np.asarray(np.log(values) * self.factor)

    def shown(self, value: float) -> float:
        """A value in the canonical unit → in this one."""
        return math.exp(value / self.factor) if self.logarithm else value / self.factor
