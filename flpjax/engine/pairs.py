"""Moves of mass from one source to another, all of them at once: the last look at a corner of a value."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.engine.climb import Climber
from flpjax.engine.polytope import Polytope

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
