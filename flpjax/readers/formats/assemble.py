"""Records into a table of runs: joined, sized, one row a step, and checked like any other table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean, some_of
from flpjax.ladder.build import Place, build_runs
from flpjax.ladder.table import Runs
from flpjax.readers.formats.join import JoinTable, joined, merged
from flpjax.readers.formats.names import FEATURE_NAMES
from flpjax.readers.formats.points import fractions
from flpjax.readers.formats.records import AUXILIARY, GROUP, Records, RunRecords
from flpjax.readers.formats.shares import shares
from flpjax.readers.formats.sizes import consistent, sized
from flpjax.readers.formats.steps import TOLERANCE, Ordered, looks_sampled, measured, ordered, rows_of, trainings

MOST_LISTED = 6
BARE, VALIDATION = "loss", "loss/validation"


@dataclass(frozen=True)
class OriginPlace(Place):
    """Names rows as the source does, and what a column is called there."""

    places: Sequence[str] = ()
    origin: Mapping[str, str] = field(default_factory=dict)

    def at(self, i: int, column: str) -> str:
        """``history.csv, row 7, column 'eval/loss' (loss/validation)``."""
        theirs = self.origin.get(column, column)
        return f"{self.places[i]}, column '{theirs}'" + ("" if theirs == column else f" ({column})")


@dataclass(frozen=True)
class Assembled:
    """What became of records.

    Attributes:
        runs: The table; None if it lacks sizes of all runs.
        records: The records, joined and sized.
        lacking: Runs that have neither FLOPs nor both N and D.
        without_params: Whether N is nowhere.
        notes: What was done, in words.
        doubts: What may be wrong, each with a remedy.
    """

    runs: Runs | None
    records: Records
    lacking: tuple[str, ...]
    without_params: bool
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


def assembled(
    records: Records, join: JoinTable | None, constants: Mapping[str, float], allow_negative: Sequence[str] = ()
) -> Assembled:
    """Make records a table of runs.

    Args:
        records: Of any format.
        join: What the source does not say.
        constants: Canonical or auxiliary name → value in rows that lack it.
        allow_negative: Losses, canonical, that may be negative.

    Raises:
        InputError: There is no loss and no score, the join table has none of the runs, or a value can't be.
    """
    records = replace(records, runs=tuple(merged(records.runs)))
    if join is not None:
        records = joined(records, join)
    runs = [_with_constants(run, constants) for run in records.runs]
    runs, notes = _bare_loss(runs)
    each = [sized(run) for run in runs]
    notes = [*records.notes, *notes, *_with_counts([run_notes for _, run_notes in each])]
    doubts = list(records.doubts)
    runs = [run for run, _ in each]
    if not any(measured(run).any() for run in runs):
        raise InputError(
            "there is no loss and no score in it",
            where=records.source,
            remedy='Name one: --column "loss/c4=THEIR NAME"; --format names the kind of files',
        )
    runs, new_notes = _without_step_zero(runs)
    empty = [run.run for run in runs if not measured(run).any()]
    runs = [run for run in runs if measured(run).any()]
    notes += new_notes
    if empty:
        notes.append(f"{_named(empty)} without any loss or score left out")
    lacking = [run.run for run in runs if not _whole(run)[measured(run)].any()]
    without_params = not any(np.isfinite(run.column("params")).any() or "layers" in run.columns for run in runs)
    records = replace(records, runs=tuple(runs))
    if len(lacking) == len(runs):
        return Assembled(None, records, tuple(lacking), without_params, tuple(notes), tuple(doubts))
    if lacking:
        doubts.append(f"{_named(lacking)} left out: neither FLOPs nor both N and D are known")
    usable = [rows_of(run, np.flatnonzero(_whole(run))) for run in runs if run.run not in lacking]
    usable, new_notes = fractions(usable)
    notes += new_notes
    usable, new_notes = shares(usable)
    notes += new_notes
    usable, new_notes, new_doubts = consistent(usable)
    notes, doubts = notes + new_notes, doubts + new_doubts
    apart = [_trainings(run) for run in usable]
    several = [run.run for run, found in zip(usable, apart, strict=True) if len(found) > 1]
    if several:
        notes.append(f"rows of {_named(several)} go through the same steps several times, and are a run each time")
    by = [ordered(each, name) for found in apart for each, name in found]
    new_notes, new_doubts = _words(by)
    table, left = _table(records, [o.run for o in by], allow_negative)
    return Assembled(
        table, records, tuple(lacking), without_params, (*notes, *new_notes, *left), (*doubts, *new_doubts)
    )


def _table(records: Records, runs: Sequence[RunRecords], allow_negative: Sequence[str]) -> tuple[Runs, list[str]]:
    every = dict.fromkeys(name for run in runs for name in run.columns if name not in AUXILIARY)
    columns: dict[str, NDArray[Any]] = {
        "run": np.repeat(np.array([r.run for r in runs], object), [len(r) for r in runs])
    }
    if any(run.group for run in runs):
        columns[GROUP] = np.repeat(np.array([r.group for r in runs], object), [len(r) for r in runs])
    empty = []
    for name in every:
        values = np.concatenate([run.column(name) for run in runs])
        if np.isfinite(values).any():
            columns[name] = values
        elif name.startswith(("loss/", "score/")):
            empty.append(name)
    in_some = [n for n in columns if n in FEATURE_NAMES and not np.isfinite(columns[n].astype(np.float64)).all()]
    for name in in_some:
        del columns[name]
    for name in [n for n in columns if n.startswith("stderr/") and n.replace("stderr/", "score/") not in columns]:
        del columns[name]
    for name in ("final", "held_out"):
        if name in columns:
            columns[name] = columns[name] == 1.0
    ended = {run.run: run.ended for run in runs if run.ended is not None}
    if ended and "final" not in columns:
        columns["final"] = np.concatenate([_last(run, ended.get(run.run, True)) for run in runs])
        if not columns["final"].any():
            del columns["final"]
    notes = [f"columns without any value left out: {some_of(empty, MOST_LISTED)}"] if empty else []
    notes += [f"left out, since some rows have none: {some_of(in_some, MOST_LISTED)}"] if in_some else []
    place = OriginPlace(records.source, None, False, [p for r in runs for p in r.places], records.origin)
    tasks = {name: task for name, task in records.tasks.items() if f"score/{name}" in columns}
    for name in set(allow_negative) - columns.keys():
        losses = [name for name in columns if name.startswith("loss/")]
        raise InputError(f"there is no '{name}'", where="--allow-negative", remedy=did_you_mean(name, losses))
    table = build_runs(columns, tasks=tasks, source=records.source, place=place, allow_negative=allow_negative)
    shown = {name[5:]: unit for name, unit in records.shown.items() if name in columns}
    return replace(table, shown={d: unit for d, unit in shown.items() if d in table.domains}), notes


def _with_constants(run: RunRecords, constants: Mapping[str, float]) -> RunRecords:
    columns = dict(run.columns)
    for name, value in constants.items():
        there = columns.get(name, np.full(len(run), np.nan))
        columns[name] = np.where(np.isnan(there), value, there)
    return replace(run, columns=columns)


def _bare_loss(runs: Sequence[RunRecords]) -> tuple[list[RunRecords], list[str]]:
    """A column ``loss`` alone is the training loss where there are others, and else the validation loss."""
    if not any(BARE in run.columns for run in runs):
        return list(runs), []
    others = any(name.startswith("loss/") for run in runs for name in run.columns)
    meant = "train_loss" if others else VALIDATION
    kept = []
    for run in runs:
        columns = {name: values for name, values in run.columns.items() if name != BARE}
        if BARE in run.columns:
            columns.setdefault(meant, run.columns[BARE])
        kept.append(replace(run, columns=columns))
    note = "" if others else f"'loss' is read as the validation loss '{VALIDATION}': the only loss there is"
    return kept, [note] if note else []


def _without_step_zero(runs: Sequence[RunRecords]) -> tuple[list[RunRecords], list[str]]:
    """Without rows of models before their training."""
    kept, dropped = [], 0
    for run in runs:
        zero = (run.column("step") == 0) & ~(run.column("tokens") > 0)
        zero |= (run.column("tokens") == 0) | (run.column("flops") == 0)
        dropped += int((zero & measured(run)).sum())
        kept.append(rows_of(run, np.flatnonzero(~zero)))
    return kept, [f"{count(dropped, 'row')} at step 0 left out: nothing had been trained"] if dropped else []


def _whole(run: RunRecords) -> NDArray[np.bool_]:
    """``(row,)`` whether a row has FLOPs, or N and D."""
    n = np.isfinite(run.column("params")) | np.isfinite(run.column("layers"))
    return np.asarray(np.isfinite(run.column("flops")) | (n & np.isfinite(run.column("tokens"))))


def _trainings(run: RunRecords) -> list[tuple[RunRecords, str]]:
    """A run's trainings, and what most of its rows have: steps, else tokens, else FLOPs; rows without are left out."""
    known = {name: np.isfinite(run.column(name)) for name in ("step", "tokens", "flops")}
    by = max(known, key=lambda name: known[name].sum())
    return [(each, by) for each in trainings(rows_of(run, np.flatnonzero(known[by])), by)]


