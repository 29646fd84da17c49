"""Rows of one run put in order: attempts that were taken up again, and values logged in rows of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flpjax.readers.formats.records import Floats, RunRecords

TOLERANCE = 0.01
"""How far apart in a row's own step a loss and a score may have been logged to be taken together: over one per cent of
its tokens a loss falls by about a tenth of a per cent, which is less than an evaluation's noise."""
MOST_RESTARTS = 0.1  # of the rows: where steps fall more often, rows are in no order, and nothing was taken up again
REGULAR, ROWS = 0.5, 20  # share of gaps of the most common length, below which a history of so many rows was sampled
SAMPLES = 500  # rows that the W&B client returns of a history unless told otherwise


@dataclass(frozen=True)
class Ordered:
    """A run with one row a step.

    Attributes:
        run: The run.
        superseded: Rows of attempts that were given up.
        repeated: Rows of a step that stands in others, too, with other values, of which the last stayed.
        moved: The largest distance, relative to the step, over which a value was moved to another row; 0 if none was.
        joined: Rows that took values of another.
    """

    run: RunRecords
    superseded: int = 0
    repeated: int = 0
    moved: float = 0.0
    joined: int = 0


def measured(run: RunRecords) -> NDArray[np.bool_]:
    """``(row,)`` whether a loss or a score stands in a row."""
    there = np.zeros(len(run), bool)
    for name, values in run.columns.items():
        if name.startswith(("loss/", "score/")):
            there |= np.isfinite(values)
    return there


def rows_of(run: RunRecords, rows: Sequence[int] | NDArray[np.int64]) -> RunRecords:
    """Some rows, in this order."""
    kept = [int(i) for i in rows]
    return replace(
        run,
        columns={name: values[kept] for name, values in run.columns.items()},
        places=[run.places[i] for i in kept],
        models=[run.models[i] for i in kept],
    )


def ordered(run: RunRecords, by: str) -> Ordered:
    """One row a step: later attempts stand for earlier ones, and losses, scores and training losses are put together.

    Args:
        run: The run, in the order of its source.
        by: ``step``, ``tokens`` or ``flops``: what orders its rows; blank nowhere.
    """
    at = run.column(by)
    run, superseded = _last_attempts(run, at)
    run = rows_of(run, np.argsort(run.column(by), kind="stable"))
    run, repeated = _one_a_step(run, by)
    return replace(_taken_together(run, by), superseded=superseded, repeated=repeated)


def trainings(run: RunRecords, by: str) -> list[RunRecords]:
    """A run apart, if its rows go through the same steps several times from beginning to end: as seeds of one name do.

    Args:
        run: The run, in the order of its source.
        by: As of :func:`ordered`.
    """
    at = run.column(by)
    parts = [part for part in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) < 0) + 1) if len(part)]
    ends = {(float(at[part[0]]), float(at[part[-1]])) for part in parts}
    if len(parts) < 2 or len(ends) > 1 or min(map(len, parts)) < 2 or not set.intersection(*_logged(run, parts)):
        return [run]
    return [replace(rows_of(run, part), run=f"{run.run} ({i + 1})") for i, part in enumerate(parts)]


def _logged(run: RunRecords, parts: Sequence[NDArray[np.int64]]) -> list[set[str]]:
    """What is measured in each part of the rows."""
    measures = {n: v for n, v in run.columns.items() if n.startswith(("loss", "score/", "train_loss"))}
    return [{name for name, values in measures.items() if np.isfinite(values[part]).any()} for part in parts]


def looks_sampled(steps: Floats) -> bool:
    """Whether the steps at which something was logged are some at random of those there were."""
    steps = np.unique(steps[np.isfinite(steps)])
    if len(steps) == SAMPLES:
        return True
    if len(steps) < ROWS:
        return False
    _, times = np.unique(np.diff(steps), return_counts=True)
    return bool(times.max() < REGULAR * (len(steps) - 1))


def _last_attempts(run: RunRecords, at: Floats) -> tuple[RunRecords, int]:
    """Without the rows after which a run was taken up again at an earlier step, and logged the same again."""
    falls = np.flatnonzero(np.diff(at) < 0) + 1
    if not len(falls) or len(falls) > MOST_RESTARTS * len(at):
        return run, 0
    parts = np.split(np.arange(len(at)), falls)
    logged = _logged(run, parts)
    keep = np.ones(len(at), bool)
    for i, part in enumerate(parts):
        again = [at[parts[j][0]] for j in range(i + 1, len(parts)) if logged[i] & logged[j]]
        keep[part] = at[part] <= min(again, default=np.inf)
    return rows_of(run, np.flatnonzero(keep)), int((~keep).sum())


def _one_a_step(run: RunRecords, by: str) -> tuple[RunRecords, int]:
    """Rows of one step as one, the last value of each column, and how many had another value of a loss or a score."""
    at = run.column(by)
    first = np.append(True, at[1:] != at[:-1])
    if first.all():
        return run, 0
    group = np.cumsum(first) - 1
    columns, other = {}, np.zeros(len(run), bool)
    for name, values in run.columns.items():
        columns[name] = np.full(int(first.sum()), np.nan)
        known = np.isfinite(values)
        columns[name][group[known]] = values[known]  # of several the last stays
        if name.startswith(("loss", "score/")):
            other |= known & (values != columns[name][group])
    last = np.flatnonzero(np.append(first[1:], True)).tolist()
    one = replace(
        run,
        columns=columns,
        places=[run.places[i] for i in last],
        models=[run.models[i] for i in last],
    )
    return one, int(other.sum())


def _taken_together(run: RunRecords, by: str) -> Ordered:
    """Scores without losses go to the nearest row with losses, and training losses to rows with either."""
    columns = {name: values.copy() for name, values in run.columns.items()}
    losses = [n for n in columns if n.startswith("loss/")]
    scores = [n for n in columns if n.startswith(("score/", "stderr/"))]
    at = run.column(by)

    def there(names: Sequence[str]) -> NDArray[np.bool_]:
        found = np.zeros(len(run), bool)
        for name in names:
            found |= np.isfinite(columns[name])
        return found

    moved, taken = 0.0, 0
    with_loss, scored = np.flatnonzero(there(losses)), there(scores)
    for row in np.flatnonzero(scored & ~there(losses)).tolist():
        near = _nearest(at, with_loss, row)
        if near is None or scored[near]:
            continue
        scored[near], scored[row] = True, False
        for name in scores:
            columns[name][near], columns[name][row] = columns[name][row], np.nan
        moved, taken = max(moved, abs(at[near] - at[row]) / at[row]), taken + 1
    if "train_loss" in columns:
        logged = np.flatnonzero(np.isfinite(columns["train_loss"]))
        for row in np.flatnonzero(there([*losses, *scores]) & ~np.isfinite(columns["train_loss"])).tolist():
            near = _nearest(at, logged, row)
            if near is not None:
                columns["train_loss"][row] = columns["train_loss"][near]
    whole = replace(run, columns=columns)
    keep = np.flatnonzero(measured(whole))
    return Ordered(rows_of(whole, keep), moved=moved, joined=taken)


def _nearest(at: Floats, among: NDArray[np.int64], row: int) -> int | None:
    """The nearest of some rows, if it is within the tolerance."""
    if not len(among):
        return None
    place = int(np.searchsorted(at[among], at[row]))
    sides = [int(among[k]) for k in (place - 1, place) if 0 <= k < len(among)]
    near = min(sides, key=lambda k: abs(at[k] - at[row]))
    return near if abs(at[near] - at[row]) <= TOLERANCE * at[row] else None
