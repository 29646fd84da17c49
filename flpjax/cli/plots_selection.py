"""Pictures of plans of next runs: candidates by value and cost, and the interval after each run. Needs ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.picture import (
    LADDER_COLOR,
    MOST_TITLE_LETTERS,
    TARGET_COLOR,
    TRUTH_COLOR,
    finish,
    log_ticks,
    picture,
    plain_ticks,
    power_of_ten,
    words,
)
from flpjax.results.selection.result import NextRuns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_OUTPUTS = 5  # panels of intervals
PANEL_HEIGHT = 3.6  # inches of a panel


def plot_next_runs(plan: NextRuns) -> Figure:
    """Candidates by what they cost and what each alone would tell, and the target's interval after each run.

    The table twins are :meth:`NextRuns.candidate_table` and :meth:`NextRuns.table`.

    Args:
        plan: From :func:`flpjax.next_runs` or :func:`flpjax.first_ladder`.
    """
    outputs = [name for name, _ in plan.now][:MOST_OUTPUTS] or [""]
    figure, axes = picture(1 + len(outputs), PANEL_HEIGHT)
    handles: dict[str, Any] = {}
    _candidates(axes[0], plan, handles)
    for ax, output in zip(axes[1:], outputs, strict=True):
        _after_each(ax, plan, output, handles)
    interval = f"{100 * plan.level:g} % interval"
    after = f"the {interval} of {plan.target.name} that is expected" if plan.now else "what is left of the variance"
    finish(
        figure,
        f"Left: what a run would cost, and what it alone would take away of the variance at {plan.target.name}; "
        f"numbers are the order of the plan. Right: {after} after each run of the plan.",
        handles,
    )
    return figure


def _candidates(ax: Axes, plan: NextRuns, handles: dict[str, Any]) -> None:
    places: dict[int, list[str]] = {}
    index = {id(c.run): i for i, c in enumerate(plan.candidates)}
    for r in plan.runs:
        places.setdefault(index[id(r.run)], []).append(str(r.place))
    cost, alone = (np.array([getattr(c, what) for c in plan.candidates]) for what in ("cost", "alone"))
    others = np.array([i not in places for i in range(len(cost))])
    handles["candidate"] = ax.scatter(cost[others], 100.0 * alone[others], s=16, color=LADDER_COLOR, alpha=0.6)
    chosen = list(places)
    handles["chosen"] = ax.scatter(cost[chosen], 100.0 * alone[chosen], s=42, color=TRUTH_COLOR, marker="D", zorder=4)
    highest = max(float(100.0 * alone.max(initial=0.0)), 1.0)
    ax.set_xscale("log")
    ax.set_ylim(-0.03 * highest, 1.12 * highest)
    for i, numbers in _apart(places, cost, alone):
        ax.annotate(
            ", ".join(numbers), (cost[i], 100.0 * alone[i]), xytext=(0, 6), textcoords="offset points", fontsize=8,
            ha="center", zorder=5,
        )  # fmt: skip
    ticks = log_ticks(float(cost.min()) / 1.01, float(cost.max()) * 1.01, 5)
    ax.set_xticks(ticks, [power_of_ten(t) for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel=plan.cost_name, ylabel="takes away of the variance (%)")
    ax.set_title("candidates, each alone", fontsize=9)


def _apart(places: dict[int, list[str]], cost: Any, alone: Any) -> list[tuple[int, list[str]]]:
    """Numbers to write, those of marks that lie on one another together."""
    written: list[tuple[int, list[str]]] = []
    wide, high = max(float(np.ptp(np.log(cost))), 1e-9), max(float(np.max(alone)), 1e-9)
    for i, numbers in places.items():
        for j, others in written:
            near = abs(np.log(cost[i] / cost[j])) < 0.12 * wide and abs(alone[i] - alone[j]) < 0.08 * high
            if near:
                others += numbers
                break
        else:
            written.append((i, list(numbers)))
    return written


def _after_each(ax: Axes, plan: NextRuns, output: str, handles: dict[str, Any]) -> None:
    if output:
        unit = 1.0 if output.startswith("loss ") else 100.0
        intervals = [dict(plan.now)[output], *(dict(r.intervals)[output] for r in plan.runs)]
        x = np.arange(len(intervals))
        median, lower, upper = (
            unit * np.array([getattr(v, s) for v in intervals]) for s in ("median", "lower", "upper")
        )
        name = f"{100 * plan.level:g} % interval expected"
        handles[name] = ax.errorbar(
            x, median, np.stack([median - lower, upper - median]), fmt="o", color=TARGET_COLOR, capsize=4, markersize=4
        )
        ax.set_ylabel(words(output if unit == 1.0 else f"{output} (%)", MOST_TITLE_LETTERS))
        ax.set_title(words(f"{plan.target.name}: {output}", MOST_TITLE_LETTERS), fontsize=9)
        ticks = plain_ticks(float(lower.min()), float(upper.max()))
    else:
        left = 100.0 * np.array([1.0, *(r.left for r in plan.runs)])
        x = np.arange(len(left))
        (handles["variance left"],) = ax.plot(x, left, color=TARGET_COLOR, marker="o", markersize=4)
        ax.set_ylabel("variance left (%)")
        ax.set_title(words(plan.target.name, MOST_TITLE_LETTERS), fontsize=9)
        ticks = plain_ticks(0.0, 100.0)
    ax.set_yticks(ticks)
    every = max(-(-len(x) // 9), 1)
    ax.set_xticks(x[::every], ["now" if i == 0 else str(i) for i in x[::every]])
    ax.set_xlim(-0.5, len(x) - 0.5)
    ax.set_xlabel("after run")
