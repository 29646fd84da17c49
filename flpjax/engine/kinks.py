"""Up the ridges of a value with kinks: the worst of several scores, quantiles, networks of ramps.

On a ridge neither a gradient nor a Newton step goes up, and moves along axes need not either. What does is a model with
the kink in it: the lowest of several smooth pieces, each known to second order at some point visited before (a bundle;
Lemaréchal & Mifflin 1978). Maximising it is a small quadratic programme, solved in a fixed number of steps of an
interior point method (Mehrotra 1992). Where the value is the least of smooth pieces, this is Newton's method for such
problems and converges as fast; pieces that turn out not to lie above the value near by are left out.

The last look at a corner is :func:`shift_pairs`: moves of mass from one source to another, all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.engine.climb import Climber, Model
from flpjax.engine.polytope import Polytope, project

ROUNDS = 60
INTERIOR = 20  # steps of the interior point method
SHARES = (1.0, 0.5, 0.2, 0.05, 0.01)  # of the step that the model proposes
ENOUGH = 1e-12  # gain that the model must promise
FAR = 4.0  # gain that a piece allows that is not known; no step of length 1 gains more than 2
OUTPUT_LOG_SD = 1e-9  # pieces that differ by less, in units of the steepest, are the same
SPARE = 4  # pieces that are kept beyond one a source


class Pieces(NamedTuple):
    """What is known of the value at points visited."""

    point: Array  # (piece, S)
    value: Array  # (piece,) -inf where none is kept
    gradient: Array  # (piece, S)
    hessian: Array  # (piece, S, S)
    share: Array  # (piece,) multipliers of the last programme


class _State(NamedTuple):
    weights: Array  # (S,)
    value: Array
    trust: Array  # the longest step, about
    pieces: Pieces
    left: Array
    promise: Array


def ridge(value: Callable[[Array], Array], model: Model, polytope: Polytope, lane: Climber) -> Climber:
    """Follow ridges from where a lane is stuck. Its ``kkt`` and status are left as they are.

    Args:
        value: ``weights (S,) -> number``.
        model: The same with its derivatives.
        polytope: Where weights may lie.
        lane: Where it stands; its value is finite.
    """
    size = len(lane.weights)
    count = size + SPARE

    def step(state: _State) -> _State:
        weights, best, trust, pieces, left, _ = state
        away = weights[None, :] - pieces.point
        bend = jnp.einsum("kij,kj->ki", pieces.hessian, away)
        slopes = pieces.gradient + bend
        scale = jnp.maximum(jnp.max(jnp.where(pieces.value > -jnp.inf, jnp.max(jnp.abs(slopes), 1), 0.0)), 1e-30)
        above = pieces.value + jnp.sum(away * (pieces.gradient + 0.5 * bend), axis=1) - best
        known = (pieces.value > -jnp.inf) & (above >= -scale * (1e-9 + 0.1 * jnp.sum(away**2, axis=1)))
        curvature = -jnp.einsum("k,kij->ij", pieces.share, pieces.hessian) / scale
        excess = jnp.where(known, jnp.maximum(above, 0.0) / scale, FAR)
        slopes = jnp.where(known[:, None], slopes / scale, 0.0)
        move, promise, share = _programme(polytope, weights, excess, slopes, _definite(curvature), 1.0 / trust)
        target = project(polytope, weights + move)
        trials = weights[None, :] + jnp.asarray(SHARES)[:, None] * (target - weights)[None, :]
        values = jax.vmap(value)(trials)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        chosen = jnp.argmax(values)
        better = values[chosen] > best
        # Without gain, what the model got wrong is learnt from the full step, and the next one is shorter.
        look = trials[jnp.where(better, chosen, 0)]
        number, gradient, hessian = model(look)
        usable = jnp.isfinite(number) & jnp.all(jnp.isfinite(gradient))
        # A newer look at the same piece replaces the older one; else what matters least goes.
        gone = look[None, :] - pieces.point
        bent = jnp.einsum("kij,kj->ki", pieces.hessian, gone)
        foretold = pieces.value + jnp.sum(gone * (pieces.gradient + 0.5 * bent), axis=1)
        off = jnp.max(jnp.abs(pieces.gradient + bent - gradient[None, :]), axis=1) + jnp.abs(foretold - number)
        off = jnp.where(pieces.value > -jnp.inf, off / scale, jnp.inf)
        worth = jnp.where(share > 1e-6, share, -jnp.sum(away**2, axis=1) - excess)
        least = jnp.argmin(jnp.where(pieces.value == -jnp.inf, -jnp.inf, worth))
        again = jnp.min(off) < OUTPUT_LOG_SD
        place = jnp.where(again, jnp.argmin(off), least)
        new = Pieces(
            look,
            jnp.where(usable, number, -jnp.inf),
            jnp.where(usable, gradient, 0.0),
            jnp.where(jnp.all(jnp.isfinite(hessian)), 0.5 * (hessian + hessian.T), 0.0),
            jnp.where(again, share[place], 0.0),
        )
        pieces = jax.tree.map(lambda old, own: old.at[place].set(own), pieces._replace(share=share), new)
        trust = jnp.clip(trust * jnp.where(better, jnp.where(chosen == 0, 4.0, 1.0), 0.5), 1e-8, 1e4)
        weights, best = jnp.where(better, look, weights), jnp.where(better, values[chosen], best)
        return _State(weights, best, trust, pieces, left - 1, promise * scale)

    number, gradient, hessian = model(lane.weights)
    finite = jnp.all(jnp.isfinite(gradient))
    first = Pieces(
        lane.weights,
        number,
        jnp.where(finite, gradient, 0.0),
        jnp.where(jnp.all(jnp.isfinite(hessian)), 0.5 * (hessian + hessian.T), 0.0),
        jnp.ones(()),
    )
    none = Pieces(lane.weights, -jnp.inf * jnp.ones(()), 0.0 * gradient, 0.0 * hessian, jnp.zeros(()))
    none = jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf) | (leaf == -jnp.inf), leaf, 0.0), none)
    pieces = jax.tree.map(lambda one, other: jnp.stack([one] + [other] * (count - 1)), first, none)
    state = _State(lane.weights, lane.value, jnp.ones(()), pieces, jnp.int32(ROUNDS), jnp.inf * jnp.ones(()))

    def goes_on(state: _State) -> Array:
        return (state.left > 0) & (state.promise > ENOUGH * (1.0 + jnp.abs(state.value))) & finite

    end = lax.while_loop(goes_on, step, state)
    return lane._replace(weights=end.weights, value=end.value, steps=lane.steps + (ROUNDS - end.left))


def _definite(curvature: Array) -> Array:
    """The matrix itself if its Cholesky factor exists; otherwise its diagonal's size on the diagonal."""
    size = jnp.max(jnp.abs(curvature))
    whole = curvature + 1e-12 * size * jnp.eye(len(curvature))
    factor = jnp.linalg.cholesky(whole)
    return jnp.where(jnp.all(jnp.isfinite(factor)), whole, 0.0)


