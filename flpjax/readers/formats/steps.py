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
        moved: The largest distance, relative to the step, over which a value was moved to another row; 0 if none was.
        joined: Rows that took values of another.
    """

    run: RunRecords
    superseded: int = 0
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
    run = _one_a_step(run, by)
    return _taken_together(run, by, superseded)


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
    """Without the rows after which a run was taken up again at an earlier step."""
    falls = int((np.diff(at) < 0).sum())
    if not falls or falls > MOST_RESTARTS * len(at):
        return run, 0
    later = np.minimum.accumulate(np.append(at[1:], np.inf)[::-1])[::-1]
    keep = at <= later
    return rows_of(run, np.flatnonzero(keep)), int((~keep).sum())


def _one_a_step(run: RunRecords, by: str) -> RunRecords:
    """Rows of one step as one, the last value of each column."""
    at = run.column(by)
    first = np.append(True, at[1:] != at[:-1])
    if first.all():
        return run
    group = np.cumsum(first) - 1
    columns = {}
    for name, values in run.columns.items():
        columns[name] = np.full(int(first.sum()), np.nan)
        known = np.isfinite(values)
        columns[name][group[known]] = values[known]  # of several the last stays
    last = np.flatnonzero(np.append(first[1:], True)).tolist()
    return replace(
        run,
        columns=columns,
        places=[run.places[i] for i in last],
        models=[run.models[i] for i in last],
    )


def _taken_together(run: RunRecords, by: str, superseded: int) -> Ordered:
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
    return Ordered(rows_of(whole, keep), superseded, moved, taken)


def _nearest(at: Floats, among: NDArray[np.int64], row: int) -> int | None:
    """The nearest of some rows, if it is within the tolerance."""
    if not len(among):
        return None
    place = int(np.searchsorted(at[among], at[row]))
    sides = [int(among[k]) for k in (place - 1, place) if 0 <= k < len(among)]
    near = min(sides, key=lambda k: abs(at[k] - at[row]))
    return near if abs(at[near] - at[row]) <= TOLERANCE * at[row] else None
