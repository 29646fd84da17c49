"""Cells of one canonical column into its values: units, scales, products of columns, and the states of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.build import Place
from flpjax.ladder.grouped import GROUP
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.cells import flags, names, numbers
from flpjax.readers.table_map import TableMap

POINTS_FLOOR = 0.05  # a task with a chance level above this never scores below 1 point in every row


@dataclass(frozen=True)
class RenamedPlace(Place):
    """Names a column as the file does, and says what it stands for."""

    theirs: Mapping[str, str] = field(default_factory=dict)
    within: Place | None = None
    """How the table itself names rows, of several files."""
    kept: Sequence[int] | None = None
    """``(row,)`` rows of the table, where some were left out."""

    def at(self, i: int, column: str) -> str:
        """``file, row 7 (line 8), column 'Tokens' (tokens)`` for the i-th value."""
        theirs = self.theirs.get(column, column)
        row = i if self.kept is None else int(self.kept[i])
        found = super().at(row, theirs) if self.within is None else self.within.at(row, theirs)
        return found + ("" if theirs == column else f" ({column})")

    def rows(self, keep: NDArray[np.bool_]) -> RenamedPlace:
        """Of the rows where ``keep`` ``(row,)`` is true."""
        kept = np.flatnonzero(keep).tolist()
        return RenamedPlace(self.source, self.row, self.lines, self.theirs, self.within, kept)


def converted(
    name: str, their: str, cells: Mapping[str, Sequence[object]], place: Place, table_map: TableMap
) -> NDArray[Any]:
    """``(row,)`` values of a canonical column.

    Args:
        name: Its name.
        their: The table's name of it.
        cells: The table's cells by column.
        place: How to name a row in messages.
        table_map: What a mapping says about the table.

    Raises:
        InputError: A cell can't be what the column says.
    """
    if name in ("run", GROUP):
        return names(cells[their], name, place)
    if name == "final" and table_map.finished:
        states = names(cells[their], name, place)
        return np.array([str(state or "").lower() in table_map.finished for state in states], bool)
    if name in ("final", "held_out"):
        return flags(cells[their], name, place)
    if name in table_map.products:
        values = _product(table_map.products[name], cells, place)
    else:
        values = numbers(cells[their], name, place)
    unit = table_map.units.get(name)
    if unit is not None:
        values = _in_canonical_unit(values, unit, name, place)
    group, _, task = name.partition("/")
    if group not in ("score", "stderr") or table_map.scales.get(task, "fraction") == "fraction":
        return values
    return _fractions(values, table_map.tasks[task], name, place, table_map)


def without_step_zero(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """``(row,)`` which rows to keep: not those of models before their training, with neither steps nor tokens."""
    size = columns.get("tokens", columns.get("flops"))
    if size is None or "step" not in columns:
        return np.ones(len(columns["run"]), bool)
    return np.asarray(~((columns["step"] == 0) & (size == 0)))


def ends_of_finished(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """``(row,)`` the last row of each run whose rows say that it has ended."""
    progress = columns["tokens" if "tokens" in columns else "flops"]
    last: dict[object, int] = {}
    for i, run in enumerate(columns["run"]):
        if run not in last or progress[i] >= progress[last[run]]:
            last[run] = i
    final = np.zeros(len(progress), bool)
    final[list(last.values())] = True
    return final & columns["final"]


def _product(parts: Sequence[str | float], cells: Mapping[str, Sequence[object]], place: Place) -> NDArray[Any]:
    """``(row,)`` product of columns and numbers; NaN where a cell of any is blank."""
    columns = [numbers(cells[part], part, place) for part in parts if isinstance(part, str)]
    with np.errstate(over="ignore", invalid="ignore"):  # what is out of range is refused with its row
        factor = float(np.prod([part for part in parts if not isinstance(part, str)]))
        return np.asarray(np.prod(np.stack(columns), axis=0) * factor)


def _in_canonical_unit(values: NDArray[Any], unit: Unit, name: str, place: Place) -> NDArray[Any]:
    if unit.logarithm:
        for i in np.flatnonzero(values <= 1.0)[:1]:
            raise InputError(
                f"got {values[i]:.6g}, but a {unit.name} is above 1",
                where=place.at(i, name),
                remedy='Correct the row, or declare another unit, say "nats"',
            )
    return unit.canonical(values)


def _fractions(values: NDArray[Any], task: Task, name: str, place: Place, table_map: TableMap) -> NDArray[Any]:
    """Scores, or their standard errors, from a task's own scale."""
    score = name.startswith("score/")
    if table_map.scales[task.name] == "centred":
        return np.asarray(task.chance + values * (1.0 - task.chance) if score else values * (1.0 - task.chance))
    for i in np.flatnonzero((values < 0) | (values > 100))[:1]:
        raise InputError(
            f"got {values[i]:.6g}, but it must be in points from 0 to 100",
            where=place.at(i, name),
            remedy="Correct the row, or leave it out",
        )
    measured = values[~np.isnan(values)]
    if score and task.chance > POINTS_FLOOR and len(measured) and measured.max() <= 1:
        raise InputError(
            f"no score is above {measured.max():.3g}, so these look like fractions, not points",
            where=place.at(int(np.nanargmax(values)), name),
            remedy=f'Declare scale = "fraction" under [tasks.{task.name}] of {table_map.where}',
        )
    return np.asarray(values / 100.0)
