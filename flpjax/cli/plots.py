"""Pictures of forecasts, made from results: everything they show stands in a table, too. Needs the extra ``viz``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flpjax.cli.picture import (
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TARGET_COLOR,
    TRUTH_COLOR,
    finish,
    log_ticks,
    percent_limits,
    picture,
    plain_ticks,
    power_of_ten,
    words,
)
from flpjax.cli.picture_units import in_units_of, label
from flpjax.cli.plots_residuals import draw_residuals
from flpjax.errors import InputError
from flpjax.ladder.joined import losses_at_scores
from flpjax.ladder.select import in_warmup
from flpjax.ladder.table import AVERAGE, Runs, index_of
from flpjax.readers.read import Table, read_runs
from flpjax.results.forecast import Forecast, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.path import ForecastPath, ScoreMap

MARGIN = 0.04  # of an axis, beyond what it shows
CROWD = 300  # checkpoints of a ladder that are drawn small
MARKERS = "os^Dvp<>"  # of targets: told apart in grey, too


def plot_forecast(
    result: Forecast,
    runs: Table,
    via: str,
    tasks: Sequence[str] | None = None,
    *,
    path: ForecastPath | None = None,
    scores: ScoreMap | None = None,
    seen: Forecast | None = None,
) -> Figure:
    """Loss against compute, and each task's score against the loss: the ladder, the law, the forecast and the truth.

    The table twins are :meth:`Forecast.table`, :meth:`ForecastPath.table` and :meth:`ScoreMap.table`.

    Args:
        result: The forecast.
        runs: The ladder; its held-out runs are drawn as truth.
        via: The loss domain on the axes, where ``scores`` names no other.
        tasks: The tasks to draw; None draws all that were forecast.
        path: What the draws say along the ladder and on to a target; None draws no law.
        scores: What they say a score is at every loss; None draws it along the path.
        seen: What they say of the ladder's own runs; None draws no residuals.

    Raises:
        InputError: There is nothing to draw.
    """
    runs = read_runs(runs)
    names = list(tasks or dict.fromkeys(name for each in result.score for name in each))
    if not names and not any(via in losses for losses in result.loss):
        raise InputError("the forecast has neither a loss nor a score to draw", where=result.method)
    if via == AVERAGE:
        runs = runs.with_average()
    runs.loss_of(via)  # refuses a domain that is not there
    whole = runs
    runs, result, path, scores = in_units_of(runs, result, path, scores)
    left_over = seen is not None and any(via in losses for losses in seen.loss)
    figure, axes = picture(len(names) + 1 + left_over)
    handles: dict[str, Any] = {}
    _draw_loss(axes[0], result, runs, via, path, handles)
    if left_over:
        assert seen is not None
        draw_residuals(axes[-1], seen, whole, via, handles)
    for name, ax in zip(names, axes[1 : len(names) + 1], strict=True):
        _draw_score(ax, result, runs, via, name, path, scores)
    law = ", with the fitted law" if path is not None else ""
    caption = f"The final loss of each run against its compute{law}"
    if names:
        caption += ", and each task's score against the loss, which falls to the right"
    if left_over:
        caption += "; last, what the fit leaves of each run's loss"
    caption += f": grey was measured, blue is forecast, with {100 * result.level:g} % intervals."
    finish(figure, caption, handles)
    return figure


def _draw_loss(
    ax: Axes, result: Forecast, runs: Runs, via: str, path: ForecastPath | None, handles: dict[str, Any]
) -> None:
    finals, truth = runs.training().finals(), runs.targets().finals()
    measured = finals.loss_of(via)
    shown, flops = [measured], [finals.flops]
    handles["ladder"] = ax.scatter(finals.flops, measured, s=16, color=LADDER_COLOR, zorder=2)
    if path is not None and via in path.domains:
        j = path.domains.index(via)
        handles["law"] = draw_band(ax, path.flops, *path.loss.output(j))
        ax.axvline(path.edge, color=LADDER_COLOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(
            "largest run", (path.edge, 0.02), xycoords=("data", "axes fraction"), fontsize=7, color=LADDER_COLOR,
            rotation=90, ha="right", va="bottom",
        )  # fmt: skip
        shown += [path.loss.lower[:, j], path.loss.upper[:, j]]
    for i, (target, losses) in enumerate(zip(result.targets, result.loss, strict=True)):
        if via in losses:
            bar = draw_interval(ax, target.flops, losses[via], 1.0, i, len(result.targets))
            handles[named(result, i)] = bar
            flops.append(np.array([target.flops]))
            shown.append(np.array([losses[via].lower, losses[via].upper]))
    if len(truth):
        handles["measured, held out"] = ax.scatter(
            truth.flops, truth.loss_of(via), s=42, marker="x", color=TRUTH_COLOR, zorder=4
        )
        shown.append(truth.loss_of(via))
        flops.append(truth.flops)
    ax.set(
        xscale="log",
        yscale="linear" if via in runs.signed else "log",
        xlabel="training compute C (FLOPs)",
        ylabel=f"loss {words(label(via, runs), MOST_TITLE_LETTERS)}",
    )
    ax.set_title(words(f"loss {via}", MOST_TITLE_LETTERS), fontsize=9)
    log_axis(ax, "x", np.concatenate(flops), power_of_ten)
    log_axis(ax, "y", np.concatenate(shown), "{:g}".format)


def _draw_score(
    ax: Axes, result: Forecast, runs: Runs, via: str, task: str, path: ForecastPath | None, scores: ScoreMap | None
) -> None:
    ladder, truth = runs.training(), runs.targets().finals()
    mapped = scores.tasks.index(task) if scores is not None and task in scores.tasks else None
    if scores is not None and mapped is not None:
        via = scores.domains[mapped]
    measured = 100 * ladder.score_of(task)
    shown = [measured]
    loss = losses_at_scores(ladder)[:, index_of(via, ladder.domains, "loss domain", ladder.source)]
    size = 4 if len(ladder) > CROWD else 14
    ax.scatter(loss, measured, s=size, color=LADDER_COLOR, alpha=0.5, zorder=2, linewidths=0)
    if scores is not None and mapped is not None:
        draw_band(ax, scores.loss[:, mapped], *scores.score.output(mapped, 100.0))
    elif path is not None and task in path.tasks and via in path.domains:
        i, j = path.domains.index(via), path.tasks.index(task)
        draw_band(ax, path.loss.median[:, i], *path.score.output(j, 100.0))
    for i, (losses, values) in enumerate(zip(result.loss, result.score, strict=True)):
        if via in losses and task in values:
            draw_interval(ax, losses[via].median, values[task], 100.0, i, len(result.targets))
            shown.append(100 * np.array([values[task].lower, values[task].upper]))
    if len(truth):
        reached = 100 * truth.score_of(task)
        ax.scatter(truth.loss_of(via), reached, s=42, marker="x", color=TRUTH_COLOR, zorder=4)
        shown.append(reached)
    chance = 100 * runs.tasks[runs.task_names.index(task)].chance
    low, high = percent_limits(shown, chance)
    ax.axhline(chance, color="black", linewidth=0.7, linestyle=":", zorder=1)
    ax.annotate(f"chance {chance:.3g} %", (0.99, chance), xycoords=("axes fraction", "data"), fontsize=7, ha="right",
                va="bottom", xytext=(0, 1), textcoords="offset points")  # fmt: skip
    ax.set(xlabel=f"loss {words(label(via, runs), MOST_TITLE_LETTERS)}", ylabel="score (%)", ylim=(low, high))
    ax.set_yticks(plain_ticks(low, high))
    ax.set_title(words(task, MOST_TITLE_LETTERS), fontsize=9)
    ends = _ends(ax, loss[~in_warmup(ladder) & np.isfinite(measured)])
    ax.set_xticks(plain_ticks(*ends))
    ax.set_xlim(*reversed(ends))


def _ends(ax: Axes, loss: NDArray[np.float64]) -> tuple[float, float]:
    """The axis of losses, lowest first: without those of warm-ups, which no map fits, it is not half empty."""
    low, high = ax.get_xlim()
    most = np.nanmax(loss, initial=-np.inf)
    return low, min(high, most + MARGIN * (most - low)) if most > low else high


def draw_band(ax: Axes, x: NDArray[np.float64], median: Any, lower: Any, upper: Any) -> Any:
    """A median with its interval; what the legend shows of both."""
    shade = ax.fill_between(x, lower, upper, color=TARGET_COLOR, alpha=0.18, linewidth=0, zorder=1)
    (line,) = ax.plot(x, median, color=TARGET_COLOR, linewidth=1.2, zorder=3)
    return (shade, line)


def draw_interval(ax: Axes, x: Any, value: Interval, unit: float, i: int, targets: int) -> Any:
    """One target's forecast."""
    below, above = unit * (value.median - value.lower), unit * (value.upper - value.median)
    marker = MARKERS[i] if targets <= len(MARKERS) else MARKERS[0]
    return ax.errorbar(
        [x], [unit * value.median], yerr=[[below], [above]], fmt=marker, ms=5, capsize=3, color=TARGET_COLOR, zorder=5,
        markeredgecolor="white", markeredgewidth=0.5,
    )  # fmt: skip


def named(result: Forecast, i: int) -> str:
    """How the legend calls a target: by name, as long as there are markers to tell them apart."""
    many = len(result.targets)
    return f"forecast: {result.targets[i].name}" if many <= len(MARKERS) else f"forecast of {many} targets"


def log_axis(ax: Axes, which: str, values: NDArray[np.float64], text: Any) -> None:
    """Round ticks, and limits a little beyond all values."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return
    low, high = float(known.min()), float(known.max())
    factor = max((high / low) ** 0.06, 1.01)
    ticks = log_ticks(low / factor, high * factor)
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_ticks(ticks, [text(t) for t in ticks])
    axis.set_ticks([], minor=True)
    (ax.set_xlim if which == "x" else ax.set_ylim)(low / factor, high * factor)
