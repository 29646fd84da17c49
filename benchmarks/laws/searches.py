"""One search of the columns of a task or a simulated table, or the scores of a task's published laws."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.shipped import score
from benchmarks.laws.simulated import TABLES, simulated
from benchmarks.laws.tasks import TASKS, Columns, cost_of, r_squared, read
from flpjax.fitting.lawsearch.search import discover_law


class Search(NamedTuple):
    """One search: a task, or a simulated table, and a seed; None scores the laws that ship."""

    task: str
    seed: int | None


def one(search: Search) -> tuple[Search, dict[str, Any]]:
    """A search and its figures, or those of a task's published laws."""
    jax.config.update("jax_enable_x64", True)
    if search.task in TABLES:
        assert search.seed is not None
        made = simulated(search.task, search.seed)
        cost = np.prod([made.train[name] for name in made.cost], axis=0)
        return search, _searched(made.train, made.test, ("y",), search.seed, "group" in made.train, cost)
    task = TASKS[search.task]
    train, test = read(task, "train"), read(task, "test")
    if search.seed is None:
        return search, {name: {"r2": score(task, name, train, test)} for name in task.laws}
    grouped = len(set(train["group"])) > 1
    if not grouped:
        train.pop("group")
    return search, _searched(train, test, task.targets, search.seed, grouped, cost_of(task, train))


def _searched(
    train: Columns, test: Columns, targets: Sequence[str], seed: int, grouped: bool, cost: NDArray[np.float64] | None
) -> dict[str, Any]:
    """What discovery finds in the training rows, scored on the test rows."""
    start = time.perf_counter()
    found = discover_law(train, targets, jax.random.key(seed), group="group" if grouped else None, cost=cost)
    seconds = time.perf_counter() - start
    measured = np.stack([np.asarray(test[t], float) for t in targets], axis=1)
    median, lower, upper = (
        np.asarray(v).reshape(measured.shape) for v in found.predict(test, test["group"] if grouped else None)
    )
    return {
        "r2": r_squared(median, measured),
        "held": float(((measured >= lower) & (measured <= upper)).mean()),
        "seconds": seconds,
        "tried": found.tried,
        "law": found.formula_of(found.members[0]),
    }
