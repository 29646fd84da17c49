"""olmix: ``ratios.csv`` and ``metrics.csv``, the mixtures of proxy runs and what each came to, joined on the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.readers.cells import names, numbers
from flpjax.readers.formats.columns import chosen_columns, column_metadata, read_columns
from flpjax.readers.formats.files import files, header, table
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.formats.records import Choices, Floats, Format, Records, RunRecords
from flpjax.readers.raw import RawTable

RATIOS, METRICS = "ratios", "metrics"
KEYS = ("run", "name", "index", "")
SLACK = 0.01  # that rows of rounded weights may miss 1 by
MOST_LISTED = 6


def recognises(path: Path) -> bool:
    """Whether a folder has both files, or a file is one of them and the other lies beside it."""
    return _pair(path) is not None


def read(path: Path, choices: Choices) -> Records:
    """Read both files.

    Raises:
        InputError: One is missing, a run stands twice, weights don't sum to 1, or a cell is no number.
    """
    pair = _pair(path)
    if pair is None:
        raise InputError(
            "there are no ratios.csv and metrics.csv with a column 'run'", where=str(path), remedy="Name their folder"
        )
    ratios, metrics = table(pair[0]), table(pair[1])
    weights = _weights(ratios)
    place = {str(run): i for i, run in enumerate(names(ratios.cells["run"], "run", ratios.place))}
    if len(place) < len(ratios.cells["run"]):
        raise InputError("a run stands twice", where=f"{pair[0]}, column 'run'", remedy="Keep one of its rows")
    own = [name for name in metrics.cells if name not in KEYS]
    unknown = [name for name in own if meaning_of(name) is None and name not in choices.columns.values()]
    plain = {f"loss/{name}": name for name in unknown}
    taken, notes = chosen_columns(own, replace(choices, columns={**plain, **choices.columns}))
    if unknown:
        notes.append(f"taken for losses, lower is better: {some_of(unknown, MOST_LISTED)}")
    measured, _ = read_columns(metrics.cells, taken, metrics.place)
    found, without_mixture = [], []
    for i, name in enumerate(names(metrics.cells["run"], "run", metrics.place)):
        at = place.get(str(name))
        if at is None:
            without_mixture.append(str(name))
            continue
        columns = {c: v[i : i + 1] for c, v in measured.items()} | {c: v[at : at + 1] for c, v in weights.items()}
        found.append(RunRecords(str(name), columns, [metrics.place.at(i, "run")], [str(name)]))
    measured_runs = {run.run for run in found}
    for what, missing in (("mixture", without_mixture), ("metric", [r for r in place if r not in measured_runs])):
        if missing:
            notes.append(f"{count(len(missing), 'run')} without any {what} left out: {some_of(missing, MOST_LISTED)}")
    tasks, origin, shown = column_metadata(taken)
    return Records(str(path), tuple(found), tasks, origin, shown, tuple(notes))


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


def _pair(path: Path) -> tuple[Path, Path] | None:
    """The two files, each with a column ``run``."""
    there = files(path, (".csv",)) if path.is_dir() else sorted(path.parent.glob("*.csv"))
    found = {}
    for kind in (RATIOS, METRICS):
        named = [each for each in there if each.stem.lower() == kind or each.stem.lower().endswith(f"_{kind}")]
        found[kind] = next((each for each in named if "run" in header(each)), None)
    ratios, metrics = found[RATIOS], found[METRICS]
    if ratios is None or metrics is None or (path.is_file() and path not in (ratios, metrics)):
        return None
    return ratios, metrics


OLMIX = Format("olmix", "ratios.csv and metrics.csv of olmix, in one folder", recognises, read)
