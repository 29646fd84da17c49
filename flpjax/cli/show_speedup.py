"""A speed-up as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.layout import Sheet, table
from flpjax.cli.text import loss, percent
from flpjax.errors import count
from flpjax.fitting.comparison.factor import LARGEST

if TYPE_CHECKING:
    from flpjax.results.prediction import Interval
    from flpjax.results.speedup.result import Factor, OutputSpeedup, Speedup

SURE = 0.995  # a probability that rounds to 1


def words(result: Speedup) -> list[str]:
    """What was compared, the answer, and what evidence says of how the recipes differ."""
    a, b = result.names
    first = result.outputs[0]
    at, evidence = first.headline, first.evidence
    pairs = f", {count(first.pairs, 'pair')} of one N and D" if first.pairs else ""
    lines = [
        f"B is {b} ({count(first.runs[1], 'run')}), A is {a} ({count(first.runs[0], 'run')}){pairs}.",
        f"By {first.kind} {first.name}, B's compute is worth {_factor(at.factor)} times as much as A's at "
        f"{at.flops:.2g} FLOPs, {'extrapolated' if at.extrapolated else 'the largest that both were tried at'}; "
        f"P(B better) is {_probability(at.p_better)}.",
    ]
    pair_correlation = ""
    if evidence.pair_correlation is not None:
        pair_correlation = f", of which pairs share {percent(evidence.pair_correlation.median, 0)} %"
    noise = percent(evidence.noise.median, 2)
    own = [
        f"exponents of each recipe's own {_probability(evidence.own_exponents)}",
        *([f"an asymptote of its own {_probability(evidence.own_asymptote)}"] if first.kind == "loss" else []),
    ]
    lines.append(
        f"Evidence: one factor at every scale has probability {_probability(evidence.constant)} "
        f"({_probability(evidence.constant_before)} before), {', '.join(own)}; laws of {evidence.law}; runs scatter by "
        f"{noise} {'%' if first.kind == 'loss' else 'points'}{pair_correlation}."
    )
    return lines


def show_speedup(result: Speedup) -> list[Sheet]:
    """The factor over scale by the first loss or score; at values that were asked for; by all losses and scores."""
    first = result.outputs[0]
    interval = f"{100 * result.level:g} % interval"
    columns = ["FLOPs of B", f"its {first.kind}", "factor", interval, "P(B better)", ""]
    title = f"The factor over scale, by {first.kind} {first.name}"
    sheets = [table(title, columns, [_row(each, first) for each in first.scales])]
    asked = [
        [f"{output.kind} {output.name}", *_row(each, output)[1:2], *_row(each, output)[:1], *_row(each, output)[2:]]
        for output in result.outputs
        for each in output.values
    ]
    if asked:
        columns = ["", "at", "FLOPs of B", "factor", interval, "P(B better)", ""]
        sheets.append(table("At what was asked for", columns, asked))
    if len(result.outputs) > 1:
        rows = [
            [f"loss {each.name}" if each.kind == "loss" else each.name, *_row(each.headline, each)[2:-1],
             f"{each.headline.flops:.2g}", _mark(each.headline)]
            for each in result.outputs
        ]  # fmt: skip
        columns = ["by", "factor", interval, "P(B better)", "FLOPs of B", ""]
        through = next((each.via for each in result.outputs if each.via), None)
        title = "By loss and score, at the largest compute that both were tried at"
        sheets.append(table(title + (f"; scores through {through}" if through else ""), columns, rows))
    return sheets


def _row(each: Factor, output: OutputSpeedup) -> list[str]:
    value = loss(each.value) if output.kind == "loss" else f"{percent(each.value)} %"
    factor = each.factor
    bounds = f"{times(factor.lower)} to {times(factor.upper)}"
    return [f"{each.flops:.2g}", value, times(factor.median), bounds, _probability(each.p_better), _mark(each)]


def _mark(each: Factor) -> str:
    return "extrapolated" if each.extrapolated else ""


def times(factor: float) -> str:
    """``1.37``; what is beyond a thousand, or under a thousandth, as that."""
    if factor >= LARGEST * (1.0 - 1e-6):
        return f"> {LARGEST:,.0f}"
    if factor <= (1.0 + 1e-6) / LARGEST:
        return f"< {1.0 / LARGEST:g}"
    return f"{factor:#.3g}".rstrip(".")


def _factor(factor: Interval) -> str:
    return f"{times(factor.median)} ({times(factor.lower)} to {times(factor.upper)})"


def _probability(value: float) -> str:
    if value > SURE:
        return "> .99"
    return "< .01" if value < 1.0 - SURE else f"{value:.2f}".removeprefix("0")
