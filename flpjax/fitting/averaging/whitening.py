"""Covariances of rows at points of a grid of hyperparameters, with weights and effects of runs integrated out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.sheet import Sheet, by_run, of_rows

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Whitened(NamedTuple):
    """What a fit needs of a covariance: ``Σ⁻¹ = R(1 − AᵀA − SᵀC²S)R``.

    R has the roots of ``inverse``, A is ``away``, C has ``effect``, and S takes R-weighted sums over the rows of a run.
    """

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    away: Floats  # (fit, cell, row) what integrated weights take away
    effect: Floats  # (fit, run) what integrated effects of runs do
    log_det: Floats  # (fit,) of the covariance of the rows seen


class _Weighed(NamedTuple):
    """Covariances with the effects of runs integrated, and the weights of cells not yet."""

    variance: Floats  # (fit, row) of a row by itself
    inverse: Floats  # (fit, row) its inverse; 0 unseen
    total: Floats  # (fit, run) sums of that over the rows of a run
    effect: Floats  # (fit, run) variance of a run's effect, given its rows
    left: Floats  # (fit, row, cell) the basis, less what effects of runs explain of it
    unroot: Floats  # (fit, cell, cell) L⁻¹, of the weights' posterior precision L·Lᵀ
    log_det: Floats  # (fit,) of L


def whiten(sheet: Sheet, output: Indices, origin: Indices, grid: Grid, point: Indices) -> Whitened:
    """Covariances of some outputs at some origins and points ``(fit,)``.

    A run's effect is common to its rows, so that effects are integrated in closed form, run by run (Woodbury); what is
    left to decompose has the size of the discrepancy's cells.
    """
    found = _weighed(sheet, output, origin, grid, point)
    noise, amplitude = grid.noise[point], grid.amplitude[point]
    log_det = (np.log(found.variance) * sheet.seen[output, origin]).sum(axis=1) + 2.0 * found.log_det
    log_det += np.log1p(noise[:, None] ** 2 * found.total).sum(axis=1)
    of_cells = (amplitude[:, None, None] * found.unroot) @ np.swapaxes(found.left, 1, 2)
    away = of_cells * np.sqrt(found.inverse)[:, None, :]
    return Whitened(found.inverse, away, np.sqrt(found.effect), log_det)


def variance_of_rows(sheet: Sheet, output: Indices, origin: Indices, grid: Grid, point: Indices) -> Floats:
    """``(fit, row)`` of rows by themselves."""
    noise = grid.noise[point][:, None]
    if not grid.growth.any():
        return np.asarray(sheet.within[output] ** 2 + noise**2)
    below = sheet.below[output, origin]
    return np.asarray(sheet.within[output] ** 2 + (noise * np.exp(grid.growth[point][:, None] * below)) ** 2)


def effect_of_runs(sheet: Sheet, output: Indices, noise: Floats, total: Floats) -> Floats:
    """``(fit, run)`` variance of a run's effect given its rows, of which the inverse variances sum to ``total``."""
    square = noise[:, None] ** 2
    return np.where(sheet.effects[output][:, None], square / (1.0 + square * total), 0.0)


def _weighed(sheet: Sheet, output: Indices, origin: Indices, grid: Grid, point: Indices) -> _Weighed:
    variance = variance_of_rows(sheet, output, origin, grid, point)
    inverse = sheet.seen[output, origin] / variance
    left = basis = sheet.basis[output]
    weighted = inverse[..., None] * basis
    total = effect = np.zeros((len(output), 0))
    if sheet.runs:
        total = np.where(sheet.effects[output][:, None], by_run(sheet, inverse), 0.0)
        effect = effect_of_runs(sheet, output, grid.noise[point], total)
        left = basis - of_rows(sheet, effect[..., None] * by_run(sheet, weighted))
    amplitude = grid.amplitude[point][:, None, None]
    precision = amplitude**2 * (np.swapaxes(weighted, 1, 2) @ left) + np.eye(basis.shape[2])
    lower = np.linalg.cholesky(precision)
    log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    return _Weighed(variance, inverse, total, effect, left, np.linalg.inv(lower), log_det)


def whiten_alike(sheet: Sheet, output: Indices, origin: Indices, grid: Grid, point: Indices) -> Whitened:
    """The same; of outputs with the same rows, once."""
    alike = sheet.alike[output]
    if (alike == output).all():
        return whiten(sheet, output, origin, grid, point)
    own = np.stack([alike, origin, point], axis=1)
    different, index = np.unique(own, axis=0, return_inverse=True)
    once = whiten(sheet, different[:, 0], different[:, 1], grid, different[:, 2])
    return Whitened(*(leaf[index.ravel()] for leaf in once))


class Weights(NamedTuple):
    """How residuals weigh, and how weights of the discrepancy are drawn: normal, about what residuals say of them."""

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    effect: Floats  # (fit, run) variance of a run's effect, given its rows
    mean: Floats  # (fit, cell, cell) symmetric, of the weights, times what residuals say
    unroot: Floats  # (fit, cell, cell) L⁻¹, of the weights' posterior precision L·Lᵀ


def weights_of(sheet: Sheet, output: Indices, origin: int, grid: Grid, point: Indices) -> Weights:
    """Of some outputs at an origin and points ``(fit,)`` of the grid."""
    found = _weighed(sheet, output, np.full(len(output), origin), grid, point)
    amplitude = grid.amplitude[point][:, None, None]
    mean = amplitude * (np.swapaxes(found.unroot, 1, 2) @ found.unroot)
    return Weights(found.inverse, found.effect, mean, found.unroot)
