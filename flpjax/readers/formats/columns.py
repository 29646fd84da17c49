"""Columns of training logs: which of them a ladder takes, and their cells as numbers in canonical units."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flpjax.errors import InputError, count, did_you_mean, shown, some_of
from flpjax.ladder.build import Place
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.cells import FLAGS, LARGEST, is_blank, remedy_for
from flpjax.readers.formats.names import MAY_BE_PER_DEVICE, NOT_VALUES, Meaning, may_count_embeddings, meaning_of
from flpjax.readers.formats.records import BATCH, TEXTS, Choices, Floats
from flpjax.readers.formats.spelt import is_percent, number_as_written
from flpjax.readers.units import unit_of

CORE = Task("core", 0.21, centred=True)
"""CORE (Li et al. 2024): centred accuracies of 22 tasks, whose chance levels have this mean."""
PERCENT = 0.01
FLAGGED = ("held_out", "final")
MOST_LISTED = 6
ABOUT_RUNS = frozenset(
    (
        "run", "name", "state", "status", "notes", "user", "tags", "created", "runtime", "sweep", "date", "description",
        "commit", "group", "model", "id", "seed",
    )
)  # fmt: skip
"""First words of columns that describe runs, which nobody misses."""


@dataclass(frozen=True)
class Column:
    """A column that is taken.

    Attributes:
        theirs: Its name in the source.
        meaning: What it means.
    """

    theirs: str
    meaning: Meaning


def chosen_columns(
    names: Iterable[str], choices: Choices, tables: Sequence[Collection[str]] = ()
) -> tuple[dict[str, Column], list[str]]:
    """Canonical name → the column that is taken for it, and what was left, in words.

    Args:
        names: Columns of the source.
        choices: What the user chose.
        tables: Columns of each of its tables, if there are several; see :func:`columns_of_table`.

    Raises:
        InputError: A column was chosen that is not there, or its unit is none.
    """
    names = list(names)
    found: dict[str, list[Column]] = {}
    for name in names:
        meaning = meaning_of(name)
        if meaning is not None:
            found.setdefault(meaning.canonical, []).append(Column(name, meaning))
    averages = [c for c, each in found.items() if c.startswith("loss/") and all(e.meaning.average for e in each)]
    if len(averages) < sum(c.startswith("loss/") for c in found):
        for canonical in averages:
            del found[canonical]
    notes = [f"means of other losses left out: {some_of(averages, MOST_LISTED)}"] if averages and found else []
    taken = {canonical: _first(each, choices) for canonical, each in found.items()}
    others = [
        e.theirs
        for canonical, each in found.items()
        for e in each
        if e is not taken[canonical] and all(taken[canonical].theirs in t for t in tables if e.theirs in t)
    ]
    others = [name for name in others if not name.startswith("_")]
    if others:
        notes.append(
            f"other columns of the same left out: {some_of(others, MOST_LISTED)}; --column and --metric choose"
        )
    for canonical, text in choices.columns.items():
        taken[canonical] = _asked(canonical, text, names)
    used = {*others, *(column.theirs for column in taken.values())}
    unknown = [name for name in names if name not in used and meaning_of(name) is None and not _about_runs(name)]
    if unknown and taken:
        notes.append(
            f"{count(len(unknown), 'column')} not taken: {some_of(unknown, MOST_LISTED)}; "
            f'--column "loss/…=NAME", "score/…=NAME", "run=NAME", "params=NAME", "tokens=NAME", "x/…=NAME", '
            '"group=NAME" takes one'
        )
    if not any(column.meaning.canonical.startswith(("loss", "score/")) for column in taken.values()):
        notes.append(f"there are {count(len(names), 'column')}: {some_of(names, MOST_LISTED)}")
    params = taken.get("params")
    if params is not None and params.theirs not in ("params", "N") and may_count_embeddings(params.meaning):
        notes.append(f"'{params.theirs}' is taken for N; if it counts embeddings, give N without them in a join table")
    batch = taken.get(BATCH)
    if batch is not None and _last_part(batch.theirs) in MAY_BE_PER_DEVICE:
        notes.append(
            f"'{batch.theirs}' is taken for the sequences of a step on all devices; --constant batch=… if it is not"
        )
    return taken, notes


def columns_of_table(names: Collection[str], taken: Mapping[str, Column], choices: Choices) -> dict[str, Column]:
    """The columns that are taken of one table: what it calls otherwise than others do is taken, too.

    Args:
        names: Its columns.
        taken: Those of :func:`chosen_columns`, for all tables.
        choices: What the user chose.
    """
    lacking = [canonical for canonical, column in taken.items() if column.theirs not in names]
    if not lacking:
        return dict(taken)
    own, _ = chosen_columns(names, replace(choices, columns={}))
    return {c: own.get(c, column) if c in lacking else column for c, column in taken.items()}


def read_columns(
    cells: Mapping[str, Sequence[Any]], taken: Mapping[str, Column], place: Place, rows: Sequence[int] | None = None
) -> tuple[dict[str, Floats], int]:
    """Canonical name → ``(row,)`` values, and how many cells held NaN or infinity, as of a run that diverged.

    Args:
        cells: The source's cells by column; what it lacks is left out.
        taken: Those of :func:`chosen_columns`.
        place: How to name a row in messages.
        rows: Which rows; None for all.

    Raises:
        InputError: A cell is no number.
    """
    columns, diverged = {}, 0
    for canonical, column in taken.items():
        if column.theirs not in cells or canonical in TEXTS:
            continue
        every = cells[column.theirs]
        chosen = range(len(every)) if rows is None else rows
        values = np.full(len(chosen), np.nan)
        unit = column.meaning.unit
        for at, row in enumerate(chosen):
            value = _value(every[row], canonical, column.theirs, place, row)
            if is_percent(every[row]):
                value *= PERCENT / (1.0 if unit is None else unit.factor)
            diverged += not math.isfinite(value) and not is_blank(every[row])
            values[at] = value if math.isfinite(value) else np.nan
        columns[canonical] = canonical_values(values, column.meaning, place, column.theirs, chosen)
    return columns, diverged


def refuse_mixed_percent(cells: Mapping[str, Sequence[Any]], taken: Mapping[str, Column], place: Place) -> None:
    """Refuse a column in which some cells have a percent sign and some have none: nobody knows what those are.

    Raises:
        InputError: There is one.
    """
    for column in taken.values():
        every = cells.get(column.theirs, ())
        if any(map(is_percent, every)):
            bare = [i for i, cell in enumerate(every) if not is_percent(cell) and _is_number(cell)]
            if bare:
                raise InputError(
                    f"{shown(every[bare[0]])} has no percent sign, and others have",
                    where=place.at(bare[0], column.theirs),
                    remedy="Write all with it or all without",
                )


def canonical_values(
    values: Floats, meaning: Meaning, place: Place | None = None, theirs: str = "", rows: Sequence[int] = ()
) -> Floats:
    """Values in the source's unit → in the canonical one; a perplexity of 1 or less is none."""
    if meaning.centred:
        return np.asarray(CORE.chance + values * (1.0 - CORE.chance))
    if meaning.unit is None:
        return values
    if meaning.unit.logarithm:
        for i in np.flatnonzero(values <= 1.0)[:1]:
            where = place.at(rows[i], theirs) if place is not None else theirs
            raise InputError(f"got {values[i]:.6g}, but a perplexity is above 1", where=where, remedy="Correct the row")
    return meaning.unit.canonical(values)


