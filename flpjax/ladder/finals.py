"""Final values: the last that was measured of each column, near the end of its run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]

FINAL_WITHIN = 0.1
"""Share of a run's tokens, counted from its end, within which a value is a final one.

Over its last tenth a run's loss falls by about half a per cent, less than two reruns differ by; and a run that was
evaluated ten times has an evaluation there.
"""
ROUNDING = 1e-9  # of tokens: 0.9 of a run's tokens lie within the last tenth


class Last(NamedTuple):
    """The last measured value of every column in every run that has an end.

    Attributes:
        row: ``(run, column)`` its row; −1 where nothing was measured up to the run's end.
        share: ``(run, column)`` tokens there, as a share of those at the run's end; NaN where nothing was measured.
    """

    row: NDArray[np.int64]
    share: Floats


def last_measured(run: NDArray[np.int64], end: NDArray[np.int64], tokens: Floats, measured: NDArray[np.bool_]) -> Last:
    """Look back from the end of every run.

    Args:
        run: ``(row,)`` the run of every row; rows of one run stand together, sorted by tokens.
        end: ``(run,)`` the row where each run that has an end ends.
        tokens: ``(row,)``.
        measured: ``(row, column)`` whether there is a value.
    """
    first = np.searchsorted(run, run[end])
    number = np.where(measured, np.arange(len(run))[:, None], -1)
    latest = np.maximum.accumulate(number, axis=0)[end]  # of any run up to here: those of runs before it don't count
    row = np.where(latest >= first[:, None], latest, -1)
    share = np.full(row.shape, np.nan)
    np.divide(tokens[row], tokens[end][:, None], out=share, where=row >= 0)  # of its own run's end: at most 1
    return Last(row, share)


def near_end(last: Last, end: NDArray[np.int64], within: float, rows: int) -> NDArray[np.bool_]:
    """``(run, column)`` whether the last measured value is a final one.

    Args:
        last: Of the columns.
        end: ``(run,)`` the row where each run ends.
        within: The share of a run's tokens, counted from its end, that it must stand in;
        rows: or the number of the run's last rows, those that are averaged, that it must be among.
    """
    within_tokens = last.share >= (1.0 - within) * (1.0 - ROUNDING)  # False where it is NaN
    return np.asarray((last.row >= 0) & (within_tokens | (last.row > end[:, None] - rows)))


def mean_of_last(values: Floats, last: Last, end: NDArray[np.int64], run: NDArray[np.int64], number: int) -> Floats:
    """``(run, column)`` means of the last ``number`` values measured up to each run's end; NaN where there is none.

    Args:
        values: ``(row, column)``, NaN where nothing was measured.
        last: Of the same columns.
        end: ``(run,)`` the row where each run ends.
        run: ``(row,)`` the run of every row.
        number: How many; where fewer were measured, all.
    """
    if number == 1:
        return np.where(last.row >= 0, np.take_along_axis(values, np.maximum(last.row, 0), axis=0), np.nan)
    first = np.searchsorted(run, run[end])
    means = np.full(last.row.shape, np.nan)
    for i, (start, stop) in enumerate(zip(first, end + 1, strict=True)):
        own = values[start:stop]
        measured = ~np.isnan(own)
        later = measured[::-1].cumsum(axis=0)[::-1]  # how many are measured from here to the end
        taken = measured & (later <= number)
        total = taken.sum(axis=0)
        mean = np.where(taken, own, 0.0).sum(axis=0) / np.maximum(total, 1)
        means[i] = np.where(total > 0, mean, np.nan)
    return means


def ends_of(runs: Runs) -> Runs:
    """One row a run that has an end: the final values, NaN where there is none, and N, D, C of where they stand."""
    end = np.flatnonzero(runs.final)
    kinds = {"loss": runs.loss, "score": runs.score, "train_loss": runs.train_loss[:, None]}
    final, at = {}, end
    for kind in ("train_loss", "score", "loss"):
        last = last_measured(runs.run, end, runs.progress, ~np.isnan(kinds[kind]))
        near = near_end(last, end, runs.final_within, runs.final_average)
        values = mean_of_last(kinds[kind], last, end, runs.run, 1 if kind == "train_loss" else runs.final_average)
        final[kind] = np.where(near, values, np.nan)
        rows = np.where(near, last.row, -1)
        if kind == "score":
            stderr = np.take_along_axis(runs.stderr, np.maximum(rows, 0), axis=0)
            final["stderr"] = np.where(near, stderr, np.nan)
        if kind != "train_loss":
            at = np.where(near.any(axis=1), rows.max(axis=1, initial=-1), at)
    chosen = np.zeros(len(runs), bool)
    chosen[at] = True
    one = replace(runs.rows(chosen), final=np.ones(len(end), bool), train_loss=final["train_loss"][:, 0])
    return replace(one, loss=final["loss"], score=final["score"], stderr=final["stderr"])
