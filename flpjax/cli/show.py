"""Results as tables for a terminal: forecasts, reviews and backtests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.text import fixed, loss, percent, signed
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.methods.method import StageName
    from flpjax.results.forecast import Forecast, Interval
    from flpjax.results.record import Backtest, Cell, Record
    from flpjax.results.verdicts import Review

STYLES = {"PASS": "green", "REVIEW": "yellow", "FAIL": "bold red"}
Truth = dict[str, dict[str, float]]
"""Target → task or loss domain → what it reached, or truly is."""
Converters = Mapping[str, Callable[[float], float]]


def show_forecast(
    result: Forecast, truth: Truth, domains: Sequence[str], converters: Converters | None = None
) -> list[Sheet]:
    """One table a target: loss and scores with intervals, beside the truth where it is known.

    Args:
        result: The forecast.
        truth: What is known.
        domains: Losses to show.
        converters: Loss (``loss/<domain>``) or score (``score/<task>``) → from the canonical unit to the user's.
    """
    converters = converters or {}
    tables = []
    for i, target in enumerate(result.targets):
        known = truth.get(target.name, {})
        size = ", ".join(
            f"{symbol}={value:.3g}"
            for symbol, value in (("N", target.params), ("D", target.tokens), ("C", target.flops))
            if value is not None
        )
        size += "".join(f", x/{name}={value:.3g}" for name, value in (target.features or {}).items())
        title = target.name if target.name.replace(" ", "").startswith(("N=", "C=", "D=")) else f"{target.name}: {size}"
        title += f"; {result.extrapolation[i]:.3g} × the ladder's largest run"
        interval = f"{100 * result.level:g} % interval"
        rows = []
        for name in domains:
            if name in result.loss[i]:
                column = f"loss/{name}"
                value, observed = result.loss[i][name], known.get(column)
                rows.append([f"loss {name}", *_row(value, observed, 1.0, 3, converters.get(column))])
        for name, value in result.score[i].items():
            rows.append([name, *_row(value, known.get(name), 100.0, 1, converters.get(f"score/{name}"))])
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


def _row(
    value: Interval, truth: float | None, unit: float, digits: int, convert: Callable[[float], float] | None
) -> list[str]:
    def text(v: float) -> str:
        return fixed(unit * (convert(v) if convert else v), digits)

    row = [text(value.median), f"{text(value.lower)} to {text(value.upper)}"]
    if truth is None:
        return [*row, "-", "-"]
    return [*row, text(truth), signed((value.median - truth) / abs(truth) if truth else None)]


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


def show_split(fitted: int, held: Sequence[str]) -> Paragraph:
    """How many runs were fitted, and which were held out."""
    return Paragraph(f"Fitted on {count(fitted, 'run')}; held out: {', '.join(held)}")


def show_backtest(result: Backtest, *, by_target: bool = False) -> list[Sheet | Paragraph]:
    """Every method in one row, or in one row a held-out run; and of a single method every task and loss.

    Columns that nothing is known for are left out.
    """
    rows = [r for r in (result.to_dicts() if by_target else result.summary()) if not result.methods[r["method"]].failed]
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
        kinds: tuple[StageName, StageName] = ("score", "loss")
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


def _outputs(name: str, record: Record, kind: StageName) -> Sheet:
    """A row a task or loss, over all held-out runs."""
    outputs = dict.fromkeys(c.name for c in record.cells(kind))
    rows = [{WHAT[kind]: output, **vars(record.means(kind, names=(output,)))} for output in outputs]
    return _percentages(f"{name}, {WHAT[kind]} by {WHAT[kind]}, in %", [WHAT[kind]], OUTPUT_COLUMNS, rows)


def _cells(name: str, record: Record, kind: StageName) -> Sheet:
    """A row a forecast; columns that say nothing stay out."""
    rows = [_cell(c, kind, record.intervals) for c in record.cells(kind)]
    used = [i for i in range(len(CELL_COLUMNS)) if any(row[i] for row in rows)]
    cells = [[c.target, c.name, *(row[i] for i in used)] for c, row in zip(record.cells(kind), rows, strict=True)]
    title = f"{name}, {WHAT[kind]} by {WHAT[kind]}" + (", scores in %" if kind == "score" else ", losses in nats")
    return table(title, ["target", WHAT[kind], *(CELL_COLUMNS[i] for i in used)], cells, names=2)


def _cell(cell: Cell, kind: StageName, intervals: bool) -> list[str]:
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
