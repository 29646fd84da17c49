"""A population of draws that wander, for a posterior that importance alone draws too narrow.

Differential evolution Markov chains (ter Braak 2006): a member steps along the difference of two others, so that the
population itself tells the scale and the direction of steps, nothing is tuned and no slope is needed. Halves step in
turn, each by the differences within the other, which leaves the posterior as it is (Foreman-Mackey et al. 2013).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.fitting.posterior.density import PosteriorData, log_density
from flpjax.fitting.posterior.likelihood import Layer
from flpjax.numerics import compiled

SWEEPS, APART = 300, 25
FULL = 2.38  # steps of this over the root of twice the parameters suit a normal distribution (ter Braak 2006) …
LEAST = 0.3  # … and a bent one's are shorter: by a factor from here to 1
LEAP = 0.1  # share of steps that go from one member's place by all that lies between two others: from bend to bend
JITTER = 1e-5  # of a step, so that no direction is closed
TOGETHER = 50  # members evaluated side by side: more would leave a processor's cache, and these divide the population
Half = tuple[Array, Array]
"""Places ``(draw, output, p)``, and log densities ``(draw, output)`` there."""


@partial(compiled, static_argnums=(0, 4))
def de_mcmc(layer: Layer, vectors: Array, evidence: PosteriorData, key: Array, times: int) -> Array:
    """The same population after :data:`SWEEPS` steps, and again after every :data:`APART` more.

    Args:
        layer: The stage.
        vectors: ``(draw, output, p)`` unconstrained; an even number of draws.
        evidence: Of the layer.
        key: JAX random key.
        times: How often to look; static.

    Returns:
        ``(time, draw, output, p)``.
    """
    half = len(vectors) // 2
    usual = FULL / (2.0 * vectors.shape[-1]) ** 0.5

    def density(members: Array) -> Array:
        return lax.map(lambda v: jax.vmap(partial(log_density, layer))(v, evidence), members, batch_size=TOGETHER)

    def step(halves: tuple[Half, Half], key: Array) -> tuple[tuple[Half, Half], None]:
        """The first half steps, and the other is next."""
        (place, height), (others, _) = halves
        pair, apart, length, leap, shake, luck = jax.random.split(key, 6)
        shape = height.shape
        first = jax.random.randint(pair, shape, 0, half)
        second = (first + jax.random.randint(apart, shape, 1, half)) % half
        way = jnp.take_along_axis(others, first[..., None], 0) - jnp.take_along_axis(others, second[..., None], 0)
        scale = usual * jax.random.uniform(length, shape, place.dtype, LEAST, 1.0)
        scale = jnp.where(jax.random.uniform(leap, shape) < LEAP, 1.0, scale)
        there = place + scale[..., None] * way + JITTER * jax.random.normal(shake, place.shape, place.dtype)
        new = density(there)
        taken = jnp.log(jax.random.uniform(luck, shape, place.dtype)) < new - height
        return (halves[1], (jnp.where(taken[..., None], there, place), jnp.where(taken, new, height))), None

    def later(halves: tuple[Half, Half], keys: Array) -> tuple[tuple[Half, Half], Array]:
        each = jax.vmap(jax.random.split)(keys).reshape(-1)  # of both halves' steps, in turn
        (one, other), _ = lax.scan(step, halves, each)
        return (one, other), jnp.concatenate([one[0], other[0]])

    # One loop in another, whose body has the density once: each place where it stands is compiled anew.
    height = density(vectors)
    halves = (vectors[:half], height[:half]), (vectors[half:], height[half:])
    first, more = jax.random.split(key)
    before = jax.random.split(first, SWEEPS - APART).reshape(-1, APART)
    keys = jnp.concatenate([before, jax.random.split(more, (times, APART))])
    _, seen = lax.scan(later, halves, keys)
    return seen[len(before) :]