def _programme(
    polytope: Polytope, weights: Array, excess: Array, slopes: Array, curvature: Array, pull: Array
) -> tuple[Array, Array, Array]:
    """Maximise ``min_k (excess_k + slopes_k · d) - d · (curvature + pull) d / 2`` over ``weights + d`` in the set.

    Returns:
        The step ``(S,)``, the gain that the model sees in it, and the pieces' multipliers ``(piece,)``, of sum 1.
    """
    size, groups = len(weights), len(polytope.group_lower)
    lower, upper = jnp.asarray(polytope.lower), jnp.asarray(polytope.upper)
    fixed = lower >= upper
    loose = (~fixed).astype(weights.dtype)
    slopes, eye = slopes * loose[None, :], jnp.eye(size)
    member = (jnp.asarray(polytope.group)[None, :] == jnp.arange(groups)[:, None]).astype(weights.dtype)  # (G, S)
    sums = member @ weights
    welded = jnp.asarray(polytope.group_lower) >= jnp.asarray(polytope.group_upper)
    band = member * (~welded)[:, None]
    ones, wide = jnp.ones_like, 1.0  # a bound that doesn't matter is this far away
    table = jnp.concatenate(
        [
            jnp.concatenate([-slopes, ones(excess)[:, None]], axis=1),
            jnp.pad(jnp.concatenate([eye, -eye, band, -band]), ((0, 0), (0, 1))),
        ]
    )
    bounds = jnp.concatenate(
        [
            excess,
            jnp.where(fixed, wide, upper - weights),
            jnp.where(fixed, wide, weights - lower),
            jnp.where(welded, wide, jnp.asarray(polytope.group_upper) - sums),
            jnp.where(welded, wide, sums - jnp.asarray(polytope.group_lower)),
        ]
    )
    equal = jnp.concatenate([loose[None, :], member * welded[:, None] * loose[None, :]])
    equal = jnp.pad(equal, ((0, 0), (0, 1)))  # (1 + G, S + 1)
    void = jnp.diag(jnp.all(equal == 0, axis=1).astype(weights.dtype))
    quadratic = curvature * loose[:, None] * loose[None, :] + jnp.diag(jnp.where(fixed, 1.0, pull))
    quadratic = jnp.pad(quadratic, ((0, 1), (0, 1)))
    linear = jnp.zeros(size + 1).at[size].set(-1.0)

    def step(_: Any, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        x, nu, slack, dual = state
        off = quadratic @ x + linear + table.T @ dual + equal.T @ nu
        miss, gap = table @ x + slack - bounds, equal @ x
        matrix = quadratic + (table.T * (dual / slack)[None, :]) @ table
        # Welded groups that hold all sources make the total redundant; a touch of slack keeps the system regular.
        factor = jax.scipy.linalg.lu_factor(
            jnp.block([[matrix, equal.T], [equal, -void - 1e-13 * jnp.eye(1 + groups)]])
        )

        def solve(complement: Array) -> tuple[Array, Array, Array, Array]:
            rhs = -off - table.T @ ((dual * miss - complement) / slack)
            both = jax.scipy.linalg.lu_solve(factor, jnp.concatenate([rhs, -gap]))
            dx = both[: size + 1]
            ds = -miss - table @ dx
            return dx, both[size + 1 :], ds, -(complement + dual * ds) / slack

        mean = jnp.mean(slack * dual)
        _, _, ds, dz = solve(slack * dual)
        reach = jnp.minimum(_reach(slack, ds), _reach(dual, dz))
        centre = jnp.mean((slack + reach * ds) * (dual + reach * dz)) / mean
        moves = solve(slack * dual + ds * dz - centre**3 * mean)
        reach = 0.995 * jnp.minimum(_reach(slack, moves[2]), _reach(dual, moves[3]))
        new = jax.tree.map(lambda old, move: old + reach * move, state, moves)
        sound = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in new])) & (mean > 1e-16)
        return jax.tree.map(lambda new, old: jnp.where(sound, new, old), new, state)

    top = jnp.min(excess)
    start = jnp.zeros(size + 1).at[size].set(top - 0.1)
    slack = jnp.maximum(bounds - table @ start, 1e-2)
    dual = 0.1 / slack
    x, _, _, dual = lax.fori_loop(0, INTERIOR, step, (start, jnp.zeros(1 + groups), slack, dual))
    move, share = x[:size] * loose, dual[: len(excess)]
    promise = jnp.min(excess + slopes @ move)
    return move, promise, share / jnp.sum(share)


