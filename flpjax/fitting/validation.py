"""How a blend would have forecast the ladder's own larger runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count, some_of
from flpjax.fitting.diagnostics import Diagnostic
from flpjax.shown import ShownAsTable

FEW_AHEAD = 3  # runs; where fewer were forecast, they say little
COVERED, COVERED_BAD = 0.75, 0.6
"""Share of what was measured that 90 % intervals of rolling forecasts should hold, and must."""
COVERAGE = "coverage of its past"
"""The name of the check whether a ladder's own larger runs would have been covered."""
LEFT_OUT = "runs left out"
"""The name of the check whether laws were fitted to all runs."""
SIGNS = "signs of past errors"
"""The name of the check whether errors of the last forecasts of a ladder's own runs went both ways."""
MOST_NAMED, LEAST_TOLD = 3, 0.005  # laws or maps, and the weight below which they aren't
ONE_SIDED = 0.05  # probability of so one-sided a count of signs, below which it is told


@dataclass(frozen=True, eq=False)
class RollingValidation(ShownAsTable):
    """How a blend would have done on the ladder's own larger runs.

    Attributes:
        runs: How many were forecast from smaller ones.
        cells: Forecasts of them, every output from every origin; on a ladder of one scale, of runs left out at random.
        covered_50: Share of the cells that central 50 % intervals hold; NaN without cells.
        covered_90: The same of 90 % intervals.
        outputs: ``(output,)`` losses, then scores.
        weights: Law or map → ``(output,)`` its weight: of a law in losses, of a map in tasks.
        error: Mean absolute error of the blend's forecasts of the next larger runs, of log losses and of scores; NaN of
            what there is none.
        signs: Of how many of those runs the last forecast was too high, and of how many too low: of losses on average,
            of scores on a ladder without losses.
        bias: Its mean error, with its sign.
        horizon: E-folds of FLOPs that the farthest of the forecasts reached beyond the largest run they knew; NaN
            without any.
        losses: How many of the outputs are losses.
        left_out: Runs whose losses the others do not explain, with the losses: no law was fitted to these.
    """

    runs: int
    cells: int
    covered_50: float
    covered_90: float
    outputs: tuple[str, ...]
    weights: dict[str, NDArray[np.float64]]
    error: tuple[float, float] = (float("nan"), float("nan"))
    signs: tuple[int, int] = (0, 0)
    bias: float = float("nan")
    horizon: float = float("nan")
    losses: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def taken(self) -> str:
        """Laws of losses and maps to scores with most weight, a mean over outputs, in words; empty if none has any."""
        parts = []
        for what, outputs in (("losses", slice(self.losses)), ("scores", slice(self.losses, None))):
            weight = {name: float(w[outputs].mean()) for name, w in self.weights.items() if w[outputs].any()}
            most = sorted((name for name in weight if weight[name] >= LEAST_TOLD), key=lambda name: -weight[name])
            if most:
                parts.append(f"{what} by {some_of([f'{name} {weight[name]:.0%}' for name in most], MOST_NAMED)}")
        return "; ".join(parts)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Whether runs were left out, and errors went both ways; last, whether its own runs would have been covered."""
        return (self._others_explain(), *self._one_sided(), self._covered())

    def _others_explain(self) -> Diagnostic:
        """Whether every run's losses were fitted."""
        if not self.left_out:
            return Diagnostic(LEFT_OUT, 0.0, 0.0, np.inf, "laws were fitted to the losses of all")
        figure = f"not fitted, since the others do not explain them: {some_of(self.left_out)}"
        remedy = "Look at them; if they are sound, distrust intervals near them"
        return Diagnostic(LEFT_OUT, float(len(self.left_out)), 0.0, np.inf, figure, remedy)

    def _one_sided(self) -> tuple[Diagnostic, ...]:
        """A sign test over runs: were errors as often too high as too low, how likely were so one-sided a count?

        Runs of one size err alike, so that a low p is a sign, no proof.
        """
        total = sum(self.signs)
        if not total:
            return ()
        from scipy.special import bdtr  # which takes a quarter of a second to import

        p = min(2.0 * float(bdtr(min(self.signs), total, 0.5)), 1.0)
        high = self.signs[0] >= self.signs[1]
        figure = (
            f"the last forecasts of {max(self.signs)} of {count(total, 'run')} were too {'high' if high else 'low'} "
            f"(p = {p:.2g}); their mean error is {100 * self.bias:+.2g} %"
        )
        remedy = "Expect the truth on the other side of medians; compare methods with `flpjax backtest`"
        return (Diagnostic(SIGNS, -p, -ONE_SIDED, np.inf, figure, remedy),)

    def _covered(self) -> Diagnostic:
        if self.runs < FEW_AHEAD:
            figure = f"{count(self.runs, 'run')} could be forecast from smaller ones"
            return Diagnostic(COVERAGE, 0.0, -np.inf, np.inf, figure, "Train a larger rung")
        figure = f"90 % intervals would have held {self.covered_90:.0%} of {self.cells:,} forecasts of {self.runs} runs"
        remedy = "Take intervals as too narrow by as much; train a larger rung"
        return Diagnostic(COVERAGE, -self.covered_90, -COVERED, -COVERED_BAD, figure, remedy)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per output and method with a weight in it."""
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
            "signs": {"too_high": self.signs[0], "too_low": self.signs[1]},
            "bias": share(self.bias),
            "horizon": share(self.horizon),
            "left_out": list(self.left_out),
            "error": {"loss": share(self.error[0]), "score": share(self.error[1])},
            "weights": self.to_dicts(),
        }


NOT_VALIDATED = Diagnostic(
    COVERAGE,
    0.0,
    -np.inf,
    np.inf,
    "not checked: intervals know no model error",
    "Use --method auto, or see `flpjax backtest --largest 2`",
)
