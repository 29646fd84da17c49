"""What the panels of a picture of mixtures show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.cli.numbers import number
from flpjax.results.mix_curve import MixCurve


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows over the grid of mixtures.

    Attributes:
        title: A task, a loss domain, or the objective.
        label: Of its axis.
        median: ``(point,)`` in the unit shown.
        lower: ``(point,)``.
        upper: ``(point,)``.
        line: ``(point,)`` what is maximised, of the objective; None of outputs.
        percent: Whether it is a score, from 0 to 100.
        output: Which output; None of the objective.
    """

    title: str
    label: str
    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    line: NDArray[np.float64] | None = None
    percent: bool = False
    output: int | None = None


def panels(curve: MixCurve) -> list[Panel]:
    """The objective first, if it is known, and then each output."""
    shown = []
    if curve.objective is not None:
        o = curve.objective
        median, lower, upper = (o.unit * side for side in (o.median, o.lower, o.upper))
        shown.append(Panel("objective", o.label, median, lower, upper, line=o.unit * o.value))
    scores = curve.kind == "score"
    unit, label = (100.0, "score (%)") if scores else (1.0, "loss")
    for j, name in enumerate(curve.outputs):
        median, lower, upper = (unit * side[:, j] for side in (curve.median, curve.lower, curve.upper))
        shown.append(Panel(name, label, median, lower, upper, percent=scores, output=j))
    return shown


def near(curve: MixCurve) -> str:
    """What the legend calls the runs that were measured."""
    sizes = sorted({number(m.params) for m in curve.measured})
    return f"measured at N={sizes[0]}" if len(sizes) == 1 else f"measured at N={sizes[0]} to {sizes[-1]}"