def _reach(numbers: Array, moves: Array) -> Array:
    """The longest step, at most 1, that keeps all of them positive."""
    return jnp.minimum(1.0, jnp.min(jnp.where(moves < 0, numbers / jnp.where(moves < 0, -moves, 1.0), jnp.inf)))


SIZES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
GAIN = 1e-11  # what counts as one, in units of 1 + |value|
MOVES = 30


def shift_pairs(value: Callable[[Array], Array], polytope: Polytope, lane: Climber) -> tuple[Climber, Array]:
    """Make the best move of mass between two sources, as long as one gains.

    Args:
        value: ``weights (S,) -> number``.
        polytope: Where weights may lie; moves are cut to stay in it.
        lane: Where it stands.

    Returns:
        The lane, and how many moves it made; :data:`MOVES` if there may be more.
    """

    def step(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        weights, best, count, _ = state
        room = _room(polytope, weights)
        size = len(weights)

        def of_size(most: Array) -> tuple[Array, Array]:
            amount = jnp.minimum(room, most).ravel()
            values = jax.vmap(lambda pair: value(_moved(weights, amount[pair], pair)))(jnp.arange(size * size))
            values = jnp.where(jnp.isfinite(values) & (amount > 0), values, -jnp.inf)
            pair = jnp.argmax(values)
            return values[pair], _moved(weights, amount[pair], pair)

        values, points = lax.map(of_size, jnp.asarray(SIZES))
        chosen = jnp.argmax(values)
        better = values[chosen] > best + GAIN * (1.0 + jnp.abs(best))
        weights = jnp.where(better, points[chosen], weights)
        return weights, jnp.where(better, values[chosen], best), count + better, better

    first = (lane.weights, lane.value, jnp.int32(0), jnp.isfinite(lane.value))
    weights, best, count, _ = lax.while_loop(lambda s: s[3] & (s[2] < MOVES), step, first)
    return lane._replace(weights=weights, value=best), count


def _moved(weights: Array, amount: Array, pair: Array) -> Array:
    """``amount`` taken from one source and given to another; ``pair`` is giver · S + taker."""
    giver, taker = pair // len(weights), pair % len(weights)
    return weights.at[giver].add(-amount).at[taker].add(amount)


def _room(polytope: Polytope, weights: Array) -> Array:
    """``(giver, taker)`` how much may move."""
    give = jnp.maximum(weights - polytope.lower, 0.0)
    take = jnp.maximum(polytope.upper - weights, 0.0)
    groups = len(polytope.group_lower)
    room = jnp.minimum(give[:, None], take[None, :]) * (1.0 - np.eye(len(weights)))
    if groups == 0:
        return room
    group = jnp.asarray(polytope.group)
    sums = jnp.sum(jnp.where(group[:, None] == jnp.arange(groups)[None, :], weights[:, None], 0.0), axis=0)
    out = jnp.append(jnp.maximum(sums - polytope.group_lower, 0.0), jnp.inf)[group]  # -1 takes the last: no bound
    into = jnp.append(jnp.maximum(polytope.group_upper - sums, 0.0), jnp.inf)[group]
    across = jnp.minimum(out[:, None], into[None, :])
    return jnp.where(group[:, None] == group[None, :], room, jnp.minimum(room, across))
