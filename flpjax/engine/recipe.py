"""Training by a fixed recipe: AdamW with a falling rate, many small networks as one batch.

For laws with kinks and ties (a ReLU network), where Gauss-Newton has nothing to hold on to. There is no convergence
in the weights: the recipe ends after its steps, and ties are judged on what the fits predict.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.moments import Residual

TILE = 32  # lanes that a CPU core trains at once


@dataclass(frozen=True)
class Recipe:
    """AdamW whose rate falls linearly to 0 (Chen et al. 2024, §4).

    Attributes:
        steps: How many, all rows in each.
        rate: Learning rate at the start.
        decay: Weight decay, decoupled from the gradient.
    """

    steps: int = 2000
    rate: float = 0.05
    decay: float = 0.01

    def schedule(self, step: Array) -> Array:
        """The rate of a step; optax's own would be in 32 bits."""
        return self.rate * (1.0 - jnp.asarray(step, float) / self.steps)


class Trained(NamedTuple):
    """Where every lane ended."""

    vector: NDArray[np.float64]  # (problem, lane, p)
    value: NDArray[np.float64]  # (problem, lane) weighted sum of squares
    gradient: NDArray[np.float64]  # (problem, lane) length of its gradient


def train(
    residual: Residual,
    data: Any,
    weight: NDArray[np.float64],
    resample: NDArray[np.float64],
    starts: NDArray[np.float64],
    recipe: Recipe,
) -> Trained:
    """Minimise the weighted mean of squared residuals of every problem from every start.

    Args:
        residual: Static function ``(vector (p,), data of one row) -> number``.
        data: Pytree of all problems, leaves ``(problem, row, …)``; rows of weight 0 hold finite numbers.
        weight: ``(problem, row)`` weights of the rows.
        resample: ``(lane, row)`` how often a lane takes each row.
        starts: ``(problem, lane, p)``.
        recipe: Steps, rate and weight decay.
    """
    problems, lanes, _ = starts.shape
    per_problem = [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), data) for i in range(problems)]
    resident = jax.default_backend() != "cpu"
    if resident:
        ends = _train_all(residual, recipe, data, weight, resample, starts)
    else:
        # Lanes are filled up to whole tiles, so that few programs serve all numbers of lanes.
        spare = -lanes % TILE
        filled = np.pad(starts, [(0, 0), (0, spare), (0, 0)], mode="edge")
        taken = np.pad(resample, [(0, spare), (0, 0)], mode="edge")
        jobs = [(i, slice(at, at + TILE)) for i in range(problems) for at in range(0, lanes + spare, TILE)]

        def one(job: tuple[int, slice]) -> Any:
            i, tile = job
            return jax.block_until_ready(
                _train_tile(residual, recipe, per_problem[i], weight[i], taken[tile], filled[i, tile])
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = list(pool.map(one, jobs))
        ends = [
            np.concatenate(leaf).reshape(problems, lanes + spare, *leaf[0].shape[1:])
            for leaf in zip(*parts, strict=True)
        ]
        ends = [leaf[:, :lanes] for leaf in ends]
    return Trained(*(np.asarray(leaf) for leaf in ends))


@partial(jax.jit, static_argnums=(0, 1))
def _train_tile(residual: Residual, recipe: Recipe, data: Any, weight: Array, resample: Array, starts: Array) -> Any:
    """All lanes of one problem side by side: the data are shared, so that layers are products of matrices."""
    weights = weight[None, :] * resample
    total = jnp.maximum(weights.sum(axis=1), 1e-300)

    def squares(vectors: Array) -> Array:
        r = jax.vmap(lambda v: jax.vmap(residual, (None, 0))(v, data))(vectors)
        return jnp.sum(weights * r**2, axis=1)

    # Adam does not mind the scale of an objective, so each lane's mean is as good as any.
    gradient = jax.grad(lambda vectors: jnp.sum(squares(vectors) / total))
    solver = optax.adamw(recipe.schedule, weight_decay=recipe.decay)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        vectors, state = carry
        updates, state = solver.update(gradient(vectors), state, vectors)
        return (optax.apply_updates(vectors, updates), state), None

    (vectors, _), _ = lax.scan(step, (starts, solver.init(starts)), None, length=recipe.steps)
    return vectors, squares(vectors), jnp.linalg.norm(gradient(vectors) * total[:, None], axis=1)


@partial(jax.jit, static_argnums=(0, 1))
def _train_all(residual: Residual, recipe: Recipe, data: Any, weight: Array, resample: Array, starts: Array) -> Any:
    """All problems at once, for devices as wide as that."""
    return jax.vmap(lambda d, w, s: _train_tile(residual, recipe, d, w, resample, s))(data, weight, starts)
