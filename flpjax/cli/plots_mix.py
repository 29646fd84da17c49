"""Pictures of mixtures: a curve over the ratios of two sources, a triangle for three. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flpjax.cli.mix_panels import Panel, near, panels
from flpjax.cli.picture import (
    HEIGHT,
    LADDER,
    LETTERS,
    TARGET,
    TRUTH,
    finish,
    percent_limits,
    picture,
    plain_ticks,
    words,
)
from flpjax.cli.ternary import draw_triangle
from flpjax.results.mix import Mix
from flpjax.results.mix_curve import MixCurve

TRIANGLE = 3.9  # inches: how tall a panel with a triangle is

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_mix(curve: MixCurve, mix: Mix | None = None) -> Figure:
    """Objective, scores or losses over mixtures, with the mixtures tried, what runs there reached, and the best one.

    The table twins are :meth:`MixCurve.table`, :meth:`Objective.table` and ``curve.measured``.

    Args:
        curve: The forecast over a grid.
        mix: The mixture to mark.
    """
    shown = panels(curve)
    two = len(curve.sources) == 2
    figure, axes = picture(len(shown), HEIGHT if two else TRIANGLE)
    handles: dict[str, Any] = {}
    draw = _curve if two else draw_triangle
    for panel, ax in zip(shown, axes, strict=True):
        draw(ax, curve, panel, mix, handles)
    name, level = curve.target.name, f"{100 * curve.level:g} %"
    how = f"What {name} is expected to reach at every mixture"
    if two:
        how += f", with {level} intervals; where it is shaded, no mixture was tried"
    else:
        how += ": a corner is all of the source it names, whose scale runs along the side that bears its name"
    if mix is not None:
        how += f"; the {'dashed line' if two else 'star'} is the best mixture"
    finish(figure, f"{how}.", handles)
    return figure


def _curve(ax: Axes, curve: MixCurve, panel: Panel, mix: Mix | None, handles: dict[str, Any]) -> None:
    x = 100.0 * curve.weights[:, 1]
    interval = f"{100 * curve.level:g} % interval"
    handles[interval] = ax.fill_between(x, panel.lower, panel.upper, color=TARGET, alpha=0.2, linewidth=0)
    (handles["forecast"],) = ax.plot(x, panel.median, color=TARGET)
    if panel.line is not None:
        (handles["what is maximised"],) = ax.plot(x, panel.line, color="black", linestyle=(0, (1, 1)))
    tried = 100.0 * curve.tried[:, 1]
    for beyond in ((0.0, tried.min()), (tried.max(), 100.0)):
        ax.axvspan(*beyond, color=LADDER, alpha=0.15, linewidth=0)
    marks = ax.scatter(
        tried, np.zeros(len(tried)), marker="|", s=40, color=LADDER, transform=ax.get_xaxis_transform(), clip_on=False
    )
    handles["tried"] = marks
    values = [panel.median, panel.lower, panel.upper]
    if panel.output is not None and curve.measured:
        for held_out, color, marker in ((False, LADDER, "o"), (True, TRUTH, "x")):
            some = [m for m in curve.measured if m.held_out == held_out]
            if some:
                unit = 100.0 if panel.percent else 1.0
                reached = np.array([unit * m.values[panel.output] for m in some])
                at = [100.0 * m.weights[1] for m in some]
                name = near(curve) + (", held out" if held_out else "")
                handles[name] = ax.scatter(at, reached, s=26, color=color, marker=marker, zorder=4)
                values.append(reached)
    if mix is not None:
        handles["best"] = ax.axvline(100.0 * mix.weights[1], color=TRUTH, linestyle="--", zorder=3)
    ax.set(xlabel=f"share of {words(curve.sources[1], LETTERS)} (%)", ylabel=words(panel.label, 34), xlim=(-1.0, 101.0))
    ax.set_xticks([0, 20, 40, 60, 80, 100])
    ax.set_title(words(panel.title, LETTERS), fontsize=9)
    _limits(ax, panel, values)


def _limits(ax: Axes, panel: Panel, values: list[NDArray[np.float64]]) -> None:
    """Of scores within 0 to 100; of the rest, all that is known and a little more."""
    if panel.percent:
        low, high = percent_limits(values)
    else:
        known = np.concatenate([v[np.isfinite(v)] for v in values])
        room = max(0.06 * float(np.ptp(known)), 1e-3 * abs(float(known.mean())))
        low, high = float(known.min()) - room, float(known.max()) + room
        low = max(low, 0.0) if panel.output is not None else low  # a loss is positive; an objective need not be
    ax.set_ylim(low, high)
    ax.set_yticks(plain_ticks(low, high))
