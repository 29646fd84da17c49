"""One lane of a sampler: a few chains of Hamiltonian Monte Carlo on one small density, in the units of its spread.

No-U-Turn trajectories double until they turn, and a batch of chains waits for the longest. Here all lanes take the same
number of leapfrog steps, drawn anew for every transition between 1 and a bound (Duane et al. 1987; that lengths vary is
what keeps a trajectory from coming back to where it began, Neal 2011, section 5.4.2.2): no lane waits for another. What
lanes have of their own is the length of a step, and an affine map (a dense mass matrix) under which the density is
about a standard normal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.elimination import solve_definite
from flpjax.engine.gauss_newton import Numbers
from flpjax.engine.mixing import effective_size, split_rhat
from flpjax.numerics import varying

LogDensity = Callable[[Array, Any], Array]
"""``(vector (p,), data of one problem) → log density``; static, the same for all lanes."""
Watched = Callable[[Array], Array]
"""``vector (p,) → (quantity,)`` of which chains must agree; static."""

ADAPTED = 100  # transitions at the beginning of a window that adapt the step, and are not kept
BROKEN = 1000.0  # of energy, by which a trajectory has left the density (Betancourt 2017, section 6.2)
UNSEEN = 1e9  # energy of a start that was not looked at: the first transition goes anywhere that is finite


class Lane(NamedTuple):
    """Where the chains of one density stand, and how they move."""

    vector: Numbers  # (chain, p)
    energy: Numbers  # (chain,) minus the log density there
    slope: Numbers  # (chain, p) of the energy
    centre: Numbers  # (p,) of the affine map
    root: Numbers  # (p, p) of the affine map: vector = centre + root · white
    log_step: Numbers  # of a leapfrog step, in white units
    seed: Numbers  # (2,) of a JAX random key


class Window(NamedTuple):
    """How all lanes of a call march: traced numbers, so that one program serves every window."""

    number: Numbers  # how many windows the lanes have had: other random numbers in each
    thin: Numbers  # transitions from one kept draw to the next
    longest: Numbers  # leapfrog steps of a transition at most
    acceptance: Numbers  # probability that the step is adapted to


class Seen(NamedTuple):
    """What a window kept, of one lane."""

    vectors: Numbers  # (chain, draw, p)
    acceptance: Numbers  # (chain, draw) mean of the transitions since the last draw
    diverging: Numbers  # (chain, draw) whether one of them broke off
    steps: Numbers  # (draw,) leapfrog steps of them
    rhat: Numbers  # (quantity,)
    ess: Numbers  # (quantity,)
    covariance: Numbers  # (p, p) of the draws of all chains


class _March(NamedTuple):
    """The state of a window's loop."""

    white: Array  # (chain, p)
    energy: Array
    slope: Array  # in white units
    log_step: Array
    averaged: Array  # sum of the later half of the adapted log steps


class _Since(NamedTuple):
    """What came since the last kept draw."""

    acceptance: Array  # (chain,)
    diverging: Array  # (chain,)
    steps: Array


