"""One search of a task's columns, or the scores of its published laws."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.laws.shipped import score
from benchmarks.laws.tasks import TASKS, cost_of, r_squared, read
from flpjax.fitting.lawsearch.search import discover_law


class Search(NamedTuple):
    """One search: a task and a seed; None scores the laws that ship."""

    task: str
    seed: int | None


def one(search: Search) -> tuple[Search, dict[str, Any]]:
    """A search and its figures, or those of a task's published laws."""
    jax.config.update("jax_enable_x64", True)
    task = TASKS[search.task]
    train, test = read(task, "train"), read(task, "test")
    if search.seed is None:
        return search, {name: {"r2": score(task, name, train, test)} for name in task.laws}
    grouped = len(set(train["group"])) > 1
    if not grouped:
        train.pop("group")
    start = time.perf_counter()
    key, group = jax.random.key(search.seed), "group" if grouped else None
    found = discover_law(train, task.targets, key, group=group, cost=cost_of(task, train))
    seconds = time.perf_counter() - start
    measured = np.stack([np.asarray(test[t], float) for t in task.targets], axis=1)
    median, lower, upper = (
        np.asarray(v).reshape(measured.shape) for v in found.predict(test, test["group"] if grouped else None)
    )
    return search, {
        "r2": r_squared(median, measured),
        "held": float(((measured >= lower) & (measured <= upper)).mean()),
        "seconds": seconds,
        "tried": found.tried,
        "law": found.formula_of(found.members[0]),
    }
