"""A backtest as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.faces.layout import Sheet, table
from flpjax.faces.numbers import percent, signed

if TYPE_CHECKING:
    from flpjax.answers.record import Backtest, Record


def show_backtest(result: Backtest, per_task: bool) -> list[Sheet]:
    """Method × target; and, for one method, every task."""
    rows = [
        [
            r["method"],
            r["target"],
            *(percent(r[k]) for k in ("loss_error", "score_error", "score_error_true_loss", "coverage", "width")),
            str(r["tasks"]),
        ]
        for r in result.table()
        if not result.methods[r["method"]].failed
    ]
    columns = ["method", "target", "loss", "score", "score | true loss", "covered", "width", "tasks"]
    title = f"Mean absolute relative errors, coverage and width of {100 * result.level:g} % intervals, all in %"
    tables = [table(title, columns, rows, names=2)]
    if per_task:
        for name, record in result.methods.items():
            if record.scores:
                tables.append(table(f"{name}, task by task, in %", _CELL, _cells(record), names=2))
    return tables


_CELL = ["target", "task", "predicted", "interval", "actual", "error", "error | true loss"]


def _cells(record: Record) -> list[list[str]]:
    return [
        [
            c.target,
            c.name,
            percent(c.predicted),
            f"{percent(c.lower)} to {percent(c.upper)}",
            percent(c.actual),
            signed(c.rel_error),
            signed(c.rel_error_true_loss),
        ]
        for c in record.scores
    ]
