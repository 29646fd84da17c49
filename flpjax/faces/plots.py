"""Pictures, made from results: everything they show stands in a table, too. Needs the extra ``viz``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.answers.forecast import Forecast, Interval
from flpjax.errors import InputError
from flpjax.runs.table import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LADDER, TARGET, TRUTH = "#9aa5b1", "#1f6feb", "#d1495b"
COLUMNS = 3


def plot_forecast(result: Forecast, runs: Runs, via: str, tasks: Sequence[str] | None = None) -> Figure:
    """Loss against compute, and each task's score against the loss: the ladder, the forecast, and what came.

    The table twin is :meth:`Forecast.table`.

    Args:
        result: The forecast.
        runs: The ladder; its held-out runs are drawn as truth.
        via: The loss domain on the axes.
        tasks: The tasks to draw; None draws all that were forecast.

    Raises:
        InputError: There is nothing to draw.
    """
    import matplotlib.pyplot as plt

    names = list(tasks or dict.fromkeys(name for scores in result.score for name in scores))
    if not names and not any(via in losses for losses in result.loss):
        raise InputError("the forecast has neither a loss nor a score to draw", where=result.method)
    rows = -(-(len(names) + 1) // COLUMNS)
    size = (4.0 * COLUMNS, 3.0 * rows)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    _draw_loss(axes[0], result, runs, via)
    for name, ax in zip(names, axes[1:], strict=False):
        _draw_score(ax, result, runs, via, name)
    for ax in axes[len(names) + 1 :]:
        ax.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_loss(ax: Axes, result: Forecast, runs: Runs, via: str) -> None:
    finals, came = runs.training().finals(), runs.targets()
    ax.scatter(finals.flops, finals.loss_of(via), s=18, color=LADDER, label="ladder")
    if len(came):
        ax.scatter(came.finals().flops, came.finals().loss_of(via), s=40, marker="x", color=TRUTH, label="truth")
    flops = [t.flops for t, losses in zip(result.targets, result.loss, strict=True) if via in losses]
    _error_bars(ax, flops, [losses[via] for losses in result.loss if via in losses], result.level)
    ax.set(xscale="log", yscale="log", xlabel="training compute C (FLOPs)", ylabel="loss", title=f"loss {via}")
    ax.minorticks_off()
    low, high = ax.get_ylim()
    ticks = np.round(np.geomspace(low * 1.02, high / 1.02, 5), 2)
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])


def _draw_score(ax: Axes, result: Forecast, runs: Runs, via: str, task: str) -> None:
    ladder, came = runs.training(), runs.targets()
    ax.scatter(ladder.loss_of(via), 100 * ladder.score_of(task), s=4, color=LADDER, alpha=0.5)
    if len(came):
        ax.scatter(came.finals().loss_of(via), 100 * came.finals().score_of(task), s=40, marker="x", color=TRUTH)
    pairs = [
        (losses[via].median, scores[task])
        for losses, scores in zip(result.loss, result.score, strict=True)
        if via in losses and task in scores
    ]
    scaled = [Interval(100 * v.median, 100 * v.lower, 100 * v.upper) for _, v in pairs]
    _error_bars(ax, [loss for loss, _ in pairs], scaled, result.level)
    chance = runs.tasks[runs.task_names.index(task)].chance
    ax.axhline(100 * chance, color="black", linewidth=0.6, linestyle=":")
    ax.set(xlabel=f"loss {via}", ylabel="score (%)", title=task)
    ax.invert_xaxis()


def _error_bars(ax: Axes, x: Sequence[Any], values: Sequence[Interval], level: float) -> None:
    if values:
        below, above = [v.median - v.lower for v in values], [v.upper - v.median for v in values]
        median = [v.median for v in values]
        label = f"forecast, {100 * level:g} % interval"
        ax.errorbar(x, median, yerr=[below, above], fmt="o", ms=4, capsize=3, color=TARGET, label=label)
