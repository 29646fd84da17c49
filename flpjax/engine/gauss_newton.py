"""Damped Gauss-Newton for one start of one problem; the batch is made around it.

A lane is where one start stands, as a row of numbers, so that a batch of lanes is one array.

Levenberg-Marquardt with a robust loss: each step costs one pass over the rows and two small eliminations,
whatever happens, so that thousands of lanes march together. A line search does not: under ``vmap`` every lane waits
for the slowest. Three things make it sure and quick for the Huber loss:

- *The curvature of the loss itself.* The Hessian weighs rows by rho'', 0 beyond the corner, and converges where
  iteratively reweighted squares (rho'/r) creep. Those weights measure the damping instead.
- *A corner that comes down.* A start begins at three times its own mean residual and works down to the corner asked
  for, so that far starts see a smooth bowl instead of the many kinks of a sum of absolute values.
- *Damping relative to what a parameter can do.* A parameter without effect at some point (a term that has vanished)
  is damped as much as its typical size says; without that it runs away, and its start ends on a plateau.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.elimination import diagonal_matrix, diagonal_of, solve_definite
from flpjax.engine.moments import Anchor, Corners, Moments, Residual, moments
from flpjax.engine.settings import Status
from flpjax.numerics import varying

FIRST_DAMPING = 1e-2
GROWTH = 4.0  # of the damping after a first refused step; doubled with every further one

Numbers = Any
"""JAX arrays inside a program, NumPy arrays on the host."""


class Lane(NamedTuple):
    """Where one start stands, between rounds and at the end."""

    vector: Numbers  # (…, p) unconstrained parameters
    gradient: Numbers  # (…, p) there, before the last polish
    hessian: Numbers  # (…, p, p) Gauss-Newton Hessian there, by the curvature of the loss, anchor included
    value: Numbers  # (…) the objective there
    decrement: Numbers  # (…) share of the objective that one more Newton step would gain
    rounding_level: Numbers  # (…) objectives below this are rounding: an exact fit
    damping: Numbers  # (…)
    growth: Numbers  # (…) of the damping, should the next step be refused
    corner: Numbers  # (…) of the Huber loss, on its way down
    status: Numbers  # (…) a Status
    steps: Numbers  # (…) steps taken


def pack(lane: Lane) -> Array:
    """One lane as a row ``(width,)``."""
    parts = [jnp.ravel(leaf) for leaf in lane]
    return jnp.concatenate([part.astype(lane.vector.dtype) for part in parts])


def unpack(rows: Numbers, size: int) -> Lane:
    """Rows ``(…, width)`` as lanes of ``size`` parameters; of a NumPy array, as views."""
    square = 2 * size + size**2
    hessian = rows[..., 2 * size : square].reshape(*rows.shape[:-1], size, size)
    scalars = (rows[..., square + i] for i in range(len(Lane._fields) - 3))
    return Lane(rows[..., :size], rows[..., size : 2 * size], hessian, *scalars)


def begin(start: Numbers) -> Array:
    """Rows ``(…, width)`` of lanes that have not moved from ``start (…, p)``."""
    size = start.shape[-1]
    scalars = np.array([np.inf, np.inf, 0.0, FIRST_DAMPING, GROWTH, np.inf, Status.RUNNING, 0.0], start.dtype)
    rest = np.concatenate([np.zeros(size + size**2, start.dtype), scalars])
    where = np if isinstance(start, np.ndarray) else jnp
    return where.concatenate([start, where.broadcast_to(rest, (*start.shape[:-1], len(rest)))], axis=-1)


def running(rows: NDArray[Any], size: int) -> NDArray[np.bool_]:
    """Which rows ``(lane, width)`` have not ended."""
    return unpack(rows, size).status == Status.RUNNING


LEAST_CURVATURE = 1e-4  # of what the stiffest parameter has, for a change of typical size
FIRST_CORNER = 3.0  # mean residuals
CORNER_FALL = 0.3
CORNER_READY = 0.3  # the corner comes down where a step would gain less than this share of the objective
POLISH = 1e-2  # typical sizes: a longer last step, along a valley without a floor, would need another look
CLOSE = 1e-3
"""At the step limit, a decrement times rows below this counts as converged: 3 % of a standard error."""


@dataclass(frozen=True)
class Task:
    """What is minimised: the static part of a program.

    Attributes:
        residual: ``(vector (p,), data of one row) -> number``.
        linear: The components of the vector that are solved for, not searched; none with a Huber loss.
        huber: Corner of the Huber loss, None for squared loss.
        steps: The most steps.
        tolerance: Share of the objective that a further step must gain.
        backwards: How derivatives are taken; see :func:`flpjax.engine.moments.moments`.
    """

    residual: Residual
    linear: tuple[int, ...]
    huber: float | None
    steps: int
    tolerance: float
    backwards: bool = False


class Problem(NamedTuple):
    """The numbers of one fit."""

    data: Any  # pytree, leaves (row, …)
    weight: Array  # (row,)
    anchor: Anchor | None
    typical: Array  # (p,) sizes of changes of the parameters that are neither small nor large


class _State(NamedTuple):
    lane: Lane
    model: Moments  # around the lane's vector
    move: Array  # (p,) the next step, to be subtracted
    left: Array  # steps left of this round


def descend(task: Task, problem: Problem, row: Array, fresh: Array, steps: int) -> Array:
    """Take up to so many steps down ``Σ_row weight · rho(residual)``.

    Args:
        task: What is minimised.
        problem: Its numbers.
        row: A lane, packed ``(width,)``.
        fresh: Whether lanes are at their start; not batched.
        steps: How many.

    Returns:
        The lane, packed.
    """
    size = len(problem.typical)
    lane = unpack(row, size)
    tiny = float(jnp.finfo(row.dtype).eps)

    def around(vector: Array, corners: Corners | None) -> Moments:
        return moments(
            task.residual,
            problem.data,
            problem.weight,
            vector,
            problem.anchor,
            task.huber,
            corners,
            backwards=task.backwards,
        )

    def step(state: _State) -> _State:
        lane, model, move, left = state
        first = left == steps  # the first step of a round goes nowhere, and makes the model
        corner = lane.corner
        if task.huber is not None:
            ready = lane.decrement < CORNER_READY
            corner = jnp.where(ready, jnp.maximum(task.huber, CORNER_FALL * corner), corner)
        trial = _project(task, problem, lane.vector - move)
        there = around(trial, None if task.huber is None else Corners(corner, lane.corner))
        # At the optimum of a corner above the one asked for, no step goes down, and the corner must all the same.
        level = (corner < lane.corner) & (there.before <= model.value * (1.0 + tiny**0.5))
        better = first | (there.before < model.value) | level
        predicted = jnp.sum(model.gradient * move) - 0.5 * jnp.sum(move * (model.hessian @ move))
        ratio = (model.value - there.before) / predicted
        kept = jnp.where(ratio > 0.75, 0.1, jnp.where(ratio > 0.25, 0.5, 2.0)).astype(row.dtype)
        damping = lane.damping * jnp.where(better, kept, lane.growth)
        damping = jnp.maximum(damping, tiny)
        growth = jnp.where(better, GROWTH, 2.0 * lane.growth)
        vector, corner, model = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), (trial, corner, there), (lane.vector, lane.corner, model)
        )
        lane = lane._replace(
            vector=vector,
            corner=corner,
            damping=jnp.where(first, lane.damping, damping),
            growth=jnp.where(first, lane.growth, growth),
            steps=lane.steps + jnp.where(first, 0.0, 1.0),
        )
        (newton, move), pivot = _moves(model, lane.damping, problem.typical)
        lane = _settle(task, problem, lane, model, newton, pivot)
        return _State(lane, model, move, left - 1)

    if task.huber is not None:
        size_there = lax.cond(fresh, lambda: _mean_size(task.residual, problem, lane.vector), lambda: lane.corner)
        first_corner = jnp.maximum(FIRST_CORNER * size_there, task.huber)
        lane = lane._replace(corner=jnp.where(fresh, first_corner, lane.corner))
    infinite = jnp.full((), jnp.inf, row.dtype)
    still = jnp.zeros_like(lane.vector)
    nowhere = Moments(infinite, infinite, infinite, still, jnp.zeros((size, size), row.dtype), still)
    # What a lane carries out but not around the loop is put back behind it.
    state = _State(lane._replace(gradient=still, hessian=nowhere.hessian), nowhere, still, jnp.int32(steps))
    state = varying(state, row[0])
    if len(task.linear) == size:  # the projection is the answer; should it not settle, another round refines it
        end = step(state)
        end = end._replace(lane=end.lane._replace(steps=end.lane.steps + 1.0))
    else:
        end = lax.while_loop(lambda s: (s.lane.status == Status.RUNNING) & (s.left >= 0), step, state)
    moved = end.lane._replace(value=end.model.final, gradient=end.model.gradient, hessian=end.model.hessian)
    return jnp.where(lane.status == Status.RUNNING, pack(moved), row)


def _moves(model: Moments, damping: Array, typical: Array) -> tuple[Array, Array]:
    """The Newton step and the damped one ``(2, p)``, to be subtracted, and the least pivot of the Hessian."""
    stiffness = model.stiffness
    stiffness = jnp.maximum(stiffness, LEAST_CURVATURE * jnp.max(stiffness * typical**2) / typical**2)
    both = jnp.stack([model.hessian, model.hessian + diagonal_matrix(damping * stiffness)])
    least = 1e2 * float(jnp.finfo(stiffness.dtype).eps)
    moves, pivots = jax.vmap(lambda matrix: solve_definite(matrix, model.gradient, least))(both)
    return moves, pivots[0]


def _settle(task: Task, problem: Problem, lane: Lane, model: Moments, newton: Array, pivot: Array) -> Lane:
    """Decide whether this point is the end; an optimum is polished by the Newton step that shows it is one."""
    tiny = float(jnp.finfo(lane.vector.dtype).eps)
    rows, counted = jnp.sum(problem.weight), jnp.maximum(jnp.sum(problem.weight > 0), 1)
    # What rounding of residuals near 1, and of the parameters, does to the objective.
    rounding_level = 10.0 * tiny**2 * (rows + jnp.sum(model.stiffness * lane.vector**2))
    # Where all rows that a parameter moves lie beyond the corner, Newton's step does not see its slope.
    unseen = (diagonal_of(model.hessian) <= 0) & (model.stiffness > 0)
    slope = jnp.where(unseen, model.gradient**2 / jnp.where(unseen, model.stiffness, 1.0), 0.0)
    decrement = 0.5 * jnp.sum(model.gradient * newton + slope) / jnp.maximum(model.value, rounding_level)
    flat = pivot < 1e2 * tiny
    stuck = lane.damping > 1.0 / tiny
    out_of_steps = lane.steps >= task.steps
    arrived = jnp.asarray(True) if task.huber is None else lane.corner <= task.huber
    close = (stuck | out_of_steps) & ~flat & (decrement * counted <= CLOSE)
    optimum = arrived & ((decrement <= task.tolerance) | (model.value <= rounding_level) | close)
    status = lane.vector.dtype.type(Status.RUNNING)
    for case, ended in (  # the last that holds counts
        (out_of_steps, Status.STEP_LIMIT),
        (stuck, Status.STALLED),
        (optimum, Status.CONVERGED),
        (optimum & flat, Status.SINGULAR),
        (~jnp.isfinite(model.value) & (lane.steps == 0), Status.NON_FINITE_START),
    ):
        status = jnp.where(case, lane.vector.dtype.type(ended), status)
    small = jnp.all(jnp.abs(newton) <= POLISH * problem.typical)
    polished = jnp.where(optimum & ~flat & small, lane.vector - newton, lane.vector)
    return lane._replace(vector=polished, status=status, decrement=decrement, rounding_level=rounding_level)


def _project(task: Task, problem: Problem, vector: Array) -> Array:
    """Variable projection (Golub & Pereyra 1973): the linear parameters that are best given the others."""
    if not task.linear:
        return vector
    data, weight, anchor, _ = problem
    there = moments(task.residual, data, weight, vector, anchor, None, None, task.linear, backwards=task.backwards)
    move, _ = solve_definite(there.hessian, there.gradient, 1e2 * float(jnp.finfo(vector.dtype).eps))
    best = vector.at[jnp.asarray(task.linear)].add(-move)
    return jnp.where(jnp.isfinite(there.value), best, vector)


def _mean_size(residual: Residual, problem: Problem, vector: Array) -> Array:
    """Weighted mean of the absolute residuals."""
    size = jnp.abs(jax.vmap(residual, (None, 0))(vector, problem.data))
    total = jnp.sum(problem.weight)
    mean = jnp.sum(problem.weight * size) / jnp.where(total > 0, total, 1.0)
    return jnp.where(jnp.isfinite(mean), mean, jnp.inf)
