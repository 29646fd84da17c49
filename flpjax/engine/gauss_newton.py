"""Damped Gauss-Newton for one start of one problem; the batch is made around it.

Levenberg-Marquardt with Huber weights: each step costs one evaluation of residuals and their Jacobian and one small
Cholesky factorisation, whatever happens, so that thousands of lanes march together. A line search does not: under
``vmap`` every lane waits for the slowest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.engine.objective import reweight, rho
from flpjax.engine.status import Status

FIRST_DAMPING = 1e-2
CLOSE = 1e-3
"""At the step limit, a decrement times rows below this counts as converged: 3 % of a standard error. Gauss-Newton
creeps where residuals are large and bend the surface."""

Residual = Callable[[Array, Any], Array]
"""``(vector (p,), data of one problem) -> (row,)``; hashable by value, since it is static under jit."""


@dataclass(frozen=True)
class Settings:
    """How long and how exactly to solve.

    Attributes:
        steps: The most steps a start may take.
        tolerance: Stop when the next Newton step would lower the objective by less than this share of it; None takes
            what the precision allows.
    """

    steps: int = 200
    tolerance: float | None = None

    def share(self, dtype: Any) -> float:
        """The tolerance for this precision."""
        return 50.0 * float(jnp.finfo(dtype).eps) if self.tolerance is None else self.tolerance


class Anchor(NamedTuple):
    """A quadratic pull ``Σ precision·(vector − centre)²/2``: a normal prior, and the fit is a posteriori.

    In a batch every draw has a pull of its own: leaves ``(draw, p)``.
    """

    centre: Array  # (p,)
    precision: Array  # (p,)


class Lane(NamedTuple):
    """Where one start ended. Leaves gain leading axes in a batch."""

    vector: Array  # (p,) unconstrained parameters
    value: Array  # the objective there
    status: Array  # a Status
    decrement: Array  # share of the objective that one more Newton step would gain
    steps: Array  # steps taken
    floor: Array  # objectives below this are rounding: an exact fit
    hessian: Array  # (p, p) Gauss-Newton Hessian, scaled to unit diagonal: its condition is what the data determine


class _Model(NamedTuple):
    """The quadratic model at a point, in parameters scaled to unit curvature."""

    value: Array
    gradient: Array  # (p,)
    hessian: Array  # (p, p), diagonal 1
    scale: Array  # (p,) square roots of the Gauss-Newton Hessian's diagonal


class _State(NamedTuple):
    vector: Array
    model: _Model
    damping: Array
    status: Array
    decrement: Array
    steps: Array


def descend(
    residual: Residual,
    data: Any,
    weight: Array,
    start: Array,
    anchor: Anchor | None,
    huber: float | None,
    settings: Settings,
) -> Lane:
    """Minimise ``Σ_row weight · rho(residual)`` from one start.

    Args:
        residual: Static function ``(vector (p,), data) -> (row,)``.
        data: Pytree of one problem.
        weight: ``(row,)`` non-negative weights; a row of weight 0 is not there.
        start: ``(p,)`` unconstrained parameters.
        anchor: A pull towards known parameters, or None.
        huber: Corner of the Huber loss, or None.
        settings: Step limit and tolerance.
    """
    tolerance = settings.share(start.dtype)
    eps = float(jnp.finfo(start.dtype).eps)
    rows = jnp.sum(weight)

    def model_at(vector: Array) -> _Model:
        return _quadratic(residual, data, weight, vector, anchor, huber)

    def floor_at(state: _State) -> Array:
        """What rounding of residuals near 1, and of the parameters, does to the objective."""
        return 10.0 * eps**2 * (rows + jnp.sum((state.model.scale * (1.0 + jnp.abs(state.vector))) ** 2))

    def settle(state: _State) -> _State:
        """Decide whether this point is the end."""
        newton, pivot = cholesky_solve(state.model.hessian, state.model.gradient, 1e2 * eps)
        gain = 0.5 * jnp.sum(state.model.gradient * newton)
        floor = floor_at(state)
        decrement = gain / jnp.maximum(state.model.value, floor)
        flat = (pivot < 1e2 * eps) | jnp.any(state.model.scale == 0.0)
        stuck = state.damping > 1.0 / eps
        out_of_steps = state.steps >= settings.steps
        close = (stuck | out_of_steps) & (decrement * rows <= CLOSE)
        optimum = (decrement <= tolerance) | (state.model.value <= floor) | close
        status = jnp.select(
            [
                ~jnp.isfinite(state.model.value) & (state.steps == 0),
                optimum & flat,
                optimum,
                stuck,
                out_of_steps,
            ],
            [Status.NON_FINITE_START, Status.SINGULAR, Status.CONVERGED, Status.STALLED, Status.STEP_LIMIT],
            Status.RUNNING,
        )
        return state._replace(status=status.astype(jnp.int32), decrement=decrement)

    def step(state: _State) -> _State:
        damped = state.model.hessian + state.damping * jnp.eye(len(start), dtype=start.dtype)
        move, _ = cholesky_solve(damped, state.model.gradient, eps)
        trial = state.vector - move / jnp.where(state.model.scale > 0, state.model.scale, 1.0)
        model = model_at(trial)
        better = model.value < state.model.value
        vector, model = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), (trial, model), (state.vector, state.model)
        )
        damping = jnp.where(better, jnp.maximum(0.1 * state.damping, eps), 4.0 * state.damping)
        damping = jnp.where(state.steps < 0, state.damping, damping)
        return settle(state._replace(vector=vector, model=model, damping=damping, steps=state.steps + 1))

    # The loop's first step goes nowhere and evaluates the start: the residuals are compiled once, not twice.
    zero, size = jnp.zeros((), start.dtype), len(start)
    nowhere = _Model(zero + jnp.inf, jnp.zeros_like(start), jnp.eye(size, dtype=start.dtype), jnp.ones_like(start))
    first = _State(start, nowhere, zero + FIRST_DAMPING, jnp.int32(Status.RUNNING), zero, jnp.int32(-1))
    end = lax.while_loop(lambda s: s.status == Status.RUNNING, step, first)
    return Lane(end.vector, end.model.value, end.status, end.decrement, end.steps, floor_at(end), end.model.hessian)


def _quadratic(
    residual: Residual, data: Any, weight: Array, vector: Array, anchor: Anchor | None, huber: float | None
) -> _Model:
    def twice(v: Array) -> tuple[Array, Array]:
        r = residual(v, data)
        return r, r

    jacobian, r = jax.jacfwd(twice, has_aux=True)(vector)
    there = weight > 0
    r = jnp.where(there, r, 0.0)
    jacobian = jnp.where(there[:, None], jacobian, 0.0)
    w = weight * reweight(r, huber)
    gradient = jacobian.T @ (w * r)
    hessian = jacobian.T @ (w[:, None] * jacobian)
    value = jnp.sum(weight * rho(r, huber))
    if anchor is not None:
        off = vector - anchor.centre
        value += 0.5 * jnp.sum(anchor.precision * off**2)
        gradient += anchor.precision * off
        hessian += jnp.diag(anchor.precision)
    scale = jnp.sqrt(jnp.diagonal(hessian))
    safe = jnp.where(scale > 0, scale, 1.0)
    unit = jnp.where(jnp.eye(len(vector), dtype=bool), 1.0, hessian / (safe[:, None] * safe[None, :]))
    value = jnp.where(jnp.all(jnp.isfinite(hessian)), value, jnp.inf)
    return _Model(value, gradient / safe, unit, scale)


def cholesky_solve(matrix: Array, rhs: Array, least: float) -> tuple[Array, Array]:
    """Solve a small positive definite system, unrolled: batched library calls cost more than the arithmetic.

    Args:
        matrix: ``(p, p)`` with a diagonal near 1.
        rhs: ``(p,)``.
        least: Pivots are not allowed below this.

    Returns:
        The solution ``(p,)`` and the smallest pivot, before the floor.
    """
    p = len(rhs)
    low: list[list[Array]] = [[rhs[0]] * p for _ in range(p)]
    pivots = []
    for j in range(p):
        pivot = matrix[j, j] - sum(low[j][k] ** 2 for k in range(j))
        pivots.append(pivot)
        low[j][j] = jnp.sqrt(jnp.maximum(pivot, least))
        for i in range(j + 1, p):
            low[i][j] = (matrix[i, j] - sum(low[i][k] * low[j][k] for k in range(j))) / low[j][j]
    forward: list[Array] = []
    for i in range(p):
        forward.append((rhs[i] - sum(low[i][k] * forward[k] for k in range(i))) / low[i][i])
    back: list[Array] = [rhs[0]] * p
    for i in reversed(range(p)):
        back[i] = (forward[i] - sum(low[k][i] * back[k] for k in range(i + 1, p))) / low[i][i]
    return jnp.stack(back), jnp.min(jnp.stack(pivots))
