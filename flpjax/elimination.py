"""Small positive definite systems by plain elimination: in a batch, library calls cost more than the arithmetic.

On a CPU they may also never return: XLA's threads that make LAPACK's calls wait for each other where several programs
run at once and have large batches (jaxlib 0.10). No program that threads call has any in a batch,
and laws guess in one.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.numerics import varying

LEAST = 1e-14  # pivot of a system that a ridge keeps definite
UNROLLED = 8  # parameters; beyond, programs would grow long to compile


def diagonal_of(matrix: Array) -> Array:
    """``(p,)`` of ``(p, p)``; ``jnp.diagonal`` is a gather, which takes longer to compile."""
    return jnp.sum(jnp.where(np.eye(len(matrix), dtype=bool), matrix, 0.0), axis=1)


def diagonal_matrix(diagonal: Array) -> Array:
    """``(p, p)`` of ``(p,)``, zero beside it."""
    return jnp.where(np.eye(len(diagonal), dtype=bool), diagonal[:, None], 0.0)


def solve_definite(matrix: Array, rhs: Array, least: float) -> tuple[Array, Array]:
    """Solve ``matrix · x = rhs``; without pivoting, which a positive definite matrix does not need.

    A pivot is judged as a share of its diagonal element, so that units of the parameters don't matter: it is what is
    left of a parameter's curvature when the parameters before it are free.

    Args:
        matrix: ``(p, p)``, symmetric; or triangular with a positive diagonal, which needs no pivoting either.
        rhs: ``(p,)``, or ``(p, k)``.
        least: Pivots are not allowed below this share.

    Returns:
        The solution, as ``rhs``, 0 for parameters without any curvature, and the smallest share, before the floor.
    """
    diagonal = diagonal_of(matrix)
    there = diagonal > 0
    scale = jnp.where(there, diagonal, 1.0)
    table = jnp.concatenate([matrix, rhs.reshape(len(rhs), -1)], axis=1)

    places = np.arange(len(rhs))

    def eliminate(j: Any, table: Array) -> tuple[Array, Array]:
        at = lax.index_in_dim if isinstance(j, int) else lax.dynamic_index_in_dim  # the first compiles quicker
        column, row = (at(table, j, axis, keepdims=False) for axis in (1, 0))
        pivot, size = row[j], scale[j]
        share = pivot / size
        row = row / jnp.maximum(pivot, least * size)
        return jnp.where(places[:, None] == j, row[None, :], table - column[:, None] * row[None, :]), share

    if len(rhs) <= UNROLLED:
        shares = []
        for j in range(len(rhs)):
            table, share = eliminate(j, table)
            shares.append(share)
        smallest = jnp.min(jnp.where(there, jnp.stack(shares), 0.0))
    else:

        def step(carry: tuple[Array, Array], j: Array) -> tuple[tuple[Array, Array], None]:
            table, share = eliminate(j, carry[0])
            return (table, jnp.minimum(carry[1], jnp.where(there[j], share, 0.0))), None

        first = varying((table, jnp.full((), jnp.inf, table.dtype)), diagonal[0])
        (table, smallest), _ = lax.scan(step, first, jnp.arange(len(rhs)))
    solution = jnp.where(there[:, None], table[:, len(rhs) :], 0.0)
    return solution.reshape(rhs.shape), smallest
