"""Relative errors (Chen et al. 2024, eq. 4) by task, and who errs less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.paper.ladders import sizes, target_sizes
from benchmarks.report import percent, show
from flpjax import Backtest, Runs
from flpjax.results.record import Cell, Record

Errors = Mapping[str, float]
"""Task → mean absolute relative error over targets."""


class Contest(NamedTuple):
    """Two methods on the tasks that both forecast."""

    tasks: int
    wins: int  # tasks on which ours errs less
    ours: float  # mean error over tasks
    theirs: float

    def __str__(self) -> str:
        return f"{percent(self.ours, 1)} against {percent(self.theirs, 1)} %, less on {self.wins} of {self.tasks} tasks"


def by_task(cells: Iterable[Cell]) -> dict[str, float]:
    """Errors of cells; a target whose score is 0 has none."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.actual:
            found.setdefault(cell.name, []).append(abs(cell.rel_error))
    return {task: float(np.mean(values)) for task, values in found.items()}


def mean(errors: Errors) -> float | None:
    """Mean over tasks."""
    return float(np.mean(list(errors.values()))) if errors else None


def contest(ours: Errors, theirs: Errors) -> Contest | None:
    """Who errs less on the tasks that both forecast; None if there is none."""
    tasks = [task for task in ours if task in theirs]
    if not tasks:
        return None
    pairs = np.array([(ours[task], theirs[task]) for task in tasks])
    return Contest(len(tasks), int((pairs[:, 0] < pairs[:, 1]).sum()), *map(float, pairs.mean(axis=0)))


def record_figures(record: Record, runs: Runs) -> dict[str, Any]:
    """One method's errors: by task, by size and task, and every cell."""
    size = dict(zip(runs.names, sizes(runs), strict=True))
    by_size = {s: by_task(c for c in record.scores if size[c.target] == s) for s in target_sizes(runs)}
    return {
        "failed": record.failed or None,
        "errors": by_task(record.scores),
        "by_size": by_size,
        "loss_errors": by_task(record.losses),
        "cells": [
            {"task": c.name, "target": c.target, "predicted": c.predicted, "actual": c.actual} for c in record.scores
        ],
    }


def backtest_figures(found: Backtest, runs: Runs) -> dict[str, Any]:
    """Method → :func:`record_figures`."""
    return {name: record_figures(record, runs) for name, record in found.methods.items()}


def show_errors(title: str, tasks: Iterable[str], methods: Mapping[str, Errors], caption: str | None = None) -> None:
    """Methods down, tasks across, errors in %."""
    tasks = list(tasks)
    rows = [
        [name, *(percent(errors.get(task), 1) for task in tasks), percent(mean(errors), 1)]
        for name, errors in methods.items()
    ]
    show(f"{title}, relative error, %", ["", *tasks, "mean"], rows, caption)
