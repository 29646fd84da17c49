"""What fits promise where they begin: at any number of points of a grid, by one evaluation of the law for all of them.

Hyperparameters change how residuals weigh, and neither residuals nor slopes. Of sums over rows there is one for each
noise; amplitudes of the discrepancy scale its eigenvalues.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import values_and_slopes
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.whitening import effect_of_runs, variance_of_rows
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
NUMBERS = 1 << 18  # weighted rows at a time: about what a processor's cache holds


class Standing(NamedTuple):
    """Where fits stand."""

    theta: Floats  # (fit, p)
    value: Floats  # (fit,) minus the log density but for constants
    gradient: Floats  # (fit, p) of the log density
    hessian: Floats  # (fit, p, p) of minus the log density
    gain: Floats  # (fit,) of the log density that a full step promises: half of Newton's decrement squared


def prospects(
    law: Law, space: Space, sheet: Sheet, grid: Grid, output: Indices, origin: Indices, theta: Floats
) -> tuple[Standing, Floats]:
    """Stand at parameters of some outputs and origins, at every point of a grid.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        sheet: The rows of all outputs.
        grid: Hyperparameters.
        output: ``(lane,)`` whose rows.
        origin: ``(lane,)`` which of them are seen.
        theta: ``(lane, p)``.

    Returns:
        Leaves ``(lane · point, …)``, and log determinants ``(lane · point,)`` of the covariances of the rows seen.
    """
    kinds = len(np.unique(np.stack([grid.noise, grid.growth]), axis=1).T)
    columns = sheet.basis.shape[2] + theta.shape[1] + 1
    each = max(NUMBERS // (kinds * sheet.y.shape[1] * columns), 1)
    parts = []
    for at in range(0, len(output), each):
        some = slice(at, at + each)
        parts.append(_prospects(law, space, sheet, grid, output[some], origin[some], theta[some]))
    *leaves, log_det = (np.concatenate(leaf) for leaf in zip(*parts, strict=True))
    return Standing(theta.repeat(len(grid.noise), axis=0), *leaves), log_det


def _prospects(
    law: Law, space: Space, sheet: Sheet, grid: Grid, output: Indices, origin: Indices, theta: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Value, gradient, Hessian, gain, and log determinant."""
    loc, scale = prior_normal(law)
    lanes, points, p, cells = len(output), len(grid.noise), len(loc), sheet.basis.shape[2]
    value, slope = values_and_slopes(law, space, theta, sheet.x, output)
    seen = sheet.seen[output, origin]
    residual = np.where(seen, sheet.y[output] - value, 0.0)
    both = np.concatenate([slope, residual[..., None]], axis=2)
    both = np.where(seen[..., None], both, 0.0)
    sound = np.isfinite(both).all(axis=(1, 2))
    both = np.where(sound[:, None, None], both, 0.0)
    sums, log_det, kind = _sums(sheet, grid, output, origin, np.concatenate([sheet.basis[output], both], axis=2))
    gram = sums[..., cells:, cells:][:, kind]
    if cells:
        size, vector = np.linalg.eigh(sums[..., :cells, :cells])
        turned = (np.swapaxes(vector, 2, 3) @ sums[..., :cells, cells:])[:, kind]
        square = grid.amplitude[:, None] ** 2
        own = 1.0 + square * np.maximum(size, 0.0)[:, kind]
        gram = gram - np.swapaxes(turned, 2, 3) @ ((square / own)[..., None] * turned)
        log_det = log_det[:, kind] + np.log(own).sum(axis=2)
    else:
        log_det = log_det[:, kind]
    deviation, precision = theta - loc, 1.0 / scale**2
    density = 0.5 * (gram[..., -1, -1] + (deviation**2 * precision).sum(axis=1)[:, None])
    hessian = gram[..., :p, :p] + np.diag(precision)
    gradient = gram[..., :p, -1] - (deviation * precision)[:, None]
    gain = promised(gradient, hessian)
    density = np.where(sound[:, None], density, np.inf)
    flat = lanes * points
    return (
        density.ravel(),
        gradient.reshape(flat, p),
        hessian.reshape(flat, p, p),
        gain.ravel(),
        log_det.ravel(),
    )


def _sums(
    sheet: Sheet, grid: Grid, output: Indices, origin: Indices, columns: Floats
) -> tuple[Floats, Floats, Indices]:
    """Sums over rows, with effects of runs integrated, of products of columns ``(lane, row, k)``.

    Returns:
        ``(lane, kind, k, k)``; log determinants ``(lane, kind)`` without the discrepancy; and each point's kind.
    """
    _, first, kind = np.unique(np.stack([grid.noise, grid.growth]), axis=1, return_index=True, return_inverse=True)
    lanes, kinds = len(output), len(first)
    outputs, origins, point = output.repeat(kinds), origin.repeat(kinds), np.tile(first, lanes)
    variance, seen = variance_of_rows(sheet, outputs, origins, grid, point), sheet.seen[outputs, origins]
    weighted = (seen / variance).reshape(lanes, kinds, -1, 1) * columns[:, None]
    sums = np.swapaxes(columns, 1, 2)[:, None] @ weighted
    log_det = np.where(seen, np.log(variance), 0.0).sum(axis=1)
    if sheet.runs:
        noise = grid.noise[point]
        total = np.where(sheet.effects[outputs][:, None], by_run(sheet, seen / variance), 0.0)
        effect = effect_of_runs(sheet, outputs, noise, total).reshape(lanes, kinds, -1, 1)
        of_runs = by_run(sheet, weighted.reshape(lanes * kinds, *columns.shape[1:])).reshape(
            lanes, kinds, sheet.runs, -1
        )
        sums -= np.swapaxes(of_runs, 2, 3) @ (effect * of_runs)
        log_det += np.log1p(noise[:, None] ** 2 * total).sum(axis=1)
    return sums, log_det.reshape(lanes, kinds), kind.ravel()


def promised(gradient: Floats, hessian: Floats) -> Floats:
    """``(…,)`` by how much a full step raises the log density if it is quadratic."""
    move = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.asarray(0.5 * (gradient * move).sum(axis=-1))
