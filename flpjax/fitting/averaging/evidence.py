"""A law with its discrepancy, fitted at every point of a grid of hyperparameters, with the evidence for each.

Of one output, residuals are normal: ``y = law(θ) + B·(a·ξ) + Z·(s·u) + noise``, with weights ξ of the discrepancy and
effects u of runs that are standard normal. They are integrated out; θ has Laplace's approximation (Rasmussen &
Williams 2006, §5.4; Tierney & Kadane 1986). Many origins, each of which sees some of the rows, are one batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space, pack, prior_normal, unpack
from flpjax.numerics import compiled

Floats = NDArray[np.float64]
BLOCK = 512  # fits that climb together
LANES = 128  # of them, those that one call of a compiled program takes
ROWS = 16  # rows come in multiples
STEPS = 100  # a few fits creep along a direction that data hardly tell; the others have long ended
TOLERANCE, ENOUGH = 1e-4, 1e-3  # of the log density: gains at which a climb ends, and at which it has converged
FEWER = 0.75  # share of the fits that still climb, below which the others are put away
STIFF, STIFFEST = 1e-2, 1e8


class Rows(NamedTuple):
    """What one output's law is fitted to."""

    x: Any  # leaves (row, …)
    y: Floats  # (row,) log losses, or scores
    seen: NDArray[np.bool_]  # (origin, row)
    run: NDArray[np.intp]  # (row,)
    below: Floats  # (origin, row) log FLOPs below the largest run seen
    within: Floats  # (row,) s.d. of a row about its run; 0 of losses, which have one row a run
    effects: bool  # whether runs have several rows
    measured: float  # s.d. of a run's final value about the run


class Fits(NamedTuple):
    """Of one law to one output."""

    theta: Floats  # (origin, point, p) most probable
    hessian: Floats  # (origin, point, p, p) of minus the log density there
    log_evidence: Floats  # (origin, point), the hyperprior included
    converged: NDArray[np.bool_]  # (origin, point)
    gradient: Floats  # (origin, point) its norm, in units of the prior


class Weighted(NamedTuple):
    """Rows whitened at points of the grid, and what the integrated weights take away."""

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    root: Floats  # (fit, k, k) L⁻¹·diag(scale), of the weights' posterior precision L·Lᵀ
    unroot: Floats  # (fit, k, k) L⁻¹
    log_det: Floats  # (fit,) of the covariance of the rows seen


def columns(law: Law, rows: Rows) -> tuple[Floats, int]:
    """``(row, k)`` what weights do: cells of the discrepancy, then runs; and how many of them are cells."""
    parts = [np.zeros((len(rows.y), 0))]
    if isinstance(law, Discrepancy) and law.cells:
        parts.append(np.asarray(_basis(law, rows.x)))
    cells = parts[-1].shape[1]
    if rows.effects:
        labels, index = np.unique(rows.run, return_inverse=True)
        parts.append(np.eye(len(labels))[index])
    return np.concatenate(parts, axis=1), cells


def whiten(
    rows: Rows, table: Floats, cells: int, origin: NDArray[np.intp], grid: Grid, point: NDArray[np.intp]
) -> Weighted:
    """Covariances of the rows at some origins and points ``(fit,)`` of the grid."""
    noise, amplitude = grid.noise[point][:, None], grid.amplitude[point][:, None]
    below = rows.below[origin]
    variance = rows.within**2 + (noise * np.exp(grid.growth[point][:, None] * below)) ** 2
    inverse = rows.seen[origin] / variance
    scale = np.concatenate(
        [np.repeat(amplitude, cells, axis=1), np.repeat(noise, table.shape[1] - cells, axis=1)], axis=1
    )
    inner = np.einsum("fr,rk,rl->fkl", inverse, table, table, optimize=True)
    precision = scale[:, :, None] * inner * scale[:, None, :] + np.eye(table.shape[1])
    lower = np.linalg.cholesky(precision)
    unroot = np.linalg.inv(lower)
    log_det = (np.log(variance) * rows.seen[origin]).sum(axis=1)
    log_det += 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    return Weighted(inverse, unroot * scale[:, None, :], unroot, log_det)


