"""What a blend's draws carry of the ladder's own past: how well it would have forecast, and who has a say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW_AHEAD = 3  # runs; a past that forecast fewer says little


@dataclass(frozen=True, eq=False)
class RollingValidation:
    """How a blend would have done on the ladder's own larger runs.

    Attributes:
        runs: How many were forecast from smaller ones.
        cells: Forecasts of them, every output from every origin; on a ladder of one scale, of runs left out at random.
        covered_50: Share of the cells that central 50 % intervals hold; NaN without cells.
        covered_90: The same of 90 % intervals.
        outputs: ``(output,)`` losses, then scores.
        weights: Method → ``(output,)`` its weight.
        error: Mean absolute error of the blend's forecasts of the next larger runs, of log losses and of scores; NaN of
            what there is none.
    """

    runs: int
    cells: int
    covered_50: float
    covered_90: float
    outputs: tuple[str, ...]
    weights: dict[str, NDArray[np.float64]]
    error: tuple[float, float] = (float("nan"), float("nan"))

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per output and method that has a say in it."""
        return [
            {"output": output, "method": name, "weight": float(weight[i])}
            for i, output in enumerate(self.outputs)
            for name, weight in self.weights.items()
            if weight[i] > 0
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""

        def share(value: float) -> float | None:
            return value if np.isfinite(value) else None

        return {
            "runs": self.runs,
            "cells": self.cells,
            "covered_50": share(self.covered_50),
            "covered_90": share(self.covered_90),
            "error": {"loss": share(self.error[0]), "score": share(self.error[1])},
            "weights": self.table(),
        }
