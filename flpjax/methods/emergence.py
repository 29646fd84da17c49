"""The second stage's data: which tasks can be fitted, on which checkpoints, and why the others can't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.engine.recipe import Recipe
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Floats, Runs
from flpjax.laws.law import Law, size
from flpjax.laws.residual import Residual
from flpjax.methods.method import Stage


@dataclass(frozen=True, eq=False)
class Emerged:
    """The tasks that a loss → score law can be fitted to.

    Attributes:
        tasks: Their positions in the table.
        keep: ``(task, row)`` the checkpoints that fit each of them.
        warnings: Why the others are left out.
    """

    tasks: list[int]
    keep: NDArray[np.bool_]
    warnings: tuple[str, ...]

    def stage(self, runs: Runs, residual: Residual, x: Any, recipe: Recipe | None = None) -> Stage:
        """The stage that fits them from inputs ``x``, leaves ``(task, row, …)``."""
        y = np.where(self.keep, runs.score[:, self.tasks].T, 0.5)
        outputs = tuple(runs.tasks[i].name for i in self.tasks)
        return Stage("score", residual, outputs, x, y, self.keep.astype(float), runs.run, recipe)


def emerged_checkpoints(runs: Runs, selection: Selection, loss: Floats, law: Law) -> Emerged:
    """Select checkpoints for each task, and the tasks that enough of are left for.

    Args:
        runs: The ladder.
        selection: Which checkpoints say something.
        loss: ``(row, task)`` the loss that each task is held against; NaN where a checkpoint can't be used.
        law: The law to be fitted.
    """
    selected = selection.apply(runs, loss)
    warnings = [t.chance_warning for t in runs.tasks if not t.chance_known and selection.above_chance is not None]
    tasks = []
    for i, task in enumerate(runs.tasks):
        problem = _unfit(runs, i, selected.keep[:, i], selection, law)
        if problem is None:
            tasks.append(i)
        else:
            reasons = ", ".join(f"{n[i]} {why}" for why, n in selected.dropped.items() if n[i])
            warnings.append(f"task '{task.name}' is not forecast: {problem} ({reasons})")
    return Emerged(tasks, selected.keep[:, tasks].T, tuple(warnings))


def _unfit(runs: Runs, task: int, keep: NDArray[np.bool_], selection: Selection, law: Law) -> str | None:
    """Why a task can't be fitted, or None."""
    rows, in_runs = int(keep.sum()), len(np.unique(runs.run[keep]))
    facts = runs.tasks[task]
    if rows == 0 and selection.above_chance is not None and np.isfinite(runs.score[:, task]).any():
        best = np.nanmax(runs.score[:, task])
        return f"no checkpoint is above its chance level of {facts.chance:.3g} (best {best:.3g})"
    if rows < size(law):
        have = "1 checkpoint is" if rows == 1 else f"{rows} checkpoints are"
        return f"{have} fewer than the {size(law)} parameters"
    if in_runs < 2:
        return f"its {rows} checkpoints are all of one run"
    return None
