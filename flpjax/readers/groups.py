"""Two groups of one table as two tables of runs, told apart by what stands in a column."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from flpjax.errors import InputError, did_you_mean, some_of
from flpjax.ladder.build import Place
from flpjax.ladder.table import Runs
from flpjax.readers.columns import TableMap, table_runs
from flpjax.readers.ladders import LADDERS
from flpjax.readers.raw import RawTable
from flpjax.readers.read import raw_table, read_runs

RUN = "run"


def read_groups(
    source: Any,
    by: str,
    groups: Sequence[str],
    mapping: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> tuple[Runs, ...]:
    """Read a table, and take it apart.

    Args:
        source: As :func:`flpjax.read_runs` takes it; of a ladder by name, ``by`` is ``run``.
        by: The column that tells groups apart, as the table calls it.
        groups: What stands there, for each; ``*`` and ``?`` match as in a shell, and numbers match as numbers.
        mapping: As :func:`flpjax.read_runs` takes it.

    Raises:
        InputError: There is no such column, a group has no row, or two have one in common; or the table can't be read.
    """
    if isinstance(source, str) and source in LADDERS:
        runs = read_runs(source, mapping)
        if by != RUN:
            raise InputError(f"there is no column '{by}'", where=source, remedy="A ladder by name is split by 'run'")
        chosen = [runs.only([group]) for group in groups]
        _refuse_shared([set(each.names) for each in chosen], groups, f"{source}, column '{by}'")
        return tuple(chosen)
    raw, table_map = raw_table(source, mapping)
    column = by if by in raw.cells else table_map.columns.get(by, by)
    if column not in raw.cells:
        raise InputError(f"there is no column '{by}'", where=raw.place.source, remedy=did_you_mean(by, raw.cells))
    cells = ["" if cell is None else str(cell) for cell in raw.cells[column]]
    where = f"{raw.place.source}, column '{column}'"
    rows = [[i for i, cell in enumerate(cells) if _matches(cell, group)] for group in groups]
    for group, mine in zip(groups, rows, strict=True):
        if not mine:
            there = list(dict.fromkeys(cell for cell in cells if cell))
            raise InputError(f"no row has '{group}'", where=where, remedy=f"There is: {some_of(there, 8) or 'nothing'}")
    _refuse_shared([set(mine) for mine in rows], groups, where)
    return tuple(_part(raw, mine, table_map, column) for mine in rows)


def _matches(cell: str, group: str) -> bool:
    """Whether a cell is of a group: as text, by a pattern, or as a number."""
    if cell == group or fnmatchcase(cell, group):
        return True
    try:
        return float(cell) == float(group)
    except ValueError:
        return False


def _refuse_shared(groups: Sequence[set[Any]], names: Sequence[str], where: str) -> None:
    if any(one & other for i, one in enumerate(groups) for other in groups[:i]):
        listed = " and ".join(f"'{name}'" for name in names)
        raise InputError(f"{listed} have rows in common", where=where, remedy="Give groups that exclude each other")


def _part(raw: RawTable, rows: Sequence[int], table_map: TableMap, by: str) -> Runs:
    """Some rows of a table, without the column that tells them apart, if it is none that runs have."""
    place = raw.place
    numbers = [int(place.row[i]) if place.row is not None else i + 1 for i in rows]
    known = {RUN, table_map.columns.get(RUN, RUN)}
    kept = [name for name in raw.cells if name != by or by in known or "/" in by]
    cells = {name: [raw.cells[name][i] for i in rows] for name in kept}
    return table_runs(RawTable(cells, Place(place.source, numbers, place.lines)), table_map)
