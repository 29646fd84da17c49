"""The join table: what a source does not say of its models or runs, filled in by the user from a template."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from flpjax.errors import InputError, count, did_you_mean, some_of
from flpjax.ladder.build import is_canonical
from flpjax.readers.cells import flags, is_blank, names, numbers
from flpjax.readers.formats.files import require, table
from flpjax.readers.formats.join_by_step import Checkpoints, with_checkpoints
from flpjax.readers.formats.records import AUXILIARY, Records, RunRecords, columns_of_rows
from flpjax.readers.formats.spelt import SUFFIXED, TIMES
from flpjax.readers.raw import RawTable, refuse_irregular

MODEL, RUN = "model", "run"
FLAGS = ("final", "held_out")
WHOLE = ("tokens", "flops")
"""What a join table tells of a whole run, if a run has several rows and its models no names of their own."""
SAME = 0.01
"""How far tokens or FLOPs of a join table may be from the source's own and be those of the template, which may be of a
row that has none in the source."""
SIZES = ("params", "tokens", "flops")
MOST_LISTED = 6


@dataclass(frozen=True)
class JoinTable:
    """A join table.

    Attributes:
        path: The file.
        key: ``model`` or ``run``.
        rows: Key → canonical or auxiliary name → value; what is blank is not there.
        runs: Model → the run that it is a checkpoint of.
        checkpoints: Of a table with several rows a run, that is a ladder itself: they are joined by step.
    """

    path: Path
    key: str
    rows: Mapping[str, Mapping[str, float]]
    runs: Mapping[str, str]
    checkpoints: Checkpoints = field(default_factory=dict)


def read_join(path: Path) -> JoinTable:
    """Read a join table.

    Raises:
        InputError: It can't be read, has no key, a key twice, a column that nobody knows, or a cell that is no number.
    """
    require(path)
    refuse_irregular(path, "CSV or Parquet file")
    raw = table(path)
    where = str(path)
    key = next((name for name in (MODEL, RUN) if name in raw.cells), None)
    if key is None:
        raise InputError(
            "there is no column 'model' and none 'run'", where=where, remedy="Begin with the template of flpjax import"
        )
    known = [*AUXILIARY, "params", "tokens", "flops", "step", *FLAGS, "loss/<domain>", "score/<task>", "mix/<source>"]
    for name in raw.cells:
        if name not in (MODEL, RUN, *AUXILIARY) and not is_canonical(name):
            raise InputError(
                "no such column can be joined", where=f"{where}, column '{name}'", remedy=did_you_mean(name, known)
            )
    keys = names(raw.cells[key], key, raw.place)
    columns = {name: _column(name, raw) for name in raw.cells if name not in (MODEL, RUN)}
    ladder = (
        key == RUN and "step" in columns and bool(np.isfinite(columns["step"]).all()) and len(set(keys)) < len(keys)
    )
    rows: dict[str, dict[str, float]] = {}
    checkpoints: dict[str, list[tuple[float, dict[str, float]]]] = {}
    for i, each in enumerate(keys):
        if each is None:
            raise InputError(f"the {key} is blank", where=raw.place.at(i, key), remedy="Name it, or remove the row")
        values = {name: float(v[i]) for name, v in columns.items() if not math.isnan(v[i])}
        for name in SIZES if not ladder else ():
            if values.get(name, 1.0) <= 0.0:
                raise InputError(
                    f"got {values[name]:g}, but it must be positive",
                    where=raw.place.at(i, name),
                    remedy="Correct it, or leave it blank",
                )
        if ladder:
            checkpoints.setdefault(str(each), []).append((values["step"], values))
        elif each in rows:
            remedy = f"Keep one of the rows{', or give the step of each' if key == RUN else ''}"
            raise InputError(f"'{each}' stands twice", where=raw.place.at(i, key), remedy=remedy)
        rows[str(each)] = values
    runs = names(raw.cells[RUN], RUN, raw.place) if key == MODEL and RUN in raw.cells else [None] * len(keys)
    of_run = {str(k): str(r) for k, r in zip(keys, runs, strict=True) if r is not None}
    return JoinTable(path, key, rows, of_run, checkpoints)


def joined(records: Records, join: JoinTable) -> Records:
    """Records with what a join table says of them; models that it hasn't got are left out.

    Raises:
        InputError: It has none of them.
    """
    if join.checkpoints:
        return with_checkpoints(records, join.checkpoints, str(join.path))
    parts: list[RunRecords] = []
    spread: list[str] = []
    lacking: list[str] = []
    used: set[str] = set()
    notes = list(records.notes)
    for run in records.runs:
        keys = list(run.models) if join.key == MODEL else [run.run] * len(run)
        there = np.array([key in join.rows for key in keys], bool)
        lacking += [key for key, found in zip(keys, there, strict=True) if not found]
        used |= set(keys) & join.rows.keys()
        kept = [i for i in range(len(run)) if there[i]]
        if not kept:
            continue
        added = [dict(join.rows[keys[i]]) for i in kept]
        if len(kept) > 1 and len({keys[i] for i in kept}) == 1:
            _without_known(run, added)
        if len(kept) > 1 and len({keys[i] for i in kept}) == 1 and any(name in added[0] for name in WHOLE):
            _spread(run, kept, added)
            spread.append(run.run)
        columns = {name: values[kept] for name, values in run.columns.items()}
        for name, values in columns_of_rows(added).items():
            columns[name] = np.where(np.isnan(values), columns.get(name, values), values)
        places, models = [run.places[i] for i in kept], [run.models[i] for i in kept]
        new = replace(run, columns=columns, places=places, models=models)
        parts += _regrouped(new, join)
    if not parts:
        raise InputError(
            f"no {join.key} of it is in {records.source}",
            where=str(join.path),
            remedy=f"There is: {some_of(list(dict.fromkeys(lacking)), MOST_LISTED)}",
        )
    if spread:
        words = f"tokens and FLOPs of {join.path} are those of the ends of runs, shared out by their steps"
        notes.append(f"{words}: {some_of(spread, MOST_LISTED)}")
    lacking = list(dict.fromkeys(lacking))
    if lacking:
        notes.append(f"{count(len(lacking), join.key)} not in {join.path}, left out: {some_of(lacking, MOST_LISTED)}")
    more = [key for key in join.rows if key not in used]
    if more:
        notes.append(
            f"{count(len(more), 'row')} of {join.path} of which nothing was found: {some_of(more, MOST_LISTED)}"
        )
    return replace(records, runs=tuple(merged(parts)), notes=tuple(notes))


def merged(parts: Iterable[RunRecords]) -> list[RunRecords]:
    """Records of one run put under each other."""
    by_run: dict[str, list[RunRecords]] = {}
    for part in parts:
        by_run.setdefault(part.run, []).append(part)
    return [_stacked(same) if len(same) > 1 else same[0] for same in by_run.values()]


def template(records: Records) -> str:
    """CSV text of a join table to fill in: what is known stands in it already, the models of a run by their steps."""
    models = [(run, i, run.models[i]) for run in records.runs for i in np.argsort(run.column("step"), kind="stable")]
    by_model = len({model for _, _, model in models}) == len(models) and any(m != r.run for r, _, m in models)
    stepped = any("step" in run.columns for run in records.runs)
    columns = [*SIZES, *(("step", "batch", "context") if stepped and by_model else ())]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*((MODEL, RUN) if by_model else (RUN,)), *columns])
    if by_model:
        for run, i, model in models:
            writer.writerow([model, run.run, *(_known(float(run.column(name)[i])) for name in columns)])
    else:
        for run in records.runs:
            writer.writerow([run.run, *(_known(_whole(run, name)) for name in columns)])
    return text.getvalue()


def _without_known(run: RunRecords, added: Sequence[dict[str, float]]) -> None:
    """Take out what the template said of the whole run, where the source says it of its rows."""
    for name in WHOLE:
        stated = added[0].get(name, math.nan)
        if abs(_whole(run, name) - stated) <= SAME * abs(stated):
            for row in added:
                del row[name]


def _spread(run: RunRecords, kept: Sequence[int], added: Sequence[dict[str, float]]) -> None:
    """Share tokens and FLOPs of a whole run out over its rows by their steps."""
    steps = run.column("step")[kept]
    last = np.nanmax(steps) if np.isfinite(steps).any() else math.nan
    for name in (n for n in WHOLE if n in added[0]):
        whole = added[0][name]
        for row, step in zip(added, steps, strict=True):
            share = step / last
            row[name] = whole * float(share)
            if math.isnan(row[name]):
                del row[name]


def _regrouped(run: RunRecords, join: JoinTable) -> list[RunRecords]:
    """Rows under the runs that the join table gives their models."""
    by_run: dict[str, list[int]] = {}
    for i, model in enumerate(run.models):
        by_run.setdefault(join.runs.get(model, run.run), []).append(i)
    return [
        replace(
            run,
            run=name,
            columns={column: values[rows] for column, values in run.columns.items()},
            places=[run.places[i] for i in rows],
            models=[run.models[i] for i in rows],
        )
        for name, rows in by_run.items()
    ]


def _stacked(parts: Sequence[RunRecords]) -> RunRecords:
    groups = list(dict.fromkeys(part.group for part in parts))
    if len(groups) > 1:
        raise InputError(
            f"run '{parts[0].run}' is of the groups {some_of(groups, MOST_LISTED)}",
            where=parts[-1].places[0],
            remedy="Give each training a run name of its own",
        )
    every = dict.fromkeys(name for part in parts for name in part.columns)
    ended = [part.ended for part in parts if part.ended is not None]
    return RunRecords(
        parts[0].run,
        {name: np.concatenate([part.column(name) for part in parts]) for name in every},
        [place for part in parts for place in part.places],
        [model for part in parts for model in part.models],
        ended[-1] if ended else None,
        parts[0].group,
    )


def _column(name: str, raw: RawTable) -> np.ndarray:
    if name in FLAGS:
        blank = np.array([is_blank(cell) for cell in raw.cells[name]])
        return np.where(blank, np.nan, flags(raw.cells[name], name, raw.place).astype(np.float64))
    return numbers([_spelt_out(cell) for cell in raw.cells[name]], name, raw.place)


def _spelt_out(cell: object) -> object:
    """``160M`` → 160000000.0, as people write sizes."""
    found = SUFFIXED.fullmatch(cell.strip()) if isinstance(cell, str) else None
    return cell if found is None else float(found[1]) * TIMES[found[2].upper()]


def _whole(run: RunRecords, name: str) -> float:
    """What is known of a whole run: the largest value."""
    values = run.column(name)
    return float(np.nanmax(values)) if np.isfinite(values).any() else math.nan


def _known(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.15g}"
