"""The calibration of a log of forecasts as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.picture import load_matplotlib
from flpjax.errors import InputError, count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.results.score_log import Calibration


def plot_calibration(found: Calibration) -> Figure:
    """Share of the quantities that central intervals held, against what they were meant to hold, and their ranks.

    Raises:
        InputError: No forecast of the log had intervals, or matplotlib is not installed.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    from flpjax.results.score_log import reliability

    ranks = found.ranks
    if not ranks:
        raise InputError("no forecast of the log had intervals", remedy="Register forecasts with draws")
    figure = Figure(figsize=(8.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    points = [(0.0, 0.0), *reliability(ranks), (1.0, 1.0)]
    left.plot([0, 100], [0, 100], color="0.6", linestyle="--", linewidth=1, label="calibrated")
    left.step(
        [100 * x for x, _ in points], [100 * y for _, y in points], where="post", color="C0", label="these forecasts"
    )
    left.set(xlabel="meant to hold, %", ylabel="held, %", xlim=(0, 100), ylim=(0, 100))
    left.legend(frameon=False, loc="upper left")
    left.set_title(f"{count(len(ranks), 'quantity')} of {count(found.forecasts, 'forecast')}", fontsize="medium")
    right.hist(ranks, bins=[i / 10 for i in range(11)], color="C0", edgecolor="white")
    right.axhline(len(ranks) / 10, color="0.6", linestyle="--", linewidth=1)
    right.set(xlabel="share of the draws below what came", ylabel="quantities", xlim=(0, 1))
    right.set_title("even if calibrated; piled up at the ends if too sure", fontsize="medium")
    return figure
