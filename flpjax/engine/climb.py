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
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.elimination import solve_definite
from flpjax.engine.gauss_newton import Numbers
from flpjax.engine.polytope import Polytope, land, project
from flpjax.numerics import varying

Value = Callable[[Array, Any], Array]
"""``(weights (S,), data of one problem) -> number``, hashable: a function of a module, or a frozen object."""

Model = Callable[[Array], tuple[Array, Array, Array]]
"""``weights (S,) -> value, gradient (S,), Hessian (S, S)``."""

FACES = 3  # rounds of guessing the active face
NEWTON_STEPS = (1.0, 0.3, 0.05)  # fractions of Newton's step that are tried
GRADIENT_STEPS = (8.0, 1.0, 0.1, 0.01)  # multiples of the length of gradient steps that are tried
REJECTED = 1e-4  # factor on the length of gradient steps when no trial was better
MOST_IDLE_STEPS = 3  # steps in a row without progress (see LEAST_RELATIVE_GAIN) that end a lane
LEAST_RELATIVE_GAIN = 1e-10  # relative gain that counts as no progress, unless the residual at least halves
SHORT, LONG = 1e-14, 1e8  # bounds on the length of gradient steps
FARTHEST = 1e3  # from where a lane stands are points that are projected: of one far off, rounding decides
NOISE = 32.0  # differences of the value by fewer roundings than this are ignored

# A lane's status: settled with its residual within the tolerance, stuck after MOST_IDLE_STEPS, failed if not finite.
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
    begun = jnp.asarray(steps, jnp.int32) + 1

    def advance(state: _State) -> _State:
        lane, gradient, hessian, left = state
        fresh = left == begun  # the first round looks at the start: one copy of the model to compile
        peak, definite = _peak(polytope, lane, gradient, hessian)
        lengths = lane.step * jnp.asarray(GRADIENT_STEPS)
        targets = jnp.concatenate([peak[None, :], lane.weights[None, :] + lengths[:, None] * gradient[None, :]])
        landed = jax.vmap(lambda point: project(polytope, _near(lane.weights, point)))(targets)
        newton_trials = lane.weights[None, :] + jnp.asarray(NEWTON_STEPS)[:, None] * (landed[0] - lane.weights)[None, :]
        trials = jnp.concatenate([newton_trials, landed[1:]])
        values = jax.vmap(value)(trials)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        # Near an optimum values differ by rounding only: the full Newton step is preferred, and the residual decides.
        noise = NOISE * jnp.finfo(values.dtype).eps * (jnp.abs(lane.value) + jnp.max(jnp.abs(gradient)))
        best = jnp.argmax(values.at[0].add(noise))
        candidate = _look(model, polytope, jnp.where(fresh, lane.weights, trials[best]))
        new = candidate.climber
        first = _first(lane, new, tolerance)
        better = (new.value > lane.value + noise) | ((new.value >= lane.value - noise) & (new.kkt < lane.kkt))
        progress = better & (
            (new.value > lane.value + LEAST_RELATIVE_GAIN * (1.0 + jnp.abs(lane.value))) | (new.kkt < 0.5 * lane.kkt)
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
        ended = jnp.where(taken.kkt <= tolerance, SETTLED, jnp.where(idle >= MOST_IDLE_STEPS, STUCK, RUNNING))
        gradient = jnp.where(better | fresh, candidate.gradient, gradient)
        hessian = jnp.where(better | fresh, candidate.hessian, hessian)
        taken = taken._replace(status=ended)
        return _State(jax.tree.map(partial(jnp.where, fresh), first, taken), gradient, hessian, left - 1)

    nothing = jnp.zeros_like(start.weights)
    state = _State(start, nothing, jnp.zeros((len(nothing),) * 2, nothing.dtype), begun)
    state = varying(state, start.status)
    return lax.while_loop(lambda s: (s.climber.status == RUNNING) & (s.left > 0), advance, state).climber


def _first(start: Climber, seen: Climber, tolerance: Array) -> Climber:
    """A start once it has been looked at."""
    finite = jnp.isfinite(seen.value) & jnp.isfinite(seen.kkt)
    return start._replace(
        value=jnp.where(finite, seen.value, -jnp.inf),
        kkt=jnp.where(finite, seen.kkt, jnp.inf),
        status=jnp.where(~finite, FAILED, jnp.where(seen.kkt <= tolerance, SETTLED, RUNNING)),
    )


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
    """About where the damped quadratic model is greatest, to be projected once more; whether it is concave there."""
    size = jnp.mean(jnp.abs(jnp.diagonal(hessian)))
    tiny = jnp.finfo(size.dtype).eps
    curvature = jnp.eye(len(gradient)) * lane.damping * size - hessian
    # The diagonal of the curvature once it is projected onto directions of sum 0.
    centred = jnp.diagonal(curvature) - 2.0 * jnp.mean(curvature, axis=1) + jnp.mean(curvature)
    steepest = jnp.max(centred)
    length = jnp.where(steepest > tiny * size, 1.0 / jnp.where(steepest > 0, steepest, 1.0), lane.step)

    def on_next_face(_: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        point, _ = state
        slope = gradient - curvature @ (point - lane.weights)
        landing = land(polytope, _near(lane.weights, point + length * slope))
        slope = gradient - curvature @ (landing.point - lane.weights)
        on_face = landing.along(landing.along(curvature).T) + steepest * (jnp.eye(len(gradient)) - landing.matrix())
        move, pivot = solve_definite(on_face, landing.along(slope), 1e2 * float(tiny))
        peak = _near(landing.point, landing.point + jnp.where(jnp.isfinite(move), move, 0.0))
        return peak, pivot > 1e2 * tiny

    return lax.fori_loop(0, FACES, on_next_face, varying((lane.weights, jnp.asarray(True)), lane.step))


def _near(weights: Array, point: Array) -> Array:
    """The point, or one on the way to it."""
    move = point - weights
    return weights + move * (FARTHEST / jnp.maximum(jnp.max(jnp.abs(move)), FARTHEST))
