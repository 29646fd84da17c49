"""From a stage to the rows that its laws are fitted to: one a run of losses, a few averages a run of scores."""

from __future__ import annotations

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


def rows_of(stage: Stage, output: int, runs: Runs, origins: Origins) -> Rows:
    """The rows of one output of a stage.

    Args:
        stage: Bound to all runs.
        output: Which of its outputs.
        runs: The table.
        origins: Which runs are seen from where.
    """
    used = np.flatnonzero(stage.weight[output] > 0)
    x: Any = jax.tree.map(lambda leaf: np.asarray(leaf)[output][used], stage.x)
    y, run = stage.y[output][used], stage.run[used]
    y = np.log(y) if stage.residual.space == "log" else y
    groups = _groups(run)
    single = _within(y, run)
    count = np.bincount(groups)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        total = np.zeros((len(count), *values.shape[1:]))
        np.add.at(total, groups, values)
        return total / count.reshape(-1, *(1,) * (values.ndim - 1))

    mean_x, mean_y = jax.tree.map(mean, x), mean(y)
    of_loss = stage.name == "loss" and len(count) == len(np.unique(run)) and stage.residual.space == "log"
    of_group = np.zeros(len(count), np.intp)
    of_group[groups] = run
    seen = origins.train_mask[:, of_group]
    log_flops = origins.log_flops[of_group]
    out = outlying(mean_x, mean_y, seen) if of_loss else np.zeros_like(seen)
    largest = np.where(seen, log_flops, -np.inf).max(axis=1, initial=-np.inf)
    below = np.maximum(largest[:, None] - log_flops, 0.0)
    return Rows(
        mean_x,
        mean_y,
        seen & ~out,
        of_group,
        np.where(np.isfinite(below), below, 0.0) if isinstance(stage.x, Features) else np.zeros_like(below),
        single / np.sqrt(count),
        bool(np.bincount(of_group).max(initial=0) > 1),
        single / np.sqrt(runs.final_average),
    )


def _groups(run: NDArray[np.int64]) -> NDArray[np.intp]:
    """``(row,)`` which average each row belongs to: up to :data:`EACH` of a run, in the order of its checkpoints."""
    groups, begun = np.zeros(len(run), np.intp), 0
    for label in np.unique(run):
        rows = np.flatnonzero(run == label)
        parts = min(EACH, len(rows))
        groups[rows] = begun + np.arange(len(rows)) * parts // len(rows)
        begun += parts
    return groups


def _within(y: NDArray[np.float64], run: NDArray[np.int64]) -> float:
    """S.d. of one checkpoint about its neighbours, from differences of successive ones (von Neumann 1941)."""
    order = np.argsort(run, kind="stable")
    difference = np.diff(y[order])[np.diff(run[order]) == 0]
    return max(float(np.sqrt(np.mean(difference**2) / 2.0)), LEAST_WITHIN) if len(difference) >= 4 else 0.0
