"""Covariances of rows at points of a grid of hyperparameters, with weights and effects of runs integrated out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.sheet import Rows, Sheet

Floats = NDArray[np.float64]


class Whitened(NamedTuple):
    """What a fit needs of a covariance: ``Σ⁻¹ = R(1 − AᵀA)R``, with R the roots of ``inverse`` and A ``away``."""

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    away: Floats  # (fit, k, row) what integrated weights take away
    log_det: Floats  # (fit,) of the covariance of the rows seen


def whiten(
    sheet: Sheet, output: NDArray[np.intp], origin: NDArray[np.intp], grid: Grid, point: NDArray[np.intp]
) -> Whitened:
    """Covariances of some outputs at some origins and points ``(fit,)``.

    A run's effect is common to its rows, so that effects are integrated in closed form, run by run (Woodbury); what is
    left to decompose has the size of the discrepancy's cells.
    """
    noise, amplitude = grid.noise[point], grid.amplitude[point]
    seen, basis, member = sheet.seen[output, origin], sheet.basis[output], sheet.member[output]
    below = sheet.below[output, origin]
    variance = sheet.within[output] ** 2 + (noise[:, None] * np.exp(grid.growth[point][:, None] * below)) ** 2
    inverse = seen / variance
    weighted = inverse[..., None] * basis
    log_det = (np.log(variance) * seen).sum(axis=1)
    common = np.zeros((len(output), 0))
    left = basis
    if member.shape[1]:
        total = (member @ inverse[..., None])[..., 0]
        common = noise[:, None] ** 2 / (1.0 + noise[:, None] ** 2 * total)  # (fit, run)
        log_det += np.log1p(noise[:, None] ** 2 * total).sum(axis=1)
        left = basis - np.swapaxes(member, 1, 2) @ (common[..., None] * (member @ weighted))
    cells = basis.shape[2]
    precision = amplitude[:, None, None] ** 2 * (np.swapaxes(weighted, 1, 2) @ left) + np.eye(cells)
    lower = np.linalg.cholesky(precision)
    log_det += 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    of_cells = (amplitude[:, None, None] * np.linalg.inv(lower)) @ np.swapaxes(left, 1, 2)
    away = np.concatenate([of_cells, np.sqrt(common)[..., None] * member], axis=1) * np.sqrt(inverse)[:, None, :]
    return Whitened(inverse, away, log_det)


class Factors(NamedTuple):
    """What draws of the integrated weights need."""

    inverse: Floats  # (fit, row) inverse variance of a row by itself; 0 unseen
    root: Floats  # (fit, k, k) L⁻¹·diag(scale), of the weights' posterior precision L·Lᵀ
    unroot: Floats  # (fit, k, k) L⁻¹


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
    return Factors(inverse, unroot * scale[:, None, :], unroot)
