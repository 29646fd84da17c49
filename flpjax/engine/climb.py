"""One start's way up a value of mixture weights; the batch is made around it.

Each step costs the same whatever happens: one value, gradient and Hessian, a few small systems, and the values of eight
trials at once of which the best is taken. A line search would make all lanes wait for the slowest. Trials are

- *Newton's*: the quadratic model is maximised on the set by a few rounds of guessing the face (where a gradient step
  of the model lands) and solving on it. Right guesses repeat themselves, so that close to an optimum this is Newton's
  method on the right face, and zeros are exact. Shorter steps towards it are tried too.
- *gradient steps*, projected, of several lengths around Barzilai and Borwein's (1988), for where the model is no good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.engine.elimination import solve_definite
from flpjax.engine.gauss_newton import Numbers
from flpjax.engine.polytope import Polytope, land, project

Value = Callable[[Array, Any], Array]
"""``(weights (S,), data of one problem) -> number``, hashable: a function of a module, or a frozen object."""

Model = Callable[[Array], tuple[Array, Array, Array]]
"""``weights (S,) -> value, gradient (S,), Hessian (S, S)``."""

FACES = 3  # rounds of guessing the face
NEWTON_STEPS = (1.0, 0.3, 0.05)
GRADIENT_STEPS = (8.0, 1.0, 0.1, 0.01)
REJECTED = 1e-4  # by which gradient steps shrink when no trial was better
IDLE = 3  # steps without progress to speak of that end a lane
LITTLE = 1e-10  # gain that is not worth a step, unless the residual at least halves
SHORT, LONG = 1e-14, 1e8  # steps
NOISE = 32.0  # roundings of the value that say nothing

RUNNING, SETTLED, STUCK, FAILED = -1.0, 0.0, 1.0, 2.0


class Climber(NamedTuple):
    """Where one start stands."""

    weights: Numbers  # (…, S)
    value: Numbers
    kkt: Numbers  # max-norm of weights - project(weights + gradient)
    step: Numbers  # length of gradient steps
    damping: Numbers  # added to the curvature, in units of its own size
    idle: Numbers  # steps in a row without progress
    steps: Numbers
    status: Numbers


class _State(NamedTuple):
    climber: Climber
    gradient: Array  # (S,)
    hessian: Array  # (S, S)
    left: Array


def begin(weights: Array) -> Climber:
    """At a start that has not been looked at."""
    zero = jnp.zeros((), weights.dtype)
    return Climber(weights, zero - jnp.inf, zero + jnp.inf, zero + 1.0, zero, zero, zero, zero + RUNNING)


def second_order(value: Value, data: Any) -> Model:
    """Value, gradient and Hessian by automatic differentiation."""

    def model(weights: Array) -> tuple[Array, Array, Array]:
        def slope(w: Array) -> tuple[Array, Array]:
            number, gradient = jax.value_and_grad(value)(w, data)
            return gradient, number

        gradient, push, number = jax.linearize(slope, weights, has_aux=True)
        return number, gradient, jax.vmap(push)(jnp.eye(len(weights), dtype=weights.dtype))

    return model


def climb(
    value: Callable[[Array], Array], model: Model, polytope: Polytope, start: Climber, steps: Array, tolerance: Array
) -> Climber:
    """Take up to so many steps up.

    Args:
        value: ``weights (S,) -> number``.
        model: The same with its derivatives.
        polytope: Where weights may lie.
        start: Where the lane stands; ended lanes stay.
        steps: How many.
        tolerance: The residual ``kkt`` at which a lane ends.
    """

    def advance(state: _State) -> _State:
        lane, gradient, hessian, left = state
        peak, definite = _peak(polytope, lane, gradient, hessian)
        along = lane.weights[None, :] + jnp.asarray(NEWTON_STEPS)[:, None] * (peak - lane.weights)[None, :]
        lengths = lane.step * jnp.asarray(GRADIENT_STEPS)
        slopes = jax.vmap(lambda s: project(polytope, lane.weights + s * gradient))(lengths)
        trials = jnp.concatenate([along, slopes])
        values = jax.vmap(value)(trials)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        # At the end of Newton's way values no longer differ, and the residual decides.
        noise = NOISE * jnp.finfo(values.dtype).eps * (jnp.abs(lane.value) + jnp.max(jnp.abs(gradient)))
        best = jnp.argmax(values.at[0].add(noise))
        there = _look(model, polytope, trials[best])
        new = there.climber
        better = (new.value > lane.value + noise) | ((new.value >= lane.value - noise) & (new.kkt < lane.kkt))
        progress = better & (
            (new.value > lane.value + LITTLE * (1.0 + jnp.abs(lane.value))) | (new.kkt < 0.5 * lane.kkt)
        )
        idle = jnp.where(progress, 0.0, lane.idle + 1.0)
        move, bend = new.weights - lane.weights, gradient - there.gradient
        length = jnp.sum(move**2) / jnp.maximum(jnp.sum(move * bend), jnp.sum(move**2) / LONG)
        length = jnp.where(jnp.sum(move**2) > 0, length, lane.step)
        damping = jnp.where(
            definite, jnp.where(lane.damping > 1e-6, 0.1 * lane.damping, 0.0), jnp.maximum(8.0 * lane.damping, 1e-2)
        )
        taken = lane._replace(
            weights=jnp.where(better, new.weights, lane.weights),
            value=jnp.where(better, new.value, lane.value),
            kkt=jnp.where(better, new.kkt, lane.kkt),
            step=jnp.clip(jnp.where(better, length, REJECTED * lane.step), SHORT, LONG),
            damping=damping,
            idle=idle,
            steps=lane.steps + 1.0,
        )
        ended = jnp.where(taken.kkt <= tolerance, SETTLED, jnp.where(idle >= IDLE, STUCK, RUNNING))
        gradient = jnp.where(better, there.gradient, gradient)
        hessian = jnp.where(better, there.hessian, hessian)
        return _State(taken._replace(status=ended), gradient, hessian, left - 1)

    here = _look(model, polytope, start.weights)
    new = here.climber
    finite = jnp.isfinite(new.value) & jnp.isfinite(new.kkt)
    status = jnp.where(~finite, FAILED, jnp.where(new.kkt <= tolerance, SETTLED, RUNNING))
    first = start._replace(
        value=jnp.where(finite, new.value, -jnp.inf),
        kkt=jnp.where(finite, new.kkt, jnp.inf),
        status=jnp.where(start.status == RUNNING, status, start.status),
    )
    state = here._replace(climber=first, left=jnp.asarray(steps, jnp.int32))
    end = lax.while_loop(lambda s: (s.climber.status == RUNNING) & (s.left > 0), advance, state)
    return jax.tree.map(lambda new, old: jnp.where(start.status == RUNNING, new, old), end.climber, start)


def _look(model: Model, polytope: Polytope, weights: Array) -> _State:
    """What a point is worth; numbers that are not finite make its residual infinite, and nothing else."""
    value, gradient, hessian = model(weights)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    gradient = jnp.where(finite, gradient, 0.0)
    hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), 0.5 * (hessian + hessian.T), 0.0)
    kkt = jnp.where(finite, jnp.max(jnp.abs(weights - project(polytope, weights + gradient))), jnp.inf)
    lane = begin(weights)._replace(value=jnp.where(finite, value, -jnp.inf), kkt=kkt)
    return _State(lane, gradient, hessian, jnp.int32(0))


def _peak(polytope: Polytope, lane: Climber, gradient: Array, hessian: Array) -> tuple[Array, Array]:
    """Where the quadratic model is greatest on the set, nearly, and whether it curves down on the face there."""
    size = jnp.mean(jnp.abs(jnp.diagonal(hessian)))
    tiny = jnp.finfo(size.dtype).eps
    bend = jnp.eye(len(gradient)) * lane.damping * size - hessian
    centred = jnp.diagonal(bend) - 2.0 * jnp.mean(bend, axis=1) + jnp.mean(bend)
    stiff = jnp.max(centred)
    length = jnp.where(stiff > tiny * size, 1.0 / jnp.where(stiff > 0, stiff, 1.0), lane.step)
    point, definite = lane.weights, jnp.asarray(True)
    for _ in range(FACES):
        slope = gradient - bend @ (point - lane.weights)
        landing = land(polytope, point + length * slope)
        slope = gradient - bend @ (landing.point - lane.weights)
        onto = landing.along(landing.along(bend).T) + stiff * (jnp.eye(len(gradient)) - landing.matrix())
        move, pivot = solve_definite(onto, landing.along(slope), 1e2 * float(tiny))
        definite = pivot > 1e2 * tiny
        point = landing.point + jnp.where(jnp.isfinite(move), move, 0.0)
    return project(polytope, point), definite
