"""Pictures of mixtures: a curve over the ratios of two sources, a triangle for three. Needs the extra ``viz``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flpjax.cli.picture import (
    HEIGHT,
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TARGET_COLOR,
    TRUTH_COLOR,
    finish,
    percent_limits,
    picture,
    plain_ticks,
    words,
)
from flpjax.cli.text import number
from flpjax.results.mix import Mix
from flpjax.results.mix_curve import MixCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    unit, label = (100.0, "score (%)") if scores else (1.0, "loss (nats)")
    for j, name in enumerate(curve.outputs):
        median, lower, upper = (unit * side[:, j] for side in (curve.median, curve.lower, curve.upper))
        shown.append(Panel(name, label, median, lower, upper, percent=scores, output=j))
    return shown


def near(curve: MixCurve) -> str:
    """What the legend calls the runs that were measured."""
    sizes = sorted({number(m.params) for m in curve.measured})
    return f"measured at N={sizes[0]}" if len(sizes) == 1 else f"measured at N={sizes[0]} to {sizes[-1]}"


CORNERS = np.array([[0.5, np.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]])  # of the triangle: first source on top
TICKS = (20, 40, 60, 80)  # %
FEW = 15  # runs whose values can be written beside them


def place(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mixtures ``(point, 3)`` as places in the triangle."""
    x, y = (weights @ CORNERS).T
    return x, y


def draw_triangle(ax: Axes, curve: MixCurve, panel: Panel, mix: Mix | None, handles: dict[str, Any]) -> None:
    """One panel: filled contours, with lines between them that read in grey, scales, mixtures tried, and the best."""
    x, y = place(curve.weights)
    values = panel.median if panel.line is None else panel.line
    if np.ptp(values) > 0:
        shown = ax.tricontourf(x, y, values, levels=12, cmap="cividis")
        assert ax.figure is not None
        bar = ax.figure.colorbar(shown, ax=ax, shrink=0.75, pad=0.08)
        bar.set_label(words(panel.label, 30), fontsize=8)
        bar.ax.tick_params(labelsize=7)
    _scales(ax, curve.sources)
    handles["tried"] = ax.scatter(
        *place(curve.tried), s=16, color="white", edgecolors="black", linewidths=0.6, zorder=4
    )
    runs = curve.measured if panel.output is not None and len(curve.measured) <= FEW else ()
    for run in runs:
        (at_x,), (at_y,) = place(run.weights[None])
        inwards = 1 if at_x <= 0.5 else -1  # where no scale is
        value = run.values[panel.output] * (100.0 if panel.percent else 1.0)
        text = f"{value:.1f}" if panel.percent else f"{value:.3g}"
        ax.annotate(
            text, (at_x, at_y), xytext=(4 * inwards, 2), textcoords="offset points", fontsize=6.5,
            ha="left" if inwards > 0 else "right", zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
        )  # fmt: skip
    if runs:
        handles[f"numbers: {near(curve)}"] = ax.scatter([], [], marker="$12.3$", color="black", s=260, linewidths=0)
    if mix is not None:
        star = ax.scatter(
            *place(mix.weights[None, :]), s=110, marker="*", color=TRUTH_COLOR, edgecolors="white", zorder=7
        )
        handles["best"] = star
    ax.set_title(words(panel.title, MOST_TITLE_LETTERS), fontsize=9, pad=14)
    ax.set(aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.2, 1.0))
    ax.set_axis_off()


