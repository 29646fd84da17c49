"""Rows of JSON, each a flat or nested object of one run, as records: what their keys mean decides what is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flpjax.readers.formats.columns import Column, canonical_values, chosen_columns, column_metadata
from flpjax.readers.formats.files import value
from flpjax.readers.formats.records import GROUP, TEXTS, Choices, Records, RunRecords, columns_of_rows

DEEPEST = 20  # levels of an object that are looked into


@dataclass(frozen=True)
class RunRows:
    """Rows of one run.

    Attributes:
        run: Its name.
        rows: What each logged: name → value of any kind; numbers alone are taken.
        places: ``(row,)`` where each stands.
        ended: Whether the run came to its end, where the source says so.
        constants: What holds for all rows, as a run's configuration does.
    """

    run: str
    rows: Sequence[Mapping[str, Any]]
    places: Sequence[str]
    ended: bool | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)


def flat(content: Any, head: str = "", depth: int = 0) -> dict[str, Any]:
    """``{"model": {"dim": 64}}`` → ``{"model.dim": 64}``; the ``{"value": …, "desc": …}`` of W&B is the value."""
    if not isinstance(content, dict) or depth > DEEPEST:
        return {head: content} if head else {}
    if "value" in content and set(content) <= {"value", "desc"}:
        return flat(content["value"], head, depth + 1)
    found: dict[str, Any] = {}
    for key, each in content.items():
        found |= flat(each, f"{head}.{key}" if head else str(key), depth + 1)
    return found


def records_of_rows(
    runs: Sequence[RunRows], source: str, choices: Choices, notes: Sequence[str] = (), doubts: Sequence[str] = ()
) -> Records:
    """Rows as records, with metadata about their tasks.

    Raises:
        InputError: A column was chosen that is not there, or a perplexity is 1 or less.
    """
    words = choices.columns.get(GROUP)
    names = dict.fromkeys(
        name
        for run in runs
        for row in (run.constants, *run.rows)
        for name, cell in row.items()
        if not math.isnan(value(cell)) or name == words
    )
    taken, column_notes = chosen_columns(names, choices)
    tasks, origin, shown = column_metadata(taken)
    return Records(
        source,
        tuple(_records(run, taken) for run in runs if run.rows),
        tasks,
        origin,
        shown,
        (*notes, *column_notes),
        tuple(doubts),
    )


def _records(run: RunRows, taken: Mapping[str, Column]) -> RunRecords:
    rows = []
    group = ""
    for row in run.rows:
        cells = {**run.constants, **row}
        group = group or (str(cells.get(taken[GROUP].theirs) or "").strip() if GROUP in taken else "")
        known = {c: column.theirs for c, column in taken.items() if c not in TEXTS and column.theirs in cells}
        rows.append({c: value(cells[theirs]) for c, theirs in known.items()})
    columns = columns_of_rows(rows)
    for canonical, values in columns.items():
        meaning = taken[canonical].meaning
        columns[canonical] = canonical_values(values, meaning, theirs=f"{run.run}, '{taken[canonical].theirs}'")
    return RunRecords(run.run, columns, list(run.places), [run.run] * len(rows), run.ended, group)
