"""A triangle of mixtures of three sources: contours, and scales along its sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flpjax.cli.mix_panels import Panel, near
from flpjax.cli.picture import LETTERS, TRUTH, words
from flpjax.results.mix import Mix
from flpjax.results.mix_curve import MixCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        star = ax.scatter(*place(mix.weights[None, :]), s=110, marker="*", color=TRUTH, edgecolors="white", zorder=7)
        handles["best"] = star
    ax.set_title(words(panel.title, LETTERS), fontsize=9, pad=14)
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
            left, up, f"{words(source, LETTERS)} (%)", fontsize=8, ha="center", va="center",
            rotation=angle, rotation_mode="anchor",
        )  # fmt: skip
        ax.annotate(words(source, LETTERS), tuple(mine), xytext=tuple(24 * (mine - middle)), textcoords="offset points",
                    fontsize=8, ha="center", va="center", fontweight="bold")  # fmt: skip
