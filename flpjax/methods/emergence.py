"""Tasks that leave chance: which of them can be fitted, on which checkpoints; and a bend at chance and at 1.

The bend is for formulas that know no chance level and run on below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.recipe import Recipe
from flpjax.ladder.falling import falling_tasks
from flpjax.ladder.features import Features
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Floats, Runs
from flpjax.ladder.tasks import chance_warnings
from flpjax.laws.law import POSITIVE, Law, Parameter, falls, size
from flpjax.laws.residual import Residual
from flpjax.methods.inputs import Inputs
from flpjax.methods.method import Model, Prediction, Stage, StageParams


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


def emerged_checkpoints(
    runs: Runs, selection: Selection, loss: Floats, law: Law, only: tuple[str, ...] = ()
) -> Emerged:
    """Select checkpoints for each task, and the tasks that enough of are left for.

    Args:
        runs: The ladder.
        selection: Which checkpoints say something.
        loss: ``(row, task)`` the loss that each task is held against; NaN where a checkpoint can't be used.
        law: The law to be fitted. One that falls takes the tasks that fall with compute.
        only: The tasks to take; () all.
    """
    selected = selection.apply(runs, loss)
    warnings = [] if selection.above_chance is None else chance_warnings(runs.tasks)
    fall = {f.task for f in falling_tasks(runs.finals())} if falls(law) else None
    tasks = []
    for i, task in enumerate(runs.tasks):
        if only and task.name not in only:
            continue
        if fall is not None and task.name not in fall:
            warnings.append(f"task '{task.name}' is not forecast: it does not fall with compute, as this map does")
            continue
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
    metadata = runs.tasks[task]
    if rows == 0 and selection.above_chance is not None and np.isfinite(runs.score[:, task]).any():
        best = np.nanmax(runs.score[:, task])
        return f"no checkpoint is above its chance level of {metadata.chance:.3g} (best {best:.3g})"
    if rows < size(law):
        have = "1 checkpoint is" if rows == 1 else f"{rows} checkpoints are"
        return f"{have} fewer than the {size(law)} parameters"
    if in_runs < 2:
        return f"its {rows} checkpoints are all of one run"
    return None


WIDTH = "width"
WIDTH_PARAMETER = Parameter(POSITIVE, -4.0, 0.7, "width of the bend where a score leaves chance, fraction")
"""A point or two on most tasks: what a score needs to be told from chance on a thousand questions."""


def emerge(score: Array, chance: Array, width: Array) -> Array:
    """``chance + width·softplus((score − chance) / width)``, and the same bend at 1.

    Where the formula lies well above chance and below 1, it is left as it is. Below chance it says nothing but that the
    task has not emerged, which is what checkpoints at chance say: the place of the bend is inferred with the formula.

    Args:
        score: What a formula without bounds gives, any shape.
        chance: What random guessing scores.
        width: Of the bend, in units of the score.
    """
    risen = chance + width * jax.nn.softplus((score - chance) / width)
    return 1.0 - width * jax.nn.softplus((1.0 - risen) / width)


@dataclass(frozen=True)
class Emerging:
    """A model whose scores bend at chance and at 1; ``params["score"]`` has one more entry, ``width`` ``(task,)``.

    Attributes:
        model: The model that is bent.
        chance: ``(task,)``.
    """

    model: Model
    chance: tuple[float, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)`` the losses it predicts."""
        return self.model.domains

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)`` the scores it predicts."""
        return self.model.tasks

    @property
    def sources(self) -> tuple[str, ...]:
        """``(source,)`` the data sources whose mixture weights it reads."""
        return self.model.sources

    @property
    def inputs(self) -> Inputs:
        """The features that it reads."""
        return self.model.inputs

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes its predictions zero or infinite."""
        return self.model.singular

    @property
    def via(self) -> tuple[tuple[int, ...], ...]:
        """``(task,)`` the domains that each score is a function of."""
        return self.model.via

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses and scores of one target."""
        plain = self.model.apply(params, x)
        return Prediction(plain.loss, self._bent(params, plain.score))

    def score_from_loss(self, params: StageParams, loss: Array) -> Array | None:
        """Scores ``(task,)`` at known losses ``(domain,)``; None for a model without losses."""
        plain = self.model.score_from_loss(params, loss)
        return None if plain is None else self._bent(params, plain)

    def _bent(self, params: StageParams, score: Array) -> Array:
        return emerge(score, jnp.array(self.chance, score.dtype), params["score"][WIDTH])
