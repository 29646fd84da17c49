"""The No-U-Turn sampler on a whitened posterior: one compiled program for all chains, with the data as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo

from flpjax.fitting.posterior.laplace import Whitening
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, potential

OVERDISPERSED = 1.5  # of chains' starts, in standard deviations of the normal at the mode


@dataclass(frozen=True)
class Sampler:
    """How to sample: static, hashable by value.

    Attributes:
        warmup: Steps that adapt the step size and the scale of each direction, and are not kept.
        draws: Draws a chain.
        depth: Doublings of a trajectory at most.
        acceptance: Probability that step sizes are adapted to.
    """

    warmup: int = 300
    draws: int = 500
    depth: int = 8
    acceptance: float = 0.9  # as many steps as .8 on OLMo, and trajectories that seldom break off


class Chains(NamedTuple):
    """What the chains went through; leaves ``(chain, draw, …)``."""

    vectors: tuple[Array, ...]  # layer → unconstrained (chain, draw, output, p)
    diverging: Array
    steps: Array
    acceptance: Array


def sample(
    layers: tuple[Layer, ...],
    sampler: Sampler,
    evidence: tuple[PosteriorData, ...],
    whitening: tuple[Whitening, ...],
    key: Array,
) -> Chains:
    """Run chains from around each whitening's mode.

    Args:
        layers: The stages.
        sampler: How to sample.
        evidence: Layer → data and priors.
        whitening: Layer → map, leaves ``(chain, output, …)``: chains may start at modes of their own.
        key: JAX random key.
    """
    keys = jax.random.split(key, len(whitening[0].mode))
    return _chains(layers, sampler, evidence, whitening, keys)


def one_chain(
    layers: tuple[Layer, ...],
    sampler: Sampler,
    evidence: tuple[PosteriorData, ...],
    whitening: tuple[Whitening, ...],
    key: Array,
) -> Chains:
    """One chain; leaves ``(draw, …)``. Pure, to be mapped over chains or over whole ladders."""
    shapes = [w.mode.shape for w in whitening]
    ends = np.cumsum([0, *(outputs * size for outputs, size in shapes)])

    def coloured(white: Array) -> tuple[Array, ...]:
        parts = (white[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], shapes, strict=True))
        return tuple(w(z) for w, z in zip(whitening, parts, strict=True))

    def energy(white: Array) -> Array:
        return potential(layers, coloured(white), evidence)

    begin, advance = hmc(potential_fn_gen=lambda: energy, algo="NUTS")
    start_key, key = jax.random.split(key)
    start = OVERDISPERSED * jax.random.normal(start_key, (int(ends[-1]),))
    # The true energy and slope at the start would be one more place in the program where the density is differentiated,
    # seconds of compiling. With these the first step of the warm-up goes anywhere downhill, and all others are exact.
    first = ParamInfo(start, jnp.full((), 1e9), jnp.zeros_like(start))
    state = begin(
        first,
        sampler.warmup,
        step_size=0.5,
        adapt_mass_matrix=True,
        dense_mass=False,
        target_accept_prob=sampler.acceptance,
        max_tree_depth=sampler.depth,
        trajectory_length=None,
        rng_key=key,
    )

    def step(state: Any, _: None) -> tuple[Any, tuple[Any, ...]]:
        state = advance(state)
        return state, (state.z, state.diverging, state.num_steps, state.accept_prob)

    # one loop for warm-up and draws: to compile the sampler twice costs more than to carry the warm-up along
    _, found = lax.scan(step, state, None, length=sampler.warmup + sampler.draws)
    white, diverging, steps, acceptance = jax.tree.map(lambda v: v[sampler.warmup :], found)
    return Chains(jax.vmap(coloured)(white), diverging, steps, acceptance)


@partial(jax.jit, static_argnums=(0, 1))
def _chains(
    layers: tuple[Layer, ...],
    sampler: Sampler,
    evidence: tuple[PosteriorData, ...],
    whitening: tuple[Whitening, ...],
    keys: Array,
) -> Chains:
    return jax.vmap(lambda w, k: one_chain(layers, sampler, evidence, w, k))(whitening, keys)
