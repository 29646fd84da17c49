"""Panel exports of Weights & Biases: one column a run and metric, beside it its smallest and largest values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flpjax.errors import InputError
from flpjax.readers.formats.columns import Column, canonical_values, chosen_columns, read_columns
from flpjax.readers.formats.names import Meaning, meaning_of
from flpjax.readers.formats.records import Choices, RunRecords
from flpjax.readers.formats.wandb_tables import AGAIN
from flpjax.readers.raw import RawTable

SEPARATOR = " - "
ENDS = re.compile(r"__(MIN|MAX)$")
AXES = ("step", "tokens", "flops")


def is_panel(names: Sequence[str]) -> bool:
    """Whether columns are those of a panel: a first one, and ``run - metric``, with ``__MIN`` and ``__MAX`` of some."""
    rest = names[1:]
    return bool(rest) and all(SEPARATOR in name for name in rest) and SEPARATOR not in names[0]


def metrics_of(names: Sequence[str]) -> list[str]:
    """The metrics of a panel's columns."""
    return list(dict.fromkeys(name.rpartition(SEPARATOR)[2] for name in names[1:] if not ENDS.search(name)))


def is_bucketed(raw: RawTable) -> bool:
    """Whether points are means of several that were logged: smallest and largest values differ."""
    for name in raw.cells:
        least, most = raw.cells.get(f"{name}__MIN"), raw.cells.get(f"{name}__MAX")
        if least is not None and most is not None and any(a != b for a, b in zip(least, most, strict=True)):
            return True
    return False


def panel_records(raw: RawTable, path: Path, choices: Choices) -> tuple[list[RunRecords], dict[str, Column], int]:
    """Runs of a panel, its metrics as columns, and how many cells held NaN or infinity.

    Raises:
        InputError: Its axis is neither steps nor tokens nor FLOPs, or a cell is no number.
    """
    names = list(raw.cells)
    axis = meaning_of(names[0])
    if axis is None or axis.canonical not in AXES:
        raise InputError(
            f"the panel is over '{names[0]}'",
            where=str(path),
            remedy="Set the panel's x axis to Step, or to a metric of tokens, and export it again",
        )
    taken, _ = chosen_columns(metrics_of(names), choices)
    by_metric = {column.theirs: canonical for canonical, column in taken.items()}
    at, _ = read_columns(raw.cells, {axis.canonical: Column(names[0], axis)}, raw.place)
    found, diverged = [], 0
    for name in (n for n in names[1:] if not ENDS.search(n)):
        run, _, metric = name.removeprefix("Group: ").rpartition(SEPARATOR)
        canonical = by_metric.get(metric)
        if canonical is None:
            continue
        plain = Column(name, Meaning(canonical))
        values, odd = read_columns(raw.cells, {canonical: plain}, raw.place)
        diverged += odd
        rows = np.flatnonzero(np.isfinite(values[canonical]))
        converted = canonical_values(values[canonical][rows], taken[canonical].meaning, raw.place, name, rows.tolist())
        columns = {axis.canonical: at[axis.canonical][rows], canonical: converted}
        places = [raw.place.row_at(int(row)) for row in rows]
        own = AGAIN.sub("", run) or run
        found.append(RunRecords(own, columns, places, [own] * len(places)))
    return found, taken, diverged
