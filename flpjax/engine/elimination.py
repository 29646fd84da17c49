"""Small positive definite systems by plain elimination: in a batch, library calls cost more than the arithmetic."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def solve_definite(matrix: Array, rhs: Array, least: float) -> tuple[Array, Array]:
    """Solve ``matrix · x = rhs``; without pivoting, which a positive definite matrix does not need.

    A pivot is judged as a share of its diagonal element, so that units of the parameters don't matter: it is what is
    left of a parameter's curvature when the parameters before it are free.

    Args:
        matrix: ``(p, p)``, symmetric.
        rhs: ``(p,)``.
        least: Pivots are not allowed below this share.

    Returns:
        The solution ``(p,)``, 0 for parameters without any curvature, and the smallest share, before the floor.
    """
    diagonal = jnp.diagonal(matrix)
    there = diagonal > 0
    scale = jnp.where(there, diagonal, 1.0)
    table = jnp.concatenate([matrix, rhs[:, None]], axis=1)
    shares = []
    for j in range(len(rhs)):
        shares.append(table[j, j] / scale[j])
        row = table[j] / jnp.maximum(table[j, j], least * scale[j])
        table = (table - table[:, j, None] * row[None, :]).at[j].set(row)
    return jnp.where(there, table[:, -1], 0.0), jnp.min(jnp.where(there, jnp.stack(shares), 0.0))
