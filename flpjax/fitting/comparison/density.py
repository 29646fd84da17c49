"""How probable what two recipes measured is, under one joint law, runs of a pair with noise in common."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.ladder.table import Floats
from flpjax.laws.compared import PLACE, ComparedLaw, Known, Size
from flpjax.numerics import compiled, on_device

TAILS = 4.0  # degrees of freedom of Student's t, where noise is heavy-tailed: the fewest with a finite kurtosis' edge
ROUNDING = 1e-4  # s.d. that every difference has: losses and scores are written with four digits
BLOCK = 256  # draws whose density is evaluated at a time: one program serves any number of draws
TOGETHER = 16  # of them, those that are evaluated side by side: what a processor's cache holds


Numbers = Any
"""JAX arrays inside a program, NumPy arrays on the host."""


class Slot(NamedTuple):
    """A run of each recipe that make a pair, or one run, with nothing in the other's place. Leaves ``(slot, …)``."""

    size: Numbers  # (slot, 2) log of N, or of C for laws in C alone, about the centre, of either recipe
    data: Numbers  # (slot, 2) log of D about the centre; 0 for laws in C alone
    value: Numbers  # (slot, 2) log losses, or scores
    error: Numbers  # (slot, 2) known standard errors of them
    there: Numbers  # (slot, 2) 1 where there is a run


class Lane(NamedTuple):
    """One output under one nested law; a batch has leaves ``(lane, …)``."""

    slots: Slot
    known: Known
    loc: Numbers  # (p,) of the prior
    scale: Numbers  # (p,); 0 for parameters that are not free
    heavy: Numbers  # 1 for Student's t in place of the normal


def log_density(law: ComparedLaw, vector: Array, lane: Lane) -> Array:
    """Log density of ONE whitened vector ``(p,)``, which has a standard normal prior, but for a constant."""
    params = lane.loc + lane.scale * vector
    slots = lane.slots
    first, second = (Size(slots.size[:, recipe], slots.data[:, recipe]) for recipe in (0, 1))
    residual = slots.value - jnp.stack(law.values(params, first, second, lane.known), axis=1)
    noise = jnp.exp(2.0 * params[PLACE["log_noise"]])
    alike = jax.nn.sigmoid(params[PLACE["alike"]])
    different = jax.nn.sigmoid(-params[PLACE["alike"]])
    paired = slots.there[:, 0] * slots.there[:, 1]
    error = slots.error**2
    both = error.sum(axis=1) / 2.0 + 0.5 * ROUNDING**2
    total = (residual[:, 0] + residual[:, 1]) / math.sqrt(2.0)
    apart = (residual[:, 0] - residual[:, 1]) / math.sqrt(2.0)
    of_pair = _log_probability(total, noise * (1.0 + alike) + both, lane.heavy)
    of_pair += _log_probability(apart, noise * different + both, lane.heavy)
    alone = _log_probability(residual, noise + error + ROUNDING**2, lane.heavy) * slots.there
    likelihood = jnp.sum(jnp.where(paired > 0, of_pair, alone.sum(axis=1)))
    return likelihood - 0.5 * jnp.sum(vector**2)


def _log_probability(residual: Array, variance: Array, heavy: Array) -> Array:
    square = residual**2 / variance
    normal = -0.5 * square - 0.5 * math.log(2.0 * math.pi)
    constant = math.lgamma(0.5 * (TAILS + 1.0)) - math.lgamma(0.5 * TAILS) - 0.5 * math.log(TAILS * math.pi)
    student = constant - 0.5 * (TAILS + 1.0) * jnp.log1p(square / TAILS)
    return jnp.where(heavy > 0, student, normal) - 0.5 * jnp.log(variance)


@partial(compiled, static_argnums=0)
def derivatives(law: ComparedLaw, vectors: Array, lanes: Lane) -> tuple[Array, Array, Array]:
    """Minus the log density ``(lane,)``, its gradient ``(lane, p)`` and Hessian ``(lane, p, p)``."""

    def one(args: tuple[Array, Lane]) -> tuple[Array, Array, Array]:
        vector, lane = args

        def slope(vector: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(lambda v: -log_density(law, v, lane))(vector)
            return gradient, (value, gradient)

        hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(vector)
        return value, gradient, hessian

    return lax.map(one, (vectors, lanes), batch_size=TOGETHER)


def densities(law: ComparedLaw, vectors: Floats, lanes: Lane) -> Floats:
    """Log densities ``(draw, lane)`` of ``(draw, lane, p)``, block by block."""
    padded = np.concatenate([vectors, np.repeat(vectors[-1:], -len(vectors) % BLOCK, axis=0)])
    found = [
        np.asarray(_block(law, part, lanes)) for part in on_device(list(padded.reshape(-1, BLOCK, *vectors.shape[1:])))
    ]
    return np.concatenate(found)[: len(vectors)]


@partial(compiled, static_argnums=0)
def _block(law: ComparedLaw, vectors: Array, lanes: Lane) -> Array:
    return lax.map(lambda v: jax.vmap(partial(log_density, law))(v, lanes), vectors, batch_size=TOGETHER)
