"""Maximise a value of mixture weights from one start; callers vectorise it over starts (lanes).

Each step costs the same whatever happens: one value, gradient and Hessian, a few small systems, and the values of eight
trials at once, of which the best is taken. A line search would make all lanes wait for the slowest. Trials are

- *Newton's*: the quadratic model is maximised on the polytope by a few rounds of guessing its active face (the one that
  a projected gradient step of the model ends on) and solving on it. Close to an optimum the guess no longer changes:
  this is then Newton's method on the right face, and zeros are exact. Shorter steps towards that point are tried too.
- *gradient steps*, projected, of several lengths around Barzilai and Borwein's (1988), for where that model is poor.
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

FACES = 3  # rounds of guessing the active face
NEWTON_STEPS = (1.0, 0.3, 0.05)  # fractions of Newton's step that are tried
GRADIENT_STEPS = (8.0, 1.0, 0.1, 0.01)  # multiples of the length of gradient steps that are tried
REJECTED = 1e-4  # factor on the length of gradient steps when no trial was better
IDLE = 3  # steps in a row without progress (see LITTLE) that end a lane
LITTLE = 1e-10  # relative gain that counts as no progress, unless the residual at least halves
SHORT, LONG = 1e-14, 1e8  # bounds on the length of gradient steps
NOISE = 32.0  # differences of the value by fewer roundings than this are ignored

# A lane's status: settled with its residual within the tolerance, stuck after IDLE steps, failed if not finite.
RUNNING, SETTLED, STUCK, FAILED = -1.0, 0.0, 1.0, 2.0


class Climber(NamedTuple):
    """The state of one start, or of many."""

    weights: Numbers  # (…, S)
    value: Numbers
    kkt: Numbers  # residual: max-norm of weights - project(weights + gradient)
    step: Numbers  # length of gradient steps
    damping: Numbers  # multiple of the identity added to the curvature, in units of its mean |diagonal|
    idle: Numbers  # steps in a row without progress
    steps: Numbers  # taken so far
    status: Numbers  # RUNNING, SETTLED, STUCK or FAILED


class _State(NamedTuple):
    climber: Climber
    gradient: Array  # (S,)
    hessian: Array  # (S, S)
    left: Array  # steps that may still be taken


def begin(weights: Array) -> Climber:
    """The state at a start whose value has not been computed."""
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
    """Take up to ``steps`` uphill steps.

    Args:
        value: ``weights (S,) -> number``.
        model: The same with its derivatives.
        polytope: Where weights may lie.
        start: The lane's state; it is returned unchanged unless its status is RUNNING.
        steps: The most steps to take.
        tolerance: The residual ``kkt`` at which a lane ends.
    """

    def advance(state: _State) -> _State:
        lane, gradient, hessian, left = state
        peak, definite = _peak(polytope, lane, gradient, hessian)
        newton_trials = lane.weights[None, :] + jnp.asarray(NEWTON_STEPS)[:, None] * (peak - lane.weights)[None, :]
        lengths = lane.step * jnp.asarray(GRADIENT_STEPS)
        gradient_trials = jax.vmap(lambda s: project(polytope, lane.weights + s * gradient))(lengths)
        trials = jnp.concatenate([newton_trials, gradient_trials])
        values = jax.vmap(value)(trials)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        # Near an optimum values differ by rounding only: the full Newton step is preferred, and the residual decides.
        noise = NOISE * jnp.finfo(values.dtype).eps * (jnp.abs(lane.value) + jnp.max(jnp.abs(gradient)))
        best = jnp.argmax(values.at[0].add(noise))
        candidate = _look(model, polytope, trials[best])
        new = candidate.climber
        better = (new.value > lane.value + noise) | ((new.value >= lane.value - noise) & (new.kkt < lane.kkt))
        progress = better & (
            (new.value > lane.value + LITTLE * (1.0 + jnp.abs(lane.value))) | (new.kkt < 0.5 * lane.kkt)
        )
        idle = jnp.where(progress, 0.0, lane.idle + 1.0)
        move, gradient_drop = new.weights - lane.weights, gradient - candidate.gradient
        length = jnp.sum(move**2) / jnp.maximum(jnp.sum(move * gradient_drop), jnp.sum(move**2) / LONG)
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
        gradient = jnp.where(better, candidate.gradient, gradient)
        hessian = jnp.where(better, candidate.hessian, hessian)
        return _State(taken._replace(status=ended), gradient, hessian, left - 1)

    at_start = _look(model, polytope, start.weights)
    new = at_start.climber
    finite = jnp.isfinite(new.value) & jnp.isfinite(new.kkt)
    status = jnp.where(~finite, FAILED, jnp.where(new.kkt <= tolerance, SETTLED, RUNNING))
    first = start._replace(
        value=jnp.where(finite, new.value, -jnp.inf),
        kkt=jnp.where(finite, new.kkt, jnp.inf),
        status=jnp.where(start.status == RUNNING, status, start.status),
    )
    state = at_start._replace(climber=first, left=jnp.asarray(steps, jnp.int32))
    end = lax.while_loop(lambda s: (s.climber.status == RUNNING) & (s.left > 0), advance, state)
    return jax.tree.map(lambda new, old: jnp.where(start.status == RUNNING, new, old), end.climber, start)


def _look(model: Model, polytope: Polytope, weights: Array) -> _State:
    """The state at a point, with derivatives. A value or gradient not finite gives value -inf, residual inf."""
    value, gradient, hessian = model(weights)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    gradient = jnp.where(finite, gradient, 0.0)
    hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), 0.5 * (hessian + hessian.T), 0.0)
    kkt = jnp.where(finite, jnp.max(jnp.abs(weights - project(polytope, weights + gradient))), jnp.inf)
    lane = begin(weights)._replace(value=jnp.where(finite, value, -jnp.inf), kkt=kkt)
    return _State(lane, gradient, hessian, jnp.int32(0))


def _peak(polytope: Polytope, lane: Climber, gradient: Array, hessian: Array) -> tuple[Array, Array]:
    """About where the damped quadratic model is greatest on the polytope; whether it is concave on the face there."""
    size = jnp.mean(jnp.abs(jnp.diagonal(hessian)))
    tiny = jnp.finfo(size.dtype).eps
    curvature = jnp.eye(len(gradient)) * lane.damping * size - hessian
    # The diagonal of the curvature once it is projected onto directions of sum 0.
    centred = jnp.diagonal(curvature) - 2.0 * jnp.mean(curvature, axis=1) + jnp.mean(curvature)
    steepest = jnp.max(centred)
    length = jnp.where(steepest > tiny * size, 1.0 / jnp.where(steepest > 0, steepest, 1.0), lane.step)
    point, definite = lane.weights, jnp.asarray(True)
    for _ in range(FACES):
        slope = gradient - curvature @ (point - lane.weights)
        landing = land(polytope, point + length * slope)
        slope = gradient - curvature @ (landing.point - lane.weights)
        on_face = landing.along(landing.along(curvature).T) + steepest * (jnp.eye(len(gradient)) - landing.matrix())
        move, pivot = solve_definite(on_face, landing.along(slope), 1e2 * float(tiny))
        definite = pivot > 1e2 * tiny
        point = landing.point + jnp.where(jnp.isfinite(move), move, 0.0)
    return project(polytope, point), definite
