"""Maximise a value with kinks: the worst of several scores, a quantile, a ReLU network.

On a ridge (a kink along which the value is greatest) gradient and Newton steps do not go up, and moves along axes need
not either. What does is a model with the kink in it: the lowest of several smooth pieces, each known to second order at
some point visited before (a bundle; Lemaréchal & Mifflin 1978). Maximising it is a small quadratic programme, solved in
a fixed number of steps of an interior point method (Mehrotra 1992). Where the value is the least of smooth pieces, this
is Newton's method for such problems and converges as fast. Pieces that fall below the value at the present point can't
be part of such a minimum, and are left out.

The last attempt where that is stuck is :func:`shift_pairs`: it tries all moves of weight from one source to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.elimination import solve_definite
from flpjax.engine.climb import Climber, Model
from flpjax.engine.polytope import Polytope, project

ROUNDS = 60  # the most steps of :func:`ridge`
LEAST = 1e-16  # pivot, as a share of its diagonal element
INTERIOR = 20  # steps of the interior point method
SHARES = (1.0, 0.5, 0.2, 0.05, 0.01)  # fractions of the step that the model proposes, all of which are tried
ENOUGH = 1e-12  # least gain that the model must predict to go on, in units of 1 + |value|
FAR = 4.0  # excess given to unused pieces, so that they never bind; no step of length 1 gains more than 2
SAME_CORNER = 1e-9  # pieces that differ by less, in units of the steepest slope, are the same
SPARE = 4  # pieces kept beyond one for each source


class Pieces(NamedTuple):
    """Second-order models of the value at points visited."""

    point: Array  # (piece, S)
    value: Array  # (piece,) -inf in unused places
    gradient: Array  # (piece, S)
    hessian: Array  # (piece, S, S)
    share: Array  # (piece,) multipliers in the last quadratic programme


class _State(NamedTuple):
    weights: Array  # (S,)
    value: Array
    trust: Array  # about the longest step: 1 / weight of the penalty on its squared length
    pieces: Pieces
    left: Array  # steps that may still be taken
    promise: Array  # gain that the model predicted for the last step


def ridge(value: Callable[[Array], Array], model: Model, polytope: Polytope, lane: Climber) -> Climber:
    """Follow ridges from where a lane is stuck. Its ``kkt`` and status are left as they are.

    Args:
        value: ``weights (S,) -> number``.
        model: The same with its derivatives.
        polytope: Where weights may lie.
        lane: The lane's state; its value is finite.
    """
    size = len(lane.weights)
    count = size + SPARE

    def step(state: _State) -> _State:
        weights, best, trust, pieces, left, _ = state
        from_piece = weights[None, :] - pieces.point
        curved = jnp.einsum("kij,kj->ki", pieces.hessian, from_piece)
        slopes = pieces.gradient + curved
        scale = jnp.maximum(jnp.max(jnp.where(pieces.value > -jnp.inf, jnp.max(jnp.abs(slopes), 1), 0.0)), 1e-30)
        above = pieces.value + jnp.sum(from_piece * (pieces.gradient + 0.5 * curved), axis=1) - best
        known = (pieces.value > -jnp.inf) & (above >= -scale * (1e-9 + 0.1 * jnp.sum(from_piece**2, axis=1)))
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
        # Without gain, the new piece is taken at the full step, where the model erred, and the next is shorter.
        look = trials[jnp.where(better, chosen, 0)]
        number, gradient, hessian = model(look)
        usable = jnp.isfinite(number) & jnp.all(jnp.isfinite(gradient))
        # The new piece replaces an old one that agrees with it, or else the one that matters least.
        piece_to_look = look[None, :] - pieces.point
        curved_at_look = jnp.einsum("kij,kj->ki", pieces.hessian, piece_to_look)
        predicted = pieces.value + jnp.sum(piece_to_look * (pieces.gradient + 0.5 * curved_at_look), axis=1)
        mismatch = jnp.max(jnp.abs(pieces.gradient + curved_at_look - gradient[None, :]), axis=1) + jnp.abs(
            predicted - number
        )
        mismatch = jnp.where(pieces.value > -jnp.inf, mismatch / scale, jnp.inf)
        worth = jnp.where(share > 1e-6, share, -jnp.sum(from_piece**2, axis=1) - excess)
        least_useful = jnp.argmin(jnp.where(pieces.value == -jnp.inf, -jnp.inf, worth))
        duplicate = jnp.min(mismatch) < SAME_CORNER
        place = jnp.where(duplicate, jnp.argmin(mismatch), least_useful)
        new = Pieces(
            look,
            jnp.where(usable, number, -jnp.inf),
            jnp.where(usable, gradient, 0.0),
            jnp.where(jnp.all(jnp.isfinite(hessian)), 0.5 * (hessian + hessian.T), 0.0),
            jnp.where(duplicate, share[place], 0.0),
        )
        pieces = jax.tree.map(lambda old, added: old.at[place].set(added), pieces._replace(share=share), new)
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
    unused = Pieces(lane.weights, -jnp.inf * jnp.ones(()), 0.0 * gradient, 0.0 * hessian, jnp.zeros(()))
    unused = jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf) | (leaf == -jnp.inf), leaf, 0.0), unused)
    pieces = jax.tree.map(lambda one, other: jnp.stack([one] + [other] * (count - 1)), first, unused)
    state = _State(lane.weights, lane.value, jnp.ones(()), pieces, jnp.int32(ROUNDS), jnp.inf * jnp.ones(()))

    def goes_on(state: _State) -> Array:
        return (state.left > 0) & (state.promise > ENOUGH * (1.0 + jnp.abs(state.value))) & finite

    end = lax.while_loop(goes_on, step, state)
    return lane._replace(weights=end.weights, value=end.value, steps=lane.steps + (ROUNDS - end.left))


def _definite(curvature: Array) -> Array:
    """The matrix, with a tiny multiple of the identity added, if that is positive definite; otherwise 0."""
    size = jnp.max(jnp.abs(curvature))
    whole = curvature + 1e-12 * size * jnp.eye(len(curvature))
    _, smallest = solve_definite(whole, jnp.zeros(len(whole)), 0.0)
    return jnp.where(smallest > 0.0, whole, 0.0)


def _programme(
    polytope: Polytope, weights: Array, excess: Array, slopes: Array, curvature: Array, pull: Array
) -> tuple[Array, Array, Array]:
    """Maximise ``min_k (excess_k + slopes_k · d) - d · (curvature + pull) d / 2`` over ``weights + d`` in the polytope.

    By an interior point method, in the unknowns ``d`` and the minimum itself.

    Returns:
        The step ``(S,)``, the gain that the pieces predict for it, and the pieces' multipliers ``(piece,)``, of sum 1.
    """
    size, groups = len(weights), len(polytope.group_lower)
    lower, upper = jnp.asarray(polytope.lower), jnp.asarray(polytope.upper)
    fixed = lower >= upper
    movable = (~fixed).astype(weights.dtype)
    slopes, eye = slopes * movable[None, :], jnp.eye(size)
    member = (jnp.asarray(polytope.group)[None, :] == jnp.arange(groups)[:, None]).astype(weights.dtype)  # (G, S)
    sums = member @ weights
    sum_fixed = jnp.asarray(polytope.group_lower) >= jnp.asarray(polytope.group_upper)
    sum_bounded = member * (~sum_fixed)[:, None]
    ones, inactive = jnp.ones_like, 1.0  # away from here, the bounds of what is fixed anyway
    inequalities = jnp.concatenate(
        [
            jnp.concatenate([-slopes, ones(excess)[:, None]], axis=1),
            jnp.pad(jnp.concatenate([eye, -eye, sum_bounded, -sum_bounded]), ((0, 0), (0, 1))),
        ]
    )
    bounds = jnp.concatenate(
        [
            excess,
            jnp.where(fixed, inactive, upper - weights),
            jnp.where(fixed, inactive, weights - lower),
            jnp.where(sum_fixed, inactive, jnp.asarray(polytope.group_upper) - sums),
            jnp.where(sum_fixed, inactive, sums - jnp.asarray(polytope.group_lower)),
        ]
    )
    equalities = jnp.concatenate([movable[None, :], member * sum_fixed[:, None] * movable[None, :]])
    equalities = jnp.pad(equalities, ((0, 0), (0, 1)))  # (1 + G, S + 1)
    empty = jnp.diag(jnp.all(equalities == 0, axis=1).astype(weights.dtype))
    quadratic = curvature * movable[:, None] * movable[None, :] + jnp.diag(jnp.where(fixed, 1.0, pull))
    quadratic = jnp.pad(quadratic, ((0, 1), (0, 1)))
    linear = jnp.zeros(size + 1).at[size].set(-1.0)

    def step(_: Any, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        x, nu, slack, dual = state
        stationarity = quadratic @ x + linear + inequalities.T @ dual + equalities.T @ nu
        infeasibility, equality_error = inequalities @ x + slack - bounds, equalities @ x
        matrix = quadratic + (inequalities.T * (dual / slack)[None, :]) @ inequalities
        inverse, _ = solve_definite(matrix, jnp.eye(size + 1), LEAST)

        def solve_matrix(rhs: Array) -> Array:
            """``(S + 1, …)``, refined once: slacks and multipliers differ by many powers of ten."""
            found = inverse @ rhs
            return found + inverse @ (rhs - matrix @ found)

        across = solve_matrix(equalities.T)
        # If groups of fixed sum hold all sources, the total is redundant: 1e-13 keeps the system regular.
        complement_of = equalities @ across + empty + 1e-13 * jnp.eye(1 + groups)

        def solve(complement: Array) -> tuple[Array, Array, Array, Array]:
            rhs = -stationarity - inequalities.T @ ((dual * infeasibility - complement) / slack)
            alone = solve_matrix(rhs)
            dnu, _ = solve_definite(complement_of, equalities @ alone + equality_error, LEAST)
            dx = alone - across @ dnu
            ds = -infeasibility - inequalities @ dx
            return dx, dnu, ds, -(complement + dual * ds) / slack

        mean = jnp.mean(slack * dual)
        _, _, ds, dz = solve(slack * dual)
        step_size = jnp.minimum(_longest_step(slack, ds), _longest_step(dual, dz))
        centring = jnp.mean((slack + step_size * ds) * (dual + step_size * dz)) / mean
        moves = solve(slack * dual + ds * dz - centring**3 * mean)
        step_size = 0.995 * jnp.minimum(_longest_step(slack, moves[2]), _longest_step(dual, moves[3]))
        new = jax.tree.map(lambda old, move: old + step_size * move, state, moves)
        valid = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in new])) & (mean > 1e-16)
        return jax.tree.map(lambda new, old: jnp.where(valid, new, old), new, state)

    top = jnp.min(excess)
    start = jnp.zeros(size + 1).at[size].set(top - 0.1)
    slack = jnp.maximum(bounds - inequalities @ start, 1e-2)
    dual = 0.1 / slack
    x, _, _, dual = lax.fori_loop(0, INTERIOR, step, (start, jnp.zeros(1 + groups), slack, dual))
    move, share = x[:size] * movable, dual[: len(excess)]
    promise = jnp.min(excess + slopes @ move)
    return move, promise, share / jnp.sum(share)


def _longest_step(numbers: Array, moves: Array) -> Array:
    """The longest step, at most 1, for which all of ``numbers + step · moves`` stay at least 0."""
    return jnp.minimum(1.0, jnp.min(jnp.where(moves < 0, numbers / jnp.where(moves < 0, -moves, 1.0), jnp.inf)))


SIZES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # of weight that :func:`shift_pairs` tries to move
GAIN = 1e-11  # least gain for which a move is made, in units of 1 + |value|
MOVES = 30  # the most moves of one call


def shift_pairs(value: Callable[[Array], Array], polytope: Polytope, lane: Climber) -> tuple[Climber, Array]:
    """Repeat the best move of weight from one source to another, as long as it raises the value.

    Args:
        value: ``weights (S,) -> number``.
        polytope: Where weights may lie; moves are cut to stay in it.
        lane: The lane's state.

    Returns:
        The lane, and how many moves it made; :data:`MOVES` if there may be more.
    """

    def step(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        weights, best, count, _ = state
        transferable = _transferable(polytope, weights)
        size = len(weights)

        def of_size(most: Array) -> tuple[Array, Array]:
            amount = jnp.minimum(transferable, most).ravel()
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
    """The weights, ``amount`` of which is taken from one source and given to another; ``pair`` is giver · S + taker."""
    giver, taker = pair // len(weights), pair % len(weights)
    return weights.at[giver].add(-amount).at[taker].add(amount)


def _transferable(polytope: Polytope, weights: Array) -> Array:
    """``(giver, taker)`` the most weight that may be moved from one source to another within the polytope."""
    give = jnp.maximum(weights - polytope.lower, 0.0)
    take = jnp.maximum(polytope.upper - weights, 0.0)
    groups = len(polytope.group_lower)
    transferable = jnp.minimum(give[:, None], take[None, :]) * (1.0 - np.eye(len(weights)))
    if groups == 0:
        return transferable
    group = jnp.asarray(polytope.group)
    sums = jnp.sum(jnp.where(group[:, None] == jnp.arange(groups)[None, :], weights[:, None], 0.0), axis=0)
    out = jnp.append(jnp.maximum(sums - polytope.group_lower, 0.0), jnp.inf)[group]  # group -1 (none): no bound
    into = jnp.append(jnp.maximum(polytope.group_upper - sums, 0.0), jnp.inf)[group]
    across = jnp.minimum(out[:, None], into[None, :])
    return jnp.where(group[:, None] == group[None, :], transferable, jnp.minimum(transferable, across))
