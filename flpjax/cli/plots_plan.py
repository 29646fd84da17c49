"""Pictures of allocations: valleys of equal cost, the frontier, and N* and D* over budgets. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import LADDER, TARGET, TRUTH, finish, log_ticks, picture, power_of_ten, words
from flpjax.cli.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.allocation.allocation import Allocation

TALL = 3.6  # inches of a panel
LIGHTEST = 0.6  # of the colours of lines: lighter ones fade on white
AROUND = np.log(6.0)  # of log N beyond a group's runs that its valley is drawn
ALONE = 1.5  # times: values nearer together are one on an axis of logarithms
MOST_GROUPS = 8  # valleys that are named


def plot_plan(found: Allocation) -> Figure:
    """Losses over N at equal cost with each optimum; the best loss over C; N* and D* over C, with bands.

    The table twins are :meth:`Allocation.table`, and :meth:`Regret.table` of ``found.regrets``.

    Args:
        found: From :func:`flpjax.plan`.
    """
    figure, axes = picture(3, TALL)
    handles: dict[str, Any] = {}
    if found.isoflops is not None:
        _isoflops(axes[0], found, handles)
    else:
        _regrets(axes[0], found, handles)
    _frontier(axes[1], found, handles)
    _sizes(axes[2], found, handles)
    left = "runs of equal cost and the law's valleys" if found.isoflops is not None else "what another N costs"
    finish(
        figure,
        f"First: {left}, with each optimum. Second: the lowest loss that a budget buys. Third: the N and D that it is "
        f"best divided into, by the {found.headline}. Bands are {100 * found.level:g} % intervals.",
        handles,
    )
    return figure


def _isoflops(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    iso = found.isoflops
    assert iso is not None
    from matplotlib import colormaps

    shades = colormaps["cividis"](np.linspace(0.0, LIGHTEST, len(iso)))
    for g in range(len(iso)):
        mine = iso.group == g
        n, loss = np.exp(iso.points.log_params[mine]), iso.points.loss[mine]
        handles["runs of equal cost"] = ax.scatter(n, loss, s=14, color=shades[g], zorder=3)
        grid, curve = found.fitted_params[g], found.fitted_loss[g]
        near = (np.log(grid) > np.log(n.min()) - AROUND / 3) & (np.log(grid) < np.log(n.max()) + AROUND / 3)
        (handles["law"],) = ax.plot(grid[near], curve[near], color=shades[g], linewidth=1.0)
        best = found.group_optima[g]
        if best is not None:
            height = float(np.interp(np.log(best.median), np.log(grid), curve))
            away = [[best.median - best.lower], [best.upper - best.median]]
            handles["N*"] = ax.errorbar(best.median, height, xerr=away, fmt="D", ms=4, color=TRUTH, zorder=5)
        if len(iso) <= MOST_GROUPS:
            right = int(np.argmax(n))
            ax.annotate(
                power_of_ten(float(np.exp(iso.log_flops[g]))), (n[right], loss[right]), xytext=(4, 0),
                textcoords="offset points", fontsize=6.5, va="center",
            )  # fmt: skip
    losses = iso.points.loss
    room = 0.06 * float(np.ptp(losses))
    ax.set_ylim(float(losses.min()) - room, float(losses.max()) + room)
    _log_axis(ax, "N", np.exp(iso.points.log_params), number)
    ax.set_ylabel(f"loss {words(found.domain, 20)}")
    ax.set_title("runs of equal cost", fontsize=9)


def _regrets(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    from matplotlib import colormaps

    shades = colormaps["cividis"](np.linspace(0.0, LIGHTEST, len(found.regrets)))
    for regret, shade in zip(found.regrets, shades, strict=True):
        ax.fill_between(regret.params, 100 * regret.lower, 100 * regret.upper, color=shade, alpha=0.2, linewidth=0)
        (handles[f"{regret.flops:.3g} FLOPs"],) = ax.plot(regret.params, 100 * regret.median, color=shade)
    _log_axis(ax, "N", np.concatenate([r.params for r in found.regrets]), number)
    ax.set_ylabel("loss over the best (%)")
    ax.set_ylim(0.0, max(2.0, 1.05 * 100 * max(float(np.median(r.median)) for r in found.regrets)))
    ax.set_title("what another N costs", fontsize=9)


def _frontier(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    flops = np.array([o.flops for o in found.optima])
    median, lower, upper = (np.array([getattr(o.loss, side) for o in found.optima]) for side in _SIDES)
    _band(ax, flops, median, lower, upper, TARGET, "plan", handles)
    if found.isoflops is not None:
        iso = found.isoflops
        best = [float(iso.points.loss[iso.group == g].min()) for g in range(len(iso))]
        own = ax.scatter(np.exp(iso.log_flops), best, s=18, color=LADDER, zorder=3)
        handles["best run of a budget"] = own
        flops = np.concatenate([flops, np.exp(iso.log_flops)])
    _log_axis(ax, "C (FLOPs)", flops, power_of_ten)
    ax.set_ylabel(f"loss {words(found.domain, 20)}")
    ax.set_title("the frontier", fontsize=9)


def _sizes(ax: Axes, found: Allocation, handles: dict[str, Any]) -> None:
    flops = np.array([o.flops for o in found.optima])
    for what, name, color in (("params", "N*", TRUTH), ("tokens", "D*", TARGET)):
        median, lower, upper = (np.array([getattr(getattr(o, what), side) for o in found.optima]) for side in _SIDES)
        _band(ax, flops, median, lower, upper, color, name, handles)
    ax.set_yscale("log")
    everything = [v for o in found.optima for v in (o.params.lower, o.tokens.upper)]
    ticks = log_ticks(min(everything) / 1.5, max(everything) * 1.5, 6)
    ax.set_yticks(ticks, [number(t) for t in ticks])
    ax.minorticks_off()
    _log_axis(ax, "C (FLOPs)", flops, power_of_ten)
    ax.set_title("N* and D*", fontsize=9)


_SIDES = ("median", "lower", "upper")


def _band(
    ax: Axes, x: Any, median: Any, lower: Any, upper: Any, color: str, name: str, handles: dict[str, Any]
) -> None:
    """A line with its band; of one budget, a point with a bar."""
    if len(x) == 1:
        handles[name] = ax.errorbar(
            x, median, yerr=[median - lower, upper - median], fmt="o", ms=5, color=color, capsize=3
        )
        return
    ax.fill_between(x, lower, upper, color=color, alpha=0.2, linewidth=0)
    (handles[name],) = ax.plot(x, median, color=color, marker="o", ms=3)


def _log_axis(ax: Axes, label: str, values: Any, text: Any) -> None:
    room = 1.3 if np.max(values) > ALONE * np.min(values) else 4.0  # around one value, ticks to see where it is
    low, high = float(np.min(values)) / room, float(np.max(values)) * room
    ax.set_xscale("log")
    ticks = log_ticks(low, high)
    ax.set_xlim(low, high)
    ax.set_xticks(ticks, [text(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel(label)
