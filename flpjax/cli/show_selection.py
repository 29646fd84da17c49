"""Plans of next runs as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.layout import Sheet, table
from flpjax.cli.text import fixed, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flpjax.results.forecast import Interval
    from flpjax.results.selection.result import NextRuns

MOST_OTHERS = 10  # candidates that were not chosen


def show_next_runs(plan: NextRuns) -> list[Sheet]:
    """The runs in order, with what is known of the target after each; and the candidates by value."""
    outputs = [name for name, _ in (plan.runs[0].intervals if plan.runs else plan.now)]
    interval = f"{100 * plan.level:g} %"
    mixtures = [_mixture(r.run.mix) for r in plan.runs]
    mixed = ["mixture"] if any(mixtures) else []
    empty = [""] * (5 + len(mixed))
    rows = [["now", *empty[2:], "100", *(_interval(name, v) for name, v in plan.now)]] if plan.now else []
    rows += [
        [
            f"{r.place}",
            _size(r.run.params),
            _size(r.run.tokens),
            *(mixture for _ in mixed),
            f"{r.cost:.3g}",
            fixed(100.0 * r.left, 0),
            *(_interval(name, v) for name, v in r.intervals),
        ]
        for r, mixture in zip(plan.runs, mixtures, strict=True)
    ]
    what = f"Next runs for {plan.target.name}" if plan.now else f"A first ladder for {plan.target.name}"
    columns = ["", "N", "D", *mixed, plan.cost_name, "variance left %", *(f"{o}, {interval} expected" for o in outputs)]
    unit = " FLOPs" if plan.cost_name.endswith("FLOPs") else ""
    title = f"{what}: they cost {plan.spent:.3g} of {plan.spend:.3g}{unit}"
    return [table(title, columns, rows), _candidates(plan)]


def _candidates(plan: NextRuns) -> Sheet:
    """The candidates that tell most, alone, for what they cost."""
    ranked = sorted(plan.candidate_table(), key=lambda c: -c["alone"])
    rows = [
        [
            c["run"],
            f"{c['cost']:.3g}",
            fixed(100.0 * c["alone"], 1),
            ", ".join(map(str, c["places"])),
        ]
        for c in ranked[:MOST_OTHERS]
    ]
    more = len(ranked) - len(rows)
    foot = f"and {more} more; --json FILE has them all" if more > 0 else ""
    title = f"Candidates by what each alone would take away of the variance at {plan.target.name}"
    return table(title, ["candidate", plan.cost_name, "takes away %", "chosen as"], rows, foot=foot)


def _size(value: float | None) -> str:
    return "" if value is None else number(value)


def _mixture(mix: Mapping[str, float] | None) -> str:
    """Nothing where there is but one source."""
    return "" if mix is None or len(mix) < 2 else " ".join(f"{name}={weight:.2g}" for name, weight in mix.items())


def _interval(name: str, v: Interval) -> str:
    if name.startswith("loss "):
        return f"{fixed(v.lower, 3)} to {fixed(v.upper, 3)}"
    return f"{fixed(100.0 * v.lower, 1)} to {fixed(100.0 * v.upper, 1)}"
