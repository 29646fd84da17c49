"""The calibration of a log of forecasts as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import LADDER_COLOR, TARGET_COLOR, finish, picture
from flpjax.errors import InputError, count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.results.score_log import Calibration


def plot_calibration(found: Calibration) -> Figure:
    """Share of the quantities that central intervals held, against what they were meant to hold, and their ranks.

    Raises:
        InputError: No forecast of the log had intervals, or matplotlib is not installed.
    """
    from flpjax.results.score_log import reliability

    ranks = found.ranks
    if not ranks:
        raise InputError("no forecast of the log had intervals", remedy="Register forecasts with draws")
    figure, (left, right) = picture(2)
    points = [(0.0, 0.0), *reliability(ranks), (1.0, 1.0)]
    handles: dict[str, Any] = {}
    (handles["calibrated"],) = left.plot([0, 100], [0, 100], color=LADDER_COLOR, linestyle="--", linewidth=1.2)
    (handles["these forecasts"],) = left.step(
        [100 * x for x, _ in points], [100 * y for _, y in points], where="post", color=TARGET_COLOR, linewidth=1.6
    )
    left.set(xlabel="intervals meant to hold (%)", ylabel="intervals that held (%)", xlim=(0, 100), ylim=(0, 100))
    right.hist(ranks, bins=[i / 10 for i in range(11)], color=TARGET_COLOR, edgecolor="white")
    right.axhline(len(ranks) / 10, color=LADDER_COLOR, linestyle="--", linewidth=1.2)
    right.locator_params(axis="y", integer=True)
    right.set(xlabel="share of the draws below what came", ylabel="quantities", xlim=(0, 1))
    finish(
        figure,
        f"{count(len(ranks), 'quantity')} of {count(found.forecasts, 'forecast')}. Left: below the dashes, intervals "
        "were too narrow. Right: even if calibrated, piled up at the ends if intervals were too narrow.",
        handles,
    )
    return figure
