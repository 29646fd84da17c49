"""The objective, a weighted sum of robust losses of residuals, its gradient and Gauss-Newton Hessian, in one pass.

A sum, not a mean: a mean over n rows shrinks gradients by n, and solvers with absolute tolerances then stop early.

All of it is sums over rows. One variadic reduction makes them together, so that no Jacobian need be stored: XLA fuses
derivatives and sums, which is faster than products of stored matrices on CPUs and GPUs alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from flpjax.elimination import diagonal_matrix, diagonal_of

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


UNROLL = 8
"""The most parameters whose products are summed one by one; beyond, compiling them would take longer than fitting."""

Residual = Callable[[Array, Any], Array]
"""``(vector (p,), data of one row) -> number``; hashable by value, since it is static under jit."""


class Anchor(NamedTuple):
    """A quadratic pull ``Σ precision·(vector − centre)²/2``: a normal prior, and the fit is a posteriori.

    In a batch every draw has a pull of its own: leaves ``(draw, p)``.
    """

    centre: Array  # (p,)
    precision: Array  # (p,)


class Moments(NamedTuple):
    """The objective around a point. ``k`` are the parameters asked for, all of them unless said."""

    value: Array  # at the present corner
    before: Array  # at the corner of the step before: what tells whether the step went down
    final: Array  # at the corner asked for
    gradient: Array  # (k,) at the present corner
    hessian: Array  # (k, k) weights rho''(r), the curvature of the loss itself: few steps converge
    stiffness: Array  # (k,) diagonal with weights rho'(r)/r, which never are less: the measure of damping


class Corners(NamedTuple):
    """Where the Huber loss bends."""

    now: Array
    before: Array


def moments(
    residual: Residual,
    data: Any,
    weight: Array,
    vector: Array,
    anchor: Anchor | None,
    huber: float | None,
    corners: Corners | None = None,
    along: tuple[int, ...] | None = None,
    *,
    backwards: bool = False,
) -> Moments:
    """Sum over rows what describes the objective at a point.

    Args:
        residual: Static function ``(vector (p,), data of one row) -> number``.
        data: Pytree of one problem, leaves ``(row, …)``.
        weight: ``(row,)`` non-negative weights. Rows of weight 0 must hold finite numbers.
        vector: ``(p,)``.
        anchor: A pull towards known parameters, or None.
        huber: Corner of the Huber loss, None for squared loss.
        corners: Other corners for now, on the way to ``huber``; None for ``huber`` itself.
        along: The parameters to differentiate by, static; None for all.
        backwards: Take derivatives backwards: faster on a GPU, slower on a CPU.
    """
    along = tuple(range(len(vector))) if along is None else along
    now: Corner | None = huber if corners is None else corners.now
    if len(along) > UNROLL:
        # Differentiating by the whole vector, and picking some columns, keeps the program short.
        r, slopes = jax.vmap(jax.value_and_grad(residual), (None, 0))(vector, data)
        columns = slopes if len(along) == len(vector) else slopes[:, jnp.asarray(along)]
        products: Products = _stacked
    else:
        r, columns = _tangents(residual, data, vector, along, backwards)
        products = _unrolled
    cautious = weight * reweight(r, now)
    exact = None if huber is None else weight * curvature(r, now)
    values = [weight * rho(r, now)]
    if huber is not None and corners is not None:
        values += [weight * rho(r, corners.before), weight * rho(r, huber)]
    sums, gradient, hessian, stiffness = products(values, r, columns, cautious, exact)
    value, before, final = sums if len(sums) == 3 else 3 * sums
    if anchor is not None:
        deviation, precision = vector - anchor.centre, anchor.precision
        pull, slope = 0.5 * jnp.sum(precision * deviation**2), precision * deviation
        value, before, final = value + pull, before + pull, final + pull
        if len(along) < len(vector):
            precision, slope = precision[jnp.asarray(along)], slope[jnp.asarray(along)]
        gradient += slope
        hessian += diagonal_matrix(precision)
        stiffness += precision
    finite = jnp.all(jnp.isfinite(hessian)) & jnp.all(jnp.isfinite(gradient))
    value, before, final = (jnp.where(finite, v, jnp.inf) for v in (value, before, final))
    return Moments(value, before, final, gradient, hessian, stiffness)


def _tangents(
    residual: Residual, data: Any, vector: Array, along: Sequence[int], backwards: bool
) -> tuple[Array, list[Array]]:
    """Residuals ``(row,)`` and their derivatives, one ``(row,)`` a parameter: kept apart, they fuse with the sums."""
    parts = [vector[k] for k in range(len(vector))]

    def at(chosen: list[Array], row: Any) -> Array:
        new = dict(zip(along, chosen, strict=True))
        return residual(jnp.stack([new.get(k, part) for k, part in enumerate(parts)]), row)

    chosen = [parts[k] for k in along]
    if backwards:
        return jax.vmap(jax.value_and_grad(at), (None, 0))(chosen, data)
    r, push = jax.linearize(lambda *c: jax.vmap(at, (None, 0))(list(c), data), *chosen)
    one, zero = jnp.ones((), vector.dtype), jnp.zeros((), vector.dtype)
    return r, [push(*(one if i == j else zero for j in along)) for i in along]


Sums = tuple[list[Array], Array, Array, Array]
Products = Callable[..., Sums]


def _unrolled(values: list[Array], r: Array, columns: list[Array], cautious: Array, exact: Array | None) -> Sums:
    """All sums in one reduction."""
    k = len(columns)
    upper = [(a, b) for a in range(k) for b in range(a, k)]
    slope, curved = cautious * r, cautious if exact is None else exact
    terms = values + [slope * column for column in columns] + [curved * columns[a] * columns[b] for a, b in upper]
    if exact is not None:
        terms += [cautious * column**2 for column in columns]
    zero = jnp.zeros((), r.dtype)
    total = lax.reduce(terms, [zero] * len(terms), lambda x, y: [a + b for a, b in zip(x, y, strict=True)], (0,))
    at_gradient, at_hessian = len(values), len(values) + k
    at_stiffness = at_hessian + len(upper)
    place = [[upper.index((min(a, b), max(a, b))) for b in range(k)] for a in range(k)]
    hessian = jnp.stack([jnp.stack([total[at_hessian + i] for i in row]) for row in place])
    stiffness = diagonal_of(hessian) if exact is None else jnp.stack(total[at_stiffness:])
    return list(total[:at_gradient]), jnp.stack(total[at_gradient:at_hessian]), hessian, stiffness


def _stacked(values: list[Array], r: Array, jacobian: Array, cautious: Array, exact: Array | None) -> Sums:
    """The same by products of matrices, of derivatives ``(row, k)``."""
    curved = cautious if exact is None else exact
    hessian = (jacobian * curved[:, None]).T @ jacobian
    return [jnp.sum(v) for v in values], (cautious * r) @ jacobian, hessian, cautious @ jacobian**2
