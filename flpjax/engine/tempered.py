"""Tempered sequential Monte Carlo: a population moves from a normal prior to the posterior (Del Moral et al. 2006).

For posteriors with many modes that no single chain finds its way between: networks. The likelihood is raised to a
power that goes from 0 to 1 in steps of the population's own choosing; at each, members are resampled by what the step
weighs them, and then wander by Hamiltonian Monte Carlo, whitened by the population's covariance. All places that they
wander through are weighed at the next step, not the last alone (waste-free, Dau & Chopin 2022). Several populations
that know nothing of each other tell by their agreement whether the modes were found in the right shares.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

LogLikelihood = Callable[[Array, Any], Array]
"""``(vector (p,), data of one problem) -> number``; static, hashable by value."""

MOST_STEPS = 200  # of the power; a posterior that takes more is not reached, and says so
HALVINGS = 40  # of the interval in which the next power is sought
LOWEST = -1e30  # log likelihood of what has none
NARROWEST = 1e-6  # spread of a population in any direction, in units of the prior
FIRST_STEP = 0.3  # of HMC, where the population is standard normal
TOGETHER = 16  # members evaluated side by side on a CPU: few enough that their rows stay in its cache
JITTER = 0.7, 1.3  # of each member's step
ADAPTED = 0.5  # change of a step's logarithm by a unit of acceptance


@dataclass(frozen=True)
class Tempering:
    """How to sample: static, hashable by value.

    Attributes:
        members: Of each population.
        kept: Effective share of all places of a population that a step of the power leaves.
        moves: Trajectories at each power.
        leaps: Gradients of a trajectory.
        looks: How often every member is looked at, at the end; each look is a draw.
        apart: Looks are so many times ``moves`` trajectories apart.
        acceptance: Probability that steps are adapted to.
    """

    members: int = 250
    kept: float = 0.6
    moves: int = 6
    leaps: int = 6
    looks: int = 2
    apart: int = 1
    acceptance: float = 0.8


class Tempered(NamedTuple):
    """Draws of every problem, and how the populations went."""

    vectors: NDArray[np.float64]  # (population, draw, problem, p) relatives side by side, so that lags tell descent
    log_evidence: NDArray[np.float64]  # (population, problem)
    acceptance: NDArray[np.float64]  # (population, problem) mean of the last trajectories
    steps: NDArray[np.int64]  # (population, problem) of the power
    reached: NDArray[np.bool_]  # (population, problem) whether the power came to 1


class _Population(NamedTuple):
    """One population on its way, in units of the prior: of each member, all places that its last moves led to."""

    place: Array  # (member, move, p)
    height: Array  # (member, move) log likelihood
    slope: Array  # (member, move, p) of the log likelihood
    power: Array
    log_step: Array
    log_evidence: Array
    acceptance: Array
    number: Array
    arrived: Array  # rounds of moves since the power is 1
    seen: Array  # (look, member, p)
    key: Array


class _Members(NamedTuple):
    """Where the members are between two moves."""

    place: Array  # (member, p)
    height: Array  # (member,)
    slope: Array  # (member, p)
    log_step: Array
    acceptance: Array


def temper(
    log_likelihood: LogLikelihood,
    data: Any,
    loc: Any,
    scale: Any,
    tempering: Tempering,
    populations: int,
    key: Array,
) -> Tempered:
    """Sample every problem's posterior, by several populations each.

    Args:
        log_likelihood: Of one problem.
        data: Leaves ``(problem, …)``.
        loc: ``(problem, p)`` of the normal prior.
        scale: ``(problem, p)``.
        tempering: How.
        populations: How many, each on its own.
        key: JAX random key.
    """
    problems = len(loc)
    keys = jax.random.split(key, (problems, populations))
    everything = (data, loc, scale)
    if jax.default_backend() != "cpu":
        found = jax.tree.map(np.asarray, _all(log_likelihood, tempering, everything, keys))
    else:

        def one(job: tuple[int, int]) -> Any:
            problem, population = job
            own = jax.tree.map(lambda leaf: leaf[problem], everything)
            return jax.tree.map(np.asarray, _one(log_likelihood, tempering, own, keys[problem, population]))

        jobs = [(i, j) for i in range(problems) for j in range(populations)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = list(pool.map(one, jobs))
        found = jax.tree.map(lambda *leaves: np.stack(leaves).reshape(problems, populations, *leaves[0].shape), *parts)
    vectors, *rest = found
    evidence, acceptance, number, power = (v.T for v in rest)
    return Tempered(
        vectors.transpose(1, 2, 0, 3), evidence, acceptance, number, (power >= 1.0) & (evidence > 0.5 * LOWEST)
    )


@partial(jax.jit, static_argnums=(0, 1))
def _one(log_likelihood: LogLikelihood, tempering: Tempering, everything: Any, key: Array) -> Any:
    return one_population(log_likelihood, tempering, TOGETHER, everything, key)


@partial(jax.jit, static_argnums=(0, 1))
def _all(log_likelihood: LogLikelihood, tempering: Tempering, everything: Any, keys: Array) -> Any:
    """All populations of all problems side by side, for accelerators."""
    one = partial(one_population, log_likelihood, tempering, 0)
    return jax.vmap(jax.vmap(one, (None, 0)))(everything, keys)


def one_population(
    log_likelihood: LogLikelihood, tempering: Tempering, together: int, everything: Any, key: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """One population of one problem, from the prior to its looks at the posterior. Pure, to be mapped.

    Returns:
        Draws ``(draw, p)``, log evidence, acceptance, steps of the power, and the power reached.
    """
    data, loc, scale = everything
    members, moves = tempering.members, tempering.moves

    def density(white: Array) -> tuple[Array, Array]:
        value, slope = jax.value_and_grad(lambda z: log_likelihood(loc + scale * z, data))(white)
        sound = jnp.isfinite(value) & jnp.isfinite(slope).all()
        return jnp.where(sound, value, LOWEST), jnp.where(sound, slope, 0.0)

    def densities(places: Array) -> tuple[Array, Array]:
        return lax.map(density, places, batch_size=together) if together else jax.vmap(density)(places)

    def moved(now: _Members, power: Array, root: Array, first: Array, key: Array) -> _Members:
        """One trajectory of every member."""
        shake, luck, jitter = jax.random.split(key, 3)
        momentum = jax.random.normal(shake, now.place.shape, now.place.dtype)
        # The first trajectory goes nowhere: it finds the density at the start, without a second place for it in the
        # program, each of which takes as long to compile.
        step = jnp.where(first, 0.0, jnp.exp(now.log_step))
        step = step * jax.random.uniform(jitter, (members, 1), now.place.dtype, *JITTER)

        def leap(at: tuple[Array, Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array, Array], None]:
            place, momentum, slope = at[0], at[1], at[3]
            half = momentum + 0.5 * step * ((power * slope - place) @ root)
            place = place + step * (half @ root.T)
            height, slope = densities(place)
            return (place, half + 0.5 * step * ((power * slope - place) @ root), height, slope), None

        start = now.place, momentum, now.height, now.slope
        (place, end, height, slope), _ = lax.scan(leap, start, None, tempering.leaps)

        def log_density(height: Array, place: Array, momentum: Array) -> Array:
            return power * height - 0.5 * jnp.sum(place**2 + momentum**2, axis=1)

        gain = log_density(height, place, end) - log_density(now.height, now.place, momentum)
        chance = jnp.exp(jnp.minimum(jnp.where(jnp.isfinite(gain), gain, -jnp.inf), 0.0))
        taken = jax.random.uniform(luck, (members,), now.place.dtype) < chance
        acceptance = chance.mean()
        return _Members(
            jnp.where(taken[:, None], place, now.place),
            jnp.where(taken, height, now.height),
            jnp.where(taken[:, None], slope, now.slope),
            now.log_step + jnp.where(first, 0.0, ADAPTED * (acceptance - tempering.acceptance)),
            acceptance,
        )

    def onward(now: _Population) -> _Population:
        """A step of the power, resampling, moves, and a look where it is time."""
        everyone = jax.tree.map(lambda v: v.reshape(members * moves, *v.shape[2:]), (now.place, now.height, now.slope))
        height = everyone[1] - everyone[1].max()
        begun = now.number > 0  # before, no height is known
        left = jnp.where(begun, 1.0 - now.power, 0.0)

        def kept(step: Array) -> Array:
            weight = jnp.exp(step * height)
            return weight.sum() ** 2 / (weight**2).sum() / len(weight)

        def halved(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            enough = kept(middle) >= tempering.kept
            return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

        low, _ = lax.fori_loop(0, HALVINGS, halved, (jnp.zeros_like(left), left))
        whole = kept(left) >= tempering.kept
        step = jnp.where(whole, left, low)
        weight = jnp.exp(step * height)
        key, own, *each = jax.random.split(now.key, 2 + moves)
        share = weight / weight.sum()
        level = (jnp.arange(members) + jax.random.uniform(own, (), weight.dtype)) / members
        chosen = jnp.minimum(jnp.searchsorted(jnp.cumsum(share), level), len(weight) - 1)
        chosen = jnp.where(step > 0.0, chosen, jnp.arange(1, members + 1) * moves - 1)  # else from where they are
        power = jnp.where(whole & begun, 1.0, now.power + step)
        away = everyone[0] - (share @ everyone[0])[None]
        root = jnp.linalg.cholesky((share[:, None] * away).T @ away + NARROWEST**2 * jnp.eye(len(loc)))

        def onto(at: _Members, move: tuple[Array, Array]) -> tuple[_Members, tuple[Array, Array, Array]]:
            at = moved(at, power, root, ~begun & (move[0] == 0), move[1])
            return at, (at.place, at.height, at.slope)

        at_places, at_heights, at_slopes = (v[chosen] for v in everyone)
        start = _Members(at_places, at_heights, at_slopes, now.log_step, now.acceptance)
        end, visited = lax.scan(onto, start, (jnp.arange(moves), jnp.stack(each)))
        place, heights, slope = (jnp.moveaxis(v, 0, 1) for v in visited)
        arrived = now.arrived + (power >= 1.0)
        at = jnp.clip((arrived - 1) // tempering.apart, 0, tempering.looks - 1)  # the last of its rounds stays
        seen = lax.dynamic_update_index_in_dim(now.seen, end.place, at, 0)
        evidence = now.log_evidence + step * everyone[1].max() + jnp.log(weight.mean())
        number = now.number + 1
        return _Population(
            place, heights, slope, power, end.log_step, evidence, end.acceptance, number, arrived, seen, key
        )

    begin, key = jax.random.split(key)
    place = jax.random.normal(begin, (members, 1, len(loc)), loc.dtype) * jnp.ones((1, moves, 1))
    zero, none = jnp.zeros((), loc.dtype), jnp.zeros((), int)
    seen = jnp.zeros((tempering.looks, members, len(loc)), loc.dtype)
    unknown = jnp.zeros((members, moves), loc.dtype), jnp.zeros_like(place)
    start = _Population(place, *unknown, zero, zero + np.log(FIRST_STEP), zero, zero, none, none, seen, key)
    rounds = tempering.looks * tempering.apart
    ended = lax.while_loop(lambda now: (now.arrived < rounds) & (now.number < MOST_STEPS + rounds), onward, start)
    draws = (loc[None, None] + scale[None, None] * ended.seen).swapaxes(0, 1).reshape(-1, len(loc))
    return draws, ended.log_evidence, ended.acceptance, ended.number, ended.power
