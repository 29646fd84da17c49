"""By what factor the first recipe's compute would have to be multiplied to do what the second does."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.ladder.table import Floats
from flpjax.laws.compared import ComparedLaw, Known, Size
from flpjax.numerics import compiled

LARGEST = 1000.0  # factor beyond which, or beneath one over which, no comparison is of use: it is infinite, or 0
FARTHEST = 40.0  # e-folds of compute from the centre within which a loss is looked for
HALVINGS = 50  # of what is left of them: to a relative 10⁻¹³
PLACES = 64  # scales come in multiples, so that questions share a program


def log_factors(law: ComparedLaw, params: Floats, growth: float, chance: float, log_compute: Floats) -> Floats:
    """Log of the factor at given compute of the second recipe; ±inf where it is out of reach.

    Args:
        law: Of the draws.
        params: ``(draw, p)``.
        growth: Of log N per e-fold of C; 1 of laws in C alone.
        chance: Score of guessing.
        log_compute: ``(scale,)`` log C of the second recipe about the centre.

    Returns:
        ``(draw, scale)``.
    """
    at = np.concatenate([log_compute, np.zeros(-len(log_compute) % PLACES)])
    found = np.asarray(_factors(law, params, Known(np.float64(growth), np.float64(chance)), at))[:, : len(log_compute)]
    limit = np.log(LARGEST) * (1.0 - 1e-9)
    return np.where(np.abs(found) < limit, found, np.sign(found) * np.inf)


def log_compute_at(law: ComparedLaw, params: Floats, growth: float, chance: float, values: Floats) -> Floats:
    """Log C about the centre at which each recipe reaches a value; ±inf where it never does.

    Args:
        law: Of the draws.
        params: ``(draw, p)``.
        growth: As above.
        chance: As above.
        values: ``(value,)`` log losses, or scores.

    Returns:
        ``(recipe, draw, value)``.
    """
    asked = np.concatenate([values, np.repeat(values[-1:], -len(values) % PLACES)])
    found = np.asarray(_reached(law, params, Known(np.float64(growth), np.float64(chance)), asked))
    found = np.moveaxis(found, 2, 0)[..., : len(values)]
    limit = FARTHEST * (1.0 - 1e-9)
    return np.where(np.abs(found) < limit, found, np.sign(found) * np.inf)


def _value(law: ComparedLaw, params: Array, known: Known, log_compute: Array) -> Array:
    """``(recipe,)`` at ONE compute along the path."""
    at = Size(known.size_growth * log_compute, (1.0 - known.size_growth) * log_compute)
    return jnp.stack(law.values(params, at, known))


def _crossing(better: Array, low: float, high: float, value: partial[Array]) -> Array:
    """Where ``value``, which is monotone, becomes as good as ``better``."""
    rises = value(jnp.asarray(high)) > value(jnp.asarray(low))

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        reached = (value(middle) >= better) == rises
        return jnp.where(reached, ends[0], middle), jnp.where(reached, middle, ends[1])

    left, right = lax.fori_loop(0, HALVINGS, halve, (jnp.asarray(low), jnp.asarray(high)))
    return 0.5 * (left + right)


@partial(compiled, static_argnums=0)
def _factors(law: ComparedLaw, params: Array, known: Known, log_compute: Array) -> Array:
    widest = float(np.log(LARGEST))

    def one(vector: Array, at: Array) -> Array:
        second = _value(law, vector, known, at)[1]
        return _crossing(second, -widest, widest, partial(_shifted, law, vector, known, at))

    return jax.vmap(lambda v: jax.vmap(lambda at: one(v, at))(log_compute))(params)


def _shifted(law: ComparedLaw, params: Array, known: Known, at: Array, more: Array) -> Array:
    return _value(law, params, known, at + more)[0]


@partial(compiled, static_argnums=0)
def _reached(law: ComparedLaw, params: Array, known: Known, values: Array) -> Array:
    def one(vector: Array, value: Array) -> Array:
        return jnp.stack(
            [_crossing(value, -FARTHEST, FARTHEST, partial(_of, law, vector, known, recipe)) for recipe in (0, 1)]
        )

    return jax.vmap(lambda v: jax.vmap(lambda value: one(v, value))(values))(params)


def _of(law: ComparedLaw, params: Array, known: Known, recipe: int, at: Array) -> Array:
    return _value(law, params, known, at)[recipe]
