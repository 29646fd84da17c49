"""Covariances of rows, with weights of a discrepancy and effects of runs integrated out, at all amplitudes at once.

A run's effect is common to its rows, so that effects are integrated in closed form, run by run (Woodbury). What is left
is taken to the eigenvectors of what rows tell of the discrepancy's weights, where an amplitude only scales: so a
covariance is decomposed once for each noise, not once for each point of the grid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.sheet import Sheet, by_run, of_rows

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Whitened(NamedTuple):
    """Of outputs, origins and kinds of noise: ``Σ⁻¹ = M − MBS(MBS)ᵀ`` with ``M = D − DZEZᵀD``.

    D has the inverse variances, Z tells the run of a row, E has the effects' variances, B is the discrepancy's basis in
    the eigenvectors of ``BᵀMB``, and S² is :func:`integrated`.
    """

    inverse: Floats  # (pair, row) inverse variance of a row by itself; 0 unseen
    effect: Floats  # (pair, run) variance of a run's effect, given its rows
    basis: Floats  # (pair, row, cell) turned to eigenvectors, less what effects of runs explain of it: D⁻¹MB
    told: Floats  # (pair, cell) eigenvalues: what rows tell of a weight at amplitude 1, as a precision
    turn: Floats  # (pair, cell, cell) eigenvectors, in columns
    log_det: Floats  # (pair,) of the covariance of the rows seen, without the discrepancy


def whitened(
    sheet: Sheet, output: Indices, origin: Indices | int, grid: Grid, kind: Indices
) -> tuple[Whitened, Indices]:
    """Of some outputs, origins and kinds of noise ``(fit,)``; of outputs with the same rows, once.

    Returns:
        Those that differ, and ``(fit,)`` which of them each is.
    """
    own = np.stack(np.broadcast_arrays(sheet.alike[output], origin, kind), axis=1)
    different, index = np.unique(own, axis=0, return_inverse=True)
    output, origin, kind = different.T
    point = grid.kinds.first[kind]
    noise, growth = grid.noise[point], grid.growth[point]
    seen = sheet.seen[output, origin]
    variance = sheet.within[output] ** 2
    variance += (noise[:, None] * np.exp(growth[:, None] * sheet.below[output, origin])) ** 2
    inverse = seen / variance
    log_det = np.where(seen, np.log(variance), 0.0).sum(axis=1)
    left = basis = sheet.basis[output]
    weighted = inverse[..., None] * basis
    effect = np.zeros((len(output), 0))
    if sheet.runs:
        total = np.where(sheet.effects[output][:, None], by_run(sheet, inverse), 0.0)
        square = noise[:, None] ** 2
        effect = np.where(sheet.effects[output][:, None], square / (1.0 + square * total), 0.0)
        log_det += np.log1p(square * total).sum(axis=1)
        left = basis - of_rows(sheet, effect[..., None] * by_run(sheet, weighted))
    told, turn = np.linalg.eigh(np.swapaxes(weighted, 1, 2) @ left)
    return Whitened(inverse, effect, left @ turn, np.maximum(told, 0.0), turn, log_det), index.ravel()


def integrated(told: Floats, amplitude: Floats) -> Floats:
    """``(…, cell)`` variances of weights given the rows, times the amplitude's square."""
    square = amplitude[..., None] ** 2
    return np.asarray(square / (1.0 + square * told))


class Covariances(NamedTuple):
    """What climbs need of them: ``Σ⁻¹ = R(1 − AᵀA − SᵀC²S)R``; S takes R-weighted sums over the rows of a run."""

    root: Floats  # (fit, row) of the inverse variance of a row by itself; 0 unseen
    away: Floats  # (fit, cell, row) A: what integrated weights take away
    effect: Floats  # (fit, run) C: what integrated effects of runs do


def covariances(sheet: Sheet, output: Indices, origin: Indices, grid: Grid, point: Indices) -> Covariances:
    """Of some outputs and origins at points ``(fit,)`` of the grid."""
    known, index = whitened(sheet, output, origin, grid, grid.kinds.of_point[point])
    root, effect = np.sqrt(known.inverse), np.sqrt(known.effect)
    basis = np.swapaxes(known.basis * root[..., None], 1, 2)
    scale = np.sqrt(integrated(known.told[index], grid.amplitude[point]))
    return Covariances(root[index], scale[..., None] * basis[index], effect[index])
