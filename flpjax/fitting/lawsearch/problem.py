"""What is to be explained, and what became of a structure that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flpjax.fitting.lawsearch.folds import Folds
from flpjax.fitting.lawsearch.structure import Axis, Floats, Structure
from flpjax.laws.law import Space


@dataclass(frozen=True)
class Problem:
    """What is to be explained: rows of several cells, each a group and an output, which share a structure.

    Attributes:
        axes: ``(feature,)``.
        columns: ``(cell, feature, row)`` values as the table has them; rows that a cell lacks repeat one.
        y: ``(cell, row)``.
        weight: ``(cell, row)`` 1 for a row, 0 for none.
        space: Of the residuals.
        folds: Of ``(row,)``, alike in all cells.
    """

    axes: tuple[Axis, ...]
    columns: Floats
    y: Floats
    weight: Floats
    space: Space
    folds: Folds

    @property
    def signed(self) -> bool:
        """Whether values may be negative."""
        return self.space == "linear"

    @property
    def level(self) -> Floats:
        """``(cell,)`` medians."""
        return np.array([np.median(y[w > 0]) for y, w in zip(self.y, self.weight, strict=True)])

    @property
    def spread(self) -> Floats:
        """``(cell,)`` standard deviations, of logarithms where residuals are."""
        y = np.log(self.y) if self.space == "log" else self.y
        return np.array([np.std(v[w > 0]) for v, w in zip(y, self.weight, strict=True)])


class Trial(NamedTuple):
    """One structure that was tried."""

    structure: Structure
    vector: Floats  # (cell, slot) fitted to all rows
    error: float  # geometric mean over cells and folds of the mean absolute held-out error, in the residuals' unit
    misfit: float  # the same over cells of the s.d. of residuals when all rows are fitted
    opposed: float  # share of its slopes that pull against the rest
    price: float  # error and misfit, times what its numbers and such slopes cost: lower is better
