"""Covariances of rows at points of a grid of hyperparameters, with weights and effects of runs integrated out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.sheet import Rows, Sheet, by_run

Floats = NDArray[np.float64]


class Whitened(NamedTuple):
    """What a fit needs of a covariance: ``Σ⁻¹ = R(1 − AᵀA − SᵀC²S)R``.

    R has the roots of ``inverse``, A is ``away``, C has ``effect``, and S takes R-weighted sums over the rows of a run.
    """

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    away: Floats  # (fit, cell, row) what integrated weights take away
    effect: Floats  # (fit, run) what integrated effects of runs do
    log_det: Floats  # (fit,) of the covariance of the rows seen


def whiten(
    sheet: Sheet, output: NDArray[np.intp], origin: NDArray[np.intp], grid: Grid, point: NDArray[np.intp]
) -> Whitened:
    """Covariances of some outputs at some origins and points ``(fit,)``.

    A run's effect is common to its rows, so that effects are integrated in closed form, run by run (Woodbury); what is
    left to decompose has the size of the discrepancy's cells.
    """
    noise, amplitude = grid.noise[point], grid.amplitude[point]
    seen, basis = sheet.seen[output, origin], sheet.basis[output]
    below = sheet.below[output, origin]
    variance = sheet.within[output] ** 2 + (noise[:, None] * np.exp(grid.growth[point][:, None] * below)) ** 2
    inverse = seen / variance
    weighted = inverse[..., None] * basis
    log_det = (np.log(variance) * seen).sum(axis=1)
    effect = np.zeros((len(output), 0))
    left = basis
    if sheet.member.shape[1]:
        total = by_run(sheet, output, inverse)
        effect = noise[:, None] ** 2 / (1.0 + noise[:, None] ** 2 * total)
        log_det += np.log1p(noise[:, None] ** 2 * total).sum(axis=1)
        shared = effect[..., None] * by_run(sheet, output, weighted)
        fit = np.arange(len(output))[:, None]
        left = basis - sheet.common[output][..., None] * shared[fit, sheet.run[output]]
    cells = basis.shape[2]
    precision = amplitude[:, None, None] ** 2 * (np.swapaxes(weighted, 1, 2) @ left) + np.eye(cells)
    lower = np.linalg.cholesky(precision)
    log_det += 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    of_cells = (amplitude[:, None, None] * np.linalg.inv(lower)) @ np.swapaxes(left, 1, 2)
    return Whitened(inverse, of_cells * np.sqrt(inverse)[:, None, :], np.sqrt(effect), log_det)


class Factors(NamedTuple):
    """What draws of the integrated weights need."""

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    root: Floats  # (fit, k, k) L⁻¹·diag(scale), of the weights' posterior precision L·Lᵀ
    unroot: Floats  # (fit, k, k) L⁻¹
    design: Floats  # (fit, row, k) of the weights; one for all fits where effects are drawn


def factors(rows: Rows, table: Floats, cells: int, origin: int, grid: Grid, point: NDArray[np.intp]) -> Factors:
    """Of one output at an origin and points ``(fit,)`` of the grid; ``table`` ``(row, k)`` is what weights do."""
    noise, amplitude = grid.noise[point][:, None], grid.amplitude[point][:, None]
    variance = rows.within**2 + (noise * np.exp(grid.growth[point][:, None] * rows.below[origin])) ** 2
    inverse = rows.seen[origin] / variance
    scale = np.concatenate(
        [np.repeat(amplitude, cells, axis=1), np.repeat(noise, table.shape[1] - cells, axis=1)], axis=1
    )
    inner = table.T @ (inverse[..., None] * table)
    precision = scale[:, :, None] * inner * scale[:, None, :] + np.eye(table.shape[1])
    unroot = np.linalg.inv(np.linalg.cholesky(precision))
    return Factors(inverse, unroot * scale[:, None, :], unroot, table[None])


def factors_of_cells(rows: Rows, basis: Floats, origin: int, grid: Grid, point: NDArray[np.intp]) -> Factors:
    """The same with effects of runs integrated, so that many runs make no large matrices; ``basis`` ``(row, cell)``."""
    noise, amplitude = grid.noise[point][:, None], grid.amplitude[point][:, None]
    variance = rows.within**2 + (noise * np.exp(grid.growth[point][:, None] * rows.below[origin])) ** 2
    inverse = rows.seen[origin] / variance
    weighted = inverse[..., None] * basis
    run = np.unique(rows.run, return_inverse=True)[1]
    order = np.argsort(run, kind="stable")
    begins = np.searchsorted(run[order], np.arange(run.max() + 1))
    total = np.add.reduceat(inverse[:, order], begins, axis=1)
    common = noise**2 / (1.0 + noise**2 * total)
    shared = common[..., None] * np.add.reduceat(weighted[:, order], begins, axis=1)
    left = basis - shared[:, run]
    precision = amplitude[..., None] ** 2 * (np.swapaxes(weighted, 1, 2) @ left) + np.eye(basis.shape[1])
    unroot = np.linalg.inv(np.linalg.cholesky(precision))
    return Factors(inverse, unroot * amplitude[..., None], unroot, left)
