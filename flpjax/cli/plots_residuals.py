"""A panel of what a law leaves over: each run of the ladder against what the fit says of it, by compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import LADDER_COLOR, MOST_TITLE_LETTERS, TARGET_COLOR, power_of_ten, words
from flpjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from flpjax.fitting.draws import Draws
    from flpjax.ladder.table import Runs
    from flpjax.results.forecast import Forecast

MARGIN = 2.0  # of compute, on both sides
MOST = 400  # runs: each is forecast, and dots of more cover each other


def fitted_runs(draws: Draws, runs: Runs, level: float) -> Forecast | None:
    """What the draws say of the runs that they were fitted to; None if they can't, or of too many runs.

    Args:
        draws: The fit.
        runs: The ladder.
        level: Probability of the intervals.
    """
    from flpjax.results.forecast import forecast
    from flpjax.results.target import targets_of

    finals = runs.training().finals()
    if len(finals.names) > MOST:
        return None
    try:
        return forecast(draws, targets_of(finals), level=level)
    except InputError:
        return None


def draw_residuals(ax: Axes, seen: Forecast, runs: Runs, via: str, handles: dict[str, Any]) -> None:
    """Measured less fitted losses in per cent of the fitted, over training compute, with the fit's interval about 0.

    Args:
        ax: The panel.
        seen: Of :func:`fitted_runs`.
        runs: The ladder, in the unit of ``seen``.
        via: The loss domain.
        handles: Marks by name, for the legend.
    """
    finals = runs.training().finals()
    measured = dict(zip(finals.names, finals.loss_of(via).tolist(), strict=True))
    flops, left, low, high = [], [], [], []
    for target, losses in zip(seen.targets, seen.loss, strict=True):
        value = losses.get(via)
        if value is not None and target.flops and np.isfinite(measured.get(target.name, np.nan)):
            unit = 100.0 / abs(value.median)
            flops.append(target.flops)
            left.append(unit * (measured[target.name] - value.median))
            low.append(unit * (value.lower - value.median))
            high.append(unit * (value.upper - value.median))
    order = np.argsort(flops)
    at = np.array(flops)[order]
    ax.axhline(0.0, color=TARGET_COLOR, linewidth=1.4)
    if seen.intervals:
        ax.fill_between(at, np.array(low)[order], np.array(high)[order], color=TARGET_COLOR, alpha=0.18, linewidth=0)
    handles.setdefault("ladder", ax.scatter(at, np.array(left)[order], s=16, color=LADDER_COLOR, zorder=3))
    ax.set(xscale="log", xlabel="training compute C (FLOPs)", ylabel="measured less fitted (%)")
    ax.set_title(words(f"residuals of loss {via}", MOST_TITLE_LETTERS + 8), fontsize=9)
    decades = np.arange(np.floor(np.log10(at.min())), np.ceil(np.log10(at.max())) + 1)
    decades = decades[:: max(len(decades) // 5, 1)]
    ax.set_xticks([10.0**d for d in decades], [power_of_ten(10.0**d) for d in decades])
    ax.set_xlim(at.min() / MARGIN, at.max() * MARGIN)
    ax.minorticks_off()
