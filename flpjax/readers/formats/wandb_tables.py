"""Tables of Weights & Biases: histories of one run or many, and the table of runs with their states."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from flpjax.errors import InputError, count
from flpjax.readers.cells import is_blank
from flpjax.readers.formats.columns import Column, read_columns, refuse_mixed_percent
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.formats.records import GROUP, RUN, TEXTS, RunRecords
from flpjax.readers.formats.steps import MOST_RESTARTS, rows_of
from flpjax.readers.raw import RawTable

RUN_NAMES = (
    "run", "run_name", "run name", "name", "display_name", "displayname", "experiment", "run/name", "model",
    "model_name", "model name",
)  # fmt: skip
RUN_IDS = ("run_id", "run id", "id", "_run_id", "run.id", "runid")
SEEDS = ("seed", "random_seed", "rng_seed", "random seed", "init_seed", "data_seed", "replicate", "trial")
STATES = ("state", "status", "_state")
FINISHED = ("finished", "completed", "success", "succeeded", "done")
AGAIN = re.compile(
    r"[-_. ]+\(?(?:resumed?|restart(?:ed)?|cont(?:inued)?|part|segment|attempt)[-_ ]?\d*\)?$", re.IGNORECASE
)
"""What people add to the name of a run that was taken up again."""
INDEX = re.compile(r"^Unnamed: \d+$")  # what pandas calls a column without a heading
LOOKED_AT_FIRST = 8  # columns, by which nearly all rows differ
EXPORT = re.compile(r"^wandb_export_\d{4}-\d\d-\d\dT.*$")


@dataclass(frozen=True)
class Rows:
    """Rows of a table that are of one run.

    Attributes:
        run: Its name.
        rows: Their numbers, from 0.
        state: What the table says of the run, in lower case; empty if it does not.
        group: With which runs it is fitted; empty if nobody asked for groups.
        named: Whether the table names its runs.
    """

    run: str
    rows: list[int] = field(default_factory=list)
    state: str = ""
    group: str = ""
    named: bool = True


def run_column(names: Sequence[str], among: Sequence[str] = RUN_NAMES) -> str | None:
    """The column that names runs."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return next((by_lower[each] for each in among if each in by_lower), None)


def is_log(names: Sequence[str]) -> bool:
    """Whether columns are of a training log: a loss or a score, and what tells how far the training was."""
    meanings = [m.canonical for name in names if (m := meaning_of(name)) is not None]
    return any(m.startswith(("loss", "score/")) for m in meanings)


def rows_by_run(raw: RawTable, path: Path, taken: Mapping[str, Column]) -> list[Rows]:
    """Rows of each run: by the column that names it, by its id where runs share a name, else all of the file's one.

    Raises:
        InputError: A row names no run, or no group where these were asked for.
    """
    names = list(raw.cells)
    total = len(next(iter(raw.cells.values()), ()))
    asked = {canonical: taken[canonical].theirs for canonical in TEXTS if canonical in taken}
    if asked.get(GROUP) in raw.cells:
        return _apart(raw, path, taken, raw.cells[asked[GROUP]])
    named = asked[RUN] if asked.get(RUN) in raw.cells else run_column(names)
    by_id, state_column = run_column(names, RUN_IDS), run_column(names, STATES)
    states = raw.cells[state_column] if state_column else [""] * total
    if named is None and by_id is None:
        return [Rows(run_of_file(path), list(range(total)), _state(states[-1]) if total else "", named=False)]
    cells = raw.cells[named if named is not None else str(by_id)]
    seeds = run_column(names, SEEDS)
    ids = raw.cells[by_id] if by_id is not None and named is not None else [""] * total
    if by_id is None and seeds is not None:
        ids = [
            f"seed {_text(cell)}" if _text(cell) and _text(run) else ""
            for run, cell in zip(cells, raw.cells[seeds], strict=True)
        ]
    _refuse_blank_names(raw, cells, ids)
    of_name: dict[str, set[str]] = {}
    for cell, each in zip(cells, ids, strict=True):
        of_name.setdefault(_text(cell), set()).add(_text(each))
    found: dict[str, list[int]] = {}
    again = copies(raw)
    for i, (cell, each) in enumerate(zip(cells, ids, strict=True)):
        name = _text(cell) or _text(each)
        if name and i not in again:
            shared = len(of_name[name] - {""}) > 1
            found.setdefault(f"{name} ({_text(each)})" if shared else AGAIN.sub("", name) or name, []).append(i)
    return [Rows(name, rows, _state(states[rows[-1]])) for name, rows in found.items()]


def copies(raw: RawTable) -> set[int]:
    """Rows that are those of an earlier row, cell by cell, as where a table was put together of overlapping parts.

    A column without a heading numbers rows, and is no fact of one. Where no column names runs, equal rows may be two.
    """
    if run_column(list(raw.cells)) is None and run_column(list(raw.cells), RUN_IDS) is None:
        return set()
    names = [name for name in raw.cells if name.strip() and not INDEX.match(name)]
    alike = _alike(raw, names[:LOOKED_AT_FIRST], range(len(raw.cells[names[0]])))
    return {i for rows in alike for same in _alike(raw, names, rows) for i in same[1:]}


