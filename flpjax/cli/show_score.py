"""Scored forecasts as tables: what was forecast and what came, and how many intervals of a log held."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.text import fixed, percent, signed
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.results.registration import Registration
    from flpjax.results.score_log import Calibration
    from flpjax.results.scoring import Scored, Scoring

FEW = 20  # quantities, below which a share of intervals says little


def show_scoring(result: Scoring, kept: Registration) -> list[Sheet]:
    """One table a target: forecast, what came, whether the interval held, CRPS beside the baseline's."""
    sheets = []
    columns = ["", "forecast", f"{100 * result.level:g} % interval", "came", "held", "error %", "CRPS", "baseline's"]
    for target in dict.fromkeys(cell.target for cell in result.cells):
        rows = [_row(cell, kept) for cell in result.cells if cell.target == target]
        sheets.append(table(target, columns, rows))
    return sheets


def show_log(found: Calibration) -> list[Sheet | Paragraph]:
    """Forecasts of a log, and the share of all quantities that central intervals of several probabilities held."""
    forecasts = [
        [
            row["targets"],
            row["method"],
            f"{row['held']} of {row['intervals']}",
            f"{100 * row['level']:g}",
            percent(row["below"], 0),
        ]
        for row in found.by_forecast()
    ]
    shown: list[Sheet | Paragraph] = [
        table("Forecasts", ["targets", "method", "held", "of %", "came below, %"], forecasts),
    ]
    ranks = len(found.ranks)
    if ranks:
        rows = [[f"{100 * row['level']:g}", percent(row["held"], 0)] for row in found.to_dicts()]
        title = f"Intervals of {count(ranks, 'quantity')} of {count(found.forecasts, 'forecast')}, in %"
        shown.append(table(title, ["meant to hold", "held"], rows))
    if found.gain is not None:
        word = "below" if found.gain >= 0 else "above"
        shown.append(Paragraph(f"CRPS {abs(found.gain):.0%} {word} that of a line in log FLOPs."))
    if 0 < ranks < FEW or found.forecasts < 3:
        shown.append(Paragraph("Few forecasts: quantities of one share its errors, so that shares say little yet."))
    return shown


def _row(cell: Scored, kept: Registration) -> list[str]:
    """A loss in the user's unit, a score in points."""
    convert: Callable[[float], float]
    if cell.kind == "loss":
        unit = kept.shown.get(cell.name)
        convert, digits, scale, name = (unit.shown if unit else _same), 3, 1.0, f"loss {cell.name}"
    else:
        task = next((t for t in kept.tasks if t.name == cell.name), None)
        convert, digits, scale, name = (task.shown if task else _same), 1, 100.0, cell.name

    def text(value: float) -> str:
        return fixed(scale * convert(value), digits)

    crps = ["-" if v is None else fixed(scale * v, digits + 1) for v in (cell.crps, cell.baseline_crps)]
    held = "-" if cell.held is None else "yes" if cell.held else "no"
    bounds = "-" if cell.rank is None else f"{text(cell.lower)} to {text(cell.upper)}"
    relative_error = cell.median / cell.actual - 1.0 if cell.actual else math.nan
    return [name, text(cell.median), bounds, text(cell.actual), held, signed(relative_error), *crps]


def _same(value: float) -> float:
    return value
