"""Allocations as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.layout import Sheet, table
from flpjax.cli.text import fixed, number, percent, span
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.results.allocation.allocation import Allocation
    from flpjax.results.prediction import Interval

SUMMARISED = 2  # budgets
CAPPED = 0.999  # of the most parameters allowed, from which N* is theirs and grows no more
STEPS = (0.25, 0.5, 2.0, 4.0)  # times N*, of the table of regret


def show_plan(found: Allocation) -> list[Sheet]:
    """The optima, the approaches side by side, what near misses cost, and ways of counting."""
    sheets = [_optima(found)]
    if found.optima[0].mix is not None:
        sheets.append(_mixtures(found))
    if found.optima[0].scores:
        sheets.append(_scores(found))
    if len(found.approaches) > 1:
        sheets.append(_approaches(found))
    sheets.append(_regret(found))
    if found.conventions:
        sheets.append(_conventions(found))
    return sheets


def summary(found: Allocation) -> str:
    """The answer in a sentence: N and D of the first budgets."""
    best = []
    for o in found.optima[:SUMMARISED]:
        n, bounds = _with_bounds(o.params, found.intervals)
        bounds = f" ({bounds})" if bounds not in ("", n) else ""
        best.append(f"for {o.flops:.3g} FLOPs: {n}{bounds} parameters on {number(o.tokens.median)} tokens")
    more = len(found.optima) - SUMMARISED
    rest = f"; {count(more, 'more budget')} below" if more > 0 else ""
    return f"Best {'; '.join(best)}{rest}."


def words(found: Allocation) -> list[str]:
    """What the tables don't say: exponents, why approaches differ, what was kept to."""
    lines = []
    most = found.limits.most_params
    capped = most is not None and any(o.params.median >= most * CAPPED for o in found.optima)
    if found.a is not None and found.b is not None and not capped:
        a, b = (_plain(v, found.intervals) for v in (found.a, found.b))
        lines.append(f"N* grows as C^{a}, D* as C^{b}.")
    approach = next(approach for approach in found.approaches if approach.name == found.headline)
    lines.append(f"{approach.name.capitalize()}: {approach.why}.")
    if found.explained:
        lines.append(found.explained)
    lines.append(f"Counted: {found.convention}.")
    if found.limits.words:
        lines.append(f"Kept to: {found.limits.words}.")
    return lines


def _optima(found: Allocation) -> Sheet:
    rows = [
        [
            f"{o.flops:.3g}",
            *_with_bounds(o.params, found.intervals),
            *_with_bounds(o.tokens, found.intervals),
            fixed(o.ratio.median, 1),
            fixed(o.loss.median, 3),
            f"{number(o.flat[0])} to {number(o.flat[1])}",
        ]
        for o in found.optima
    ]
    interval = f"{100 * found.level:g} %" if found.intervals else ""
    columns = ["C, FLOPs", "N*", interval, "D*", interval, "D*/N*", f"loss {found.domain}", "N within .1 %"]
    return table(f"What to train on {found.source}'s evidence, by the {found.headline}", columns, rows)


def _mixtures(found: Allocation) -> Sheet:
    sources = list(found.optima[0].mix or {})
    rows = [[f"{o.flops:.3g}", *(f"{(o.mix or {})[s]:.3f}" for s in sources)] for o in found.optima]
    return table("The mixture there", ["C, FLOPs", *sources], rows)


def _scores(found: Allocation) -> Sheet:
    """A line a task: there may be dozens."""

    def cell(v: Interval) -> str:
        bounds = f" ({percent(v.lower)} to {percent(v.upper)})" if found.intervals else ""
        return f"{percent(v.median)}{bounds}"

    rows = [[task, *(cell(o.scores[task]) for o in found.optima)] for task in found.optima[0].scores]
    return table("Scores that are expected there, %", ["task", *(f"{o.flops:.3g}" for o in found.optima)], rows)


def _approaches(found: Allocation) -> Sheet:
    rows = []
    for approach in found.approaches:
        a, _ = approach.exponents(found.level)
        cells = []
        for v in approach.params(found.level):
            cells += list(_with_bounds(v, found.intervals)) if v is not None else ["-", ""]
        rows.append([approach.name, *cells, "" if a is None else _plain(a, found.intervals)])
    columns = ["N* by"]
    for o in found.optima:
        columns += [f"{o.flops:.3g}", ""]
    return table("Approaches side by side", [*columns, "" if found.a is None else "a of C^a"], rows)


def _regret(found: Allocation) -> Sheet:
    import numpy as np

    rows = []
    for o, regret in zip(found.optima, found.regrets, strict=True):
        log_n = np.log(regret.params)
        cells = []
        for step in STEPS:
            at = np.log(o.params.median * step)
            inside = log_n[0] - 1e-9 <= at <= log_n[-1] + 1e-9
            cells.append(fixed(100.0 * float(np.interp(at, log_n, regret.median)), 2, sign=True) if inside else "-")
        rows.append([f"{o.flops:.3g}", *cells])
    return table("Loss over the best, %, of another N", ["C, FLOPs", *(f"{s:g} × N*" for s in STEPS)], rows)


def _conventions(found: Allocation) -> Sheet:
    rows = []
    for c in found.conventions:
        if c.a is None or c.b is None or c.params is None:
            rows.append([c.words, "-", "-", "-"])
        else:
            bounds = found.intervals
            rows.append([c.words, _plain(c.a, bounds), _plain(c.b, bounds), number(c.params.median)])
    columns = ["counted", "a", "b", f"N* at {found.optima[-1].flops:.3g}"]
    return table("Exponents change with how N and C are counted (the law's)", columns, rows)


def _plain(v: Interval, bounds: bool) -> str:
    return f"{v.median:.3f} ({v.lower:.3f} to {v.upper:.3f})" if bounds else f"{v.median:.3f}"


def _with_bounds(v: Interval, bounds: bool) -> tuple[str, str]:
    return number(v.median), span((v.lower, v.upper)) if bounds else ""
