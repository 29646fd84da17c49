"""Mixtures and comparisons as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.layout import Sheet, table
from flpjax.cli.text import fixed, percent

if TYPE_CHECKING:
    from flpjax.fitting.discovery.discovery import Discovery
    from flpjax.results.compare import Comparison, Row
    from flpjax.results.forecast import Interval
    from flpjax.results.mix import Mix

SAME = 1e-6  # of a weight: rounding
MANY = 12  # losses that are shown if none of them counts


def show_mix(result: Mix) -> list[Sheet]:
    """The mixture, source by source, and what it does, task by task."""
    interval = f"{100 * result.level:g} %"
    own = [f"{r['spread_lower']:.3f} to {r['spread_upper']:.3f}" if result.intervals else "" for r in result.to_dicts()]
    rows = [
        [r["source"], f"{r['weight']:.3f}", spread, f"{r['baseline']:.3f}"]
        for r, spread in zip(result.to_dicts(), own, strict=True)
    ]
    title = f"{result.method}: the best mixture for {result.target.name}"
    if result.at is not None:
        title += f"; figures are of {result.at.name}, {result.at.flops:.3g} FLOPs"
    columns = ["source", "weight", f"{interval} of the draws' own" if result.intervals else "", result.baseline.name]
    tables = [table(title, columns, rows)]
    changes = [c for c in result.changes if c.kind == "score" or c.counts > 0 or len(result.changes) <= MANY]
    shown = []
    for c in changes:
        unit, digits = (100.0, 1) if c.kind == "score" else (1.0, 3)
        shown.append(
            [
                f"loss {c.name}" if c.kind == "loss" else c.name,
                f"{c.counts:.2f}" if c.counts else "",
                *(fixed(unit * v.median, digits) for v in (c.found, c.baseline)),
                _signed(c.gain, unit, digits + 1, result.intervals),
            ]
        )
    columns = [
        "",
        "counts",
        "there",
        result.baseline.name,
        f"gain, {interval} interval" if result.intervals else "gain",
    ]
    tables.append(table("What it does (scores in %, losses in nats; a gain is better, for losses too)", columns, shown))
    return tables


def words(result: Mix) -> list[str]:
    """What the tables don't say: the gain, the limits it is at, how far it is from what was tried."""
    scores = all(c.kind == "score" for c in result.changes if c.counts > 0)
    unit, name = (100.0, "points") if scores else (1.0, "")
    gain = f"Gain over {result.baseline.words}: {_signed(result.gain, unit, 3, result.intervals)} {name}".rstrip()
    sure = f"P(gain > 0) = {result.p_gain:.2f} over {result.draws} draws"
    if not result.intervals:
        sure = "of one fit" if result.draws == 1 else f"the median of {result.draws} fits that tie on the ladder"
    lines = [f"{gain}; {sure}." if result.intervals else f"{gain}, {sure}: there are no intervals."]
    if result.taken:
        lines.append(f"{result.taken[:1].upper()}{result.taken[1:]}.")
    if result.binding:
        lines.append(f"At its limits: {'; '.join(result.binding)}.")
    inside = "a blend of mixtures tried"
    if result.beyond >= SAME:
        inside = f"{result.beyond:.2g} from the nearest {inside.removeprefix('a ')}"
    lines.append(
        "It is a mixture that was tried."
        if result.nearest < SAME
        else f"It is {inside}, and differs by up to {result.nearest:.2g} in a weight from the nearest that was tried."
    )
    kkt = f"{result.kkt:.0e}" if result.kkt else "0"
    lines.append(f"Search: {result.status.replace('_', ' ')}, KKT residual {kkt}, {result.agree:.0%} of starts agree.")
    return lines


def show_comparison(result: Comparison) -> list[Sheet]:
    """The paper's Table 3, and its Table 4."""
    tables = []
    if result.laws:
        title = "Compute per source → loss: mean |relative error| of each domain's loss, %"
        tables.append(_errors(title, "law", result.laws))
    if result.maps:
        title = "Loss → score, from the targets' true losses ('flops': from compute): mean |relative error|, %"
        tables.append(_errors(title, "map", result.maps))
    return tables


def discovered(result: Discovery, log: bool) -> list[str]:
    """The model that discovery chose for each task; or every model that it tried."""
    if log:
        return [str(result)]
    chosen = [entry for entry in result.log if result.kept(entry)]
    lines = [f"  {entry.task}: {entry.formula}" for entry in chosen]
    return [f"Discovery tried {len(result.log)} models (--log shows them and why) and chose:", *lines]


def _errors(title: str, what: str, rows: tuple[Row, ...]) -> Sheet:
    outputs = list(dict.fromkeys(output for row in rows for output in row.errors))
    shown = outputs if len(outputs) <= MANY else []
    cells = [
        [row.name, *(percent(row.errors.get(output)) for output in shown), _precise(row.mean)]
        for row in rows
        if not row.failed
    ]
    return table(title, [what, *shown, "mean"], cells)


def _precise(value: float | None) -> str:
    return percent(value, 2)


def _signed(value: Interval, unit: float, digits: int, bounds: bool) -> str:
    """A gain, and its interval: a median that is next to nothing in so wide a one is 0."""
    ends = unit * value.lower, unit * value.upper
    middle = unit * value.median if max(map(abs, ends)) < 10.0**-digits else round(unit * value.median, digits)
    median, lower, upper = (fixed(v, digits, sign=True) for v in (middle, *ends))
    return f"{median} ({lower} to {upper})" if bounds else median
