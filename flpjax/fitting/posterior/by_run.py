"""Weighted sums over each run's checkpoints of products of columns, and their gradient, without a row being stored.

Where thousands of members are evaluated at once, what takes the time is to write and read numbers as many as members
times rows. These sums read the rows that all members share, compute a member's columns where they are used, and write
a few numbers a run; the gradient computes the columns again.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flpjax.fitting.posterior.likelihood import LayerData
from flpjax.laws.law import Params


class Design(Protocol):
    """What gives the columns: static, hashable by value."""

    def columns(self, params: Params, data: LayerData) -> tuple[Array, ...]:
        """``(run, checkpoint)`` each, of ONE output; elementwise in its rows, so that nothing has to be stored."""
        ...


def pairs(columns: int) -> list[tuple[int, int]]:
    """Places of the products, ``i ≤ j``."""
    return [(i, j) for i in range(columns) for j in range(i, columns)]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def sums_by_run(design: Design, params: Params, variance: Array, data: LayerData) -> tuple[tuple[Array, ...], Array]:
    """Sums over checkpoints, of ONE output.

    Args:
        design: Gives columns; after its own come one of ones and that of standardised losses.
        params: Of the columns.
        variance: Of every row, beyond what is known of it.
        data: The rows.

    Returns:
        Of each of :func:`pairs` of columns, the products ``(run,)`` weighted by the rows' precision; and the logarithms
        of the rows' variances ``(run,)``. Gradients go to ``params`` and ``variance`` alone.
    """
    columns, weight = _with_weight(design.columns(params, data), variance, data)

    def total(rows: Array) -> Array:
        each = jnp.sum(rows, axis=-1)
        if data.parts is None:
            return each
        of_run = data.parts.of_run
        return jnp.sum(jnp.where(of_run >= 0, each[of_run], 0.0), axis=-1)

    products = tuple(total(weight * columns[i] * columns[j]) for i, j in pairs(len(columns)))
    return products, total(data.mask * jnp.log(variance + data.known))


def _with_weight(columns: tuple[Array, ...], variance: Array, data: LayerData) -> tuple[tuple[Array, ...], Array]:
    columns, weight = _once((columns, data.mask / (variance + data.known)))
    return (*columns, jnp.ones_like(data.y), data.standardised_loss), weight


def _once(values: Any) -> Any:
    """Kept where they are used on a CPU, whose compiler computes them again for every sum; there they stay in cache."""
    return lax.optimization_barrier(values) if jax.default_backend() == "cpu" else values


def _forward(design: Design, params: Params, variance: Array, data: LayerData) -> tuple[Any, Any]:
    return sums_by_run(design, params, variance, data), (params, variance, data)


def _backward(design: Design, kept: Any, slopes: Any) -> tuple[Any, Array, Any]:
    params, variance, data = kept
    params, variance = lax.optimization_barrier((params, variance))  # else the columns of the sums are kept for here
    own, pull = jax.vjp(lambda p: design.columns(p, data), params)
    columns, weight = _with_weight(own, variance, data)
    if data.parts is not None:
        slopes = jax.tree.map(lambda v: v[data.parts.run], slopes)
    of_products, of_logs = slopes
    slope = {}
    for (i, j), each in zip(pairs(len(columns)), of_products, strict=True):
        slope[i, j] = slope[j, i] = each[..., None] * (2.0 if i == j else 1.0)
    of_columns = [sum(slope[i, j] * c for j, c in enumerate(columns)) for i in range(len(columns))]
    of_weight = 0.5 * sum(by * c for by, c in zip(of_columns, columns, strict=True))
    (of_params,) = pull(_once(tuple(weight * by for by in of_columns[: len(own)])))
    of_variance = jnp.sum((of_logs[..., None] - of_weight * weight) * weight)
    return of_params, of_variance, jax.tree.map(_no_slope, data)


def _no_slope(leaf: Array) -> Any:
    return np.zeros(leaf.shape, jax.dtypes.float0) if jnp.issubdtype(leaf.dtype, jnp.integer) else jnp.zeros_like(leaf)


sums_by_run.defvjp(_forward, _backward)