def _scales(ax: Axes, sources: tuple[str, ...]) -> None:
    """Outline, lines of equal share, and for each source ticks along one side, named and turned as its lines run."""
    outline = np.vstack([CORNERS, CORNERS[:1]])
    ax.plot(*outline.T, color="black", linewidth=0.8, zorder=3)
    middle = CORNERS.mean(axis=0)
    for k, source in enumerate(sources):
        mine, start, other = CORNERS[k], CORNERS[(k + 1) % 3], CORNERS[(k + 2) % 3]
        # a share rises from `start` to its source's corner; lines of equal share run as the opposite side does
        run = (start - other) / np.linalg.norm(start - other)
        angle = float(np.degrees(np.arctan2(*(mine - start)[::-1])))
        angle = (angle + 90.0) % 180.0 - 90.0  # never upside down
        for tick in TICKS:
            share = tick / 100.0
            at = start + share * (mine - start)
            end = other + share * (mine - other)
            ax.plot(*np.array([at, end]).T, color="white", linewidth=0.5, alpha=0.6, zorder=2)
            ax.plot(*np.array([at, at + 0.02 * run]).T, color="black", linewidth=0.8, zorder=3)
            left, up = at + 0.055 * run
            ax.text(left, up, f"{tick}", fontsize=6.5, ha="center", va="center")
        side = 0.5 * (mine + start)
        outward = (side - middle) / np.linalg.norm(side - middle)
        left, up = side + 0.16 * outward
        ax.text(
            left, up, f"{words(source, MOST_TITLE_LETTERS)} (%)", fontsize=8, ha="center", va="center",
            rotation=angle, rotation_mode="anchor",
        )  # fmt: skip
        ax.annotate(
            words(source, MOST_TITLE_LETTERS), tuple(mine), xytext=tuple(24 * (mine - middle)),
            textcoords="offset points", fontsize=8, ha="center", va="center", fontweight="bold",
        )  # fmt: skip


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
    handles[interval] = ax.fill_between(x, panel.lower, panel.upper, color=TARGET_COLOR, alpha=0.2, linewidth=0)
    (handles["forecast"],) = ax.plot(x, panel.median, color=TARGET_COLOR)
    if panel.line is not None:
        (handles["what is maximised"],) = ax.plot(x, panel.line, color="black", linestyle=(0, (1, 1)))
    tried = 100.0 * curve.tried[:, 1]
    for beyond in ((0.0, tried.min()), (tried.max(), 100.0)):
        ax.axvspan(*beyond, color=LADDER_COLOR, alpha=0.15, linewidth=0)
    marks = ax.scatter(
        tried,
        np.zeros(len(tried)),
        marker="|",
        s=40,
        color=LADDER_COLOR,
        transform=ax.get_xaxis_transform(),
        clip_on=False,
    )
    handles["tried"] = marks
    values = [panel.median, panel.lower, panel.upper]
    if panel.output is not None and curve.measured:
        for held_out, color, marker in ((False, LADDER_COLOR, "o"), (True, TRUTH_COLOR, "x")):
            some = [m for m in curve.measured if m.held_out == held_out]
            if some:
                unit = 100.0 if panel.percent else 1.0
                reached = np.array([unit * m.values[panel.output] for m in some])
                at = [100.0 * m.weights[1] for m in some]
                name = near(curve) + (", held out" if held_out else "")
                handles[name] = ax.scatter(at, reached, s=26, color=color, marker=marker, zorder=4)
                values.append(reached)
    if mix is not None:
        handles["best"] = ax.axvline(100.0 * mix.weights[1], color=TRUTH_COLOR, linestyle="--", zorder=3)
    ax.set(
        xlabel=f"share of {words(curve.sources[1], MOST_TITLE_LETTERS)} (%)",
        ylabel=words(panel.label, 34),
        xlim=(-1.0, 101.0),
    )
    ax.set_xticks([0, 20, 40, 60, 80, 100])
    ax.set_title(words(panel.title, MOST_TITLE_LETTERS), fontsize=9)
    _limits(ax, panel, values)


def _limits(ax: Axes, panel: Panel, values: list[NDArray[np.float64]]) -> None:
    """Of scores within 0 to 100; of the rest, all that is known and a little more."""
    if panel.percent:
        low, high = percent_limits(values)
    else:
        known = np.concatenate([v[np.isfinite(v)] for v in values])
        margin = max(0.06 * float(np.ptp(known)), 1e-3 * abs(float(known.mean())))
        low, high = float(known.min()) - margin, float(known.max()) + margin
        low = max(low, 0.0) if panel.output is not None else low  # a loss is positive; an objective need not be
    ax.set_ylim(low, high)
    ax.set_yticks(plain_ticks(low, high))