def fit_rows(law: Law, space: Space, rows: Rows, grid: Grid, shift: float = 0.0) -> Fits:
    """Fit a law at all origins and points of the grid.

    Args:
        law: With or without a discrepancy; what its weights stand for is integrated out.
        space: Of the residuals.
        rows: What it is fitted to.
        grid: Hyperparameters.
        shift: Added to every log evidence: the law's own prior.
    """
    inner = law.law if isinstance(law, Discrepancy) else law
    table, cells = columns(law, rows)
    loc, scale = prior_normal(inner)
    origins, points = len(rows.seen), len(grid.noise)
    middle = np.full(origins, int(np.argmax(grid.log_prior)), np.intp)
    every = np.arange(origins)
    begun = _starts(inner, space, rows, loc, scale)  # (start, origin, p)
    again = np.tile(every, len(begun))
    weighted = whiten(rows, table, cells, again, grid, middle[again])
    tried = _climb(inner, space, rows, table, weighted, begun.reshape(len(again), -1))
    value = np.where(np.isfinite(tried.value), tried.value, np.inf).reshape(len(begun), -1)
    first = tried.theta.reshape(begun.shape)[value.argmin(axis=0), every]
    per = max(BLOCK // points, 1)
    found = []
    for at in range(0, origins, per):
        origin = np.repeat(every[at : at + per], points)
        point = np.tile(np.arange(points), len(origin) // points)
        weighted = whiten(rows, table, cells, origin, grid, point)
        end = _climb(inner, space, rows, table, weighted, first[origin])
        count = rows.seen[origin].sum(axis=1)
        evidence = -end.value - 0.5 * (weighted.log_det + count * np.log(2.0 * np.pi))
        evidence -= 0.5 * np.linalg.slogdet(end.hessian)[1] + np.log(scale).sum()
        found.append((end, np.where(np.isfinite(evidence), evidence, -np.inf) + grid.log_prior[point] + shift))

    def shaped(values: list[NDArray[Any]]) -> NDArray[Any]:
        whole = np.concatenate(values)
        return whole.reshape(origins, points, *whole.shape[1:])

    return Fits(
        shaped([e.theta for e, _ in found]),
        shaped([e.hessian for e, _ in found]),
        shaped([v for _, v in found]),
        shaped([e.gain < ENOUGH for e, _ in found]),
        shaped([np.linalg.norm(e.gradient * scale, axis=1) for e, _ in found]),
    )


class _End(NamedTuple):
    """Where climbs ended."""

    theta: Floats  # (fit, p)
    value: Floats  # (fit,) minus the log density but for constants
    gradient: Floats  # (fit, p)
    hessian: Floats  # (fit, p, p)
    gain: Floats  # (fit,) of the last step that would have been taken


def _climb(law: Law, space: Space, rows: Rows, table: Floats, weighted: Weighted, theta: Floats) -> _End:
    """Damped Gauss-Newton steps (Levenberg–Marquardt), all fits at once, on the host; those that ended are put away."""
    loc, scale = prior_normal(law)
    prior = 1.0 / scale**2

    def at(theta: Floats, weighted: Weighted) -> tuple[Floats, Floats, Floats]:
        value, slope = values_and_slopes(law, space, theta, rows.x)
        residual = np.where(weighted.inverse > 0, rows.y - value, 0.0)
        both = np.concatenate([slope, residual[..., None]], axis=2) * np.sqrt(weighted.inverse)[..., None]
        sound = np.isfinite(both).all(axis=(1, 2))
        both = np.where(sound[:, None, None], both, 0.0)
        gram = np.swapaxes(both, 1, 2) @ both
        if table.shape[1]:
            taken = weighted.root @ (table.T @ (both * np.sqrt(weighted.inverse)[..., None]))
            gram = gram - np.swapaxes(taken, 1, 2) @ taken
        away = theta - loc
        density = 0.5 * gram[:, -1, -1] + 0.5 * (away**2 * prior).sum(axis=1)
        return np.where(sound, density, np.inf), gram[:, :-1, -1] - away * prior, gram[:, :-1, :-1] + np.diag(prior)

    value, gradient, hessian = at(theta, weighted)
    value = np.where(np.isfinite(value), value, np.inf)
    damping = np.full(len(theta), STIFF)
    gain = np.full(len(theta), np.inf)
    eye = np.eye(theta.shape[1])
    whole = _End(*(np.array(leaf) for leaf in (theta, value, gradient, hessian, gain)))
    which = np.arange(len(theta))
    for _ in range(STEPS):
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)[:, :, None] * eye
        damped = np.nan_to_num(hessian) + damping[:, None, None] * np.nan_to_num(diagonal) + 1e-12 * eye
        step = np.linalg.solve(damped, np.nan_to_num(gradient)[..., None])[..., 0]
        new = at(theta + step, weighted)
        better = np.isfinite(new[0]) & (new[0] <= value) & np.isfinite(new[2]).all(axis=(1, 2))
        gain = np.where(better, value - new[0], np.where(damping > 1e4, 0.0, gain))
        theta = np.where(better[:, None], theta + step, theta)
        value = np.where(better, new[0], value)
        gradient = np.where(better[:, None], new[1], gradient)
        hessian = np.where(better[:, None, None], new[2], hessian)
        damping = np.where(better, damping / 8.0, np.minimum(damping * 8.0, STIFFEST))
        climbs = gain >= TOLERANCE
        if climbs.mean() > FEWER:
            continue
        for leaf, now in zip(whole, (theta, value, gradient, hessian, gain), strict=True):
            leaf[which] = now
        which, damping, weighted = which[climbs], damping[climbs], Weighted(*(leaf[climbs] for leaf in weighted))
        theta, value, gradient, hessian, gain = (leaf[which] for leaf in whole)
        if not len(which):
            break
    for leaf, now in zip(whole, (theta, value, gradient, hessian, gain), strict=True):
        leaf[which] = now
    return whole


def _starts(law: Law, space: Space, rows: Rows, loc: Floats, scale: Floats) -> Floats:
    """``(start, origin, p)``: the law's own guess from the rows seen, its prior at the level seen, and between."""
    y = np.exp(rows.y) if space == "log" else rows.y
    guess = np.asarray(_guess(law, rows.x, y, np.asarray(rows.seen, float)))
    guess = np.where(np.isfinite(guess), np.clip(guess, loc - 4.0 * scale, loc + 4.0 * scale), loc)
    usual = np.broadcast_to(loc, guess.shape).copy()
    usual[:, 0] = guess[:, 0]
    return np.stack([guess, usual, 0.5 * (guess + usual)])


def values_and_slopes(law: Law, space: Space, theta: Floats, x: Any) -> tuple[Floats, Floats]:
    """A law ``(fit, row)`` in the space of its residuals at ``(fit, p)``, and its derivatives ``(fit, row, p)``."""
    rows = len(jax.tree.leaves(x)[0])
    padded = jax.tree.map(lambda leaf: _padded(np.asarray(leaf), ROWS), x)
    values, slopes = [], []
    for at in range(0, len(theta), LANES):
        block = theta[at : at + LANES]
        value, slope = _differentiated(law, space, _padded(block, LANES), padded)
        values.append(np.asarray(value)[: len(block), :rows])
        slopes.append(np.asarray(slope)[: len(block), :rows])
    return np.concatenate(values), np.concatenate(slopes)


def _padded(values: NDArray[Any], multiple: int) -> NDArray[Any]:
    more = -len(values) % multiple
    return np.concatenate([values, np.repeat(values[-1:], more, axis=0)]) if more else values


@partial(compiled, static_argnums=(0, 1))
def _differentiated(law: Law, space: Space, theta: Array, x: Any) -> tuple[Array, Array]:
    def value(vector: Array, row: Any) -> Array:
        found = law.apply(unpack(law, vector), row)
        return jnp.log(found) if space == "log" else found

    def both(vector: Array, row: Any) -> tuple[Array, Array]:
        return value(vector, row), jax.jacfwd(value)(vector, row)

    return jax.vmap(lambda v: jax.vmap(lambda row: both(v, row))(x))(theta)


@partial(compiled, static_argnums=0)
def _guess(law: Law, x: Any, y: Array, seen: Array) -> Array:
    return jax.vmap(lambda weight: pack(law, law.guess(x, y, weight)))(seen)


@partial(compiled, static_argnums=0)
def _basis(law: Discrepancy, x: Any) -> Array:
    return jax.vmap(law.basis)(x)
