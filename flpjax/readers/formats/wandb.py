"""Tables of training runs, made by hand or by W&B: histories, panels, the table of runs, in any combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.readers.formats.columns import Column, chosen_columns, column_metadata, columns_of_table
from flpjax.readers.formats.files import LOOKED_AT, files, header, table
from flpjax.readers.formats.join import merged
from flpjax.readers.formats.records import GROUP, Choices, Format, Records, RunRecords
from flpjax.readers.formats.wandb_panel import is_bucketed, is_panel, metrics_of, panel_records
from flpjax.readers.formats.wandb_tables import (
    EXPORT,
    STATES,
    copies,
    is_log,
    is_row,
    records_of,
    run_column,
    run_of_file,
)
from flpjax.readers.raw import RawTable

SUFFIXES = (".csv", ".parquet", ".pq", ".tsv")
OWN = ("_step", "_runtime", "_timestamp")  # columns that W&B adds to a history
MOST_LISTED = 6
MOST_GROUPS = 12  # words of a column that may each be a ladder of its own


def recognises(path: Path) -> bool:
    """Whether a table, or one of the first of a folder, has columns of training logs."""
    for each in files(path, SUFFIXES)[:LOOKED_AT]:
        names = header(each)
        if is_panel(names) or is_log(names):
            return True
    return False


def is_export(path: Path) -> bool:
    """Whether a table, or one of the first of a folder, is of W&B: a panel, runs with their states, its own columns."""
    for each in files(path, SUFFIXES)[:LOOKED_AT]:
        names = header(each)
        own = any(name in OWN for name in names) or EXPORT.match(each.stem)
        states = run_column(names, STATES) and run_column(names)
        if (own and is_log(names)) or is_panel(names) or (states and recognises(path)):
            return True
    return False


def read(path: Path, choices: Choices) -> Records:
    """Read all tables at a path.

    Raises:
        InputError: One can't be read, a cell is no number, or none is of training runs.
    """
    logs, panels, summaries = _sorted_out(path, choices)
    if not logs and not panels and not summaries:
        chosen_columns([name for each in files(path, SUFFIXES)[:LOOKED_AT] for name in header(each)], choices)
        raise InputError(
            "no table has a loss or a score", where=str(path), remedy='Name one: --column "loss/c4=THEIR NAME"'
        )
    notes: list[str] = []
    doubts: list[str] = []
    taken: dict[str, Column] = {}
    runs: list[RunRecords] = []
    odd, alone = 0, set[str]()
    headers = [header(each) for each in (logs or summaries)]
    every = dict.fromkeys(name for names in headers for name in names)
    if every:
        taken, notes = chosen_columns(every, choices, headers)
    for each in logs or summaries:
        raw = table(each)
        found, diverged = records_of(raw, each, columns_of_table(raw.cells, taken, choices))
        rows = {run.run for run in found if is_row(run)}
        if rows & alone:  # tables of one name in several folders
            head = each.relative_to(path).with_suffix("").as_posix()
            found = [replace(run, run=f"{head}: {run.run}") if is_row(run) else run for run in found]
        alone |= rows
        if again := len(copies(raw)):
            notes.append(
                f"{each.name}: {count(again, 'row')} that {'is' if again == 1 else 'are'} in it twice left out"
            )
        if len(rows) > 1:
            notes.append(_rows_alone(each.name, found, raw, GROUP in taken))
        runs += found
        odd += diverged
    bucketed = []
    for each in panels:
        raw = table(each)
        bucketed += [each.name] if is_bucketed(raw) else []
        found, columns, diverged = panel_records(raw, each, choices)
        runs, taken, odd = runs + found, {**columns, **taken}, odd + diverged
    if panels:
        notes.append(f"{count(len(panels), 'panel')}: columns of smallest and largest values are ignored")
    if bucketed:
        doubts.append(
            f"{some_of(bucketed, MOST_LISTED)}: points are means of several that were logged, as in a sampled history; "
            "export all rows (scan_history of W&B)"
        )
    if (logs or panels) and summaries:
        runs, summary_notes = _with_summaries(merged(runs), summaries, choices)
        notes += summary_notes
    if odd:
        doubts.append(
            f"{count(odd, 'cell')} NaN or infinite, or with a word for nothing, are taken as not measured: leave out "
            "runs that diverged"
        )
    left = [each.name for each in files(path, SUFFIXES) if each not in {*logs, *panels, *summaries}]
    if left:
        notes.append(f"no loss or score, and not read: {some_of(left, MOST_LISTED)}")
    tasks, origin, shown = column_metadata(taken)
    return Records(str(path), tuple(runs), tasks, origin, shown, tuple(notes), tuple(doubts))


def _rows_alone(file: str, runs: Sequence[RunRecords], raw: RawTable, grouped: bool) -> str:
    """What is said of a table whose rows are runs, and of what may tell several ladders in it apart."""
    said = f"{file}: {count(sum(map(is_row, runs)), 'row')} that differ in size, or are in no order, are a run each"
    by = next((name for name in (GROUP, run_column(list(raw.cells))) if name in raw.cells), None)
    kinds = list(dict.fromkeys(str(cell) for cell in raw.cells[by])) if by is not None else []
    if grouped or not 1 < len(kinds) <= MOST_GROUPS:
        return said
    return (
        f"{said}. Column '{by}' tells {len(kinds)} kinds apart ({some_of(kinds, MOST_LISTED)}): if these are ladders "
        f"of their own, --column group={by}"
    )


def _sorted_out(path: Path, choices: Choices) -> tuple[list[Path], list[Path], list[Path]]:
    """Tables that are logs, that are panels, and that have a row a run and its state; what was taken up again last."""
    logs, panels, summaries = [], [], []
    asked = {part for text in choices.columns.values() for part in (text, text.rpartition(":")[0])}
    for each in files(path, SUFFIXES):
        names = header(each)
        if is_panel(names) and metrics_of(names):
            panels.append(each)
        elif run_column(names, STATES) and run_column(names):
            summaries.append(each)
        elif is_log(names) or asked.intersection(names):
            logs.append(each)
    logs.sort(key=lambda each: (str(each.parent), run_of_file(each), each.stem != run_of_file(each), each.stem))
    return logs, panels, summaries


def _with_summaries(
    runs: Sequence[RunRecords], summaries: Sequence[Path], choices: Choices
) -> tuple[list[RunRecords], list[str]]:
    """Histories with what the table of runs says of each as a whole: its size, batch, context and state."""
    by_run: dict[str, RunRecords] = {}
    for each in summaries:
        raw = table(each)
        plain = replace(choices, columns={}, metrics={}, metric="")
        taken, _ = chosen_columns(raw.cells, plain)
        sizes = {c: column for c, column in taken.items() if c in ("params", "batch", "batch_tokens", "context")}
        by_run |= {record.run: record for record in records_of(raw, each, sizes)[0]}
    found = []
    for run in runs:
        more = by_run.get(run.run)
        if more is not None:
            columns = dict(run.columns)
            for name, values in more.columns.items():
                columns.setdefault(name, np.full(len(run), values[-1]))
            run = replace(run, columns=columns, ended=more.ended if run.ended is None else run.ended)
        found.append(run)
    lacking = [run.run for run in runs if run.run not in by_run]
    names = some_of([each.name for each in summaries], MOST_LISTED)
    notes = [f"states and sizes of runs are those of {names}"]
    if lacking:
        notes.append(f"not in {names}: {some_of(lacking, MOST_LISTED)}")
    return found, notes


WANDB = Format("wandb", "histories, panels and runs of W&B, as tables; a file or a folder", is_export, read)
TABLE = Format("table", "tables of training runs, made by hand or by a program; a file or a folder", recognises, read)
