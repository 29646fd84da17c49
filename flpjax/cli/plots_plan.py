"""Pictures of compute-optimal allocations of a budget C to parameters N and tokens D. Needs the extra ``viz``.

Three panels: loss against N at equal C (isoFLOP curves, whose minima are the optima), the lowest loss against C, and
the optimal N* and D* against C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import LADDER_COLOR, TARGET_COLOR, TRUTH_COLOR, finish, log_ticks, picture, power_of_ten, words
from flpjax.cli.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.allocation.allocation import Allocation

PANEL_HEIGHT = 3.6  # inches
LIGHTEST_SHADE = 0.6  # end of the part of the colour map (0 to 1) that lines use: lighter lines fade on white
VALLEY_MARGIN = np.log(6.0) / 3  # in log N: how far beyond its runs the fitted curve of a budget is drawn
SAME_VALUE_RATIO = 1.5  # largest over smallest value: below it a logarithmic axis is widened, so that it has ticks
MOST_LABELLED_GROUPS = 8  # with more groups of equal cost, the labels of their budgets would overlap
INTERVAL_KEYS = ("median", "lower", "upper")


def plot_plan(found: Allocation) -> Figure:
    """Losses over N at equal cost with each optimum; the best loss over C; N* and D* over C, with bands.

    The same numbers as tables: :meth:`Allocation.table`, and :meth:`Regret.table` of ``found.regrets``.

    Args:
        found: From :func:`flpjax.plan`.
    """
    figure, axes = picture(3, PANEL_HEIGHT)
    handles: dict[str, Any] = {}
    if found.isoflops is not None:
        _isoflops(axes[0], found, handles)
    else:
        _regrets(axes[0], found, handles)
    _frontier(axes[1], found, handles)
    _sizes(axes[2], found, handles)
    first_panel = "runs of equal cost and the law's valleys" if found.isoflops is not None else "what another N costs"
    finish(
        figure,
        f"First: {first_panel}, with each optimum. Second: the lowest loss that a budget buys. Third: the N and D "
        f"that it is best divided into, by the {found.headline}. Bands are {100 * found.level:g} % intervals.",
        handles,
    )
    return figure


def _isoflops(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    """Loss against N: the runs of each budget, the curve fitted to them, and its minimum N* with its interval."""
    iso = found.isoflops
    assert iso is not None
    from matplotlib import colormaps

    shades = colormaps["cividis"](np.linspace(0.0, LIGHTEST_SHADE, len(iso)))
    for g in range(len(iso)):
        in_group = iso.group == g
        n, loss = np.exp(iso.points.log_params[in_group]), iso.points.loss[in_group]
        handles["runs of equal cost"] = ax.scatter(n, loss, s=14, color=shades[g], zorder=3)
        grid, curve = found.fitted_params[g], found.fitted_loss[g]
        in_view = (np.log(grid) > np.log(n.min()) - VALLEY_MARGIN) & (np.log(grid) < np.log(n.max()) + VALLEY_MARGIN)
        (handles["law"],) = ax.plot(grid[in_view], curve[in_view], color=shades[g], linewidth=1.0)
        best = found.group_optima[g]
        if best is not None:
            loss_at_best = float(np.interp(np.log(best.median), np.log(grid), curve))
            interval = [[best.median - best.lower], [best.upper - best.median]]
            handles["N*"] = ax.errorbar(
                best.median, loss_at_best, xerr=interval, fmt="D", ms=4, color=TRUTH_COLOR, zorder=5
            )
        if len(iso) <= MOST_LABELLED_GROUPS:
            largest = int(np.argmax(n))
            ax.annotate(
                power_of_ten(float(np.exp(iso.log_flops[g]))), (n[largest], loss[largest]), xytext=(4, 0),
                textcoords="offset points", fontsize=6.5, va="center",
            )  # fmt: skip
    losses = iso.points.loss
    margin = 0.06 * float(np.ptp(losses))
    ax.set_ylim(float(losses.min()) - margin, float(losses.max()) + margin)
    _log_axis(ax, "N", np.exp(iso.points.log_params), number)
    ax.set_ylabel(f"loss {words(found.domain, 20)} (nats)")
    ax.set_title("runs of equal cost", fontsize=9)


def _regrets(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    """By how many per cent the loss at another N exceeds the lowest that each budget reaches."""
    from matplotlib import colormaps

    shades = colormaps["cividis"](np.linspace(0.0, LIGHTEST_SHADE, len(found.regrets)))
    for regret, shade in zip(found.regrets, shades, strict=True):
        ax.fill_between(regret.params, 100 * regret.lower, 100 * regret.upper, color=shade, alpha=0.2, linewidth=0)
        (handles[f"{regret.flops:.3g} FLOPs"],) = ax.plot(regret.params, 100 * regret.median, color=shade)
    _log_axis(ax, "N", np.concatenate([r.params for r in found.regrets]), number)
    ax.set_ylabel("loss over the best (%)")
    ax.set_ylim(0.0, max(2.0, 1.05 * 100 * max(float(np.median(r.median)) for r in found.regrets)))
    ax.set_title("what another N costs", fontsize=9)


def _frontier(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    """The lowest loss of each budget C, as planned, and as the best run of each budget measured."""
    flops = np.array([o.flops for o in found.optima])
    median, lower, upper = (np.array([getattr(o.loss, side) for o in found.optima]) for side in INTERVAL_KEYS)
    _band(ax, flops, median, lower, upper, TARGET_COLOR, "plan", handles)
    if found.isoflops is not None:
        iso = found.isoflops
        best = [float(iso.points.loss[iso.group == g].min()) for g in range(len(iso))]
        points = ax.scatter(np.exp(iso.log_flops), best, s=18, color=LADDER_COLOR, zorder=3)
        handles["best run of a budget"] = points
        flops = np.concatenate([flops, np.exp(iso.log_flops)])
    _log_axis(ax, "C (FLOPs)", flops, power_of_ten)
    ax.set_ylabel(f"loss {words(found.domain, 20)} (nats)")
    ax.set_title("the frontier", fontsize=9)


def _sizes(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    """N* and D* against C."""
    flops = np.array([o.flops for o in found.optima])
    for quantity, name, color, style in (("params", "N*", TRUTH_COLOR, "D--"), ("tokens", "D*", TARGET_COLOR, "o-")):
        median, lower, upper = (
            np.array([getattr(getattr(o, quantity), side) for o in found.optima]) for side in INTERVAL_KEYS
        )
        _band(ax, flops, median, lower, upper, color, name, handles, style)
    ax.set_yscale("log")
    everything = [v for o in found.optima for v in (o.params.lower, o.tokens.upper)]
    ticks = log_ticks(min(everything) / 1.5, max(everything) * 1.5, 6)
    ax.set_yticks(ticks, [number(t) for t in ticks])
    ax.minorticks_off()
    ax.set_ylabel("parameters N*, tokens D*")
    _log_axis(ax, "C (FLOPs)", flops, power_of_ten)
    ax.set_title("N* and D*", fontsize=9)


def _band(
    ax: Axes,
    x: Any,
    median: Any,
    lower: Any,
    upper: Any,
    color: str,
    name: str,
    handles: dict[str, Any],
    style: str = "o-",
) -> None:
    """The medians as a line and the intervals as a band; if there is one budget, a point with an error bar.

    ``style`` is a marker and a line, by which a grey print tells two quantities apart.
    """
    if len(x) == 1:
        handles[name] = ax.errorbar(
            x, median, yerr=[median - lower, upper - median], fmt=style[0], ms=5, color=color, capsize=3
        )
        return
    ax.fill_between(x, lower, upper, color=color, alpha=0.2, linewidth=0)
    (handles[name],) = ax.plot(x, median, style, color=color, ms=3)


def _log_axis(ax: Axes, label: str, values: Any, text: Any) -> None:
    """A logarithmic x axis that holds all values; ``text`` writes a tick's label from its value."""
    margin = 1.3 if np.max(values) > SAME_VALUE_RATIO * np.min(values) else 4.0
    low, high = float(np.min(values)) / margin, float(np.max(values)) * margin
    ax.set_xscale("log")
    ticks = log_ticks(low, high)
    ax.set_xlim(low, high)
    ax.set_xticks(ticks, [text(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel(label)
