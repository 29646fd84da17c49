"""The number that is minimised: a weighted *sum* of robust losses of residuals.

A sum, not a mean: a mean over n rows shrinks gradients by n, and solvers with absolute tolerances then stop early.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

Corner = float | Array


def rho(residual: Array, huber: Corner | None) -> Array:
    """Loss of each residual: ``r²/2``, or Huber's with its corner at ``huber`` (Huber 1964, eq. 1.3).

    Args:
        residual: Any shape.
        huber: The residual beyond which the loss grows linearly; None for squared loss.
    """
    if huber is None:
        return 0.5 * residual**2
    size = jnp.abs(residual)
    return jnp.where(size <= huber, 0.5 * residual**2, huber * (size - 0.5 * huber))


def reweight(residual: Array, huber: Corner | None) -> Array:
    """``rho'(r)/r``: the weight under which a squared loss has the same gradient (iteratively reweighted squares)."""
    if huber is None:
        return jnp.ones_like(residual)
    return huber / jnp.maximum(jnp.abs(residual), huber)


def curvature(residual: Array, huber: Corner | None) -> Array:
    """``rho''(r)``: 1 inside the corner, 0 outside."""
    if huber is None:
        return jnp.ones_like(residual)
    return (jnp.abs(residual) <= huber).astype(residual.dtype)
