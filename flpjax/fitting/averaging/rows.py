"""From a stage to the rows that its laws are fitted to: one a run of losses, a few averages a run of scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.outlying import outlying
from flpjax.fitting.averaging.sheet import Rows
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.methods.method import Stage

EACH = 2  # averages of a run's checkpoints: neighbours tell the same
LEAST_WITHIN = 1e-4


def rows_of(stage: Stage, runs: Runs, origins: Origins) -> tuple[Rows, ...]:
    """The rows of each output of a stage.

    Args:
        stage: Bound to all runs.
        runs: The table.
        origins: Which runs are seen from where.
    """
    patterns, which = np.unique(stage.weight > 0, axis=0, return_inverse=True)
    found: dict[int, Rows] = {}
    for i, used in enumerate(patterns):
        outputs = np.flatnonzero(which.ravel() == i)
        found |= dict(zip(outputs.tolist(), _rows(stage, outputs, np.flatnonzero(used), runs, origins), strict=True))
    return tuple(found[i] for i in range(len(stage.outputs)))


def _rows(
    stage: Stage, outputs: NDArray[np.intp], used: NDArray[np.intp], runs: Runs, origins: Origins
) -> Iterator[Rows]:
    """Of outputs that were measured at the same checkpoints."""
    run, groups = stage.run[used], _groups(stage.run[used])
    count = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    begins = np.searchsorted(groups[order], np.arange(len(count)))

    def own(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values)[outputs][:, used]

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        total = np.add.reduceat(values[:, order], begins, axis=1) if len(count) else values
        return np.asarray(total / count.reshape(-1, *(1,) * (values.ndim - 2)))

    y = np.log(own(stage.y)) if stage.residual.space == "log" else own(stage.y)
    mean_x, mean_y = jax.tree.map(lambda leaf: mean(own(leaf)), stage.x), mean(y)
    single = _within(y, run)
    of_loss = stage.name == "loss" and len(count) == len(np.unique(run)) and stage.residual.space == "log"
    of_group = np.zeros(len(count), np.intp)
    of_group[groups] = run
    seen = origins.train_mask[:, of_group]
    log_flops = origins.log_flops[of_group]
    largest = np.where(seen, log_flops, -np.inf).max(axis=1, initial=-np.inf)
    below = np.maximum(largest[:, None] - log_flops, 0.0)
    below = np.where(np.isfinite(below), below, 0.0) if isinstance(stage.x, Features) else np.zeros_like(below)
    effects = bool(np.bincount(of_group).max(initial=0) > 1)
    for i, of_output in enumerate(mean_y):
        x = jax.tree.map(lambda leaf, i=i: leaf[i], mean_x)
        told = seen & ~outlying(x, of_output, seen) if of_loss else seen
        measured = float(single[i] / np.sqrt(runs.final_average))
        yield Rows(x, of_output, told, of_group, below, single[i] / np.sqrt(count), effects, measured)


def _groups(run: NDArray[np.int64]) -> NDArray[np.intp]:
    """``(row,)`` which average each row belongs to: up to :data:`EACH` of a run, in the order of its checkpoints."""
    _, index, size = np.unique(run, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    place = np.empty(len(run), np.intp)
    place[order] = np.arange(len(run)) - (np.cumsum(size) - size)[index[order]]
    parts = np.minimum(size, EACH)
    return np.asarray((np.cumsum(parts) - parts)[index] + place * parts[index] // size[index])


def _within(y: NDArray[np.float64], run: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(output,)`` s.d. of one checkpoint about its neighbours, of ``y`` ``(output, row)``.

    From differences of successive ones (von Neumann 1941).
    """
    order = np.argsort(run, kind="stable")
    difference = np.diff(y[:, order], axis=1)[:, np.diff(run[order]) == 0]
    if difference.shape[1] < 4:
        return np.zeros(len(y))
    return np.maximum(np.sqrt(np.mean(difference**2, axis=1) / 2.0), LEAST_WITHIN)
