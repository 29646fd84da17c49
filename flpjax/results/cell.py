"""One forecast held against what was measured, and the means over many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cell:
    """One target and one quantity: what was forecast and what came.

    Attributes:
        target: The run.
        name: The task or loss domain.
        predicted: Median forecast.
        lower: Lower bound of the interval.
        upper: Upper bound.
        actual: What the run reached.
        true_loss: Median forecast of a score from the run's *true* loss: what stage 2 alone gets wrong. None where a
            method has no stage 2, or the run no such loss.
        crps: Continuous ranked probability score of the draws, in the unit of the quantity; None where they are no
            distribution, as of a point fit.
    """

    target: str
    name: str
    predicted: float
    lower: float
    upper: float
    actual: float
    true_loss: float | None = None
    crps: float | None = None

    @property
    def rel_error(self) -> float:
        """``(predicted − actual) / actual`` (Chen et al. 2024, eq. 4, with its sign); NaN for an actual of 0."""
        return (self.predicted - self.actual) / self.actual if self.actual else float("nan")

    @property
    def rel_error_true_loss(self) -> float | None:
        """The relative error with the target's true loss."""
        return None if self.true_loss is None or not self.actual else (self.true_loss - self.actual) / self.actual

    @property
    def covered(self) -> bool:
        """Whether the interval holds what came."""
        return self.lower <= self.actual <= self.upper

    def to_dict(self, intervals: bool) -> dict[str, Any]:
        """As JSON has it; without intervals their bounds are null."""
        return {
            "target": self.target,
            "predicted": self.predicted,
            "lower": self.lower if intervals else None,
            "upper": self.upper if intervals else None,
            "actual": self.actual,
            "rel_error": self.rel_error if self.actual else None,
            "rel_error_true_loss": self.rel_error_true_loss,
            "crps": self.crps if intervals else None,
        }


@dataclass(frozen=True)
class Means:
    """Means over cells; None where there is nothing to take a mean of.

    Attributes:
        cells: How many.
        error: Mean absolute relative error.
        error_true_loss: The same with the targets' true losses.
        coverage: Share of the intervals that hold what was measured; None without intervals.
        width: Mean width of the intervals; of losses, divided by what was measured.
        crps: Mean continuous ranked probability score; of losses, divided by what was measured.
    """

    cells: int = 0
    error: float | None = None
    error_true_loss: float | None = None
    coverage: float | None = None
    width: float | None = None
    crps: float | None = None

    @classmethod
    def of(cls, cells: Sequence[Cell], *, intervals: bool, relative: bool) -> Means:
        """Of these cells.

        Args:
            cells: Of one kind, losses or scores.
            intervals: Whether their draws are a distribution.
            relative: Divide widths and CRPS by what was measured: losses of several domains differ in size, and a
                score is a fraction already.
        """
        sized = [(c, c.actual if relative else 1.0) for c in cells] if intervals else []  # losses are above 0
        return cls(
            len(cells),
            _mean(abs(c.rel_error) for c in cells if c.actual),
            _mean(abs(e) for c in cells if (e := c.rel_error_true_loss) is not None),
            _mean(float(c.covered) for c, _ in sized),
            _mean((c.upper - c.lower) / unit for c, unit in sized),
            _mean(c.crps / unit for c, unit in sized if c.crps is not None),
        )


def crps(ordered: NDArray[np.float64], actual: float) -> float:
    """Continuous ranked probability score ``E|X − y| − ½ E|X − X'|`` of the distribution that draws are, exactly.

    Gneiting & Raftery 2007, eq. 21; the double mean by ranks.

    Args:
        ordered: ``(draw,)``, ascending.
        actual: What came.
    """
    count = len(ordered)
    rank = np.arange(1, count + 1)
    half_difference = float(((2 * rank - count - 1) * ordered).sum()) / count**2  # ½ E|X − X'|
    return float(np.abs(ordered - actual).mean()) - half_difference


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None
