"""Damped Gauss-Newton steps of many fits at once, as one program of one size for each law."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.elimination import diagonal_matrix, diagonal_of, solve_definite
from flpjax.laws.law import Law, Space, prior_normal, unpack
from flpjax.numerics import compiled

LANES = 264  # of one call: more leave a processor's cache, fewer wait for it; rows 2 kB apart would share its lines
EACH = 3  # steps of a call: a fit takes about six, and one that has ended waits for the others
TOLERANCE = 1e-5  # of the log density: a climb ends where a full step promises less
STIFF, STIFFEST, HOPELESS = 1e-2, 1e8, 1e4  # damping at first and at most, and beyond which no step helps
SOFTER, STIFFER = 1.0 / 8.0, 2.0  # factors on the damping: the least of a step taken, the first of one that is not
LEAST = 1e-12  # pivot, as a share of its diagonal element


class Problem(NamedTuple):
    """What fits are made to, the last axis of all leaves the lane."""

    x: Any  # leaves (row, …, lane)
    y: Any  # (row, lane)
    root: Any  # (row, lane) of the inverse variance of a row by itself; 0 unseen
    away: Any  # (cell, row, lane) what integrated weights take away
    effect: Any  # (run, lane) what integrated effects of runs do


class Climb(NamedTuple):
    """Where climbs stand, and how they go on; the last axis of all leaves the lane."""

    theta: Any  # (p, lane)
    value: Any  # (lane,) minus the log density but for constants
    gradient: Any  # (p, lane) of the log density
    hessian: Any  # (p, p, lane) of minus the log density
    gain: Any  # (lane,) that a full step promises: below the tolerance a climb has ended
    damping: Any  # (lane,)
    stiffer: Any  # (lane,) factor on it, should the next step not be taken


def begun(law: Law, lanes: int) -> Climb:
    """Climbs that have ended, to be filled with others."""
    p = len(prior_normal(law)[0])
    theta, none = np.zeros((p, lanes)), np.zeros(lanes)
    hessian = np.repeat(np.eye(p)[..., None], lanes, axis=2)
    return Climb(theta, none.copy(), theta.copy(), hessian, none.copy(), none + STIFF, none + STIFFER)


@partial(compiled, static_argnums=(0, 1, 2))
def advance(law: Law, space: Space, places: int, problem: Problem, known: Climb) -> Climb:
    """Up to :data:`EACH` steps of each climb that has not ended.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        places: Of each run that has an effect, one after the other.
        problem: What is fitted to.
        known: Where the climbs stand.
    """

    def step(state: tuple[Array, Climb]) -> tuple[Array, Climb]:
        count, now = state
        live = now.gain >= TOLERANCE
        move = jax.vmap(_move, -1, -1)(now.hessian, now.gradient, now.damping)
        there = now.theta + move
        new = _density(law, space, places, problem, there)
        better = live & (new.value <= now.value)
        gained = jnp.where(better, now.value - new.value, 0.0)
        # Nielsen (1999): as soft as the step went as it was said to, and no jumps, after which every other step fails.
        said = jnp.sum(move * (now.gradient - 0.5 * jnp.sum(now.hessian * move[None], axis=1)), axis=0)
        fulfilled = jnp.where(said > 0, gained / jnp.where(said > 0, said, 1.0), 0.0)
        softer = now.damping * jnp.clip(1.0 - (2.0 * fulfilled - 1.0) ** 3, SOFTER, STIFFER)
        damping = jnp.where(better, softer, jnp.minimum(now.damping * now.stiffer, STIFFEST))
        stiffer = jnp.where(better, STIFFER, jnp.where(live, 2.0 * now.stiffer, now.stiffer))
        theta, value, gradient, hessian = (
            jnp.where(jnp.broadcast_to(better, n.shape), n, o) for n, o in zip(new[:4], now[:4], strict=True)
        )
        full = jax.vmap(_move, -1, -1)(hessian, gradient, jnp.zeros_like(damping))
        gain = jnp.where(live & (now.damping > HOPELESS), 0.0, now.gain)
        gain = jnp.where(better, 0.5 * jnp.sum(full * gradient, axis=0), gain)
        damping = jnp.where(live, damping, now.damping)
        return count + 1, Climb(theta, value, gradient, hessian, gain, damping, stiffer)

    def goes_on(state: tuple[Array, Climb]) -> Array:
        return (state[0] < EACH) & jnp.any(state[1].gain >= TOLERANCE)

    return lax.while_loop(goes_on, step, (jnp.zeros((), int), known))[1]


def _move(hessian: Array, gradient: Array, damping: Array) -> Array:
    damped = hessian + diagonal_matrix(damping * diagonal_of(hessian))
    return solve_definite(damped, gradient, LEAST)[0]


def _density(law: Law, space: Space, places: int, problem: Problem, theta: Array) -> Climb:
    """Minus the log density and its derivatives at ``theta``; infinite where something is not finite."""
    loc, scale = (v[:, None] for v in prior_normal(law))
    deviation, precision = theta - loc, 1.0 / scale**2
    value, slopes = jax.vmap(partial(_rows, law, space), (-1, -1), -1)(theta, problem.x)
    root, lanes = problem.root, theta.shape[-1]
    residual = jnp.where(root > 0, problem.y - value, 0.0)
    both = [jnp.where(root > 0, slope * root, 0.0) for slope in slopes] + [residual * root]
    taken = [jnp.sum(problem.away * b[None], axis=1) for b in both]
    of_runs = []
    if places:
        used = places * len(problem.effect)
        sums = [(b * root)[:used].reshape(len(problem.effect), places, lanes).sum(axis=1) for b in both]
        of_runs = [problem.effect * s for s in sums]
    gram = _products(both) - _products(taken) - (_products(of_runs) if places else 0.0)
    sound = jnp.isfinite(gram).all(axis=(0, 1))
    density = 0.5 * gram[-1, -1] + 0.5 * jnp.sum(deviation**2 * precision, axis=0)
    hessian = gram[:-1, :-1] + np.diag(precision[:, 0])[..., None]
    none = jnp.zeros_like(density)
    gradient = gram[:-1, -1] - deviation * precision
    return Climb(theta, jnp.where(sound, density, jnp.inf), gradient, hessian, none, none, none)


def _rows(law: Law, space: Space, theta: Array, x: Any) -> tuple[Array, list[Array]]:
    """The law at all rows of one lane, ``(row,)``, and its derivatives, one ``(row,)`` a parameter."""

    def value(*theta: Array) -> Array:
        found = jax.vmap(partial(law.apply, unpack(law, jnp.stack(theta))))(x)
        return jnp.log(found) if space == "log" else found

    numbers = [theta[k] for k in range(len(theta))]
    found, push = jax.linearize(value, *numbers)
    one, zero = jnp.ones((), theta.dtype), jnp.zeros((), theta.dtype)
    return found, [push(*(one if i == j else zero for j in range(len(theta)))) for i in range(len(theta))]


def _products(columns: list[Array]) -> Array:
    """``(k, k, lane)`` sums over rows of products of columns ``(row, lane)``, in one pass."""
    count = len(columns)
    upper = [(i, j) for i in range(count) for j in range(i, count)]
    terms = [columns[i] * columns[j] for i, j in upper]
    zero = jnp.zeros((), terms[0].dtype)
    sums = lax.reduce(terms, [zero] * len(terms), lambda a, b: [x + y for x, y in zip(a, b, strict=True)], (0,))
    at = [[upper.index((min(i, j), max(i, j))) for j in range(count)] for i in range(count)]
    return jnp.stack([jnp.stack([sums[k] for k in row]) for row in at])