def _alike(raw: RawTable, names: Sequence[str], rows: Iterable[int]) -> list[list[int]]:
    """Rows, two at least, that have the same in these columns."""
    of_cells: dict[tuple[str, ...], list[int]] = {}
    columns = [raw.cells[name] for name in names]
    for i in rows:
        of_cells.setdefault(tuple(str(column[i]) for column in columns), []).append(i)
    return [same for same in of_cells.values() if len(same) > 1]


def _apart(raw: RawTable, path: Path, taken: Mapping[str, Column], groups: Sequence[Any]) -> list[Rows]:
    """Rows of each run of each group; runs of two groups that share a name bear that of the group, too.

    Raises:
        InputError: A row has no group.
    """
    of_group: dict[str, list[int]] = {}
    for i, cell in enumerate(groups):
        if not _text(cell):
            raise InputError("the row has no group", where=raw.place.at(i, taken[GROUP].theirs), remedy="Fill it in")
        of_group.setdefault(_text(cell), []).append(i)
    without = {canonical: column for canonical, column in taken.items() if canonical != GROUP}
    found = []
    for group, rows in of_group.items():
        part = RawTable({name: [cells[i] for i in rows] for name, cells in raw.cells.items()}, raw.place)
        found += [
            replace(each, rows=[rows[i] for i in each.rows], group=group) for each in rows_by_run(part, path, without)
        ]
    times = Counter(each.run for each in found)
    return [replace(each, run=f"{each.run} ({each.group})") if times[each.run] > 1 else each for each in found]


def _refuse_blank_names(raw: RawTable, cells: Sequence[Any], ids: Sequence[Any]) -> None:
    """Refuse rows of which nobody knows the run, as those under merged cells of a spreadsheet.

    Raises:
        InputError: There is one, and something stands in it.
    """
    blank = [i for i, (cell, each) in enumerate(zip(cells, ids, strict=True)) if not _text(cell) and not _text(each)]
    blank = [i for i in blank if any(_text(column[i]) for column in raw.cells.values())]
    if blank:
        more = f" (and {count(len(blank) - 1, 'more row')} like it)" if len(blank) > 1 else ""
        raise InputError(
            f"the row doesn't say of which run it is{more}",
            where=raw.place.row_at(blank[0]),
            remedy="Fill in its run, or remove the row; of merged cells, spreadsheets write the first alone",
        )


def records_of(raw: RawTable, path: Path, taken: Mapping[str, Column]) -> tuple[list[RunRecords], int]:
    """Each run of a table, and how many cells of all held NaN or infinity.

    Rows that can't be checkpoints of one run, since they differ in size or are in no order, are runs of their own.

    Raises:
        InputError: A cell is no number.
    """
    refuse_mixed_percent(raw.cells, taken, raw.place)
    found, diverged = [], 0
    for each in rows_by_run(raw, path, taken):
        columns, odd = read_columns(raw.cells, taken, raw.place, each.rows)
        diverged += odd
        places = [raw.place.row_at(row) for row in each.rows]
        ended = None if not each.state else each.state in FINISHED
        whole = RunRecords(each.run, columns, places, [each.run] * len(places), ended, each.group)
        found += [whole] if _is_one(whole) and (each.named or not _disagrees(whole)) else _rows_alone(whole)
    return found, diverged


def _is_one(run: RunRecords) -> bool:
    """Whether rows are of one size, and follow each other in steps, or else in tokens or FLOPs."""
    params = run.column("params")
    if len(np.unique(params[np.isfinite(params)])) > 1:
        return False
    if "step" in run.columns:
        return True
    at = run.columns.get("tokens", run.columns.get("flops"))
    if at is None:  # nothing tells which row came first
        return len(run) == 1
    return float((np.diff(at) < 0).mean() if len(at) > 1 else 0.0) <= MOST_RESTARTS


def _disagrees(run: RunRecords) -> bool:
    """Whether two rows in a place have two values of one quantity, as runs of a sweep in one table have."""
    at = next((run.columns[name] for name in ("step", "tokens", "flops") if name in run.columns), None)
    if at is None:
        return False
    same = np.flatnonzero(np.diff(at) == 0)
    return any(bool(np.any(np.abs(values[same + 1] - values[same]) > 0)) for values in run.columns.values())


def is_row(run: RunRecords) -> bool:
    """Whether a run is one of the rows that :func:`records_of` made runs of their own."""
    return " #" in run.run and len(run) == 1


def _rows_alone(run: RunRecords) -> list[RunRecords]:
    names = [f"{run.run} #{i + 1}" for i in range(len(run))]
    return [replace(rows_of(run, [i]), run=name, models=[name]) for i, name in enumerate(names)]


def run_of_file(path: Path) -> str:
    """The run that a file is called by; ``run-resumed.csv`` is more of ``run.csv``."""
    stem = path.stem
    if EXPORT.match(stem) or stem.lower() in ("history", "metrics", "log", "data"):
        stem = path.parent.name or stem
    return AGAIN.sub("", stem) or stem


def _text(cell: Any) -> str:
    return "" if is_blank(cell) else str(cell).strip()[:200]


def _state(cell: Any) -> str:
    return _text(cell).lower()
