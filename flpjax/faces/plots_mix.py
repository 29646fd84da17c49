"""Pictures of mixtures: a curve over the ratios of two sources, a triangle for three. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flpjax.answers.mix import Mix
from flpjax.answers.mix_curve import MixCurve
from flpjax.faces.plots import COLUMNS, LADDER, TARGET, TRUTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CORNERS = np.array([[0.5, np.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]])  # of the triangle: first source on top


def plot_mix(curve: MixCurve, mix: Mix | None = None) -> Figure:
    """Scores (or losses) over mixtures, with the ladder's own mixtures and the best one marked.

    The table twin is :meth:`MixCurve.table`.

    Args:
        curve: The forecast over a grid.
        mix: The mixture to mark.
    """
    import matplotlib.pyplot as plt

    outputs = len(curve.outputs)
    columns = min(COLUMNS, outputs)
    rows = -(-outputs // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(4.0 * columns, 3.2 * rows), squeeze=False, layout="constrained")
    for j, ax in enumerate(grid.flat):
        if j >= outputs:
            ax.set_axis_off()
        elif len(curve.sources) == 2:
            _curve(ax, curve, j, mix)
        else:
            _triangle(ax, curve, j, mix)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _unit(curve: MixCurve) -> float:
    return 100.0 if curve.kind == "score" else 1.0


def _curve(ax: Axes, curve: MixCurve, j: int, mix: Mix | None) -> None:
    x, unit = curve.weights[:, 1], _unit(curve)
    ax.fill_between(
        x, unit * curve.lower[:, j], unit * curve.upper[:, j], color=TARGET, alpha=0.2, linewidth=0,
        label=f"{100 * curve.level:g} % interval",
    )  # fmt: skip
    ax.plot(x, unit * curve.median[:, j], color=TARGET, label="forecast")
    for i, tried in enumerate(curve.tried[:, 1]):
        ax.axvline(tried, color=LADDER, linewidth=0.6, label="" if i else "tried")
    for beyond in ((0.0, curve.tried[:, 1].min()), (curve.tried[:, 1].max(), 1.0)):
        ax.axvspan(*beyond, color=LADDER, alpha=0.15, linewidth=0)
    if mix is not None:
        ax.axvline(mix.weights[1], color=TRUTH, linestyle="--", label="best")
    name = "score (%)" if curve.kind == "score" else "loss"
    ax.set(xlabel=f"share of {curve.sources[1]}", ylabel=name, title=curve.outputs[j], xlim=(-0.02, 1.02))


def _triangle(ax: Axes, curve: MixCurve, j: int, mix: Mix | None) -> None:
    x, y = _place(curve.weights)
    shown = ax.tricontourf(x, y, _unit(curve) * curve.median[:, j], levels=14, cmap="viridis")
    assert ax.figure is not None
    ax.figure.colorbar(shown, ax=ax, shrink=0.8, label="score (%)" if curve.kind == "score" else "loss")
    ax.scatter(*_place(curve.tried), s=14, color="white", edgecolors="black", linewidths=0.5, label="tried")
    if mix is not None:
        ax.scatter(*_place(mix.weights[None, :]), s=90, marker="*", color=TRUTH, edgecolors="white", label="best")
    for corner, name, align in zip(CORNERS, curve.sources, ("bottom", "top", "top"), strict=True):
        ax.text(corner[0], corner[1], name, ha="center", va=align)
    ax.set(title=curve.outputs[j], aspect="equal", xlim=(-0.1, 1.1), ylim=(-0.1, 1.0))
    ax.set_axis_off()


def _place(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mixtures ``(point, 3)`` as places in the triangle."""
    x, y = (weights @ CORNERS).T
    return x, y
