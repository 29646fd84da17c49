"""Train many small networks as one batch: AdamW, a linearly falling learning rate, a fixed number of steps.

For laws like a ReLU network, which are not smooth and which many parameter vectors fit equally well, so that
Gauss-Newton fails. Parameters need not converge; whether starts agree is judged by their predictions.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.moments import Residual
from flpjax.engine.padding import next_size

LANES_PER_CORE = 32  # lanes (a lane is one start of one problem) that a CPU core trains at once


@dataclass(frozen=True)
class Recipe:
    """AdamW with a learning rate that falls linearly to 0 (Chen et al. 2024, §4).

    Attributes:
        steps: Number of steps; each uses all rows.
        rate: Learning rate at the start.
        decay: Weight decay, decoupled from the gradient.
    """

    steps: int = 2000
    rate: float = 0.05
    decay: float = 0.01

    def schedule(self, step: Array) -> Array:
        """The learning rate at a step; optax's own schedules would compute it in 32 bits."""
        return self.rate * (1.0 - jnp.asarray(step, float) / self.steps)


class Trained(NamedTuple):
    """Parameters and objective at the end of training, for every lane (one start of one problem)."""

    vector: NDArray[np.float64]  # (problem, lane, p)
    value: NDArray[np.float64]  # (problem, lane) weighted sum of squares
    gradient: NDArray[np.float64]  # (problem, lane) norm of the gradient of that sum


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
        resample: ``(lane, row)`` factors of the weights: how often each row is in the lane's bootstrap resample, or 1.
        starts: ``(problem, lane, p)`` parameters to start from.
        recipe: Steps, rate and weight decay.
    """
    lanes = starts.shape[1]
    on_cpu = jax.default_backend() == "cpu"
    # Lanes are padded to whole tiles, or to one of few numbers: one compiled program serves many.
    padding = -lanes % LANES_PER_CORE if on_cpu else next_size(lanes, LANES_PER_CORE) - lanes
    starts = np.pad(starts, [(0, 0), (0, padding), (0, 0)], mode="edge")
    resample = np.pad(resample, [(0, padding), (0, 0)], mode="edge")
    results = (_in_tiles if on_cpu else _train_all)(residual, recipe, data, weight, resample, starts)
    return Trained(*(np.asarray(leaf)[:, :lanes] for leaf in results))


def _in_tiles(
    residual: Residual,
    recipe: Recipe,
    data: Any,
    weight: NDArray[np.float64],
    resample: NDArray[np.float64],
    starts: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Train all lanes of all problems, a tile of one problem a core at a time; leaves ``(problem, lane, …)``."""
    problems, lanes, _ = starts.shape
    per_problem = [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), data) for i in range(problems)]
    tiles = [slice(at, at + LANES_PER_CORE) for at in range(0, lanes, LANES_PER_CORE)]

    def train_job(job: tuple[int, slice]) -> Any:
        i, tile = job
        return jax.block_until_ready(
            _train_tile(residual, recipe, per_problem[i], weight[i], resample[tile], starts[i, tile])
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(train_job, itertools.product(range(problems), tiles)))
    leaves = (np.concatenate(leaf) for leaf in zip(*parts, strict=True))
    return [leaf.reshape(problems, lanes, *leaf.shape[1:]) for leaf in leaves]


@partial(jax.jit, static_argnums=(0, 1))
def _train_tile(residual: Residual, recipe: Recipe, data: Any, weight: Array, resample: Array, starts: Array) -> Any:
    """Train lanes of one problem together, so that each layer of the network is one matrix product."""
    import optax

    weights = weight[None, :] * resample
    total = jnp.maximum(weights.sum(axis=1), 1e-300)

    def squares(vectors: Array) -> Array:
        r = jax.vmap(lambda v: jax.vmap(residual, (None, 0))(v, data))(vectors)
        return jnp.sum(weights * r**2, axis=1)

    # Adam does not depend on the objective's scale, so a mean serves; lanes share no parameters, so their sum does.
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
    """Train all lanes of all problems in one call, for accelerators."""
    return jax.vmap(lambda d, w, s: _train_tile(residual, recipe, d, w, resample, s))(data, weight, starts)
