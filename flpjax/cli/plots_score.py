"""The calibration of a log of forecasts as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import LADDER_COLOR, MOST_TITLE_LETTERS, TARGET_COLOR, finish, picture, words
from flpjax.errors import InputError, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.score_log import Calibration

MOST = 24  # forecasts that are shown one by one


def plot_calibration(found: Calibration) -> Figure:
    """Share of the quantities that central intervals held, against what they were meant to hold, and their ranks.

    Raises:
        InputError: No forecast of the log had intervals, or matplotlib is not installed.
    """
    from flpjax.results.score_log import reliability

    ranks = found.ranks
    if not ranks:
        raise InputError("no forecast of the log had intervals", remedy="Register forecasts with draws")
    figure, (left, right, third) = picture(3)
    points = [(0.0, 0.0), *reliability(ranks), (1.0, 1.0)]
    handles: dict[str, Any] = {}
    (handles["calibrated"],) = left.plot([0, 100], [0, 100], color=LADDER_COLOR, linestyle="--", linewidth=1.2)
    (handles["these forecasts"],) = left.step(
        [100 * x for x, _ in points], [100 * y for _, y in points], where="post", color=TARGET_COLOR, linewidth=1.6,
        clip_on=False, zorder=3,
    )  # fmt: skip
    left.set(xlabel="intervals meant to hold (%)", ylabel="intervals that held (%)", xlim=(0, 100), ylim=(0, 100))
    right.hist(ranks, bins=[i / 10 for i in range(11)], color=TARGET_COLOR, edgecolor="white")
    right.axhline(len(ranks) / 10, color=LADDER_COLOR, linestyle="--", linewidth=1.2)
    right.locator_params(axis="y", integer=True)
    right.set(xlabel="share of the draws below what came", ylabel="quantities", xlim=(0, 1))
    _by_forecast(third, found.by_forecast())
    finish(
        figure,
        f"{count(len(ranks), 'quantity')} of {count(found.forecasts, 'forecast')}. First: below the dashes, intervals "
        "were too narrow. Second: even if calibrated, piled up at the ends if they were too narrow. Third: forecast by "
        "forecast, beside what was meant to hold.",
        handles,
    )
    return figure


def _by_forecast(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """A dot a forecast, of a long log the last ones: how many of its intervals held; and a mark at their level."""
    rows = [row for row in rows if row["intervals"]][-MOST:]
    places = range(len(rows))
    ax.hlines(places, 0, 100, color=LADDER_COLOR, linewidth=0.5, alpha=0.3)
    ax.scatter([100 * row["level"] for row in rows], places, marker="|", s=90, color=LADDER_COLOR, linewidths=1.2)
    shares = [100 * row["held"] / row["intervals"] for row in rows]
    ax.scatter(shares, places, s=18, color=TARGET_COLOR, clip_on=False, zorder=3)
    names = [f"{row['targets']}: {row['held']} of {row['intervals']}" for row in rows]
    ax.set_yticks(places, [words(name, MOST_TITLE_LETTERS) for name in names], fontsize=8)
    ax.set(xlabel="intervals that held (%)", xlim=(0, 103), ylim=(len(rows) - 0.5, -0.5))
