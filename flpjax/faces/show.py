"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from flpjax.answers.check import Check
    from flpjax.answers.forecast import Forecast, Interval
    from flpjax.answers.verdicts import Review

Truth = dict[str, dict[str, float]]
"""Target → task or loss domain → what it reached, or truly is."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Group:
    """A short aligned table: the first ``names`` columns are names, on the left; numbers on the right."""
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        built.add_column(Text(column), justify="left" if i < names else "right", no_wrap=True)
    for row in rows:
        built.add_row(*(Text(cell) for cell in row))  # a name may hold what rich takes for markup
    return Group(Text(title, style="bold"), built)


def show_check(result: Check) -> list[Group]:
    """Runs, and tasks with the checkpoints that FLP would use."""
    runs = [
        [
            r["run"],
            number(r["params"]),
            number(r["tokens"]),
            f"{r['flops']:.3g}",
            str(r["checkpoints"]),
            "-" if r["final_loss"] is None else f"{r['final_loss']:.3f}",
            "held out" if r["held_out"] else "" if r["finished"] else "unfinished",
        ]
        for r in sorted(result.runs, key=lambda r: r["flops"])
    ]
    tables = [table("Runs", ["run", "params", "tokens", "FLOPs", "checkpoints", "final loss", ""], runs)]
    if result.tasks:
        tasks = [
            [
                t["task"],
                f"{100 * t['chance']:.1f}",
                "-" if t["best"] is None else f"{100 * t['best']:.1f}",
                str(t["measured"]),
                *(str(t["dropped"].get(why, 0)) for why in result.reasons),
                str(t["used"]),
                str(t["used_runs"]),
            ]
            for t in result.tasks
        ]
        columns = [
            "task",
            "chance %",
            "best %",
            "checkpoints",
            *(f"− {why}" for why in result.reasons),
            "used",
            "in runs",
        ]
        tables.append(table("Tasks (scores in %), and their checkpoints that fit loss → score", columns, tasks))
    return tables


def show_forecast(result: Forecast, truth: Truth, domains: Sequence[str]) -> list[Group]:
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
        if errors:
            rows.append(["mean |error| of scores", "", "", "", percent(sum(errors) / len(errors))])
        columns = ["", "median", interval] + (["truth", "error %"] if known else [])
        tables.append(table(title, columns, [r if known else r[:3] for r in rows]))
    return tables


def show_verdict(result: Review) -> list[Text]:
    """One line if all checks pass; otherwise one more for each that does not."""
    style = {"PASS": "green", "REVIEW": "yellow", "FAIL": "bold red"}[result.verdict.name]
    head, *rest = str(result).split("\n")
    return [Text(head, style=style), *(Text(line) for line in rest)]


def show_review(result: Review) -> list[Group]:
    """All checks."""
    rows = [[r["check"], r["verdict"], r["figure"], r["remedy"]] for r in result.table()]
    return [table("Review", ["check", "verdict", "figure", "remedy"], rows, names=4)]


def _row(value: Interval, truth: float | None, unit: float, digits: int) -> list[str]:
    def text(v: float) -> str:
        return f"{unit * v:.{digits}f}"

    row = [text(value.median), f"{text(value.lower)} to {text(value.upper)}"]
    if truth is None:
        return [*row, "-", "-"]
    return [*row, text(truth), signed(value.median / truth - 1.0 if truth else None)]


def number(value: float) -> str:
    """``1.28B`` for 1.28e9."""
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def percent(value: float | None) -> str:
    """``2.4`` for 0.0241, or a dash."""
    return "-" if value is None else f"{100 * value:.1f}"


def signed(value: float | None) -> str:
    """``+2.4`` for 0.0241, or a dash."""
    return "-" if value is None else f"{100 * value:+.1f}"
