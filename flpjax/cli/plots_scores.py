"""A picture of scores against compute, for ladders without losses. Needs the extra ``viz``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import (
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TRUTH_COLOR,
    finish,
    percent_limits,
    picture,
    plain_ticks,
    power_of_ten,
    words,
)
from flpjax.cli.plots import draw_band, draw_interval, log_axis, named
from flpjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.ladder.table import Runs
    from flpjax.results.forecast import Forecast
    from flpjax.results.path import ForecastPath


def plot_scores(result: Forecast, runs: Runs, path: ForecastPath, tasks: Sequence[str] | None = None) -> Figure:
    """Each task's score against compute: the ladder, the law, the forecast and the truth.

    The table twins are :meth:`Forecast.table` and :meth:`ForecastPath.table`.

    Args:
        result: The forecast.
        runs: The ladder; its held-out runs are drawn as truth.
        path: What the draws say along the ladder and on to a target.
        tasks: The tasks to draw; None draws all that were forecast.

    Raises:
        InputError: There is no score to draw.
    """
    names = list(tasks or dict.fromkeys(name for each in result.score for name in each))
    if not names:
        raise InputError("the forecast has no score to draw", where=result.method)
    figure, axes = picture(len(names))
    finals, truth = runs.training().finals(), runs.targets().finals()
    handles: dict[str, Any] = {}
    for task, ax in zip(names, axes, strict=True):
        measured = 100 * finals.score_of(task)
        shown, flops = [measured], [finals.flops, path.flops]
        handles["ladder"] = ax.scatter(finals.flops, measured, s=16, color=LADDER_COLOR, zorder=2)
        if task in path.tasks:
            median, lower, upper = path.score.output(path.tasks.index(task), 100.0)
            handles["law"] = draw_band(ax, path.flops, median, lower, upper)
            shown += [lower, upper]
        for i, (target, values) in enumerate(zip(result.targets, result.score, strict=True)):
            if task in values and target.flops is not None:
                bar = draw_interval(ax, target.flops, values[task], 100.0, i, len(result.targets))
                handles[named(result, i)] = bar
                shown.append(100 * np.array([values[task].lower, values[task].upper]))
                flops.append(np.array([target.flops]))
        if len(truth):
            reached = 100 * truth.score_of(task)
            handles["measured, held out"] = ax.scatter(
                truth.flops, reached, s=42, marker="x", color=TRUTH_COLOR, zorder=4
            )
            shown.append(reached)
            flops.append(truth.flops)
        chance = 100 * runs.tasks[runs.task_names.index(task)].chance
        ax.axhline(chance, color="black", linewidth=0.7, linestyle=":", zorder=1)
        low, high = percent_limits(shown, chance)
        ax.set(xscale="log", xlabel="training compute C (FLOPs)", ylabel="score (%)", ylim=(low, high))
        ax.set_yticks(plain_ticks(low, high))
        ax.set_title(words(task, MOST_TITLE_LETTERS), fontsize=9)
        log_axis(ax, "x", np.concatenate(flops), power_of_ten)
    level = f"{100 * result.level:g} % intervals"
    how = f"grey was measured, blue is forecast, with {level}; the dotted line is chance"
    finish(figure, f"Each task's final score against compute, with the fitted law: {how}.", handles)
    return figure
