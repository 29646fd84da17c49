"""A backtest as tables for a terminal: a row a method; or a row a method and held-out run, and a row a forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.numbers import loss, percent, signed
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.results.cell import Cell
    from flpjax.results.record import Backtest, Kind, Record

Columns = dict[str, str]
"""Heading → key of a row of :meth:`Backtest.summary`, or attribute of :class:`Means`."""
LOSS_COLUMNS: Columns = {"error": "loss_error", "covered": "loss_coverage", "width": "loss_width", "CRPS": "loss_crps"}
BOTH_COLUMNS: Columns = {
    "loss error": "loss_error",
    "loss covered": "loss_coverage",
    "loss CRPS": "loss_crps",
    "score error": "score_error",
    "at true loss": "score_error_true_loss",
    "covered": "coverage",
    "width": "width",
    "CRPS": "crps",
}
OUTPUT_COLUMNS: Columns = {
    "error": "error",
    "at true loss": "error_true_loss",
    "covered": "coverage",
    "width": "width",
    "CRPS": "crps",
}
CELL_COLUMNS = ("predicted", "interval", "measured", "error %", "at true loss %")
WHAT = {"score": "task", "loss": "loss"}


def show_backtest(result: Backtest, *, by_target: bool = False) -> list[Sheet | Paragraph]:
    """Every method in one row, or in one row a held-out run; and of a single method every task and loss.

    Columns that nothing is known for are left out.
    """
    rows = [r for r in (result.table() if by_target else result.summary()) if not result.methods[r["method"]].failed]
    if not rows:
        return []
    names = ["method", "target"] if by_target else ["method"]
    columns = BOTH_COLUMNS if result.judged_by == "score" else LOSS_COLUMNS
    shown: list[Sheet | Paragraph] = [_percentages(_title(result), names, columns, rows)]
    fewer = _fewer(result)
    if fewer:
        shown.append(Paragraph(fewer))
    if len(result.methods) == 1:
        ((name, record),) = result.methods.items()
        kinds: tuple[Kind, Kind] = ("score", "loss")
        for kind in kinds:
            if record.cells(kind):
                shown.append((_cells if by_target else _outputs)(name, record, kind))
    return shown


def _percentages(title: str, names: list[str], columns: Columns, rows: list[dict[str, Any]]) -> Sheet:
    known = {heading: key for heading, key in columns.items() if any(r[key] is not None for r in rows)}
    cells = [[*(r[n] for n in names), *(percent(r[key]) for key in known.values())] for r in rows]
    return table(title, [*names, *known], cells, names=len(names))


def _title(result: Backtest) -> str:
    title = "Mean absolute relative errors"
    if any(record.intervals and not record.failed for record in result.methods.values()):
        title += f", coverage and width of {100 * result.level:g} % intervals, and CRPS"
    return f"{title}, all in %"


def _fewer(result: Backtest) -> str:
    """Which methods forecast fewer values than others, so that their means are of other things."""
    kind = result.judged_by
    counts = {name: len(record.cells(kind)) for name, record in result.methods.items() if not record.failed}
    most = max(counts.values())
    fewer = [f"{name} {number}" for name, number in counts.items() if number < most]
    if not fewer:
        return ""
    return f"Means are of {count(most, 'score') if kind == 'score' else _losses(most)}; of {', '.join(fewer)}."


def _losses(number: int) -> str:
    return f"{number:,} {'loss' if number == 1 else 'losses'}"


def _outputs(name: str, record: Record, kind: Kind) -> Sheet:
    """A row a task or loss, over all held-out runs."""
    outputs = dict.fromkeys(c.name for c in record.cells(kind))
    rows = [{WHAT[kind]: output, **vars(record.means(kind, names=(output,)))} for output in outputs]
    return _percentages(f"{name}, {WHAT[kind]} by {WHAT[kind]}, in %", [WHAT[kind]], OUTPUT_COLUMNS, rows)


def _cells(name: str, record: Record, kind: Kind) -> Sheet:
    """A row a forecast; columns that say nothing stay out."""
    rows = [_cell(c, kind, record.intervals) for c in record.cells(kind)]
    used = [i for i in range(len(CELL_COLUMNS)) if any(row[i] for row in rows)]
    cells = [[c.target, c.name, *(row[i] for i in used)] for c, row in zip(record.cells(kind), rows, strict=True)]
    title = f"{name}, {WHAT[kind]} by {WHAT[kind]}" + (", scores in %" if kind == "score" else "")
    return table(title, ["target", WHAT[kind], *(CELL_COLUMNS[i] for i in used)], cells, names=2)


def _cell(cell: Cell, kind: Kind, intervals: bool) -> list[str]:
    """One forecast; empty text for what there is not."""

    def text(value: float) -> str:
        return percent(value) if kind == "score" else loss(value)

    return [
        text(cell.predicted),
        f"{text(cell.lower)} to {text(cell.upper)}" if intervals else "",
        text(cell.actual),
        signed(cell.rel_error if cell.actual else None),
        "" if cell.true_loss is None else signed(cell.rel_error_true_loss),
    ]
