"""Long tables: a row a value, what was measured in one column, its value in another, as ``melt`` of pandas makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flpjax.errors import InputError, short
from flpjax.readers.cells import is_blank
from flpjax.readers.formats.columns import chosen_columns, column_metadata
from flpjax.readers.formats.files import LOOKED_AT, files, header, table
from flpjax.readers.formats.records import Choices, Format, Records, RunRecords
from flpjax.readers.formats.wandb_tables import is_log, records_of, run_column
from flpjax.readers.raw import RawTable

SUFFIXES = (".csv", ".parquet", ".pq", ".tsv")
METRICS = ("metric", "metric_name", "metric name", "variable", "measure", "tag", "key")
VALUES = ("value", "metric_value", "metric value")


def recognises(path: Path) -> bool:
    """Whether a table, or one of the first of a folder, has a column of metrics, one of values, and no metric else."""
    return any(_columns(header(each)) is not None for each in files(path, SUFFIXES)[:LOOKED_AT])


def read(path: Path, choices: Choices) -> Records:
    """Read all long tables at a path, each as the table with a column a metric that it was melted from.

    Raises:
        InputError: One can't be read, a cell is no number, or a metric has two values at one checkpoint.
    """
    wide = []
    for each in files(path, SUFFIXES):
        found = _columns(header(each))
        if found is not None:
            wide.append((each, _wide(table(each), *found)))
    taken, notes = chosen_columns(dict.fromkeys(name for _, raw in wide for name in raw.cells), choices)
    runs: list[RunRecords] = []
    odd = 0
    for each, raw in wide:
        records, diverged = records_of(raw, each, taken)
        runs += records
        odd += diverged
    doubts = [f"NaN or infinite cells are taken as not measured ({odd:,}): leave out runs that diverged"] if odd else []
    tasks, origin, shown = column_metadata(taken)
    return Records(str(path), tuple(runs), tasks, origin, shown, tuple(notes), tuple(doubts))


def _columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns of metrics and of values; None of a table that isn't long."""
    metric, value = run_column(names, METRICS), run_column(names, VALUES)
    if metric is None or value is None or is_log([name for name in names if name not in (metric, value)]):
        return None
    return metric, value


def _wide(raw: RawTable, metric: str, value: str) -> RawTable:
    """A column a metric; values stand in one row where all other columns are alike.

    Raises:
        InputError: A metric has no name, that of a column, or two values in one row.
    """
    others = {name: raw.cells[name] for name in raw.cells if name not in (metric, value)}
    at: dict[tuple[str, ...], int] = {}
    first: list[int] = []  # (row,) where each begins
    measured: dict[str, dict[int, Any]] = {}
    for i, (named, cell) in enumerate(zip(raw.cells[metric], raw.cells[value], strict=True)):
        name = "" if is_blank(named) else str(named).strip()
        row = at.setdefault(tuple(str(cells[i]) for cells in others.values()), len(first))
        if row == len(first):
            first.append(i)
        if not name or name in others:
            if not name and is_blank(cell):
                continue
            what = f"the metric '{short(name)}' is a column, too" if name else "there is a value and no metric"
            raise InputError(what, where=raw.place.at(i, metric), remedy="Name what was measured")
        before = measured.setdefault(name, {}).setdefault(row, cell)
        if str(before) != str(cell):
            raise InputError(
                f"'{short(name)}' stands there twice, {short(str(before))} and {short(str(cell))}",
                where=raw.place.row_at(i),
                remedy="Leave one, or add the step or the tokens that tell the two apart",
            )
    numbers = [i + 1 if raw.place.row is None else int(raw.place.row[i]) for i in first]
    cells = {name: [each[i] for i in first] for name, each in others.items()}
    cells |= {name: [values.get(row, "") for row in range(len(first))] for name, values in measured.items()}
    return RawTable(cells, replace(raw.place, row=numbers))


MELTED = Format("long", "long tables: a row a value, with columns 'metric' and 'value'", recognises, read)
