"""Structures fitted to all rows and to every fold, together, in one program; and how far each errs beyond its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.padding import LEAST_PROBLEMS, LEAST_ROWS, next_size
from flpjax.engine.settings import Settings
from flpjax.fitting.lawsearch.opposed import opposed
from flpjax.fitting.lawsearch.powersum import SLOTS, TERMS, PowerSum, Tables, tables_of
from flpjax.fitting.lawsearch.problem import Problem, Trial
from flpjax.fitting.lawsearch.starts import starts_of
from flpjax.fitting.lawsearch.structure import Floats, Structure
from flpjax.laws.law import Space
from flpjax.numerics import compiled

CORNER = 1.5  # of the Huber loss, in units of the noise: a few odd rows must not bend a law
WORST = 20.0  # of a held-out error, in units of the noise
FLOOR = 0.2  # of the noise, added to held-out errors: below it they differ by luck
PRICE = 0.025
"""What a number must lower the held-out error by: a quarter of the standard error of a mean over 60 rows."""
OPPOSED = 0.5
"""How much dearer a law is by the share of its slopes that pull against the rest."""
MISFIT = 0.2
"""Of what a law is judged by: residuals of the rows that it was fitted to. The rest are errors on those left out."""
LACK = 1.5  # times the least misfit of all: what a law misses the rows by beyond that raises its price, squared
STEPS, LAST_STEPS = 30, 200
FEW_FITS = 1024
FEWEST = 128, 80
"""Of so few fits, problems and rows are padded to these: to compile for fewer would take longer than they do."""
WIDTHS = (10, 16, SLOTS)
"""Slots of the programs there are: most structures need few, and what a fit costs goes with their square."""


def fit(
    problem: Problem, structures: Sequence[Structure], starts: Floats, noise: Floats, seen: Floats, steps: int
) -> tuple[Floats, Floats]:
    """Fit structures to all cells under each fold's weights.

    Args:
        problem: The rows.
        structures: ``(structure,)``.
        starts: ``(structure, cell, start, slot)``.
        noise: ``(cell,)`` s.d. of residuals.
        seen: ``(fold, row)`` weights.
        steps: At most so many.

    Returns:
        Vectors ``(fold, structure, cell, slot)``, and residuals ``(fold, structure, cell, row)`` over the noise.
    """
    width = next(w for w in WIDTHS if w >= max(s.size for s in structures))
    tables = tables_of(structures, problem.axes, problem.columns, width)
    count, cells, rows, _ = tables.features.shape
    data = _rows(tables, problem.y, noise)
    weight = np.broadcast_to(problem.weight, (count, cells, rows)).reshape(-1, rows)
    ones = np.ones((len(seen), width))
    least = FEWEST if count * cells * len(seen) <= FEW_FITS else (LEAST_PROBLEMS, LEAST_ROWS)
    found = solve(
        PowerSum(problem.space),
        data,
        weight,
        seen,
        starts[..., :width].reshape(count * cells, -1, width),
        huber=CORNER,
        anchor=Anchor(np.zeros_like(ones), ones),  # type: ignore[arg-type]
        settings=Settings(steps=steps),
        least=least,
    )
    residual = _residuals_of(problem.space, found.vector, data)
    shape = (len(seen), count, cells)
    vectors = np.zeros((*shape, SLOTS))
    vectors[..., :width] = found.vector.reshape(*shape, width)
    return vectors, residual.reshape(*shape, rows)


def _rows(tables: Tables, y: Floats, noise: Floats) -> tuple[Floats, ...]:
    """What the residual takes, leaves ``(structure·cell, row, …)``."""
    count, cells, rows, slots = tables.features.shape

    def wide(values: Any, *shape: int) -> Floats:
        return np.ascontiguousarray(np.broadcast_to(values, (count, cells, rows, *shape))).reshape(-1, rows, *shape)

    return (
        tables.features.reshape(-1, rows, slots),
        wide(tables.term[:, None, None], slots),
        wide(tables.sign[:, None, None], TERMS),
        wide(y),
        wide(noise[:, None]),
    )


def _residuals_of(space: Space, vectors: NDArray[np.floating[Any]], data: tuple[Floats, ...]) -> Floats:
    """``(fold, problem, row)`` for vectors ``(fold, problem, slot)``; sizes are padded, so that few programs serve."""
    folds, count, width = vectors.shape
    rows = data[0].shape[1]
    many, wide = max(FEWEST[0], next_size(count)), max(FEWEST[1], next_size(rows))
    padded = tuple(
        np.pad(v, [(0, many - count), (0, wide - rows)] + [(0, 0)] * (v.ndim - 2), mode="edge") for v in data
    )
    filled = np.zeros((folds, many, width))
    filled[:, :count] = vectors
    found = np.stack([np.asarray(_residuals(PowerSum(space), v, padded)) for v in filled])
    return found[:, :count, :rows]


@partial(compiled, static_argnums=0)
def _residuals(residual: PowerSum, vectors: Array, data: Any) -> Array:
    """``(problem, row)`` for vectors ``(problem, slot)``."""
    return jax.vmap(jax.vmap(residual, (None, 0)))(vectors, data)


@partial(compiled, static_argnums=0)
def values(residual: PowerSum, vectors: Array, features: Array, term: Array, sign: Array) -> Array:
    """``(structure, cell, row)`` for vectors ``(structure, cell, slot)`` at :class:`Tables`."""
    by_row = jax.vmap(residual.value, (None, 0, None, None))
    return jax.vmap(jax.vmap(by_row, (0, 0, None, None)))(vectors, features, term, sign)


def try_structures(
    problem: Problem, structures: Sequence[Structure], best: Sequence[Trial], noise: Floats, rng: np.random.Generator
) -> list[Trial]:
    """Fit and judge structures.

    Args:
        problem: The rows.
        structures: What to try.
        best: Trials from whose numbers fits start.
        noise: ``(cell,)``.
        rng: For starts.
    """
    starts = np.stack([starts_of(problem, s, best, rng) for s in structures])
    vectors, residual = fit(problem, structures, starts, noise, problem.folds.seen, STEPS)
    off = np.minimum(np.abs(np.nan_to_num(residual, nan=WORST)), WORST)  # (fold, structure, cell, row)
    ahead = problem.folds.ahead[1:, None] & (problem.weight > 0)  # (fold, cell, row)
    count = np.maximum(ahead.sum(axis=-1), 1)[:, None]
    mean = (off[1:] * ahead[:, None]).sum(axis=-1) / count + FLOOR
    error = np.exp(np.mean(np.log(mean * noise), axis=(0, 2)))
    free = problem.weight.sum(axis=1) - np.array([s.size for s in structures])[:, None]
    misfit = np.sqrt((off[0] ** 2 * problem.weight).sum(axis=-1) / np.maximum(free, 1.0)) + FLOOR  # (structure, cell)
    fitted = np.exp(np.mean(np.log(misfit * noise), axis=1))
    against = opposed(problem, structures, vectors[0])
    numbers = np.array([s.complexity for s in structures])
    price = error ** (1.0 - MISFIT) * fitted**MISFIT * (1.0 + PRICE * numbers) * (1.0 + OPPOSED * against)
    judged = np.stack([error, fitted, against, price], axis=1).tolist()
    return [Trial(s, vectors[0, i], *of) for i, (s, of) in enumerate(zip(structures, judged, strict=True))]


def ranking(trials: Iterable[Trial], alone: bool) -> list[Trial]:
    """The best first: by their prices, of a column that explains alone raised for laws that miss the rows by far more.

    What such a law, of scores that turn, say, errs by beyond the rows is luck, though now and then it is little.
    """
    every = list(trials)
    if not alone:
        return sorted(every, key=lambda t: t.price)
    allowed = LACK * min((t.misfit for t in every), default=1.0)
    raised = [t._replace(price=t.price * max(t.misfit / allowed, 1.0) ** 2) for t in every]
    return sorted(raised, key=lambda t: t.price)


def held_out(problem: Problem, trials: Sequence[Trial], noise: Floats) -> Floats:
    """``(fold, structure, cell, row)`` residuals, over the noise, of structures fitted to each fold's rows."""
    starts = np.stack([t.vector[:, None] for t in trials])
    return fit(problem, [t.structure for t in trials], starts, noise, problem.folds.seen, STEPS)[1]


def noise_of(problem: Problem, trial: Trial) -> Floats:
    """``(cell,)`` s.d. of the residuals of a structure, by their medians: odd rows don't count."""
    data = _rows(tables_of([trial.structure], problem.axes, problem.columns), problem.y, np.ones(len(problem.y)))
    residual = np.abs(_residuals_of(problem.space, trial.vector[None], data)[0])
    found = [1.48 * np.median(r[w > 0]) for r, w in zip(residual, problem.weight, strict=True)]
    return np.asarray(np.maximum(found, 1e-3 * np.maximum(problem.spread, 1e-6)))
