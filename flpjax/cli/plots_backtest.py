"""A picture of a backtest: how far forecasts were off, with their intervals. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import LADDER_COLOR, MOST_TITLE_LETTERS, TARGET_COLOR, TRUTH_COLOR, finish, picture, words
from flpjax.errors import InputError, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.record import Backtest, Cell

MOST = 48  # forecasts of a panel
ROW = 0.8  # of the room of a task that its forecasts take
EACH = 0.13  # inches of one


def plot_backtest(result: Backtest) -> Figure:
    """Of each method, every forecast less what was measured, with its interval: those that miss stand out.

    The table twin is :meth:`Backtest.table`; ``result.methods[name].scores`` and ``.losses`` are the single forecasts.

    Raises:
        InputError: No method forecast anything.
    """
    shown = {name: _some(record.cells(result.judged_by)) for name, record in result.methods.items()}
    shown = {name: cells for name, cells in shown.items() if cells}
    if not shown:
        raise InputError("no method forecast anything", where="backtest", remedy="Look at its table")
    scores = result.judged_by == "score"
    figure, axes = picture(len(shown), max(1.6, EACH * max(map(len, shown.values()))))
    handles: dict[str, Any] = {}
    for (name, cells), ax in zip(shown.items(), axes, strict=True):
        _draw(ax, cells, result.held_out, scores, result.methods[name].intervals, handles)
        ax.set_title(words(name, MOST_TITLE_LETTERS), fontsize=9)
    what = "score less what was measured, in points" if scores else "loss less what was measured, in %"
    with_bars = (
        f", with {100 * result.level:g} % intervals" if any(r.intervals for r in result.methods.values()) else ""
    )
    per = "task" if scores else "loss"
    order = f" Of each {per}, from above: {some_of(result.held_out)}." if len(result.held_out) > 1 else ""
    finish(figure, f"Each forecast {what}{with_bars}, {per} by {per}: at 0 it was right.{order}", handles)
    return figure


def _some(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """All forecasts of as many outputs as there is room for."""
    names = dict.fromkeys(cell.name for cell in cells)
    each = max(sum(cell.name == name for cell in cells) for name in names) if names else 1
    kept = list(names)[: max(MOST // each, 1)]
    return tuple(cell for cell in cells if cell.name in kept)


def _draw(
    ax: Axes, cells: tuple[Cell, ...], targets: tuple[str, ...], scores: bool, intervals: bool, handles: dict[str, Any]
) -> None:
    ax.axvline(0.0, color=LADDER_COLOR, linewidth=0.8)
    names = list(dict.fromkeys(c.name for c in cells))
    height = [names.index(c.name) + ROW * ((targets.index(c.target) + 0.5) / len(targets) - 0.5) for c in cells]
    for held, name, color, marker in (
        (True, "interval holds what came", TARGET_COLOR, "o"),
        (False, "interval misses it", TRUTH_COLOR, "D"),
    ):
        some = [i for i, cell in enumerate(cells) if cell.covered == held or not intervals]
        if not some or (not intervals and not held):
            continue
        errors = [[_error(cells[i], end, scores) for i in some] for end in ("predicted", "lower", "upper")]
        middle, low, high = errors
        bars = [[m - a for m, a in zip(middle, low, strict=True)], [b - m for m, b in zip(middle, high, strict=True)]]
        handles[name if intervals else "forecast"] = ax.errorbar(
            middle,
            [height[i] for i in some],
            xerr=bars if intervals else None,
            fmt=marker,
            ms=3.5,
            color=color,
            elinewidth=1.0,
            capsize=1.5,
        )
    ax.set_yticks(range(len(names)), [words(name, MOST_TITLE_LETTERS) for name in names], fontsize=8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("forecast less measured " + ("(points)" if scores else "(%)"))


def _error(cell: Cell, end: str, scores: bool) -> float:
    """Points of a score; of a loss, per cent of what was measured."""
    value: float = getattr(cell, end) - cell.actual
    return 100.0 * (value if scores else value / cell.actual)
