"""Log posterior density of the parameters of a joint law of two recipes, given the runs of both.

The noise of two runs that make a pair (same N and D, or same C) is correlated.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.ladder.table import Floats
from flpjax.laws.compared import PARAMETER_INDEX, ComparedLaw, ComparisonConstants, Size
from flpjax.numerics import compiled, on_device

STUDENT_T_DF = 4.0  # degrees of freedom of heavy-tailed noise: its variance is finite, its kurtosis no longer
ROUNDING_SD = 1e-4  # s.d. of an error that every value has: losses and scores are written with four digits
DRAWS_PER_BLOCK = 256  # draws in one call of the compiled program, which so serves any number of draws
BATCH_SIZE = 16  # draws, or lanes, that are vectorised at a time (`lax.map`): what a processor's cache holds


Numbers = Any
"""JAX arrays inside a program, NumPy arrays on the host."""


class Slot(NamedTuple):
    """Rows of a run of each recipe that make a pair, or of one run and an empty place; the last axis is the recipe."""

    size: Numbers  # (slot, 2) log N less its mean over all runs; of laws that read C alone, log C less its mean
    data: Numbers  # (slot, 2) log D less its mean over all runs; 0 for laws that read C alone
    value: Numbers  # (slot, 2) log losses, or scores
    error: Numbers  # (slot, 2) standard errors of the values, as the table gives them
    present: Numbers  # (slot, 2) 1 where there is a run, 0 in an empty place


class Lane(NamedTuple):
    """Data of one loss or score, and the prior of one joint law; in a batch, leaves have a leading axis ``lane``."""

    slots: Slot
    constants: ComparisonConstants
    loc: Numbers  # (p,) means of the normal prior
    scale: Numbers  # (p,) its standard deviations; 0 holds a parameter at its mean
    heavy_tails: Numbers  # 1 if noise has Student's t distribution, 0 if it is normal


def log_density(law: ComparedLaw, vector: Array, lane: Lane) -> Array:
    """Log posterior density, up to a constant, of ONE ``vector`` ``(p,)``: parameters are ``loc + scale·vector``."""
    params = lane.loc + lane.scale * vector
    slots = lane.slots
    first, second = (Size(slots.size[:, recipe], slots.data[:, recipe]) for recipe in (0, 1))
    residual = slots.value - jnp.stack(law.values(params, first, second, lane.constants), axis=1)
    noise = jnp.exp(2.0 * params[PARAMETER_INDEX["log_noise"]])
    pair_correlation = jax.nn.sigmoid(params[PARAMETER_INDEX["pair_correlation"]])
    pair_independence = jax.nn.sigmoid(-params[PARAMETER_INDEX["pair_correlation"]])
    paired = slots.present[:, 0] * slots.present[:, 1]
    error_variance = slots.error**2
    known_variance = error_variance.sum(axis=1) / 2.0 + 0.5 * ROUNDING_SD**2
    scaled_sum = (residual[:, 0] + residual[:, 1]) / math.sqrt(2.0)
    scaled_difference = (residual[:, 0] - residual[:, 1]) / math.sqrt(2.0)
    pair_log_probability = _log_probability(
        scaled_sum, noise * (1.0 + pair_correlation) + known_variance, lane.heavy_tails
    )
    pair_log_probability += _log_probability(
        scaled_difference, noise * pair_independence + known_variance, lane.heavy_tails
    )
    single = _log_probability(residual, noise + error_variance + ROUNDING_SD**2, lane.heavy_tails) * slots.present
    likelihood = jnp.sum(jnp.where(paired > 0, pair_log_probability, single.sum(axis=1)))
    return likelihood - 0.5 * jnp.sum(vector**2)


def _log_probability(residual: Array, variance: Array, heavy_tails: Array) -> Array:
    square = residual**2 / variance
    normal = -0.5 * square - 0.5 * math.log(2.0 * math.pi)
    constant = (
        math.lgamma(0.5 * (STUDENT_T_DF + 1.0))
        - math.lgamma(0.5 * STUDENT_T_DF)
        - 0.5 * math.log(STUDENT_T_DF * math.pi)
    )
    student = constant - 0.5 * (STUDENT_T_DF + 1.0) * jnp.log1p(square / STUDENT_T_DF)
    return jnp.where(heavy_tails > 0, student, normal) - 0.5 * jnp.log(variance)


@partial(compiled, static_argnums=0)
def derivatives(law: ComparedLaw, vectors: Array, lanes: Lane) -> tuple[Array, Array, Array]:
    """Minus the log density ``(lane,)`` at ``vectors`` ``(lane, p)``, its gradient, and Hessian ``(lane, p, p)``."""

    def one(args: tuple[Array, Lane]) -> tuple[Array, Array, Array]:
        vector, lane = args

        def slope(vector: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(lambda v: -log_density(law, v, lane))(vector)
            return gradient, (value, gradient)

        hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(vector)
        return value, gradient, hessian

    return lax.map(one, (vectors, lanes), batch_size=BATCH_SIZE)


def densities(law: ComparedLaw, vectors: Floats, lanes: Lane) -> Floats:
    """Log densities ``(draw, lane)`` at ``vectors`` ``(draw, lane, p)``, computed in blocks of draws."""
    padded = np.concatenate([vectors, np.repeat(vectors[-1:], -len(vectors) % DRAWS_PER_BLOCK, axis=0)])
    found = [
        np.asarray(_block(law, part, lanes))
        for part in on_device(list(padded.reshape(-1, DRAWS_PER_BLOCK, *vectors.shape[1:])))
    ]
    return np.concatenate(found)[: len(vectors)]


@partial(compiled, static_argnums=0)
def _block(law: ComparedLaw, vectors: Array, lanes: Lane) -> Array:
    return lax.map(lambda v: jax.vmap(partial(log_density, law))(v, lanes), vectors, batch_size=BATCH_SIZE)
