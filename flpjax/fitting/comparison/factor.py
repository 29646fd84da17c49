"""By what factor the first recipe's compute would have to be multiplied to do what the second does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.ladder.table import Floats
from flpjax.laws.compared import ComparedLaw, ComparisonConstants
from flpjax.numerics import compiled

LARGEST = 1000.0  # factor beyond which, or beneath one over which, no comparison is of use: it stands for all those
FARTHEST = 60.0  # e-folds of compute from the centre within which a value is looked for
EDGE = 1e-6  # e-folds before the farthest: what ends there was not found
HALVINGS = 34  # of what is left of them: to 10⁻⁸ of an e-fold
PLACES = 16  # scales in one call of the compiled programs, which so serve any number of them


def log_factors(law: ComparedLaw, params: Floats, constants: ComparisonConstants, log_compute: Floats) -> Floats:
    """Log of the factor at given compute of the second recipe, no further from 0 than that of :data:`LARGEST`.

    Args:
        law: Of the draws.
        params: ``(draw, p)``.
        constants: Numbers of the comparison that are not fitted.
        log_compute: ``(scale,)`` log C of the second recipe about the centre.

    Returns:
        ``(draw, scale)``.
    """
    at = np.broadcast_to(log_compute, (len(params), len(log_compute)))
    done = values_at(law, params, constants, at)[1]
    return within_reach(log_compute_at(law, params, constants, 0, done) - log_compute)


def within_reach(log_factor: Floats) -> Floats:
    """The same, no further from 0 than the logarithm of :data:`LARGEST`."""
    return np.clip(log_factor, -np.log(LARGEST), np.log(LARGEST))


def values_at(law: ComparedLaw, params: Floats, constants: ComparisonConstants, log_compute: Floats) -> Floats:
    """``(recipe, draw, scale)`` log losses, or scores, at log C ``(draw, scale)`` about the centre."""
    return _by_places(lambda at: _values_at(law, params, constants, at), log_compute)


def log_compute_at(
    law: ComparedLaw, params: Floats, constants: ComparisonConstants, recipe: int, values: Floats
) -> Floats:
    """Log C about the centre at which a recipe reaches values; ±inf where it never does.

    Args:
        law: Of the draws.
        params: ``(draw, p)``.
        constants: Numbers of the comparison that are not fitted.
        recipe: 0 for the first, 1 for the second.
        values: ``(draw, value)`` log losses, or scores.

    Returns:
        ``(draw, value)``.
    """
    found = _by_places(lambda part: _log_compute_at(law, np.int64(recipe), params, constants, part), values)
    return np.where(np.abs(found) < FARTHEST - EDGE, found, np.sign(found) * np.inf)


def _by_places(program: Callable[[Floats], Array], values: Floats) -> Floats:
    """``(…, draw, scale)`` what a program makes of ``(draw, scale)``, so many scales at a time."""
    roomy = np.concatenate([values, np.repeat(values[:, -1:], -values.shape[1] % PLACES, axis=1)], axis=1)
    parts = np.split(roomy, roomy.shape[1] // PLACES, axis=1)
    return np.concatenate([np.asarray(program(part)) for part in parts], axis=-1)[..., : values.shape[1]]


@partial(compiled, static_argnums=0)
def _values_at(law: ComparedLaw, params: Array, constants: ComparisonConstants, log_compute: Array) -> Array:
    def one(vector: Array, at: Array) -> Array:
        size = constants.along(at)
        return jnp.stack(law.values(vector, size, size, constants))

    return jax.vmap(one, out_axes=1)(params, log_compute)


@partial(compiled, static_argnums=0)
def _log_compute_at(
    law: ComparedLaw, recipe: Array, params: Array, constants: ComparisonConstants, values: Array
) -> Array:
    def one(vector: Array, value: Array) -> Array:
        """``(value,)``; what a recipe does is monotone in compute, up or down."""

        def of(log_compute: Array) -> Array:
            size = constants.along(log_compute)
            first, second = law.values(vector, size, size, constants)
            return jnp.where(recipe == 0, first, second)

        far = jnp.full(value.shape, FARTHEST)
        rises = of(far) > of(-far)

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (ends[0] + ends[1])
            beyond = (of(middle) >= value) == rises
            return jnp.where(beyond, ends[0], middle), jnp.where(beyond, middle, ends[1])

        left, right = lax.fori_loop(0, HALVINGS, halve, (-far, far))
        return 0.5 * (left + right)

    return jax.vmap(one)(params, values)