def column_metadata(taken: Mapping[str, Column]) -> tuple[dict[str, Task], dict[str, str], dict[str, Unit]]:
    """Facts about the tasks, what each canonical column is called in the source, and units for people."""
    names = [canonical[6:] for canonical in taken if canonical.startswith("score/")]
    tasks = {name: CORE if taken[f"score/{name}"].meaning.centred else known_task(name) for name in names}
    tasks = {name: replace(task, name=name) for name, task in tasks.items()}
    units = {c: column.meaning.unit for c, column in taken.items() if c.startswith("loss") and column.meaning.unit}
    return tasks, {c: column.theirs for c, column in taken.items()}, {c: u for c, u in units.items() if u is not None}


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2]


def _first(each: Sequence[Column], choices: Choices) -> Column:
    """The metric that was asked for, or else the surest."""
    asked = choices.metric_of(each[0].meaning.canonical.partition("/")[2])
    return min(each, key=lambda column: (column.meaning.metric != asked if asked else 0, column.meaning.rank))


def _asked(canonical: str, text: str, names: Sequence[str]) -> Column:
    """``val_bpb:bits``: a column by name, and its unit."""
    theirs, colon, unit = text.rpartition(":")
    if text in names or not colon:
        theirs, unit = text, ""
    if theirs not in names:
        raise InputError(
            f"there is no column '{theirs}'", where=f"--column {canonical}={text}", remedy=did_you_mean(theirs, names)
        )
    return Column(theirs, Meaning(canonical, unit_of(canonical, unit or None, f"--column {canonical}={text}")))


def _about_runs(name: str) -> bool:
    """Whether a column describes runs, or is a program's own, so that nobody misses it."""
    words = name.strip().lower().replace("_", " ").split()
    hidden = (
        not words or name.startswith("_") or words[0].startswith("unnamed") or bool(NOT_VALUES.search(name.lower()))
    )
    return hidden or words[0] in ABOUT_RUNS


def _is_number(cell: Any) -> bool:
    return not is_blank(cell) and math.isfinite(number_as_written(str(cell), "") or math.nan)


def _value(cell: Any, canonical: str, column: str, place: Place, row: int) -> float:
    """A cell as a number; NaN where it is blank or says that nothing was measured; flags as 1 and 0."""
    if canonical in FLAGGED:
        flag = FLAGS.get("" if is_blank(cell) else str(cell).strip().lower().removesuffix(".0"))
        if flag is None:
            raise InputError(
                f"{shown(cell)} is neither true nor false", where=place.at(row, column), remedy="Write true or false"
            )
        return float(flag)
    if is_blank(cell):
        return math.nan
    value: float | None = None
    if isinstance(cell, str):
        value = number_as_written(cell, canonical)
    elif not isinstance(cell, bool):
        try:
            value = float(cell)
        except (TypeError, ValueError, OverflowError):
            value = None
    if value is None:
        raise InputError(f"{shown(cell)} is not a number", where=place.at(row, column), remedy=remedy_for(cell))
    if math.isfinite(value) and not abs(value) < LARGEST:
        raise InputError(f"{shown(cell)} is out of range", where=place.at(row, column), remedy="Correct the cell")
    return value if math.isfinite(value) else math.nan
