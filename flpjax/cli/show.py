"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.numbers import fixed, percent, signed

if TYPE_CHECKING:
    from flpjax.results.forecast import Forecast, Interval
    from flpjax.results.verdicts import Review

STYLES = {"PASS": "green", "REVIEW": "yellow", "FAIL": "bold red"}
Truth = dict[str, dict[str, float]]
"""Target → task or loss domain → what it reached, or truly is."""


def show_forecast(result: Forecast, truth: Truth, domains: Sequence[str]) -> list[Sheet]:
    """One table a target: loss and scores with intervals, beside the truth where it is known."""
    tables = []
    for i, target in enumerate(result.targets):
        known = truth.get(target.name, {})
        size = ", ".join(
            f"{symbol}={value:.3g}"
            for symbol, value in (("N", target.params), ("D", target.tokens), ("C", target.flops))
            if value is not None
        )
        title = target.name if target.name.replace(" ", "").startswith(("N=", "C=", "D=")) else f"{target.name}: {size}"
        title += f"; {result.extrapolation[i]:.3g} × the ladder's largest run"
        interval = f"{100 * result.level:g} % interval"
        rows = []
        for name in domains:
            if name in result.loss[i]:
                rows.append([f"loss {name}", *_row(result.loss[i][name], known.get(f"loss/{name}"), 1.0, 3)])
        for name, value in result.score[i].items():
            rows.append([name, *_row(value, known.get(name), 100.0, 1)])
        errors = [abs(v.median / known[n] - 1.0) for n, v in result.score[i].items() if known.get(n)]
        foot = f"mean |error| of scores: {percent(sum(errors) / len(errors))} %" if errors else ""
        columns = ["", "median", interval, "truth", "error %"]
        shown = [0, 1, *([2] if result.intervals else []), *([3, 4] if known else [])]
        tables.append(table(title, [columns[k] for k in shown], [[r[k] for k in shown] for r in rows], foot=foot))
    return tables


def show_verdict(result: Review) -> list[Paragraph]:
    """One line if all checks pass; otherwise one more for each that does not."""
    head, *rest = str(result).split("\n")
    return [Paragraph(head, STYLES[result.verdict.name]), *(Paragraph(line, hang=4) for line in rest)]


def show_review(result: Review) -> list[Paragraph]:
    """All checks, one paragraph each, and the verdict on all of them."""
    opened = len(result.open)
    passed = f"{len(result.findings) - opened} of {len(result.findings)} checks pass"
    head = Paragraph(f"Review: {result.verdict.name}, {passed}", STYLES[result.verdict.name])
    lines = [
        Paragraph(
            f"{f.name}: {f.figure}{'. ' if f.remedy else ''}{f.remedy}",
            STYLES[f.verdict.name],
            8,
            f"{f.verdict.name:<7}",
        )
        for f in result.findings
    ]
    return [head, *lines]


def _row(value: Interval, truth: float | None, unit: float, digits: int) -> list[str]:
    def text(v: float) -> str:
        return fixed(unit * v, digits)

    row = [text(value.median), f"{text(value.lower)} to {text(value.upper)}"]
    if truth is None:
        return [*row, "-", "-"]
    return [*row, text(truth), signed(value.median / truth - 1.0 if truth else None)]