def _last(run: RunRecords, ended: bool) -> NDArray[np.bool_]:
    final = np.zeros(len(run), bool)
    if len(run):
        final[-1] = ended
    return final


def _words(by: Sequence[Ordered]) -> tuple[list[str], list[str]]:
    """What putting rows in order did, and what is doubtful about them."""
    notes = []
    again = [o.run.run for o in by if o.superseded]
    if again:
        rows = sum(o.superseded for o in by)
        notes.append(f"{_named(again)} taken up again: {count(rows, 'row')} of earlier attempts left out")
    joined_rows = sum(o.joined for o in by)
    if joined_rows:
        notes.append(
            f"scores of {count(joined_rows, 'row')} joined to losses logged at other steps, at most "
            f"{max(o.moved for o in by):.2%} away (tolerance: {TOLERANCE:.0%} of the step)"
        )
    twice = [o.run.run for o in by if o.repeated]
    doubts = []
    if twice:
        rows = sum(o.repeated for o in by)
        doubts.append(
            f"{_named(twice)}: {count(rows, 'row')} of steps that stand there again with other values left out: the "
            "last stays. If these are seeds, name them in a column 'seed', or give each a run name of its own"
        )
    sampled = [o.run.run for o in by if looks_sampled(o.run.column("step"))]
    if sampled:
        doubts.append(
            f"{_named(sampled)}: steps are irregular, as in a sampled history; export all rows (scan_history of W&B, "
            "not history)"
        )
    crashed = [o.run.run for o in by if o.run.ended is False]
    if crashed:
        notes.append(f"{_named(crashed)} did not finish: no row of them is final")
    return notes, doubts


def _with_counts(each: Sequence[Sequence[str]]) -> list[str]:
    """Each note once, with the number of runs that it is about."""
    times = Counter(note for one in each for note in one)
    return [f"{note} ({count(number, 'run')})" for note, number in times.items()]


def _named(names: Sequence[str]) -> str:
    return f"{count(len(names), 'run')} ({some_of(names, MOST_LISTED)})"
