"""The picture of a result, by its kind: what ``result.plot()`` draws."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from flpjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.shown import ShownAsTable

DRAWN_BY = {
    "Allocation": ("plots_plan", "plot_plan"),
    "Backtest": ("plots_backtest", "plot_backtest"),
    "Calibration": ("plots_score", "plot_calibration"),
    "Forecast": ("plots_intervals", "plot_intervals"),
    "Mix": ("plots_intervals", "plot_weights"),
    "MixCurve": ("plots_mix", "plot_mix"),
    "NextRuns": ("plots_selection", "plot_next_runs"),
    "Scoring": ("plots_intervals", "plot_scoring"),
    "Speedup": ("plots_speedup", "plot_speedup"),
}
"""Kind of result → module of this package, and its function that draws one."""


def picture_of(result: ShownAsTable) -> Figure:
    """The picture of a result.

    Raises:
        InputError: There is none of its kind, or matplotlib is not installed.
    """
    kind = type(result).__name__
    if kind not in DRAWN_BY:
        raise InputError(f"there is no picture of a {kind}", where="plot", remedy="Look at .table()")
    module, function = DRAWN_BY[kind]
    figure: Figure = getattr(importlib.import_module(f"flpjax.cli.{module}"), function)(result)
    return figure
