"""Changes of a table before it is written: cells, columns, rows."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from typing import Any

from benchmarks.fuzz.values import CELLS, NAMES, damaged

Table = list[tuple[str, list[Any]]]
"""Columns in their order; a name may stand twice."""

SCALES = (1e-9, 1e-6, 1e-3, -1.0, 0.0, 1e3, 1e6, 1e9, 1e50, 1e300)
MANY = 300  # columns of a wide table


def changed(table: Table, rng: random.Random, cell: Callable[[random.Random], Any] | None = None) -> Table:
    """One change of a table.

    Args:
        table: The columns.
        rng: What draws it.
        cell: What draws a cell to put in; a text by default.
    """
    if not table or not table[0][1]:
        return table
    draw = cell or (lambda r: r.choice(CELLS))
    at, rows = rng.randrange(len(table)), len(table[0][1])
    name, cells = table[at]

    def with_column(new: list[Any], new_name: str = name) -> Table:
        return [*table[:at], (new_name, new), *table[at + 1 :]]

    def with_rows(keep: list[int]) -> Table:
        return [(n, [c[i] for i in keep]) for n, c in table]

    match rng.randrange(14):
        case 0 | 1 | 2 | 3:
            return with_column([draw(rng) if i == rng.randrange(rows) else c for i, c in enumerate(cells)])
        case 4:
            return with_column([draw(rng) for _ in cells])
        case 5:
            return with_column([None if rng.random() < 0.5 else c for c in cells])
        case 6:
            scale = rng.choice(SCALES)
            return with_column([c * scale if isinstance(c, int | float) else c for c in cells])
        case 7:
            return with_column(cells, rng.choice(NAMES))
        case 8:
            return [*table[:at], *table[at + 1 :]]
        case 9:
            return [*table, (rng.choice((name, *NAMES)), list(cells))]
        case 10:
            return with_column([cells[0]] * rows)
        case 11:
            return with_rows(rng.choices(range(rows), k=rng.choice((0, 1, 2, rows, 2 * rows))))
        case 12:
            return with_rows(sorted(rng.sample(range(rows), rng.randrange(rows + 1))))
    return [*table, *((f"{rng.choice(('loss', 'score', 'x'))}/{i}", list(cells)) for i in range(MANY))]


def csv_of(table: Table, rng: random.Random | None) -> bytes:
    """The table as CSV; with an ``rng``, now and then in a dialect of its own, and now and then damaged."""
    out = io.StringIO()
    if rng is None or rng.random() < 0.9:
        writer = csv.writer(out, lineterminator="\n")
    else:
        end = rng.choice(("\r\n", "\r", "\n\n", ",\n"))
        delimiter = rng.choice(",;\t|")
        if rng.random() < 0.5:
            writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        else:
            writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow([name for name, _ in table])
    writer.writerows(zip(*(cells for _, cells in table), strict=True))
    data = out.getvalue().encode()
    if rng is None:
        return data
    for _ in range(rng.choice((0, 0, 0, 0, 1, 3)) if data else 0):
        data = damaged(data, rng)
    return data
