"""Factors over scale, and at a loss or score, from draws of both recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flpjax.errors import InputError
from flpjax.ladder.design import SAME
from flpjax.ladder.table import Floats
from flpjax.results.prediction import Interval
from flpjax.results.speedup.compared import Compared
from flpjax.results.speedup.fitted import Fitted, Tables
from flpjax.results.speedup.result import Factor, OutputSpeedup

CURVE = 48  # scales of the curve
BEYOND = (10.0, 100.0)  # times the largest compute, at which the factor is told, too
Ends = tuple[float, float]
"""Log C of the smallest and the largest run."""


@dataclass(frozen=True)
class Question:
    """What is asked of every loss and score.

    Attributes:
        tables: That were fitted.
        flops: Computes of B.
        values: Loss or score → a value.
        level: Probability of intervals.
    """

    tables: Tables
    flops: tuple[float, ...]
    values: Mapping[str, float]
    level: float

    def answer(
        self,
        name: str,
        kind: Literal["loss", "score"],
        via: str | None,
        fitted: Fitted,
        measured: tuple[Floats, Floats],
    ) -> OutputSpeedup:
        """Factors by one loss or score.

        Args:
            name: Of the domain or task.
            kind: Which of both.
            via: The loss that a score goes through, or None.
            fitted: Its draws.
            measured: ``(run,)`` of each recipe, NaN where nothing was.

        Raises:
            InputError: A value that was asked for is out of reach.
        """
        logs = [s.flops[np.isfinite(v)] for s, v in zip(self.tables.sizes, measured, strict=True)]
        first, second = ((float(v.min()), float(v.max())) for v in logs)
        compared = fitted.compared
        top = max(first[1], second[1])
        curve = np.linspace(min(first[0], second[0]), top + np.log(BEYOND[-1]), CURVE)
        factors = compared.log_factors(curve)
        tail = 0.5 * (1.0 - self.level)
        bounds = np.quantile(factors, [0.5, tail, 1.0 - tail], axis=0)
        ends = _tried(curve, bounds[0], first, second)
        overlap = ends[0] <= ends[1] + SAME
        nearest = ends[1] if overlap else 0.5 * (max(first[0], second[0]) + min(first[1], second[1]))
        inside = [ends[0], 0.5 * (ends[0] + ends[1]), ends[1]] if overlap and ends[1] - ends[0] > 1.0 else [nearest]
        every = [nearest, *sorted({*np.round([*inside, *(top + np.log(BEYOND)), *np.log(self.flops)], 9)})]
        asked = compared.log_factors(np.array(every))
        reached = np.median(compared.values(np.array(every)), axis=0)
        each = [self._factor(at, asked[:, k], float(reached[k]), first, second) for k, at in enumerate(every)]
        runs, pairs = self.tables.counted(measured)
        value = self.values.get(name)
        values = () if value is None else (self._at_value(compared, name, value, first, second),)
        return OutputSpeedup(
            name,
            kind,
            via,
            runs,
            pairs,
            (float(np.exp(ends[0])), float(np.exp(ends[1]))) if overlap else (float("nan"), float("nan")),
            each[0],
            tuple(each[1:]),
            values,
            np.exp(np.column_stack([curve, bounds.T])),
            fitted.evidence,
        )

    def _factor(
        self,
        log_flops: float,
        log_factor: Floats,
        value: float,
        first: tuple[float, float],
        second: tuple[float, float],
    ) -> Factor:
        interval = Interval.of(np.exp(log_factor), self.level, 1.0)
        if interval is None:
            raise InputError("no draw reaches it", where=f"{value:g}", remedy="Ask nearer to what was measured")
        needs = log_flops + np.log(interval.median)
        inside = second[0] - SAME <= log_flops <= second[1] + SAME and first[0] - SAME <= needs <= first[1] + SAME
        better = float((log_factor > 0).mean() + 0.5 * (log_factor == 0).mean())
        return Factor(float(np.exp(log_flops)), interval, better, not inside, value)

    def _at_value(self, compared: Compared, name: str, value: float, first: Ends, second: Ends) -> Factor:
        log_flops, log_factor = compared.at_value(value)
        finite = np.isfinite(log_factor)
        if finite.mean() < 0.5:
            raise InputError(
                f"{name} {value:g} is out of reach of both recipes",
                where="values",
                remedy="Ask for a value nearer to those that were measured",
            )
        at = float(np.median(np.clip(log_flops[finite], -50.0, 150.0)))
        return self._factor(at, log_factor[finite], value, first, second)


def _tried(curve: Floats, log_factor: Floats, first: Ends, second: Ends) -> Ends:
    """Log of the smallest and the largest compute of B at which neither recipe is extrapolated.

    Args:
        curve: ``(scale,)`` log C of B, ascending.
        log_factor: ``(scale,)`` the median's; what A needs ascends along the curve.
        first: Of A.
        second: Of B.
    """
    needs = np.maximum.accumulate(curve + log_factor)
    low, high = np.interp(first, needs, curve)
    return max(float(low), second[0]), min(float(high), second[1])