def march(
    log_density: LogDensity, watched: Watched, draws: int, data: Any, window: Window, lane: Lane
) -> tuple[Lane, Seen]:
    """One window of one lane: adapt the step, then keep so many draws of each chain.

    Args:
        log_density: What is sampled; static.
        watched: What chains must agree on; static.
        draws: Kept of each chain; static.
        data: Of one problem.
        window: How to march.
        lane: Where it stands.
    """

    def energy(white: Array) -> Array:
        return -log_density(lane.centre + lane.root @ white, data)

    def looked_at(white: Array) -> tuple[Array, Array]:
        value, slope = jax.vmap(jax.value_and_grad(energy))(white)
        sound = jnp.isfinite(value) & jnp.isfinite(slope).all(axis=-1)
        return jnp.where(sound, value, jnp.inf), jnp.where(sound[:, None], slope, 0.0)

    own = jax.random.fold_in(jax.random.wrap_key_data(lane.seed), window.number)
    common = jax.random.fold_in(jax.random.key(0), window.number)

    def transition(state: _March, number: Array, log_step: Array) -> tuple[_March, _Since]:
        push, luck = jax.random.split(jax.random.fold_in(own, number))
        steps = jax.random.randint(jax.random.fold_in(common, number), (), 1, window.longest + 1)
        step = jnp.exp(log_step)
        speed = jax.random.normal(push, state.white.shape, state.white.dtype)

        def leap(_: Array, at: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            white, speed, _, slope = at
            speed = speed - 0.5 * step * slope
            white = white + step * speed
            value, slope = looked_at(white)
            return white, speed - 0.5 * step * slope, value, slope

        before = state.energy + 0.5 * jnp.sum(speed**2, axis=-1)
        white, end, value, slope = lax.fori_loop(0, steps, leap, (state.white, speed, state.energy, state.slope))
        gain = before - value - 0.5 * jnp.sum(end**2, axis=-1)
        gain = jnp.where(jnp.isfinite(gain), gain, -jnp.inf)
        accepted = jnp.exp(jnp.minimum(gain, 0.0))
        there = jax.random.uniform(luck, gain.shape, gain.dtype) < accepted
        moved = state._replace(
            white=jnp.where(there[:, None], white, state.white),
            energy=jnp.where(there, value, state.energy),
            slope=jnp.where(there[:, None], slope, state.slope),
        )
        return moved, _Since(accepted, gain < -BROKEN, steps)

    def keep(i: Array, everything: tuple[_March, Seen]) -> tuple[_March, Seen]:
        state, seen = everything
        adapting = i < ADAPTED
        log_step = jnp.where(adapting, state.log_step, state.averaged / (ADAPTED // 2))

        def again(j: Array, pair: tuple[_March, _Since]) -> tuple[_March, _Since]:
            moved, new = transition(pair[0], i * (window.thin + 1) + j, log_step)
            return moved, jax.tree.map(lambda a, b: a | b if a.dtype == bool else a + b, pair[1], new)

        nothing = _Since(jnp.zeros_like(state.energy), jnp.zeros(state.energy.shape, bool), jnp.zeros((), int))
        times = jnp.where(adapting, 1, window.thin)
        state, since = lax.fori_loop(0, times, again, (state, nothing))
        excess = since.acceptance.mean() - window.acceptance
        adapted = jnp.where(adapting, state.log_step + excess / jnp.sqrt(1.0 + i), state.log_step)
        later = adapting & (i >= ADAPTED // 2)
        state = state._replace(log_step=adapted, averaged=state.averaged + jnp.where(later, adapted, 0.0))
        at = jnp.maximum(i - ADAPTED, 0)
        return state, seen._replace(
            vectors=seen.vectors.at[:, at].set(state.white),
            acceptance=seen.acceptance.at[:, at].set(since.acceptance / times),
            diverging=seen.diverging.at[:, at].set(since.diverging),
            steps=seen.steps.at[at].set(since.steps),
        )

    chains, size = lane.vector.shape
    white = solve_definite(lane.root, (lane.vector - lane.centre[None]).T, 0.0)[0].T
    zero = jnp.zeros((chains, draws), lane.vector.dtype)
    unknown = jnp.zeros(size, zero.dtype)
    empty = Seen(
        jnp.zeros((chains, draws, size), zero.dtype), zero, zero > 0, jnp.zeros(draws, int), unknown, unknown, lane.root
    )
    begun = _March(white, lane.energy, lane.slope @ lane.root, lane.log_step, jnp.zeros_like(lane.log_step))
    state, seen = lax.fori_loop(0, ADAPTED + draws, keep, varying((begun, empty), lane.log_step))
    vectors = jax.vmap(jax.vmap(lambda white: lane.centre + lane.root @ white))(seen.vectors)
    quantities = jax.vmap(jax.vmap(watched))(vectors)
    centred = (vectors - vectors.mean(axis=(0, 1), keepdims=True)).reshape(-1, size)
    seen = seen._replace(
        vectors=vectors,
        rhat=split_rhat(quantities),
        ess=effective_size(quantities),
        covariance=centred.T @ centred / (chains * draws - 1),
    )
    slope = solve_definite(lane.root.T, state.slope.T, 0.0)[0].T
    end = lane._replace(
        vector=jax.vmap(lambda white: lane.centre + lane.root @ white)(state.white),
        energy=state.energy,
        slope=slope,
        log_step=state.averaged / (ADAPTED // 2),
    )
    return end, seen
