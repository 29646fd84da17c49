"""Pictures of values with intervals, one a line: a forecast alone, against what came, and a mixture with its gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import (
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TARGET_COLOR,
    TRUTH_COLOR,
    finish,
    percent_limits,
    picture,
    words,
)
from flpjax.errors import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from flpjax.results.forecast import Forecast
    from flpjax.results.mix import Mix
    from flpjax.results.scoring import Scoring

MOST = 40  # lines of a panel
EACH = 0.2  # inches of one
LABELS = {"loss": "loss (nats)", "score": "score (%)"}
MOST_LETTERS = 34  # of a line's name


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Attributes:
        name: What stands before it.
        median: In the unit shown.
        lower: Lower bound; the median where there is no interval.
        upper: Upper bound.
        other: What it is held against: what came, or the baseline; None where there is nothing.
    """

    name: str
    median: float
    lower: float
    upper: float
    other: float | None = None


def plot_intervals(result: Forecast) -> Figure:
    """Each loss and score of each target, with its interval.

    The table twin is :meth:`Forecast.table`; :func:`flpjax.plot_forecast` draws laws and measured runs behind it.

    Raises:
        InputError: matplotlib is not installed.
    """
    several = len(result.targets) > 1
    panels: dict[str, list[Line]] = {}
    for row in result.to_dicts():
        unit = 100.0 if row["kind"] == "score" else 1.0
        low, high = row["lower"], row["upper"]
        ends = [unit * (row["median"] if end is None else end) for end in (low, high)]
        name = f"{row['name']}, {row['target']}" if several else row["name"]
        panels.setdefault(row["kind"], []).append(Line(name, unit * row["median"], *ends))
    handles: dict[str, Any] = {}
    figure = _figure(panels, handles, f"{100 * result.level:g} % interval" if result.intervals else "", "")
    of = "" if several else f" of {result.targets[0].name}"
    sure = f", the bar is its {100 * result.level:g} % interval" if result.intervals else "; there are no intervals"
    finish(figure, f"Forecast{of} by {result.method}: the dot is the median{sure}.", handles)
    return figure


def plot_scoring(result: Scoring) -> Figure:
    """What was forecast, with intervals, and what came. The table twin is :meth:`Scoring.table`.

    Raises:
        InputError: matplotlib is not installed.
    """
    several = len({cell.target for cell in result.cells}) > 1
    panels: dict[str, list[Line]] = {}
    for cell in result.cells:
        unit = 100.0 if cell.kind == "score" else 1.0
        name = f"{cell.name}, {cell.target}" if several else cell.name
        ends = (unit * cell.lower, unit * cell.upper)
        panels.setdefault(cell.kind, []).append(Line(name, unit * cell.median, *ends, unit * cell.actual))
    handles: dict[str, Any] = {}
    held, of = result.held
    figure = _figure(panels, handles, f"forecast, {100 * result.level:g} % interval" if of else "forecast", "what came")
    said = f": {held} of {of} intervals hold it" if of else ""
    finish(figure, f"What was forecast by {result.method}, and what came{said}.", handles)
    return figure


def plot_weights(mix: Mix) -> Figure:
    """The weights of a mixture and its gain over the baseline, of any number of sources.

    The table twins are :meth:`Mix.table` and ``Mix.changes``; :func:`flpjax.plot_mix` draws two or three sources whole.

    Raises:
        InputError: matplotlib is not installed.
    """
    order = sorted(mix.mixture, key=lambda source: -mix.mixture[source])
    weights = []
    for source in order:
        middle, own = 100.0 * mix.mixture[source], mix.spread[source]
        ends = (100.0 * own.lower, 100.0 * own.upper) if mix.intervals else (middle, middle)
        weights.append(Line(source, middle, *ends, 100.0 * float(mix.baseline.weights.get(source, 0.0))))
    changes = sorted(mix.changes, key=lambda change: -change.counts)
    asked = [change for change in changes if change.counts] or changes
    kind = asked[0].kind if asked else "score"
    unit = 100.0 if kind == "score" else 1.0
    gains = [
        Line(
            change.name,
            unit * change.gain.median,
            *(
                (unit * change.gain.lower, unit * change.gain.upper)
                if mix.intervals
                else (unit * change.gain.median,) * 2
            ),
        )
        for change in asked
        if change.kind == kind
    ]
    figure, (left, right) = picture(2, _height([weights, gains]))
    left.set_title("the mixture", fontsize=9)
    right.set_title(words(f"gain over {mix.baseline.name}", 2 * MOST_TITLE_LETTERS), fontsize=9)
    handles: dict[str, Any] = {}
    _draw(left, weights, handles, "weight" + (", and those best for single draws" if mix.intervals else ""), "baseline")
    left.set_xlim(-2.0, percent_limits([[w.upper for w in weights], [w.other for w in weights]], 0.0)[1] + 2.0)
    left.set_xlabel("share of the tokens (%)")
    right.axvline(0.0, color=LADDER_COLOR, linewidth=0.8)
    _draw(right, gains, handles, f"gain, {100 * mix.level:g} % interval" if mix.intervals else "gain", "")
    right.set_xlabel("gain in score (points)" if kind == "score" else "gain: loss saved (nats)")
    sure = f"; it gains with probability {mix.p_gain:.2f}" if mix.intervals else ""
    finish(
        figure,
        f"The best mixture for {mix.target.name} by {mix.method}, and what it gains over {mix.baseline.words}{sure}. "
        "Right of the line is better. Wide bars on the left: many mixtures do as well.",
        handles,
    )
    return figure


def _figure(panels: dict[str, list[Line]], handles: dict[str, Any], name: str, other: str) -> Figure:
    """A panel for losses and one for scores, those that there are."""
    figure, axes = picture(len(panels), _height(list(panels.values())))
    for (kind, lines), ax in zip(panels.items(), axes, strict=True):
        _draw(ax, lines, handles, name or "median", other)
        ax.set_xlabel(LABELS[kind])
        if kind == "score":
            others = [line.other for line in lines if line.other is not None]
            ax.set_xlim(*percent_limits([[x for line in lines for x in (line.lower, line.upper)], others]))
    return figure


def _height(panels: Sequence[Sequence[Line]]) -> float:
    """Inches that the longest panel needs."""
    return max(1.2, EACH * max(min(len(lines), MOST) for lines in panels) + 0.5)


def _draw(ax: Axes, lines: Sequence[Line], handles: dict[str, Any], name: str, other: str) -> None:
    """Values with their intervals from above, and marks of what they are held against."""
    left_out = len(lines) - MOST
    lines = lines[:MOST]
    at = range(len(lines))
    middle = [line.median for line in lines]
    bars = [[m - line.lower for m, line in zip(middle, lines, strict=True)]]
    bars.append([line.upper - m for m, line in zip(middle, lines, strict=True)])
    handles[name] = ax.errorbar(
        middle, at, xerr=bars, fmt="o", ms=4, color=TARGET_COLOR, elinewidth=1.4, capsize=2, zorder=3
    )
    marked = [(line.other, i) for i, line in zip(at, lines, strict=True) if line.other is not None]
    if marked and other:
        x, y = zip(*marked, strict=True)
        handles[other] = ax.scatter(x, y, marker="x", s=30, color=TRUTH_COLOR, linewidths=1.6, zorder=4)
    ax.set_yticks(list(at), [words(short(line.name, MOST_LETTERS)) for line in lines], fontsize=8)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.grid(axis="y", color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    if left_out > 0:
        title = ax.get_title()
        ax.set_title(f"{title}{', ' if title else ''}the first {MOST} of {MOST + left_out}", fontsize=9)
