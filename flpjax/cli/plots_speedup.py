"""The picture of a speed-up: the factor over scale, made from the result. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import (
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TARGET_COLOR,
    finish,
    log_ticks,
    picture,
    power_of_ten,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.speedup.result import OutputSpeedup, Speedup

MOST = 6  # panels
ROOM = 1.15  # times the largest factor that an axis shows
WIDEST = 30.0  # factors beyond which an axis does not go, unless the median does


def plot_speedup(result: Speedup) -> Figure:
    """The factor over B's compute, a panel for each loss and score; :meth:`Speedup.table` is its twin.

    Args:
        result: The speed-up.
    """
    shown = result.outputs[:MOST]
    figure, axes = picture(len(shown))
    handles: dict[str, Any] = {}
    for output, ax in zip(shown, axes, strict=True):
        _draw(ax, output, handles)
    left = f" {len(result.outputs) - MOST} more are in the table." if len(result.outputs) > MOST else ""
    a, b = (name if name == letter else f"{name} ({letter})" for name, letter in zip(result.names, "AB", strict=True))
    finish(
        figure,
        f"By what factor the compute of {a} would have to grow to do what {b} does: above 1, B is better. With "
        f"{100 * result.level:g} % intervals; dashed where it is extrapolated.{left}",
        handles,
    )
    return figure


def _draw(ax: Axes, output: OutputSpeedup, handles: dict[str, Any]) -> None:
    flops, median, lower, upper = output.curve.T
    low, high = output.measured
    ax.axhline(1.0, color="black", linewidth=0.7, linestyle=":", zorder=1)
    shade = ax.fill_between(flops, lower, upper, color=TARGET_COLOR, alpha=0.18, linewidth=0, zorder=1)
    (beyond,) = ax.plot(flops, median, color=TARGET_COLOR, linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
    handles["extrapolated"] = (shade, beyond)
    if not np.isnan(low):
        ends = np.array([low, *flops[(flops > low) & (flops < high)], high])
        inside = np.exp(np.interp(np.log(ends), np.log(flops), np.log(median)))
        (line,) = ax.plot(ends, inside, color=TARGET_COLOR, linewidth=2.2, zorder=3, solid_capstyle="butt")
        handles["where both were tried"] = (shade, line)
        ax.axvspan(low, high, color=LADDER_COLOR, alpha=0.08, linewidth=0, zorder=0)
    for each in output.values:
        below, above = each.factor.median - each.factor.lower, each.factor.upper - each.factor.median
        handles["asked for"] = ax.errorbar(
            [each.flops], [each.factor.median], yerr=[[below], [above]], fmt="o", ms=5, capsize=3, color="#d55e00",
            zorder=5,
        )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="compute of B (FLOPs)", ylabel="factor, B over A")
    name = f"loss {output.name}" if output.kind == "loss" else output.name
    ax.set_title(words(name, MOST_TITLE_LETTERS), fontsize=9)
    bottom = min(float(median.min()), max(float(lower.min()), 1.0 / WIDEST), 1.0) / ROOM
    top = max(float(median.max()), min(float(upper.max()), WIDEST), 1.0) * ROOM
    left, right = float(flops[0]), float(flops[-1])
    for axis, ticks, text in (
        (ax.yaxis, log_ticks(bottom, top), "{:g}".format),
        (ax.xaxis, log_ticks(left, right), power_of_ten),
    ):
        axis.set_ticks(ticks, [text(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    ax.set_ylim(bottom, top)
    ax.set_xlim(left, right)
