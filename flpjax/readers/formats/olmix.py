"""Mixtures of proxy runs in one table and what each came to in another, joined on the run or its index.

olmix writes ``ratios.csv`` and ``metrics.csv``, RegMix ``train_mixture_1m.csv`` and ``train_pile_loss_1m.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.readers.cells import names, numbers
from flpjax.readers.formats.columns import Column, chosen_columns, column_metadata, read_columns
from flpjax.readers.formats.files import files, header, table
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.formats.records import Choices, Floats, Format, Records, RunRecords
from flpjax.readers.raw import RawTable

RATIOS = re.compile(r"(?:^|(?<=_))(?:ratios|mixtures?)(?=_|$)", re.IGNORECASE)
METRICS = re.compile(r"(?:^|(?<=_))(?:metrics|(?:pile_)?loss(?:es)?)(?=_|$)", re.IGNORECASE)
"""What names of files say of what is in them; without it, those of a pair are the same."""
JOINED_ON = ("run", "index")
KEYS = (*JOINED_ON, "name", "")
SLACK = 0.01  # that rows of rounded weights may miss 1 by
MOST_LISTED = 6


def recognises(path: Path) -> bool:
    """Whether a folder has a pair of files, or a file is one of a pair and the other lies beside it."""
    return bool(_pairs(path))


def read(path: Path, choices: Choices) -> Records:
    """Read the pairs of files at a path.

    Raises:
        InputError: There is none, a run stands twice, weights don't sum to 1, or a cell is no number.
    """
    pairs = _pairs(path)
    if not pairs:
        raise InputError(
            "there are no ratios.csv and metrics.csv with a column 'run'", where=str(path), remedy="Name their folder"
        )
    tables = {shared: (table(ratios), table(metrics)) for shared, (ratios, metrics) in pairs.items()}
    own = dict.fromkeys(name for _, metrics in tables.values() for name in metrics.cells if name not in KEYS)
    unknown = [name for name in own if meaning_of(name) is None and name not in choices.columns.values()]
    plain = {f"loss/{name}": name for name in unknown}
    taken, notes = chosen_columns(own, replace(choices, columns={**plain, **choices.columns}))
    if unknown:
        notes.append(f"taken for losses, lower is better: {some_of(unknown, MOST_LISTED)}")
    found: list[RunRecords] = []
    for shared, (ratios, metrics) in tables.items():
        runs, more = _joined(ratios, metrics, taken)
        if len(tables) > 1:
            runs = [replace(run, run=f"{shared}: {run.run}", models=[f"{shared}: {run.run}"]) for run in runs]
        found += runs
        notes += more
    tasks, origin, shown = column_metadata(taken)
    return Records(str(path), tuple(found), tasks, origin, shown, tuple(notes))


def _joined(ratios: RawTable, metrics: RawTable, taken: Mapping[str, Column]) -> tuple[list[RunRecords], list[str]]:
    """The runs of one pair, and which were left out, in words.

    Raises:
        InputError: A run stands twice, weights don't sum to 1, or a cell is no number.
    """
    by = next(name for name in JOINED_ON if name in ratios.cells and name in metrics.cells)
    weights = _weights(ratios)
    place = {str(run): i for i, run in enumerate(names(ratios.cells[by], by, ratios.place))}
    if len(place) < len(ratios.cells[by]):
        raise InputError(
            "a run stands twice", where=f"{ratios.place.source}, column '{by}'", remedy="Keep one of its rows"
        )
    measured, _ = read_columns(metrics.cells, taken, metrics.place)
    found, notes, without_mixture = [], [], []
    for i, name in enumerate(names(metrics.cells[by], by, metrics.place)):
        at = place.get(str(name))
        if at is None:
            without_mixture.append(str(name))
            continue
        columns = {c: v[i : i + 1] for c, v in measured.items()} | {c: v[at : at + 1] for c, v in weights.items()}
        found.append(RunRecords(str(name), columns, [metrics.place.at(i, by)], [str(name)]))
    measured_runs = {run.run for run in found}
    for what, missing in (("mixture", without_mixture), ("metric", [r for r in place if r not in measured_runs])):
        if missing:
            notes.append(f"{count(len(missing), 'run')} without any {what} left out: {some_of(missing, MOST_LISTED)}")
    return found, notes


def _weights(ratios: RawTable) -> dict[str, Floats]:
    """``mix/<source>`` → ``(run,)``.

    Raises:
        InputError: A row sums to something else than 1.
    """
    sources = [name for name in ratios.cells if name not in KEYS]
    if not sources:
        where = f"{ratios.place.source}"
        raise InputError("there is no column of a source", where=where, remedy="Give the share of each beside 'run'")
    weights = {f"mix/{name}": numbers(ratios.cells[name], name, ratios.place) for name in sources}
    total = np.sum(list(weights.values()), axis=0)
    for i in np.flatnonzero(~(np.abs(total - 1.0) <= SLACK))[:1].tolist():
        at = ratios.place.at(i, sources[0])
        raise InputError(f"the weights sum to {total[i]:.4g}, not to 1", where=at, remedy="Correct the row")
    return weights


def _pairs(path: Path) -> dict[str, tuple[Path, Path]]:
    """What the names of the two files of a pair have in common → those of mixtures and of metrics."""
    there = files(path, (".csv",)) if path.is_dir() else sorted(path.parent.glob("*.csv"))
    found: dict[str, dict[re.Pattern[str], Path]] = {}
    for each in there:
        for kind in (RATIOS, METRICS):
            if kind.search(each.stem):
                shared = "_".join(word for word in kind.sub("", each.stem).split("_") if word)
                found.setdefault(shared, {}).setdefault(kind, each)
    pairs = {shared: (kinds[RATIOS], kinds[METRICS]) for shared, kinds in found.items() if len(kinds) == 2}
    pairs = {
        shared: pair
        for shared, pair in pairs.items()
        if any(name in header(pair[0]) and name in header(pair[1]) for name in JOINED_ON)
    }
    return {shared: pair for shared, pair in pairs.items() if path.is_dir() or path in pair}


OLMIX = Format(
    "olmix", "ratios.csv and metrics.csv of olmix, mixtures and losses of RegMix, in one folder", recognises, read
)
