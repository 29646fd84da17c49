"""Named columns of cells into Runs: find the canonical columns, convert them, hand them to the one door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean, short, some_of
from flpjax.readers.cells import LONGEST_NAME, flags, names, numbers
from flpjax.readers.raw import RawTable
from flpjax.runs.build import Place, build_runs, check_names, is_canonical, misspelt
from flpjax.runs.table import Runs
from flpjax.runs.tasks import Task

POINTS_FLOOR = 0.05  # a task with a chance level above this never scores below 1 point in every row
LISTED = 8  # ignored columns named in a note


@dataclass(frozen=True)
class TableMap:
    """What a mapping says about a table; the empty one says nothing.

    Attributes:
        columns: Canonical name → the table's name.
        factors: Canonical name → what its values are multiplied by.
        tasks: Facts about tasks by name.
        points: Tasks whose scores, and their standard errors, stand in points (0 to 100).
        final_average: How many of a run's last evaluations make its final losses and scores.
        allow_missing: Loss columns, canonical, that may be blank in some rows; True for all.
        ignore: Columns to leave alone; ``*`` and ``?`` match as in a shell.
        where: What to call the mapping in messages.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    points: frozenset[str] = frozenset()
    final_average: int = 1
    allow_missing: bool | tuple[str, ...] = False
    ignore: tuple[str, ...] = ()
    where: str = "mapping"


@dataclass(frozen=True)
class RenamedPlace(Place):
    """Names a column as the file does, and says what it stands for."""

    theirs: Mapping[str, str] = field(default_factory=dict)

    def at(self, i: int, column: str) -> str:
        """``file, row 7 (line 8), column 'Tokens' (tokens)`` for the i-th value."""
        theirs = self.theirs.get(column, column)
        return super().at(i, theirs) + ("" if theirs == column else f" ({column})")


def table_runs(raw: RawTable, table_map: TableMap | None = None) -> Runs:
    """Make a table of cells a table of runs.

    Args:
        raw: The cells.
        table_map: What a mapping file says about them.

    Raises:
        InputError: A column is missing or misspelt, or a cell can't be what its column says.
    """
    table_map = table_map or TableMap()
    source = raw.place.source
    theirs, notes = _choose(raw, table_map)
    check_names(list(theirs), source)
    for name in theirs:
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"the name has {len(name):,} characters",
                where=f"{source}, column '{short(name)}'",
                remedy=f"Give it one of at most {LONGEST_NAME}",
            )
    _check_declared(theirs, table_map)
    place = RenamedPlace(source, raw.place.row, raw.place.lines, theirs)
    columns = {name: _convert(name, raw.cells[their], place, table_map) for name, their in theirs.items()}
    _check_blank_losses(columns, place, table_map)
    return build_runs(
        columns,
        tasks=table_map.tasks,
        source=source,
        place=place,
        final_average=table_map.final_average,
        notes=notes,
    )


def _choose(raw: RawTable, table_map: TableMap) -> tuple[dict[str, str], list[str]]:
    """Canonical name → the table's name, and notes on what was left aside."""
    source = raw.place.source
    chosen = {name: name for name in raw.cells if is_canonical(name)}
    taken = set(table_map.columns.values())
    for canonical, their in table_map.columns.items():
        if their not in raw.cells:
            raise InputError(
                f"{source} has no column '{short(their)}'",
                where=f"{table_map.where}, [columns], '{short(canonical)}'",
                remedy=did_you_mean(their, [n for n in raw.cells if n]),
            )
    # The mapping has the last word, also over a column that already has a canonical name.
    chosen = {name: name for name in chosen if name not in taken} | dict(table_map.columns)

    ignored = []
    for name in raw.cells:
        if name in chosen.values():
            continue
        meant = misspelt(name) if name and not is_canonical(name) else None
        if meant and meant not in chosen and not any(fnmatchcase(name, p) for p in table_map.ignore):
            raise InputError(
                "flpjax knows no such column",
                where=f"{source}, column '{short(name)}'",
                remedy=f"Did you mean '{short(meant)}'? Rename it, or list it under ignore in the mapping's [table]",
            )
        ignored.append(name or "(no name)")
    if not ignored:
        return chosen, []
    return chosen, [f"ignored {count(len(ignored), 'column')}: {some_of(ignored, LISTED)}"]


def _check_declared(theirs: Mapping[str, str], table_map: TableMap) -> None:
    """Refuse facts about tasks and losses that the table hasn't got: they are misspelt."""
    tasks = [name[6:] for name in theirs if name.startswith("score/")]
    for name in [*table_map.tasks, *table_map.points]:
        if name not in tasks:
            raise InputError(
                f"there is no column 'score/{name}'",
                where=f"{table_map.where}, [tasks.{name}]",
                remedy=did_you_mean(name, tasks),
            )
    losses = [name for name in theirs if name.startswith("loss/")]
    for name in () if isinstance(table_map.allow_missing, bool) else table_map.allow_missing:
        if name not in losses:
            raise InputError(
                f"there is no column '{name}'",
                where=f"{table_map.where}, [table], 'allow_missing'",
                remedy=did_you_mean(name, losses),
            )


def _convert(name: str, cells: Sequence[object], place: Place, table_map: TableMap) -> NDArray:
    if name == "run":
        return names(cells, name, place)
    if name in ("final", "held_out"):
        return flags(cells, name, place)
    values = numbers(cells, name, place) * table_map.factors.get(name, 1.0)
    group, _, task = name.partition("/")
    if group not in ("score", "stderr") or task not in table_map.points:
        return values
    for i in np.flatnonzero((values < 0) | (values > 100))[:1]:
        raise InputError(
            f"got {values[i]:.6g}, but it must be in points from 0 to 100",
            where=place.at(i, name),
            remedy="Correct the row, or leave it out",
        )
    fact = table_map.tasks.get(task)
    measured = values[~np.isnan(values)]
    if group == "score" and fact and fact.chance > POINTS_FLOOR and len(measured) and measured.max() <= 1:
        raise InputError(
            f"no score is above {measured.max():.3g}, so these look like fractions, not points",
            where=place.at(int(np.nanargmax(values)), name),
            remedy=f'Declare scale = "fraction" under [tasks.{task}] of {table_map.where}',
        )
    return values / 100.0


def _check_blank_losses(columns: Mapping[str, NDArray], place: Place, table_map: TableMap) -> None:
    """A blank loss is more often a run that diverged than one that nobody measured."""
    allowed = table_map.allow_missing
    for name, values in columns.items():
        if not name.startswith("loss/") or allowed is True or (allowed and name in allowed):
            continue
        blank = np.flatnonzero(np.isnan(values))
        if len(blank):
            more = f" (and {len(blank) - 1} more rows like it)" if len(blank) > 1 else ""
            raise InputError(
                f"the loss is blank{more}",
                where=place.at(blank[0], name),
                remedy=f'Drop the row, or write allow_missing = ["{name}"] under [table] in a mapping file',
            )
